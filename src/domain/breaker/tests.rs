//! What the breaker decides, by example.

use std::time::Duration;

use super::*;
use crate::domain::time::{Moment, Timestamp};
use crate::domain::watch::{BreakerRecord, Forced};

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

#[test]
fn fully_down_it_opens_after_exactly_the_minimum_of_calls() {
    for minimum_calls in [1, 2, 10, 37] {
        let policy = Policy { minimum_calls, ..Policy::default() };
        check_opens(policy, &vec![BAD; minimum_calls as usize], Cause::FailureRate);
    }
}

#[test]
fn an_unknown_outcome_counts_as_a_failure() {
    check_opens(Policy::default(), &[LOST; 10], Cause::FailureRate);
}

#[test]
fn a_good_call_can_be_the_one_that_completes_the_minimum() {
    check_opens(Policy::default(), &[BAD, BAD, BAD, BAD, BAD, GOOD, GOOD, GOOD, GOOD, GOOD], Cause::FailureRate);
}

#[test]
fn too_many_slow_calls_open_it_although_they_were_good() {
    check_opens(last_ten(), &[GOOD, GOOD, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW], Cause::SlowRate);
}

#[test]
fn failed_and_slow_calls_together_open_it_before_either_would() {
    check_opens(last_ten(), &[GOOD, GOOD, GOOD, GOOD, BAD, BAD, BAD, SLOW, SLOW, SLOW], Cause::BadRate);
}

#[test]
fn failures_in_a_row_need_no_minimum() {
    check_opens(Policy::envoy(), &[GOOD, BAD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD, BAD], Cause::Consecutive);
}

#[test]
fn the_profile_pg_resilience_opens_at_three_tenths_of_ten_from_the_fifth_call_on() {
    check_opens(Policy::pg_resilience(), &[GOOD, GOOD, GOOD, BAD, BAD], Cause::FailureRate);
    check_opens(
        Policy::pg_resilience(),
        &[GOOD, GOOD, (Outcome::Success, 700), (Outcome::Success, 700), (Outcome::Success, 700)],
        Cause::SlowRate,
    );
}

#[test]
fn the_profile_resilience4j_opens_at_half_of_a_hundred_for_a_minute_and_never_longer() {
    let mut calls = vec![GOOD; 50];
    calls.extend([BAD; 50]);
    check_opens(Policy::resilience4j(), &calls, Cause::FailureRate);
    let policy = Policy::resilience4j();
    assert_eq!([0, 1, 5].map(|level| policy.open_time_at(level, 1.0)), [seconds(60); 3]);
}

#[test]
fn an_ignored_outcome_is_shown_and_judged_nowhere() {
    let mut breaker = closed(Policy::default());
    for second in 0..9 {
        assert_eq!(fail(&mut breaker, second), None);
    }
    for _ in 0..20 {
        assert_eq!(call(&mut breaker, 9, 9, Outcome::Ignored), None);
    }
    let view = breaker.view(at(10));
    assert_eq!((view.window.calls, view.window.failed, view.window.ignored, view.rates), (9, 9, 20, None));
}

#[test]
fn a_window_in_time_forgets_slice_by_slice() {
    let mut breaker = closed(Policy::default());
    for second in 0..60 {
        assert_eq!(succeed(&mut breaker, second * 1_000), None);
    }
    assert_eq!(breaker.view(at(59_999)).window.calls, 60);
    assert_eq!(breaker.view(at(60_000)).window.calls, 55);
    assert_eq!(breaker.view(at(65_000)).window.calls, 50);
    assert_eq!(breaker.view(at(115_000)).window.calls, 0);
}

#[test]
fn good_calls_that_leave_the_window_can_be_what_opens_it() {
    let mut breaker = closed(Policy::default());
    for _ in 0..100 {
        assert_eq!(succeed(&mut breaker, 0), None);
    }
    for _ in 0..20 {
        assert_eq!(fail(&mut breaker, 30_000), None);
    }
    let opened = succeed(&mut breaker, 60_000);
    assert_eq!(opened.map(|transition| transition.cause), Some(Cause::FailureRate));
}

