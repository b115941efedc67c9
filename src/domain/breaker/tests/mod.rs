//! What the breaker decides, by example: the world that the examples share.

mod opening;
mod outside;
mod recovery;

use std::time::Duration;

use super::*;
use crate::domain::time::Moment;

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The default policy, without a window in time that moves under the examples' feet.
fn last_ten() -> Policy {
    Policy { window: Window::Count(10), ..Policy::default() }
}

fn closed(policy: Policy) -> Breaker {
    Breaker::new(policy, at(0))
}

/// A call that is let through at `began` and ends at `ended`.
#[track_caller]
fn call(breaker: &mut Breaker, began: u64, ended: u64, outcome: Outcome) -> Option<Transition> {
    let ticket = breaker.acquire(at(began)).expect("it must pass in this example");
    breaker.done(&ticket, outcome, 0.0, at(ended))
}

#[track_caller]
fn fail(breaker: &mut Breaker, now: u64) -> Option<Transition> {
    call(breaker, now, now, Outcome::Failure)
}

#[track_caller]
fn succeed(breaker: &mut Breaker, now: u64) -> Option<Transition> {
    call(breaker, now, now, Outcome::Success)
}

/// Given `policy`, when `outcomes` come one a second, then it opens with the last of them, because of `cause`.
#[track_caller]
fn check_opens(policy: Policy, outcomes: &[(Outcome, u64)], cause: Cause) {
    let mut breaker = closed(policy);
    for (index, (outcome, took)) in outcomes.iter().enumerate() {
        let began = index as u64 * 1_000;
        let transition = call(&mut breaker, began, began + took, *outcome);
        let is_last = index + 1 == outcomes.len();
        assert_eq!(transition.map(|transition| transition.cause), is_last.then_some(cause), "call {}", index + 1);
    }
    assert_eq!(breaker.state(), State::Open);
}

/// A breaker in half-open at `now`.
#[track_caller]
fn half_open(policy: Policy, now: u64) -> Breaker {
    let mut breaker = closed(policy);
    assert!(breaker.target_failed(Cause::Report, 0.0, at(0)).is_some());
    assert_eq!(
        breaker.probe_passed_threshold(at(now)).map(|to| (to.to, to.cause)),
        Some((State::HalfOpen, Cause::ProbePassed))
    );
    breaker
}

const GOOD: (Outcome, u64) = (Outcome::Success, 10);
const BAD: (Outcome, u64) = (Outcome::Failure, 10);
const LOST: (Outcome, u64) = (Outcome::Unknown, 10);
const SLOW: (Outcome, u64) = (Outcome::Success, 1_000);
