//! The gate and the driver together, also under threads. What breakers are known to get wrong is in `nobody_else.rs`.

mod attempts;
mod counts;
mod ramp;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Decided, Driver, Gate, new};
use crate::domain::breaker::{Cause, Hold, Mode, Outcome, Policy, Refusal, Restored, State, Window};
use crate::domain::time::Moment;

pub(super) fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

pub(super) fn without_jitter() -> Policy {
    Policy { jitter: 0.0, ..Policy::default() }
}

pub(super) fn closed(policy: Policy) -> (Driver, Gate, Arc<AtomicUsize>) {
    let hints = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&hints);
    let hint = move || {
        heard.fetch_add(1, Ordering::SeqCst);
    };
    let (driver, gate) = new(policy, None, at(0), 7, Box::new(hint));
    (driver, gate, hints)
}

pub(super) fn commit(driver: &mut Driver, decided: &[Decided]) {
    driver.publish(decided.last().map_or_else(|| driver.generation(), |last| last.generation));
}

/// A gate in half-open at second 5.
pub(super) fn half_open(policy: Policy) -> (Driver, Gate) {
    let (mut driver, gate, _) = closed(policy);
    let opened = driver.target_failed(Cause::Probe, at(0));
    commit(&mut driver, &opened);
    let over = driver.tick(at(5_000));
    assert_eq!(over.len(), 1);
    commit(&mut driver, &over);
    (driver, gate)
}

pub(super) fn causes(decided: &[Decided]) -> Vec<Cause> {
    decided.iter().map(|one| one.transition.cause).collect()
}

#[test]
fn the_call_that_crosses_the_limit_shuts_the_gate_before_anything_is_committed() {
    let (mut driver, gate, hints) = closed(without_jitter());
    for _ in 0..10 {
        gate.acquire(at(1)).unwrap().done(Outcome::Failure, at(1));
    }
    let rejected = gate.acquire(at(1_001)).unwrap_err();
    assert_eq!((rejected.reason, rejected.retry_after), (Refusal::Open, Duration::from_secs(4)));
    assert!(hints.load(Ordering::SeqCst) >= 1);
    let decided = driver.take_pending();
    assert_eq!(causes(&decided), [Cause::FailureRate]);
    assert_eq!(decided[0].at, at(1));
    assert_eq!(driver.take_pending(), []);
}

#[test]
fn fully_down_with_many_callers_it_opens_after_the_minimum_and_what_was_on_its_way() {
    const THREADS: usize = 8;
    let (mut driver, gate, _) = closed(without_jitter());
    let passed: usize = thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let calls = (0..1_000).filter_map(|_| gate.acquire(at(1)).ok());
                    calls.map(|permit| permit.done(Outcome::Failure, at(1))).count()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!((10..10 + THREADS).contains(&passed), "{passed}");
    assert_eq!(causes(&driver.take_pending()), [Cause::FailureRate]);
}

#[test]
fn it_never_admits_before_the_transition_is_published() {
    let (mut driver, gate, _) = closed(Policy { trials: 1, ..without_jitter() });
    let opened = driver.target_failed(Cause::Probe, at(0));
    assert!(gate.acquire(at(1)).is_err(), "refused before it is on disk");
    commit(&mut driver, &opened);

    let over = driver.tick(at(5_000));
    assert_eq!(causes(&over), [Cause::OpenTimeOver]);
    assert!(gate.acquire(at(5_000)).is_err(), "half-open is not on disk yet");
    driver.publish(opened[0].generation);
    assert!(gate.acquire(at(5_000)).is_err(), "an older commit does not open it");
    commit(&mut driver, &over);

    gate.acquire(at(5_001)).unwrap().done(Outcome::Success, at(5_002));
    assert!(gate.acquire(at(5_003)).is_err(), "closed is not on disk yet");
    let passed = driver.take_pending();
    assert_eq!(causes(&passed), [Cause::TrialsPassed]);
    commit(&mut driver, &passed);
    assert!(gate.acquire(at(5_004)).is_ok());
}

#[test]
fn an_opening_that_overtakes_a_commit_stays_shut() {
    let (mut driver, gate, _) = closed(without_jitter());
    let opened = driver.target_failed(Cause::Probe, at(0));
    commit(&mut driver, &opened);
    let over = driver.probe_passed_threshold(at(1_000));
    let opened_again = driver.target_failed(Cause::Report, at(1_001));
    commit(&mut driver, &over);
    assert!(gate.acquire(at(1_002)).is_err());
    commit(&mut driver, &opened_again);
    assert_eq!(gate.acquire(at(1_002)).unwrap_err().reason, Refusal::Open);
}

#[test]
fn a_cancelled_call_is_counted_nowhere() {
    let (driver, gate, _) = closed(without_jitter());
    drop(gate.acquire(at(0)).unwrap());
    let view = driver.view(at(1));
    assert_eq!((view.window.calls, view.in_flight), (0, 0));
}

#[test]
fn a_mode_that_lets_more_pass_waits_for_its_commit_and_one_that_changes_nothing_does_not() {
    let (mut driver, gate, _) = closed(without_jitter());
    let dry_run = Some(Hold { mode: Mode::DryRun, until: None });
    assert_eq!(driver.set_mode(dry_run, at(0)), []);
    assert!(gate.acquire(at(0)).is_ok(), "closed before and after: no caller notices");

    let (mut driver, gate, _) = closed(without_jitter());
    let opened = driver.target_failed(Cause::Probe, at(0));
    commit(&mut driver, &opened);
    assert_eq!(driver.set_mode(dry_run, at(1)), []);
    assert!(gate.acquire(at(1)).is_err());
    driver.publish(driver.generation());
    assert!(gate.acquire(at(1)).is_ok());
}

