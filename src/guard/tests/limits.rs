//! Time, places, rates and retries run out.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{builder, charge, good_call, lookup, millis, seconds};
use crate::clock::Clock;
use crate::domain::breaker::{self, Mode};
use crate::domain::guard::{Refusal, WhyEnough};
use crate::guard::{Error, Guard, Reply};

/// A breaker that only looks on.
fn only_watching() -> breaker::Policy {
    breaker::Policy { mode: Mode::Disabled, ..breaker::Policy::default() }
}

/// Calls a target that never answers: how it ended, after how many attempts, after which time.
async fn hang(guard: &Guard, operation: &crate::guard::Operation) -> (Error<()>, u32, Duration) {
    let clock = Clock::system();
    let attempts = AtomicU32::new(0);
    let result = guard
        .call(operation, |_| {
            attempts.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<(), ()>>()
        })
        .await;
    (result.unwrap_err(), attempts.into_inner(), clock.moment().since(Default::default()))
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_leaves_an_unknown_outcome_that_is_not_tried_again() {
    let guard = builder().build();
    let (error, attempts, took) = hang(&guard, &charge()).await;
    assert_eq!(error, Error::TimedOut { limit: seconds(3), attempts: 1, why: WhyEnough::NotSafe });
    assert!(error.may_have_been_done());
    assert_eq!((attempts, took), (1, seconds(3)));
    assert_eq!(guard.view().breaker.lifetime.unknown, 1);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_target_is_asked_again_where_that_is_safe_as_long_as_a_whole_attempt_fits() {
    let guard = builder().build();
    let (error, attempts, took) = hang(&guard, &lookup()).await;
    assert_eq!(error, Error::TimedOut { limit: seconds(3), attempts: 2, why: WhyEnough::TimeSpent });
    assert_eq!(attempts, 2);
    assert!((seconds(6)..seconds(8)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_over_with_its_budget() {
    let guard = builder().call_budget(seconds(2)).build();
    let (error, attempts, took) = hang(&guard, &charge()).await;
    assert_eq!(error, Error::BudgetOver { budget: seconds(2), attempts: 1 });
    assert!(error.may_have_been_done());
    assert_eq!((attempts, took), (1, seconds(2)));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_went_by_with_waiting_is_not_begun() {
    let guard = builder().bulkhead(1, 1, seconds(5)).call_budget(seconds(2)).build();
    let operation = charge();
    let slow = guard.call(&operation, |_| async {
        tokio::time::sleep(millis(1_990)).await;
        Ok::<_, ()>(())
    });
    let waiting = guard.call(&operation, |attempt| async move {
        assert!(attempt.limit <= millis(10), "what is left of its time");
        std::future::pending::<Result<(), ()>>().await
    });
    let (slow, waiting) = tokio::join!(slow, waiting);
    assert_eq!((slow, waiting), (Ok(()), Err(Error::BudgetOver { budget: seconds(2), attempts: 1 })));
}

/// Tokio's timers go by milliseconds, so a call may end within the one after its time.
#[tokio::test(start_paused = true)]
async fn no_call_outlasts_its_budget_however_it_goes() {
    let guard = builder().breaker(only_watching()).attempts(6).retry_budget(1.0, 1_000).build();
    let clock = Clock::system();
    let mut chance = StdRng::seed_from_u64(7);
    let mut seen = [0; 3];
    for _ in 0..500 {
        let budget = millis(chance.random_range(1..6_000));
        let operation = lookup().call_budget(budget).attempt_timeout(millis(chance.random_range(1..3_000)));
        let began = clock.moment();
        let result = guard
            .call(&operation, |attempt| {
                let takes = millis(chance.random_range(0..2_000));
                let fails = chance.random_bool(0.8);
                let pause = chance.random_bool(0.3).then(|| millis(chance.random_range(0..4_000)));
                assert!(!attempt.limit.is_zero());
                async move {
                    tokio::time::sleep(takes).await;
                    match (fails, pause) {
                        (false, _) => Reply::success(()),
                        (true, None) => Reply::failure(()),
                        (true, Some(pause)) => Reply::throttled((), Some(pause)),
                    }
                }
            })
            .await;
        let took = clock.moment().since(began);
        assert!(took < budget + millis(1), "{took:?} of {budget:?}: {result:?}");
        match result {
            Ok(()) => seen[0] += 1,
            Err(Error::BudgetOver { .. }) => seen[1] += 1,
            Err(_) => seen[2] += 1,
        }
    }
    assert!(seen.iter().all(|count| *count > 20), "all ways are tried: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_refuses_with_a_time_to_come_back() {
    let guard = builder().bulkhead(1, 0, seconds(0)).build();
    let operation = charge();
    let mut held = Box::pin(guard.call(&operation, |_| std::future::pending::<Result<(), ()>>()));
    assert!(futures_util::FutureExt::now_or_never(&mut held).is_none());
    let error = guard.call(&operation, |_| async { Ok::<_, ()>(()) }).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refused) if refused.why == Refusal::BulkheadFull));
    assert_eq!(error.retry_after(), Some(seconds(1)));
    drop(held);
    assert!(good_call(&guard).await);
}

#[tokio::test(start_paused = true)]
async fn calls_begin_no_more_often_than_the_rate_allows() {
    let guard = builder().rate_limit(10, seconds(1)).build();
    let mut passed = 0;
    for _ in 0..100 {
        passed += u32::from(good_call(&guard).await);
        tokio::time::advance(millis(20)).await;
    }
    assert_eq!(passed, 10 + 19, "what was saved up, and ten a second for 1.98 s");
}

#[tokio::test(start_paused = true)]
async fn retries_stop_when_their_budget_is_spent_and_go_on_when_there_are_calls() {
    let guard = builder().breaker(only_watching()).backoff(seconds(0), seconds(0)).build();
    let operation = lookup();
    let attempts = AtomicU32::new(0);
    let mut reasons = Vec::new();
    for _ in 0..100 {
        let failed = guard
            .call(&operation, |_| {
                attempts.fetch_add(1, Ordering::Relaxed);
                async { Err::<(), _>(()) }
            })
            .await;
        if let Err(Error::Failed { why, .. }) = failed {
            reasons.push(why);
        }
    }
    assert_eq!(attempts.into_inner(), 100 + 23, "a fifth of the calls, and three");
    let spent = reasons.iter().filter(|why| **why == WhyEnough::RetryBudgetSpent).count();
    assert_eq!((reasons.len(), spent > 70), (100, true));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_slow_by_nature_has_its_own_limit_of_slowness() {
    let guard = builder().build();
    let settlement = charge().slow_call(seconds(2));
    for _ in 0..20 {
        let took = guard.call(&settlement, |_| async {
            tokio::time::sleep(millis(1_500)).await;
            Ok::<_, ()>(())
        });
        assert_eq!(took.await, Ok(()));
    }
    let view = guard.view().breaker;
    assert_eq!((view.window.calls, view.window.slow, view.in_flight), (20, 0, 0));
    let ping = charge().slow_call(millis(10));
    for _ in 0..2 {
        let took = guard.call(&ping, |_| async {
            tokio::time::sleep(millis(10)).await;
            Ok::<_, ()>(())
        });
        assert_eq!(took.await, Ok(()));
    }
    assert_eq!(guard.view().breaker.window.slow, 2);
}
