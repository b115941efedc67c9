//! The figures that the guard is there for, over many thousands of calls to a drawn gateway: one that refuses 40 % of
//! all attempts and is well, and one that is down.

use std::time::Duration;

use super::{Attempted, Ended, Next, Policy, RetryBudget, RetryWindow, Safety};
use crate::domain::breaker::{Breaker, Outcome, Policy as BreakerPolicy};
use crate::domain::time::Moment;

/// splitmix64 (Steele, Lea, Flood 2014), so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
    }
}

#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    rejected: u32,
    accepted: u32,
    attempts: u32,
}

impl Tally {
    fn share_accepted(&self) -> f64 {
        f64::from(self.accepted) / f64::from(self.calls)
    }
}

/// Calls one after the other, each begun `pause` after the last, of attempts that take 20 ms and are refused at `refused`.
fn call(calls: u32, pause: Duration, policy: &Policy, refused: f64, dice: &mut Dice) -> Tally {
    let mut now = Moment::default();
    let mut breaker = Breaker::new(BreakerPolicy::default(), now);
    let mut window = RetryWindow::default();
    let mut tally = Tally::default();
    for _ in 0..calls {
        tally.calls += 1;
        now = now.plus(pause);
        while breaker.wake_at().is_some_and(|at| at <= now) && breaker.tick(0.0, now).is_some() {}
        let Ok(mut ticket) = breaker.acquire(now) else {
            tally.rejected += 1;
            continue;
        };
        window.calls_began(RetryWindow::second(now), 1);
        let began = now;
        let mut number = 0;
        let outcome = loop {
            number += 1;
            tally.attempts += 1;
            breaker.attempt_begins(&mut ticket, now);
            let took = Duration::from_millis(20);
            now = now.plus(took);
            breaker.attempt_ended(&mut ticket, now);
            if dice.draw() >= refused {
                break Outcome::Success;
            }
            let ended = Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed);
            let left = policy.call_budget.saturating_sub(now.since(began));
            match (Attempted { number, took, left }).next(&policy.limits(), policy.backoff, &ended, dice.draw()) {
                Next::Again { after } if window.take_retry(&policy.retry_budget, now) => now = now.plus(after),
                Next::Again { .. } | Next::Enough(_) => break ended.outcome,
            }
        };
        tally.accepted += u32::from(outcome == Outcome::Success);
        breaker.done(&ticket, outcome, 0.0, now);
    }
    tally
}

fn four_attempts(retry_budget: RetryBudget) -> Policy {
    Policy { attempts: 4, retry_budget, ..Policy::default() }
}

const AS_MANY_AS_CALLS: RetryBudget = RetryBudget { ratio: 1.0, minimum: 3 };

/// 1 − 0.4⁴ = 97.44 % are accepted where retries never run out; the standard deviation of 50,000 calls is 0.07 %.
#[test]
fn a_gateway_that_refuses_40_percent_has_97_percent_of_calls_accepted_and_none_rejected() {
    let mut dice = Dice(7);
    for pause in [0, 10, 100] {
        let tally = call(50_000, Duration::from_millis(pause), &four_attempts(AS_MANY_AS_CALLS), 0.4, &mut dice);
        assert!(f64::from(tally.rejected) < 0.01 * f64::from(tally.calls), "{tally:?}");
        assert!((0.970..0.978).contains(&tally.share_accepted()), "{pause} ms: {tally:?}");
    }
}

#[test]
fn also_with_a_call_in_a_second_or_in_ten_96_percent_are_accepted() {
    let mut dice = Dice(7);
    for pause in [500, 1_000, 2_000, 5_000, 10_000, 30_000] {
        let tally = call(50_000, Duration::from_millis(pause), &four_attempts(AS_MANY_AS_CALLS), 0.4, &mut dice);
        assert!(f64::from(tally.rejected) < 0.01 * f64::from(tally.calls), "{pause} ms: {tally:?}");
        assert!(tally.share_accepted() > 0.964, "{pause} ms: {tally:?}");
    }
}

#[test]
fn the_default_budget_adds_no_more_than_a_fifth_of_attempts_and_the_minimum() {
    let mut dice = Dice(7);
    let policy = four_attempts(Policy::default().retry_budget);
    let tally = call(50_000, Duration::from_millis(10), &policy, 0.4, &mut dice);
    let made = tally.calls - tally.rejected;
    assert!(f64::from(tally.attempts) < 1.22 * f64::from(made), "{tally:?}");
    assert!(f64::from(tally.attempts) > 1.15 * f64::from(made), "it is used: {tally:?}");
}

#[test]
fn a_gateway_that_is_down_opens_the_breaker_after_exactly_10_calls() {
    let mut dice = Dice(7);
    let tally = call(100, Duration::ZERO, &four_attempts(AS_MANY_AS_CALLS), 1.0, &mut dice);
    assert_eq!((tally.accepted, tally.calls - tally.rejected), (0, 10));
    assert!(tally.attempts > 10, "attempts within a call do not count: {tally:?}");
}
