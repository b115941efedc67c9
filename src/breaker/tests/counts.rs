//! What is counted for life, and what a call that was only reported does.

use super::*;
use crate::breaker::shared::Shared;
use crate::domain::breaker::{Breaker, Lifetime, Refused};

#[test]
fn every_end_and_every_refusal_is_counted_once_while_the_state_changes_under_them() {
    const ROUNDS: u64 = 200;
    let (mut driver, gate, _) = closed(Policy { minimum_calls: 100_000, ..without_jitter() });
    let (asked, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let now = std::sync::atomic::AtomicU64::new(1);
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let (gate, now, asked, ended) = (&gate, &now, &asked, &ended);
            scope.spawn(move || {
                let mut call = thread;
                while now.load(Ordering::Relaxed) < ROUNDS {
                    let moment = at(now.load(Ordering::Relaxed));
                    call += 1;
                    asked.fetch_add(1, Ordering::Relaxed);
                    let Ok(permit) = gate.acquire(moment) else { continue };
                    ended.fetch_add(1, Ordering::Relaxed);
                    match call % 16 {
                        0 => drop(permit),
                        1 => permit.done(Outcome::Ignored, moment),
                        2 => permit.done(Outcome::Unknown, moment),
                        3 => permit.done(Outcome::Failure, moment),
                        _ => permit.done(Outcome::Success, moment),
                    }
                }
            });
        }
        let mut changes = Vec::new();
        for round in 1..=ROUNDS {
            now.store(round, Ordering::Relaxed);
            match round % 4 {
                0 => changes.extend(driver.target_failed(Cause::Report, at(round))),
                1 => changes.extend(driver.probe_passed_threshold(at(round))),
                2 => changes.extend(driver.reset(at(round))),
                _ => {
                    let mode = if round % 8 == 3 { Mode::Disabled } else { Mode::DryRun };
                    let policy = Policy { mode, minimum_calls: 100_000, ..without_jitter() };
                    changes.extend(driver.set_policy(policy, at(round)));
                }
            }
            driver.publish(driver.generation());
            thread::yield_now();
        }
        assert!(!changes.is_empty());
    });
    let view = driver.view(at(ROUNDS));
    let Lifetime { success, failure, ignored, unknown, cancelled } = view.lifetime;
    let Refused { open, forced_open, trials_taken, ramping } = view.refused;
    let (asked, ended) = (asked.into_inner() as u64, ended.into_inner() as u64);
    assert_eq!(success + failure + ignored + unknown + cancelled, ended);
    assert_eq!(open + forced_open + trials_taken + ramping, asked - ended);
}

#[test]
fn a_good_call_that_ends_while_another_opens_it_is_counted_for_life_and_in_no_window() {
    let shared = Arc::new(Shared::new(Breaker::new(without_jitter(), at(0)), None, 1, Box::new(|| {})));
    let gate = Gate::new(Arc::clone(&shared));
    let ends_meanwhile = gate.acquire(at(1)).unwrap();
    shared.drive(|core| {
        // Nobody has read the new state yet, so it is counted where it began, and takes no lock to be so.
        ends_meanwhile.done(Outcome::Success, at(1));
        let opened = core.breaker.target_failed(Cause::Report, 0.0, at(1)).unwrap();
        core.decided(opened);
    });
    let view = gate.view(at(1));
    assert_eq!((view.state, view.window.calls, view.in_flight, view.lifetime.success), (State::Open, 0, 0, 1));
}

#[test]
fn calls_that_no_window_counts_are_counted_for_life() {
    for mode in [Mode::Disabled, Mode::DryRun] {
        let (mut driver, gate, _) = closed(Policy { mode, ..without_jitter() });
        let opened = driver.target_failed(Cause::Report, at(0));
        commit(&mut driver, &opened);
        let taken_before = gate.locked();
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Unknown] {
            gate.acquire(at(1)).unwrap().done(outcome, at(2));
        }
        drop(gate.acquire(at(1)).unwrap());
        assert_eq!(gate.locked(), taken_before, "{mode:?}");
        let view = driver.view(at(3));
        assert_eq!(view.window.calls, 0);
        assert_eq!(view.lifetime, Lifetime { success: 1, failure: 1, ignored: 1, unknown: 1, cancelled: 1 });
        assert_eq!(view.refused, Refused::default(), "{mode:?} refuses nothing");
    }
}