#[test]
fn a_window_of_calls_forgets_the_oldest() {
    let mut breaker = closed(Policy {
        window: Window::Count(3),
        minimum_calls: 3,
        failure_rate: 0.9,
        bad_rate: Policy::NEVER,
        ..Policy::default()
    });
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Failure, Outcome::Success] {
        assert_eq!(call(&mut breaker, 0, 0, outcome), None);
    }
    let window = breaker.view(at(0)).window;
    assert_eq!((window.calls, window.failed), (3, 2));
}

#[test]
fn a_minimum_beyond_the_window_is_the_window() {
    let policy = Policy { window: Window::Count(5), minimum_calls: 100, ..Policy::default() };
    check_opens(policy, &[BAD; 5], Cause::FailureRate);
}

#[test]
fn slow_calls_still_in_flight_count_as_slow_now() {
    let mut breaker = closed(Policy::default());
    let hung: Vec<_> = (0..10).map(|_| breaker.acquire(at(0)).unwrap()).collect();
    assert_eq!(breaker.tick(0.0, at(900)), None, "none of them is slow yet");
    let due = breaker.wake_at().expect("calls in flight are waited for");
    assert!(due <= at(1_126), "noticed an eighth too late at most: {due:?}");
    let opened = breaker.tick(0.0, due).expect("ten of ten hang");
    assert_eq!((opened.to, opened.cause), (State::Open, Cause::SlowRate));
    for ticket in &hung {
        assert_eq!(breaker.done(ticket, Outcome::Success, 0.0, at(5_000)), None, "their ends come too late to matter");
    }
}

#[test]
fn a_thousand_hung_calls_are_noticed_by_the_next_caller_without_any_timer() {
    let mut breaker = closed(Policy::default());
    for _ in 0..1_000 {
        let _ = breaker.acquire(at(0)).unwrap();
    }
    assert_eq!(breaker.judge(0.0, at(2_000)).map(|opened| opened.cause), Some(Cause::SlowRate));
    assert_eq!(breaker.acquire(at(2_000)).unwrap_err().reason, Refusal::Open);
}

#[test]
fn a_refused_caller_is_told_when_to_come_back() {
    let mut breaker = closed(Policy::default());
    breaker.target_failed(Cause::Report, 0.0, at(0));
    assert_eq!(breaker.acquire(at(2_000)), Err(Rejected { reason: Refusal::Open, retry_after: seconds(3) }));
    assert_eq!(
        breaker.acquire(at(2_000)).unwrap_err().to_string(),
        "the circuit breaker refused the call (open); ask again in 3000 ms"
    );
}

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

#[test]
fn a_configuration_that_changes_while_calls_are_in_flight_keeps_the_window_and_the_calls() {
    let mut breaker = closed(Policy::default());
    let in_flight = breaker.acquire(at(0)).unwrap();
    for second in 0..9 {
        fail(&mut breaker, second);
    }
    let stricter = Policy { failure_rate: 0.2, open_time: seconds(7), ..Policy::default() };
    assert_eq!(breaker.set_policy(stricter, 0.0, at(10)), None);
    let opened = breaker.done(&in_flight, Outcome::Failure, 0.0, at(20)).expect("the tenth failure, begun before");
    assert_eq!((opened.cause, opened.open_for), (Cause::FailureRate, Some(seconds(7))));
}

