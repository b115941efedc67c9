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
    assert_eq!(breaker.view(at(1_000)).trials, Trials { granted: 0, succeeded: 0, by_probes: 0, allowed: 1 });
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
fn a_call_a_minute_is_enough_to_close_it() {
    let mut breaker = half_open(Policy::default(), 1_000);
    assert_eq!(succeed(&mut breaker, 20_000), None);
    for second in 21..80 {
        assert_eq!(breaker.tick(0.0, at(second * 1_000)), None, "second {second}");
    }
    assert_eq!(succeed(&mut breaker, 80_000), None);
    assert_eq!(breaker.tick(0.0, at(100_000)), None);
    assert_eq!(succeed(&mut breaker, 140_000).map(|to| to.cause), Some(Cause::TrialsPassed));
}

#[test]
fn probes_are_the_missing_trials_once_half_open_had_its_time() {
    let mut breaker = half_open(Policy::default(), 1_000);
    succeed(&mut breaker, 30_000);
    assert_eq!(breaker.probe_observed(true, 0.0, at(30_999)), None);
    assert_eq!(breaker.view(at(30_999)).trials.succeeded, 1, "callers come, so it is their turn");
    assert_eq!(breaker.tick(0.0, at(31_000)), None);
    let mut failing = breaker.clone();
    assert_eq!(breaker.probe_observed(true, 0.0, at(32_000)), None);
    assert_eq!(breaker.view(at(32_000)).trials, Trials { granted: 2, succeeded: 2, by_probes: 1, allowed: 3 });
    assert_eq!(breaker.probe_observed(true, 0.0, at(33_000)).map(|to| to.cause), Some(Cause::TrialsPassed));
    assert_eq!(failing.probe_observed(false, 0.0, at(32_000)).map(|to| to.cause), Some(Cause::TrialFailed));
}

#[test]
fn half_open_that_went_on_ends_when_a_trial_hangs_and_after_the_longest_open_time() {
    let mut breaker = half_open(Policy::default(), 1_000);
    succeed(&mut breaker, 1_000);
    assert_eq!(breaker.tick(0.0, at(31_000)), None);
    let mut hung = breaker.clone();
    let _trial = hung.acquire(at(40_000)).unwrap();
    assert_eq!(hung.tick(0.0, at(60_999)), None);
    assert_eq!(hung.tick(0.0, at(61_000)).map(|to| to.cause), Some(Cause::TrialsTimedOut));

    let mut last = 31_000;
    while let (None, Some(due)) = (breaker.tick(0.0, at(last)), breaker.wake_at()) {
        last = due.as_nanos() / 1_000_000;
    }
    assert_eq!((breaker.state(), last), (State::Open, 301_000));
}

#[test]
fn without_a_time_half_open_does_not_go_on() {
    let mut breaker = half_open(Policy { half_open_max: Duration::ZERO, ..Policy::default() }, 1_000);
    succeed(&mut breaker, 1_000);
    assert_eq!(breaker.tick(0.0, at(1_000)).map(|to| to.cause), Some(Cause::TrialsTimedOut));
}

/// What calls said, in percent that failed and that were slow, and of how many.
fn judged(breaker: &Breaker) -> Option<(u64, f64, f64)> {
    breaker.judged().map(|judged| (judged.calls, judged.rates.failed * 100.0, judged.rates.slow * 100.0))
}

#[test]
fn what_calls_said_is_kept_with_the_calls_that_hung_and_also_under_the_minimum() {
    let mut hanging = closed(Policy::default());
    let _calls: Vec<_> = (0..10).map(|_| hanging.acquire(at(0)).unwrap()).collect();
    assert_eq!(hanging.tick(0.0, at(2_000)).map(|to| to.cause), Some(Cause::SlowRate));
    assert_eq!(judged(&hanging), Some((10, 0.0, 100.0)));

    let mut failing = closed(Policy { consecutive_failures: Some(5), ..Policy::default() });
    for _ in 0..4 {
        assert_eq!(fail(&mut failing, 0), None);
    }
    assert_eq!(fail(&mut failing, 0).map(|to| to.cause), Some(Cause::Consecutive));
    assert_eq!(judged(&failing), Some((5, 100.0, 0.0)));
    failing.probe_passed_threshold(at(1));
    assert_eq!(judged(&failing), None);
}

#[test]
fn what_trials_said_is_kept_and_probes_said_nothing() {
    let two = Policy { trials: 2, ..Policy::default() };
    let mut failed = half_open(two.clone(), 1_000);
    fail(&mut failed, 1_000);
    assert_eq!(judged(&failed), Some((1, 100.0, 0.0)));

    let mut half = half_open(two.clone(), 1_000);
    succeed(&mut half, 1_000);
    fail(&mut half, 1_000);
    assert_eq!(judged(&half), Some((2, 50.0, 0.0)));

    let mut slow = half_open(two.clone(), 1_000);
    call(&mut slow, 1_000, 2_000, Outcome::Success);
    assert_eq!(judged(&slow), Some((1, 0.0, 100.0)));

    let mut hung = half_open(two.clone(), 1_000);
    let _trial = hung.acquire(at(1_000)).unwrap();
    assert!(hung.tick(0.0, at(31_000)).is_some());
    assert_eq!(judged(&hung), Some((1, 100.0, 0.0)));

    for after in [0, 1_000] {
        let mut probed = half_open(two.clone(), 1_000);
        assert_eq!(probed.probe_observed(true, 0.0, at(1_000 + after)), None);
        assert!(probed.probe_observed(false, 0.0, at(2_001)).is_some());
        assert_eq!(judged(&probed), None);
    }
    let mut uncalled = half_open(two, 1_000);
    assert!(uncalled.tick(0.0, at(31_000)).is_some());
    assert_eq!(judged(&uncalled), None);
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
