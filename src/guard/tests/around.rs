//! The low level, as the proxy uses it: who is let in, in which order, and at what cost.

use std::sync::Arc;

use futures_util::FutureExt;

use super::{millis, seconds};
use crate::breaker::{Driver, Gate};
use crate::clock::Clock;
use crate::domain::breaker::{self, Hold, Mode, Outcome};
use crate::domain::guard::{Bulkhead, Ended, Next, Policy, RateLimit, Refusal, Safety, WhyEnough};
use crate::guard::{Around, Refused};
use crate::metrics::Traffic;

struct Setup {
    around: Around,
    driver: Driver,
    gate: Gate,
    clock: Clock,
}

fn set_up(policy: &Policy) -> Setup {
    let clock = Clock::system();
    let (driver, gate) = crate::breaker::new(breaker::Policy::default(), None, clock.moment(), 7, Box::new(|| {}));
    Setup { around: Around::seeded(policy, Arc::new(Traffic::default()), clock, 7), driver, gate, clock }
}

fn places(max_in_flight: u32, max_waiting: u32) -> Policy {
    Policy { bulkhead: Bulkhead { max_in_flight, max_waiting, max_wait: millis(500) }, ..Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_an_answer_is_read_is_not_the_targets_and_its_place_is_kept_for_as_long() {
    let traffic = Arc::new(Traffic::default());
    let clock = Clock::system();
    let (_driver, gate) = crate::breaker::new(breaker::Policy::default(), None, clock.moment(), 7, Box::new(|| {}));
    let around = Around::seeded(&places(1, 0), traffic.clone(), clock, 7);
    let mut entered = around.enter(&gate).await.unwrap();
    entered.attempt_began();
    tokio::time::advance(millis(30)).await;
    assert_eq!(entered.attempt_ended(&Ended::new(Outcome::Success)), Next::Enough(WhyEnough::Answered));
    entered.answered(Outcome::Success);
    tokio::time::advance(seconds(3_600)).await;
    assert_eq!(around.enter(&gate).await.unwrap_err().why, Refusal::BulkheadFull);
    entered.done(Outcome::Success);
    assert_eq!(traffic.sample().unwrap().duration_sum, millis(30));
    assert!(around.enter(&gate).await.is_ok());
}

const NOT_PROCESSED: Ended = Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed);

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_no_place_waits_so_long_and_is_refused_then() {
    let Setup { around, gate, clock, .. } = set_up(&places(1, 1));
    let _held = around.enter(&gate).await.unwrap();
    let before = clock.moment();
    let refused = around.enter(&gate).await.unwrap_err();
    assert_eq!(refused, Refused { why: Refusal::BulkheadFull, retry_after: seconds(1) });
    assert_eq!(clock.moment().since(before), millis(500));
}

#[tokio::test(start_paused = true)]
async fn one_more_than_may_wait_is_refused_at_once() {
    let Setup { around, gate, .. } = set_up(&places(1, 1));
    let _held = around.enter(&gate).await.unwrap();
    let mut waiting = Box::pin(around.enter(&gate));
    assert!((&mut waiting).now_or_never().is_none(), "it waits");
    let refused = around.enter(&gate).now_or_never().expect("nobody waits where the queue is full").unwrap_err();
    assert_eq!(refused.why, Refusal::BulkheadFull);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_first_come_first_served_and_before_who_comes_later() {
    let Setup { around, gate, .. } = set_up(&places(1, 2));
    let held = around.enter(&gate).await.unwrap();
    let mut first = Box::pin(around.enter(&gate));
    let mut second = Box::pin(around.enter(&gate));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    held.done(Outcome::Success);
    let late = around.enter(&gate).now_or_never().expect("the queue is full").unwrap_err();
    assert_eq!(late.why, Refusal::BulkheadFull);
    assert!((&mut second).now_or_never().is_none(), "it is not its turn");
    first.await.unwrap().done(Outcome::Success);
    second.await.unwrap().done(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_waiting_frees_its_place_in_the_queue() {
    let Setup { around, gate, .. } = set_up(&places(1, 1));
    let held = around.enter(&gate).await.unwrap();
    let mut waiting = Box::pin(around.enter(&gate));
    assert!((&mut waiting).now_or_never().is_none());
    drop(waiting);
    let mut next = Box::pin(around.enter(&gate));
    assert!((&mut next).now_or_never().is_none(), "it waits where the other one did");
    drop(held);
    assert!(next.await.is_ok(), "a place that is given up on the way is lost to nobody");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_tells_to_the_nanosecond_when_the_next_token_is_there() {
    let limit = RateLimit { permits: 2, per: seconds(1), burst: 3 };
    let Setup { around, gate, .. } = set_up(&Policy { rate_limit: Some(limit), ..Policy::default() });
    for _ in 0..3 {
        around.enter(&gate).await.unwrap().done(Outcome::Success);
    }
    let refused = around.enter(&gate).await.unwrap_err();
    assert_eq!(refused, Refused { why: Refusal::RateLimited, retry_after: millis(500) });
    tokio::time::advance(millis(499)).await;
    assert_eq!(around.enter(&gate).await.unwrap_err().retry_after, millis(1));
    tokio::time::advance(millis(1)).await;
    around.enter(&gate).await.unwrap().done(Outcome::Success);
    assert_eq!(around.enter(&gate).await.unwrap_err().retry_after, millis(500));
}

#[tokio::test(start_paused = true)]
async fn any_rate_limit_is_taken_without_a_panic() {
    for (permits, per, burst) in
        [(0, seconds(0), 0), (u32::MAX, seconds(1), u32::MAX), (1, seconds(u64::MAX / 2), u32::MAX)]
    {
        let limit = RateLimit { permits, per, burst };
        let Setup { around, gate, .. } = set_up(&Policy { rate_limit: Some(limit), ..Policy::default() });
        assert!(around.enter(&gate).await.is_ok(), "{limit:?}");
        let _ = around.enter(&gate).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_comes_before_the_bulkhead_and_that_before_the_breaker() {
    let limit = RateLimit { permits: 1, per: seconds(3_600), burst: 2 };
    let Setup { around, mut driver, gate, clock } = set_up(&Policy { rate_limit: Some(limit), ..places(1, 0) });
    let held = around.enter(&gate).await.unwrap();
    let forced = Hold { mode: Mode::ForcedOpen, until: None };
    assert_eq!(driver.set_mode(Some(forced), clock.moment()).len(), 1);
    assert_eq!(around.enter(&gate).await.unwrap_err().why, Refusal::BulkheadFull);
    drop(held);
    assert_eq!(around.enter(&gate).await.unwrap_err().why, Refusal::RateLimited, "a refused call has taken its token");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_breaker_refuses_holds_no_place() {
    let Setup { around, mut driver, gate, clock } = set_up(&places(1, 0));
    let forced = Hold { mode: Mode::ForcedOpen, until: Some(clock.moment().plus(seconds(9))) };
    let _ = driver.set_mode(Some(forced), clock.moment());
    let refused = Refused { why: Refusal::Breaker(breaker::Refusal::ForcedOpen), retry_after: seconds(9) };
    for _ in 0..3 {
        assert_eq!(around.enter(&gate).await.unwrap_err(), refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_calls_time_begins_before_it_waits() {
    let Setup { around, gate, .. } = set_up(&places(1, 1));
    let held = around.enter(&gate).await.unwrap();
    let waiting = around.enter(&gate);
    let leaving = async {
        tokio::time::sleep(millis(300)).await;
        held.done(Outcome::Success);
    };
    let (entered, ()) = tokio::join!(waiting, leaving);
    let entered = entered.unwrap();
    assert_eq!((entered.budget_left(), entered.attempt_limit()), (millis(7_700), seconds(3)));
    tokio::time::advance(seconds(6)).await;
    assert_eq!(entered.attempt_limit(), millis(1_700), "what is left is less than an attempt's limit");
    tokio::time::advance(seconds(6)).await;
    assert_eq!(entered.attempt_limit(), seconds(0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_cancelled_and_its_place_is_free() {
    let Setup { around, gate, clock, .. } = set_up(&places(1, 0));
    let mut entered = around.enter(&gate).await.unwrap();
    entered.attempt_began();
    drop(entered);
    let view = gate.view(clock.moment());
    assert_eq!((view.window.calls, view.in_flight, view.lifetime.cancelled), (0, 0, 1));
    assert!(around.enter(&gate).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn all_calls_to_a_target_share_its_retries() {
    let policy = Policy { attempts: 2, ..Policy::default() };
    let Setup { around, gate, .. } = set_up(&policy);
    let mut held = Vec::new();
    let mut again = 0;
    for _ in 0..20 {
        let mut entered = around.clone().enter(&gate).await.unwrap();
        entered.attempt_began();
        match entered.attempt_ended(&NOT_PROCESSED) {
            Next::Again { .. } => again += 1,
            Next::Enough(why) => assert_eq!(why, WhyEnough::RetryBudgetSpent),
        }
        held.push(entered);
    }
    assert_eq!(again, 7, "three, and one for every fifth of 20 calls");
}

#[tokio::test(start_paused = true)]
async fn another_policy_keeps_what_it_does_not_change() {
    let before = Policy { rate_limit: Some(RateLimit { permits: 1, per: seconds(60), burst: 2 }), ..places(1, 0) };
    let Setup { around, gate, .. } = set_up(&before);
    let held = around.enter(&gate).await.unwrap();
    let changed = around.with_policy(&Policy { attempts: 1, ..before.clone() });
    assert_eq!(changed.enter(&gate).await.unwrap_err().why, Refusal::BulkheadFull);
    assert_eq!(changed.enter(&gate).await.unwrap_err().why, Refusal::RateLimited);
    let wider = around.with_policy(&Policy { rate_limit: None, ..places(2, 0) });
    assert!(wider.enter(&gate).await.is_ok());
    drop(held);
    assert_eq!(wider.policy().bulkhead.max_in_flight, 2);
}

/// What the proxy has in its way for every call.
#[tokio::test(start_paused = true)]
async fn a_call_that_finds_all_well_allocates_nothing() {
    let limit = RateLimit { permits: 1_000_000, per: seconds(1), burst: 1_000_000 };
    let Setup { around, mut driver, gate, .. } = set_up(&Policy { rate_limit: Some(limit), ..Policy::default() });
    let call = || {
        let mut entered = around.enter(&gate).now_or_never().expect("nobody waits").unwrap();
        entered.attempt_began();
        let next = entered.attempt_ended(&Ended::new(Outcome::Success));
        assert_eq!(next, Next::Enough(WhyEnough::Answered));
        entered.done(Outcome::Success);
    };
    call();
    let _ = driver.wake_at();
    let counted = allocation_counter::measure(|| (0..1_000).for_each(|_| call()));
    assert_eq!(counted.count_total, 0);
}
