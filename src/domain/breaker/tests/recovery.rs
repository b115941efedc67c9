//! How long it stays open, half-open's trials, late results, restarts.

use super::*;
use crate::domain::time::Timestamp;
use crate::domain::watch::{BreakerRecord, Forced};

#[test]
fn a_flapping_gateway_is_left_alone_for_5_10_20_and_40_seconds() {
    let mut breaker = closed(Policy::default());
    let mut now = 0;
    let mut open_times = Vec::new();
    let mut opened = breaker.target_failed(Cause::Probe, 0.0, at(now)).unwrap();
    for _ in 0..4 {
        let open_for = opened.open_for.unwrap();
        open_times.push(open_for.as_secs());
        now += open_for.as_millis() as u64;
        assert_eq!(breaker.wake_at(), Some(at(now)));
        assert_eq!(
            breaker.tick(0.0, at(now)).map(|to| (to.to, to.cause)),
            Some((State::HalfOpen, Cause::OpenTimeOver))
        );
        opened = fail(&mut breaker, now).expect("a failed trial opens it");
        assert_eq!(opened.cause, Cause::TrialFailed);
    }
    assert_eq!(open_times, [5, 10, 20, 40]);
}

#[test]
fn one_lucky_recovery_does_not_forgive_but_a_healthy_minute_does() {
    let mut breaker = half_open(Policy::default(), 1_000);
    for _ in 0..3 {
        succeed(&mut breaker, 2_000);
    }
    assert_eq!((breaker.state(), breaker.level()), (State::Closed, 1));
    let mut forgiven = breaker.clone();
    let again = breaker.target_failed(Cause::Probe, 0.0, at(61_999)).unwrap();
    assert_eq!((again.level, again.open_for), (2, Some(seconds(10))));

    assert_eq!(forgiven.wake_at(), Some(at(62_000)));
    assert_eq!(forgiven.tick(0.0, at(62_000)), None);
    assert_eq!(forgiven.level(), 0);
    let anew = forgiven.target_failed(Cause::Probe, 0.0, at(62_000)).unwrap();
    assert_eq!((anew.level, anew.open_for), (1, Some(seconds(5))));
}

#[test]
fn the_jitter_is_the_callers_draw_and_moves_the_open_time_by_a_tenth() {
    let policy = Policy::default();
    assert_eq!(policy.open_time_at(0, 1.0), Duration::from_millis(5_500));
    assert_eq!(policy.open_time_at(0, -1.0), Duration::from_millis(4_500));
    assert_eq!(policy.open_time_at(30, 0.0), seconds(300));
    assert_eq!(policy.open_time_at(u32::MAX, 1.0), seconds(330));
}

#[test]
fn the_herd_at_half_open_gets_exactly_the_trials() {
    let mut breaker = half_open(Policy::default(), 1_000);
    let passed = (0..8_000).filter(|_| breaker.acquire(at(1_000)).is_ok()).count();
    assert_eq!(passed, 3);
    let rejected = breaker.acquire(at(1_000)).unwrap_err();
    assert_eq!(rejected, Rejected { reason: Refusal::TrialsTaken, retry_after: seconds(1) });
}

#[test]
fn all_trials_must_be_good() {
    let mut breaker = half_open(Policy::default(), 1_000);
    assert_eq!(succeed(&mut breaker, 1_000), None);
    assert_eq!(succeed(&mut breaker, 1_000), None);
    let mut other = breaker.clone();
    assert_eq!(succeed(&mut breaker, 1_000).map(|to| (to.to, to.cause)), Some((State::Closed, Cause::TrialsPassed)));
    assert_eq!(fail(&mut other, 1_000).map(|to| (to.to, to.cause)), Some((State::Open, Cause::TrialFailed)));
}

#[test]
fn a_trial_that_is_good_but_slow_has_failed() {
    let mut breaker = half_open(Policy::default(), 1_000);
    assert_eq!(call(&mut breaker, 1_000, 2_000, Outcome::Success).map(|to| to.cause), Some(Cause::TrialFailed));
}

#[test]
fn a_cancelled_trial_goes_back_and_so_does_one_that_says_nothing() {
    let mut breaker = half_open(Policy { trials: 1, ..Policy::default() }, 1_000);
    let cancelled = breaker.acquire(at(1_000)).unwrap();
    assert!(breaker.acquire(at(1_000)).is_err());
    breaker.cancelled(&cancelled);
    assert_eq!(call(&mut breaker, 1_000, 1_000, Outcome::Ignored), None);
    assert_eq!(breaker.view(at(1_000)).trials, Trials { granted: 0, succeeded: 0, allowed: 1 });
    assert_eq!(succeed(&mut breaker, 1_000).map(|to| to.to), Some(State::Closed));
}

