//! What probes, operators and a new configuration do to it.

use super::*;

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