#[test]
fn a_window_in_time_that_is_cut_anew_keeps_what_still_fits() {
    let mut breaker = closed(Policy::default());
    for second in 0..60 {
        succeed(&mut breaker, second * 1_000);
    }
    let mut check = |length, slices, calls| {
        let policy = Policy { window: Window::Time { length: seconds(length), slices }, ..Policy::default() };
        assert_eq!(breaker.clone().set_policy(policy.clone(), 0.0, at(59_000)), None);
        breaker.set_policy(policy, 0.0, at(59_000));
        assert_eq!(breaker.view(at(59_000)).window.calls, calls, "{length} s in {slices}");
    };
    check(600, 60, 60);
    check(60, 6, 60);
    check(20, 2, 20);
}

#[test]
fn a_window_of_calls_that_shrinks_keeps_the_newest_and_between_the_kinds_it_starts_empty() {
    let mut breaker = closed(last_ten());
    for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success, Outcome::Failure, Outcome::Success] {
        call(&mut breaker, 0, 0, outcome);
    }
    breaker.set_policy(
        Policy { window: Window::Count(3), minimum_calls: 10, bad_rate: 1.0, failure_rate: 1.0, ..Policy::default() },
        0.0,
        at(0),
    );
    let window = breaker.view(at(0)).window;
    assert_eq!((window.calls, window.failed), (3, 1));
    breaker.set_policy(Policy::default(), 0.0, at(0));
    assert_eq!(breaker.view(at(0)).window, Counts::default());
}

#[test]
fn with_another_limit_for_slow_calls_those_in_flight_still_count_when_they_end() {
    let mut breaker = closed(Policy::default());
    let in_flight = breaker.acquire(at(0)).unwrap();
    breaker.set_policy(Policy { slow_call: seconds(2), ..Policy::default() }, 0.0, at(100));
    breaker.done(&in_flight, Outcome::Success, 0.0, at(2_500));
    let view = breaker.view(at(2_500));
    assert_eq!((view.window.calls, view.window.slow, view.in_flight, view.slow_in_flight), (1, 1, 0, 0));
}

#[test]
fn a_probe_is_shown_and_never_counted() {
    let mut breaker = closed(Policy::default());
    for second in 0..100 {
        assert_eq!(breaker.probe_observed(false, 0.0, at(second)), None);
    }
    let view = breaker.view(at(100));
    assert_eq!(view.window, Counts::default());
    assert_eq!(view.last_probe, Some(ProbeOutcome { ok: false, at: at(99) }));
}

#[test]
fn a_target_that_nobody_calls_comes_back_by_its_probes_alone() {
    let mut breaker = closed(Policy::default());
    breaker.target_failed(Cause::Probe, 0.0, at(1_000));
    assert!(breaker.probe_passed_threshold(at(2_000)).is_some());
    assert_eq!(breaker.probe_observed(true, 0.0, at(2_000)), None, "it moved the state and is no trial");
    assert_eq!(breaker.view(at(2_000)).trials.succeeded, 0);
    assert_eq!(breaker.probe_observed(true, 0.0, at(3_000)), None);
    assert_eq!(breaker.probe_observed(true, 0.0, at(4_000)), None);
    let back = breaker.probe_observed(true, 0.0, at(5_000)).unwrap();
    assert_eq!((back.to, back.cause), (State::Closed, Cause::TrialsPassed));
}

#[test]
fn a_failing_probe_is_a_failed_trial_where_nobody_calls() {
    let mut breaker = half_open(Policy::default(), 2_000);
    assert_eq!(breaker.probe_observed(false, 0.0, at(3_000)).map(|to| to.cause), Some(Cause::TrialFailed));
}

#[test]
fn while_callers_come_even_refused_ones_probes_are_no_trials() {
    let mut breaker = closed(Policy::default());
    breaker.target_failed(Cause::Report, 0.0, at(0));
    assert!(breaker.acquire(at(1_000)).is_err());
    breaker.tick(0.0, at(5_000));
    for second in 6..34 {
        assert_eq!(breaker.probe_observed(true, 0.0, at(second * 1_000)), None);
        assert_eq!(breaker.probe_observed(false, 0.0, at(second * 1_000)), None);
    }
    assert_eq!((breaker.state(), breaker.view(at(34_000)).trials.granted), (State::HalfOpen, 0));
}