#[test]
fn a_hung_trial_ends_with_half_open_and_speaks_for_nobody_when_it_returns() {
    let mut breaker = half_open(Policy { trials: 1, ..Policy::default() }, 1_000);
    let hung = breaker.acquire(at(1_000)).unwrap();
    assert_eq!(breaker.wake_at(), Some(at(31_000)));
    assert_eq!(breaker.tick(0.0, at(30_999)), None);
    let reopened = breaker.tick(0.0, at(31_000)).unwrap();
    assert_eq!(
        (reopened.to, reopened.cause, reopened.open_for),
        (State::Open, Cause::TrialsTimedOut, Some(seconds(10)))
    );
    assert!(breaker.tick(0.0, at(41_000)).is_some());
    assert_eq!(breaker.done(&hung, Outcome::Success, 0.0, at(41_000)), None);
    assert_eq!((breaker.state(), breaker.view(at(41_000)).trials.succeeded), (State::HalfOpen, 0));
}

#[test]
fn a_late_success_does_not_close_the_breaker_and_a_late_failure_does_not_open_it() {
    let mut breaker = closed(Policy { trials: 1, ..Policy::default() });
    let before = [breaker.acquire(at(0)).unwrap(), breaker.acquire(at(0)).unwrap()];
    breaker.target_failed(Cause::Probe, 0.0, at(0));
    breaker.tick(0.0, at(5_000));
    assert_eq!(breaker.done(&before[0], Outcome::Success, 0.0, at(5_000)), None);
    assert_eq!(breaker.done(&before[1], Outcome::Failure, 0.0, at(5_000)), None);
    assert_eq!(breaker.state(), State::HalfOpen);
    succeed(&mut breaker, 5_000);
    let view = breaker.view(at(5_000));
    assert_eq!((view.state, view.window.calls, view.in_flight), (State::Closed, 0, 0));
}

#[test]
fn a_moment_from_before_changes_nothing_that_was_counted() {
    let mut breaker = closed(Policy::default());
    for _ in 0..9 {
        fail(&mut breaker, 100_000);
    }
    assert_eq!(breaker.tick(0.0, at(0)), None);
    assert_eq!(breaker.view(at(50_000)).window.failed, 9);
    assert_eq!(fail(&mut breaker, 0).map(|opened| opened.cause), Some(Cause::FailureRate), "it is counted as of now");
}

fn record(state: State, open_until: Option<Timestamp>) -> BreakerRecord {
    BreakerRecord { state, mode: Mode::Enforce, level: 3, since: Timestamp::default(), open_until, forced: None }
}

#[test]
fn after_a_restart_it_is_open_for_the_time_that_is_left_and_up_to_the_jitter_longer() {
    let now = Timestamp::default().plus(seconds(1_000));
    let restored = Restored::from_record(&record(State::Open, Some(now.plus(seconds(20)))), now, at(7));
    for (draw, left) in [(0.0, 20_000), (1.0, 22_000), (-1.0, 22_000)] {
        let (breaker, transition) = Breaker::restore(Policy::default(), restored, draw, at(7));
        assert_eq!((breaker.state(), breaker.level(), transition), (State::Open, 3, None));
        assert_eq!(breaker.wake_at(), Some(at(7 + left)));
    }
}

#[test]
fn a_wall_clock_that_jumped_while_the_node_was_down_cannot_keep_it_open_for_longer_than_the_policy_can() {
    let now = Timestamp::default();
    for (until, left) in [(Timestamp::MAX, 330_000), (Timestamp::MIN, 0)] {
        let restored = Restored::from_record(&record(State::Open, Some(until)), now, at(0));
        let (mut breaker, _) = Breaker::restore(Policy::default(), restored, 0.0, at(0));
        assert_eq!(breaker.wake_at(), Some(at(left)));
        assert_eq!(breaker.tick(0.0, at(left)).map(|to| to.to), Some(State::HalfOpen));
    }
}

#[test]
fn a_hold_survives_a_restart_with_its_end() {
    let now = Timestamp::default();
    let forced = Forced { who: "ops".into(), reason: "maintenance".into(), until: Some(now.plus(seconds(60))) };
    let stored = BreakerRecord { mode: Mode::ForcedOpen, forced: Some(forced), ..record(State::Open, None) };
    let (mut breaker, transition) =
        Breaker::restore(Policy::default(), Restored::from_record(&stored, now, at(0)), 0.0, at(0));
    assert_eq!((breaker.mode(), transition, breaker.wake_at()), (Mode::ForcedOpen, None, Some(at(60_000))));
    let released = breaker.tick(0.0, at(60_000)).unwrap();
    assert_eq!((released.to, released.cause, breaker.mode()), (State::HalfOpen, Cause::Operator, Mode::Enforce));
}

#[test]
fn a_breaker_that_was_open_and_is_disabled_now_is_restored_closed_and_says_so() {
    let now = Timestamp::default();
    let restored = Restored::from_record(&record(State::Open, Some(now.plus(seconds(20)))), now, at(0));
    let policy = Policy { mode: Mode::Disabled, ..Policy::default() };
    let (breaker, transition) = Breaker::restore(policy, restored, 0.0, at(0));
    assert_eq!((breaker.state(), transition.map(|to| to.cause)), (State::Closed, Some(Cause::Operator)));
}
