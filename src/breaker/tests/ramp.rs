//! After closing, the callers come back little by little.

use super::*;
use crate::domain::breaker::Rejected;
use crate::domain::time::Timestamp;
use crate::domain::watch::BreakerRecord;

fn ramping() -> Policy {
    Policy { ramp: Some(Duration::from_secs(30)), ..without_jitter() }
}

/// A breaker that has closed by its trials at second 5.
fn closed_again(policy: Policy) -> (Driver, Gate) {
    let (mut driver, gate) = half_open(policy);
    for _ in 0..3 {
        gate.acquire(at(5_000)).unwrap().done(Outcome::Success, at(5_000));
    }
    let passed = driver.take_pending();
    assert_eq!(causes(&passed), [Cause::TrialsPassed]);
    commit(&mut driver, &passed);
    (driver, gate)
}

fn passed(gate: &Gate, callers: usize, now: u64) -> usize {
    let calls = (0..callers).filter_map(|_| gate.acquire(at(now)).ok());
    calls.map(|permit| permit.done(Outcome::Success, at(now))).count()
}

#[test]
fn after_closing_a_tenth_passes_at_first_and_all_after_the_ramp() {
    let (driver, gate) = closed_again(ramping());
    for (now, share, expected) in [(5_000, 0.1, 10), (15_000, 0.4, 40), (25_000, 0.7, 70), (34_000, 0.97, 97)] {
        assert_eq!(driver.view(at(now)).ramp, Some(share));
        assert_eq!(passed(&gate, 100, now), expected, "at {now}");
    }
    assert_eq!(passed(&gate, 100, 35_000), 100);
    let view = driver.view(at(35_000));
    assert_eq!((view.ramp, view.refused.ramping), (None, 90 + 60 + 30 + 3));
    assert_eq!((view.state, view.window.calls), (State::Closed, 317), "who passes is counted as ever");
}

#[test]
fn who_is_refused_in_the_ramp_is_told_so_and_comes_again_in_a_second_or_when_it_is_over() {
    let (_driver, gate) = closed_again(ramping());
    assert!(gate.acquire(at(5_000)).is_ok(), "the first caller passes");
    let told = |millis| Rejected { reason: Refusal::Ramping, retry_after: Duration::from_millis(millis) };
    assert_eq!(gate.acquire(at(5_000)).unwrap_err(), told(1_000));
    let last = (0..50).find_map(|_| gate.acquire(at(34_800)).err()).unwrap();
    assert_eq!(last, told(200));
}

#[test]
fn with_8000_concurrent_callers_in_the_ramp_exactly_a_tenth_passes() {
    let (_driver, gate) = closed_again(ramping());
    let held: usize = thread::scope(|scope| {
        let ask = || (0..500).filter_map(|_| gate.acquire(at(5_000)).ok()).collect::<Vec<_>>().len();
        let running: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(held, 800);
}

#[test]
fn after_the_ramp_calls_take_no_lock_again() {
    let (mut driver, gate) = closed_again(ramping());
    assert_eq!(passed(&gate, 2, 36_050), 2);
    assert_eq!(driver.tick(at(36_050)), []);
    let before = gate.locked();
    assert_eq!(passed(&gate, 1_000, 36_060), 1_000);
    assert_eq!(gate.locked(), before);
}

#[test]
fn without_a_ramp_all_pass_at_once() {
    let (driver, gate) = closed_again(without_jitter());
    assert_eq!((driver.view(at(5_000)).ramp, passed(&gate, 100, 5_000)), (None, 100));
}

#[test]
fn a_target_that_fails_in_the_ramp_opens_it_and_the_next_ramp_begins_anew() {
    let (mut driver, gate) = closed_again(ramping());
    let mut calls = 0;
    while driver.take_pending().is_empty() {
        calls += 1;
        assert!(calls < 200, "it must open");
        if let Ok(permit) = gate.acquire(at(6_000)) {
            permit.done(Outcome::Failure, at(6_000));
        }
    }
    let view = driver.view(at(6_000));
    assert_eq!((view.state, view.level, view.ramp), (State::Open, 2, None));
    driver.publish(driver.generation());
    let over = driver.tick(at(16_000));
    commit(&mut driver, &over);
    assert_eq!(passed(&gate, 3, 16_000), 3);
    driver.publish(driver.generation());
    assert_eq!(passed(&gate, 100, 16_000), 10);
}

#[test]
fn who_closes_it_by_hand_wants_all_calls_to_pass() {
    let (mut driver, gate, _) = closed(ramping());
    let opened = driver.target_failed(Cause::Report, at(0));
    commit(&mut driver, &opened);
    let reset = driver.reset(at(1));
    commit(&mut driver, &reset);
    assert_eq!(passed(&gate, 100, 1), 100);

    let (mut driver, gate) = closed_again(ramping());
    assert_eq!(driver.set_mode(Some(Hold { mode: Mode::ForcedClosed, until: None }), at(5_000)), []);
    driver.publish(driver.generation());
    assert_eq!(passed(&gate, 100, 5_000), 100);
}

#[test]
fn a_dry_run_refuses_nobody_in_the_ramp() {
    let (driver, gate) = closed_again(Policy { mode: Mode::DryRun, ..ramping() });
    assert_eq!(passed(&gate, 100, 5_000), 100);
    let view = driver.view(at(5_000));
    assert_eq!((view.window.calls, view.refused.ramping, view.lifetime.success), (10, 0, 103));
}

#[test]
fn a_ramp_can_be_turned_off_under_way_and_is_not_begun_in_hindsight() {
    let (mut driver, gate) = closed_again(ramping());
    assert_eq!(passed(&gate, 100, 5_000), 10);
    assert_eq!(driver.set_policy(without_jitter(), at(5_001)), []);
    assert_eq!(passed(&gate, 100, 5_001), 100);
    assert_eq!(driver.set_policy(ramping(), at(5_002)), []);
    assert_eq!(passed(&gate, 100, 5_002), 100);
}

/// A node that comes back `after` seconds after the breaker closed with this level.
fn restarted(level: u32, after: u64) -> (Driver, Gate) {
    let since = Timestamp::default();
    let now = since.plus(Duration::from_secs(after));
    let record =
        BreakerRecord { state: State::Closed, mode: Mode::Enforce, level, since, open_until: None, forced: None };
    new(ramping(), Some(Restored::from_record(&record, now, at(7))), at(7), 1, Box::new(|| {}))
}

#[test]
fn a_node_that_is_restarted_in_the_ramp_begins_it_anew_and_after_it_does_not() {
    let (_driver, gate) = restarted(1, 29);
    assert_eq!(passed(&gate, 100, 7), 10);
    assert_eq!(passed(&gate, 100, 30_007), 100);
    let (_driver, gate) = restarted(1, 30);
    assert_eq!(passed(&gate, 100, 7), 100);
    let (_driver, gate) = restarted(0, 1);
    assert_eq!(passed(&gate, 100, 7), 100, "it has not come back from anything");
}