#[test]
fn a_reset_lets_all_callers_pass_that_the_ramp_held_back() {
    let ramp = Policy { ramp: Some(std::time::Duration::from_secs(30)), trials: 1, ..without_jitter() };
    let (mut driver, gate) = half_open(ramp);
    gate.acquire(at(5_000)).unwrap().done(Outcome::Success, at(5_000));
    let closed = driver.take_pending();
    commit(&mut driver, &closed);
    let passed = |gate: &Gate| (0..100).filter(|_| gate.acquire(at(5_000)).is_ok()).count();
    assert_eq!(passed(&gate), 10);
    assert!(driver.reset(at(5_000)).is_empty(), "it is closed already");
    let generation = driver.generation();
    driver.publish(generation);
    let view = gate.view(at(5_000));
    assert_eq!((passed(&gate), view.ramp, view.level), (100, None, 0));
}

#[test]
fn a_breaker_goes_on_counting_where_the_one_before_it_stopped() {
    let (_driver, before, _) = closed(without_jitter());
    for outcome in [Outcome::Success, Outcome::Success, Outcome::Failure] {
        before.acquire(at(0)).unwrap().done(outcome, at(0));
    }
    let (mut driver, gate) = half_open(without_jitter());
    driver.go_on_counting(&before.view(at(5_000)));
    gate.acquire(at(5_000)).unwrap().done(Outcome::Success, at(5_000));
    let view = gate.view(at(5_000));
    assert_eq!((view.lifetime.success, view.lifetime.failure, view.window.calls), (3, 1, 0));
}

#[test]
fn a_closed_gate_allocates_nothing() {
    let (mut driver, gate, _) = closed(without_jitter());
    let mut now = 1;
    let counted = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            now += 1_000_000;
            gate.acquire(Moment::from_nanos(now)).unwrap().done(Outcome::Success, Moment::from_nanos(now));
        }
        gate.acquire(Moment::from_nanos(now)).unwrap().done(Outcome::Failure, Moment::from_nanos(now));
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(driver.tick(Moment::from_nanos(now)), []);
    assert!(driver.view(Moment::from_nanos(now)).window.calls > 0);
}

#[test]
fn no_call_is_lost_or_counted_twice_between_threads() {
    let policy = Policy { window: Window::Time { length: Duration::from_secs(3_600), slices: 60 }, ..without_jitter() };
    let (driver, gate, _) = closed(policy);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let gate = &gate;
            scope.spawn(move || {
                for call in 0..5_000 {
                    let now = Moment::from_nanos(call * 100_000);
                    let permit = gate.acquire(now).unwrap();
                    match (thread + call) % 50 {
                        0 => permit.done(Outcome::Failure, now),
                        1 => permit.done(Outcome::Ignored, now),
                        2 => drop(permit),
                        _ => permit.done(Outcome::Success, now),
                    }
                }
            });
        }
    });
    let view = driver.view(at(1_000));
    assert_eq!((view.window.calls, view.window.failed, view.window.ignored), (8 * 4_800, 8 * 100, 8 * 100));
    assert_eq!(view.in_flight, 0);
}

#[test]
fn calls_that_race_with_changes_of_state_leave_nothing_in_flight_and_nothing_counted_for_another_state() {
    const ROUNDS: u64 = 300;
    let (mut driver, gate, _) = closed(Policy { trials: 1, minimum_calls: 100_000, ..without_jitter() });
    let running = AtomicUsize::new(4);
    let now = std::sync::atomic::AtomicU64::new(1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while now.load(Ordering::Relaxed) < ROUNDS {
                    let moment = at(now.load(Ordering::Relaxed));
                    let held = [gate.acquire(moment), gate.acquire(moment)];
                    held.into_iter().flatten().for_each(|permit| permit.done(Outcome::Success, moment));
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for round in 1..=ROUNDS {
            now.store(round, Ordering::Relaxed);
            let opened = driver.target_failed(Cause::Report, at(round));
            commit(&mut driver, &opened);
            let over = driver.probe_passed_threshold(at(round));
            commit(&mut driver, &over);
            while driver.view(at(round)).state == State::HalfOpen {
                thread::yield_now();
                if running.load(Ordering::SeqCst) == 0 {
                    match gate.acquire(at(round)) {
                        Ok(permit) => permit.done(Outcome::Success, at(round)),
                        // The last caller ended its trial after the view above: only then may nobody pass.
                        Err(_) => assert_eq!(driver.view(at(round)).state, State::Closed),
                    }
                }
            }
            driver.publish(driver.generation());
        }
    });
    let view = driver.view(at(ROUNDS));
    assert_eq!((view.state, view.in_flight, view.window.failed), (State::Closed, 0, 0));
    let opened = driver.target_failed(Cause::Report, at(ROUNDS));
    commit(&mut driver, &opened);
    assert_eq!(driver.reset(at(ROUNDS)).len(), 1);
    driver.publish(driver.generation());
    gate.acquire(at(ROUNDS)).unwrap().done(Outcome::Success, at(ROUNDS));
    let view = driver.view(at(ROUNDS));
    assert_eq!((view.window.calls, view.in_flight), (1, 0));
}