#[test]
fn refusals_are_counted_by_reason_and_without_the_lock() {
    let (mut driver, gate, _) = closed(Policy { trials: 1, ..without_jitter() });
    let refuse = |times: usize| {
        let before = gate.locked();
        assert!((0..times).all(|_| gate.acquire(at(5_000)).is_err()));
        assert_eq!(gate.locked(), before);
    };
    let opened = driver.target_failed(Cause::Report, at(0));
    commit(&mut driver, &opened);
    refuse(7);
    let over = driver.tick(at(5_000));
    commit(&mut driver, &over);
    let _trial = gate.acquire(at(5_000)).unwrap();
    refuse(5);
    let forced = driver.set_mode(Some(Hold { mode: Mode::ForcedOpen, until: None }), at(5_000));
    commit(&mut driver, &forced);
    refuse(3);
    let counted = driver.view(at(5_000)).refused;
    assert_eq!(counted, Refused { open: 7, trials_taken: 5, forced_open: 3, ramping: 0 });
}

#[test]
fn who_is_refused_is_told_when_to_ask_again_however_long_the_state_has_lasted() {
    let (mut driver, gate) = half_open(Policy { trials: 1, ..without_jitter() });
    let _hung = gate.acquire(at(5_000)).unwrap();
    let retry_after = |now: u64| gate.acquire(at(now)).unwrap_err().retry_after;
    for (now, millis) in [(5_000, 1_000), (20_000, 1_000), (34_400, 600), (35_000, 0)] {
        assert_eq!(retry_after(now), Duration::from_millis(millis), "at {now}");
    }
    let forced = driver.set_mode(Some(Hold { mode: Mode::ForcedOpen, until: None }), at(36_000));
    commit(&mut driver, &forced);
    for now in [36_000, 1_000_000] {
        assert_eq!(retry_after(now), Duration::from_secs(60), "at {now}");
    }
}

#[test]
fn a_reported_call_counts_in_the_window_and_can_open_it() {
    let (mut driver, gate, hints) = closed(without_jitter());
    for _ in 0..9 {
        gate.observe(Outcome::Failure, Duration::from_millis(10), at(1));
    }
    assert_eq!(driver.take_pending(), []);
    gate.observe(Outcome::Success, Duration::from_secs(1), at(1));
    assert_eq!(causes(&driver.take_pending()), [Cause::FailureRate]);
    assert_eq!(hints.load(Ordering::SeqCst), 1);
    let view = driver.view(at(1));
    assert_eq!((view.window.calls, view.window.failed, view.window.slow), (10, 9, 1));
    assert_eq!(view.lifetime, Lifetime { success: 1, failure: 9, ..Lifetime::default() });
}

#[test]
fn a_reported_call_is_no_trial_and_says_nothing_while_it_is_open() {
    let (mut driver, gate) = half_open(Policy { trials: 1, ..without_jitter() });
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Unknown, Outcome::Ignored] {
        gate.observe(outcome, Duration::from_secs(9), at(5_001));
    }
    assert_eq!(driver.take_pending(), []);
    assert_eq!(driver.view(at(5_001)).trials.granted, 0);
    let reopened = driver.tick(at(35_000));
    commit(&mut driver, &reopened);
    gate.observe(Outcome::Success, Duration::ZERO, at(35_001));
    let view = driver.view(at(35_001));
    assert_eq!((view.state, view.window.calls), (State::Open, 0));
    assert_eq!(view.lifetime, Lifetime { success: 2, failure: 1, unknown: 1, ignored: 1, cancelled: 0 });
}

#[test]
fn where_calls_are_only_reported_probes_are_still_the_trials() {
    let (mut driver, gate) = half_open(without_jitter());
    for second in 6..9 {
        gate.observe(Outcome::Success, Duration::ZERO, at(second * 1_000));
        let decided = driver.probe_observed(true, at(second * 1_000));
        assert_eq!(causes(&decided), if second == 8 { vec![Cause::TrialsPassed] } else { Vec::new() });
    }
}

#[test]
fn disabled_a_reported_call_is_counted_for_life_only() {
    let (driver, gate, _) = closed(Policy { mode: Mode::Disabled, ..without_jitter() });
    gate.observe(Outcome::Failure, Duration::ZERO, at(1));
    let view = driver.view(at(1));
    assert_eq!((view.window.calls, view.lifetime.failure), (0, 1));
}