#[test]
fn passing_probes_do_not_end_what_an_operator_forced() {
    let mut breaker = closed(Policy::default());
    let forced = Hold { mode: Mode::ForcedOpen, until: None };
    let opened = breaker.set_hold(Some(forced), 0.0, at(0)).unwrap();
    assert_eq!((opened.to, opened.cause, opened.open_for), (State::Open, Cause::Operator, None));
    assert_eq!(breaker.probe_passed_threshold(at(1)), None);
    assert_eq!(breaker.tick(0.0, at(1_000_000)), None);
    assert_eq!(breaker.wake_at(), None);
    assert_eq!(breaker.acquire(at(1)).unwrap_err().reason, Refusal::ForcedOpen);
    assert_eq!(breaker.set_hold(None, 0.0, at(2)).map(|to| to.to), Some(State::HalfOpen));
}

#[test]
fn forced_closed_it_counts_and_does_not_open_until_it_is_let_go() {
    let mut breaker = closed(Policy::default());
    breaker.set_hold(Some(Hold { mode: Mode::ForcedClosed, until: Some(at(30_000)) }), 0.0, at(0));
    for second in 0..20 {
        assert_eq!(fail(&mut breaker, second * 1_000), None);
    }
    assert_eq!(breaker.target_failed(Cause::Probe, 0.0, at(20_000)), None);
    assert_eq!(breaker.tick(0.0, at(30_000)).map(|to| to.cause), Some(Cause::FailureRate));
}

#[test]
fn a_dry_run_tells_what_it_would_do_and_refuses_nothing() {
    let mut breaker = closed(Policy { mode: Mode::DryRun, ..Policy::default() });
    for second in 0..9 {
        fail(&mut breaker, second);
    }
    assert_eq!(fail(&mut breaker, 9).map(|to| to.to), Some(State::Open));
    assert_eq!(breaker.acquire(at(10)).map(|ticket| ticket.pass), Ok(Pass::Uncounted));
    breaker.tick(0.0, at(5_009));
    let passes: Vec<_> = (0..4).map(|_| breaker.acquire(at(5_009)).unwrap().pass).collect();
    assert_eq!(passes, [Pass::Trial, Pass::Trial, Pass::Trial, Pass::Uncounted]);
}

#[test]
fn disabled_it_does_nothing() {
    let mut breaker = closed(Policy { mode: Mode::Disabled, ..Policy::default() });
    for second in 0..100 {
        assert_eq!(fail(&mut breaker, second), None);
    }
    assert_eq!(breaker.target_failed(Cause::Probe, 0.0, at(100)), None);
    assert_eq!((breaker.view(at(100)).window, breaker.wake_at()), (Counts::default(), None));
}

#[test]
fn a_reset_empties_the_window_and_closes_with_level_zero() {
    let mut breaker = half_open(Policy::default(), 1_000);
    assert_eq!(
        breaker.reset(at(1_000)).map(|to| (to.to, to.cause, to.level)),
        Some((State::Closed, Cause::Operator, 0))
    );
    fail(&mut breaker, 1_001);
    assert_eq!(breaker.reset(at(1_002)), None);
    assert_eq!(breaker.view(at(1_002)).window, Counts::default());
}

#[test]
fn the_view_tells_rates_only_from_the_minimum_on() {
    let mut breaker = closed(Policy { failure_rate: 0.9, ..Policy::default() });
    for _ in 0..8 {
        succeed(&mut breaker, 0);
    }
    fail(&mut breaker, 0);
    assert_eq!(breaker.view(at(0)).rates, None);
    call(&mut breaker, 0, 1_000, Outcome::Success);
    let rates = breaker.view(at(1_000)).rates.unwrap();
    assert_eq!(rates, Rates { failed: 0.1, slow: 0.1, bad: 0.2 });
}
