//! Slowness by attempt.

use super::*;
use crate::breaker::Permit;

/// The window's slow calls after a call that `act` makes within its permit, begun at second 0.
#[track_caller]
fn check(act: impl FnOnce(&mut Permit<'_>), ended_at: u64, slow: u64) {
    let (driver, gate, _) = closed(without_jitter());
    let mut permit = gate.acquire(at(0)).unwrap();
    act(&mut permit);
    permit.done(Outcome::Success, at(ended_at));
    let view = driver.view(at(ended_at));
    assert_eq!((view.window.calls, view.window.slow), (1, slow));
    assert_eq!((view.in_flight, view.slow_in_flight, view.lifetime.success), (0, 0, 1));
}

#[test]
fn without_attempts_the_whole_permit_is_one() {
    check(|_| {}, 999, 0);
    check(|_| {}, 1_000, 1);
}

#[test]
fn a_call_of_three_quick_attempts_with_long_pauses_is_not_slow() {
    let three = |permit: &mut Permit<'_>| {
        for begin in [0, 2_500, 6_000] {
            permit.attempt_begins(at(begin));
            permit.attempt_ended(at(begin + 900));
        }
    };
    check(three, 6_900, 0);
}

#[test]
fn the_slowest_attempt_decides_wherever_it_stands() {
    for slow in 0..3 {
        let three = |permit: &mut Permit<'_>| {
            for (index, begin) in [0, 2_500, 6_000].into_iter().enumerate() {
                permit.attempt_begins(at(begin));
                permit.attempt_ended(at(begin + if index == slow { 1_000 } else { 10 }));
            }
        };
        check(three, 7_000, 1);
    }
}

#[test]
fn a_call_that_ends_in_its_attempt_is_judged_by_that_one() {
    check(|permit| permit.attempt_begins(at(5_000)), 5_999, 0);
    check(|permit| permit.attempt_begins(at(5_000)), 6_000, 1);
}

#[test]
fn an_attempt_that_was_not_said_to_have_ended_ends_where_the_next_begins() {
    let two = |second: u64| {
        move |permit: &mut Permit<'_>| {
            permit.attempt_begins(at(0));
            permit.attempt_begins(at(second));
        }
    };
    check(two(999), 1_500, 0);
    check(two(1_000), 1_500, 1);
}

#[test]
fn a_call_whose_first_attempt_was_not_announced_has_one_from_its_permit_on() {
    check(|permit| permit.attempt_ended(at(999)), 60_000, 0);
    check(|permit| permit.attempt_ended(at(1_000)), 60_000, 1);
}

#[test]
fn in_flight_a_call_is_slow_by_its_present_attempt_and_in_a_pause_not_at_all() {
    let (driver, gate, _) = closed(without_jitter());
    let in_flight = |now: u64| {
        let view = driver.view(at(now));
        (view.in_flight, view.slow_in_flight)
    };
    let mut permit = gate.acquire(at(0)).unwrap();
    permit.attempt_begins(at(10));
    permit.attempt_ended(at(800));
    assert_eq!(in_flight(800), (0, 0));
    assert_eq!(in_flight(5_000), (0, 0), "a pause of any length");
    permit.attempt_begins(at(5_000));
    assert_eq!(in_flight(5_900), (1, 0));
    assert_eq!(in_flight(6_200), (1, 1));
    permit.attempt_ended(at(6_300));
    assert_eq!(in_flight(6_300), (1, 1), "it is a slow call from here on");
    permit.attempt_begins(at(8_000));
    assert_eq!(in_flight(8_001), (1, 1));
    permit.done(Outcome::Failure, at(8_100));
    assert_eq!(in_flight(8_100), (0, 0));
    assert_eq!(driver.view(at(8_100)).window.slow, 1);
}

#[test]
fn ten_calls_whose_second_attempts_hang_open_it() {
    let (mut driver, gate, _) = closed(without_jitter());
    let mut hung: Vec<_> = (0..10).map(|_| gate.acquire(at(0)).unwrap()).collect();
    for permit in &mut hung {
        permit.attempt_begins(at(0));
        permit.attempt_ended(at(500));
    }
    assert_eq!(driver.wake_at(), None, "nothing is under way");
    hung.iter_mut().for_each(|permit| permit.attempt_begins(at(3_000)));
    let due = driver.wake_at().expect("the attempts under way are waited for");
    assert!(due >= at(4_000) && due <= at(4_126), "{due:?}");
    assert_eq!(causes(&driver.tick(due)), [Cause::SlowRate]);
}

#[test]
fn a_trial_with_two_quick_attempts_is_good_and_one_with_a_slow_one_is_not() {
    let (mut driver, gate) = half_open(Policy { trials: 1, ..without_jitter() });
    let mut other = gate.acquire(at(5_000)).unwrap();
    for begin in [5_000, 6_500] {
        other.attempt_begins(at(begin));
        other.attempt_ended(at(begin + 900));
    }
    other.done(Outcome::Success, at(7_400));
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialsPassed]);

    let (mut driver, gate) = half_open(Policy { trials: 1, ..without_jitter() });
    let mut slow = gate.acquire(at(5_000)).unwrap();
    slow.attempt_begins(at(5_000));
    slow.attempt_ended(at(6_000));
    slow.done(Outcome::Success, at(6_001));
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialFailed]);
}

#[test]
fn a_call_given_up_in_a_pause_leaves_nothing_in_flight() {
    let (driver, gate, _) = closed(without_jitter());
    let mut permit = gate.acquire(at(0)).unwrap();
    permit.attempt_begins(at(0));
    permit.attempt_ended(at(10));
    drop(permit);
    let view = driver.view(at(20));
    assert_eq!((view.in_flight, view.window.calls, view.lifetime.cancelled), (0, 0, 1));
}

#[test]
fn with_another_limit_for_slow_calls_the_next_attempt_is_seen_in_flight_again() {
    let (mut driver, gate, _) = closed(without_jitter());
    let mut permit = gate.acquire(at(0)).unwrap();
    permit.attempt_begins(at(0));
    let slower = Policy { slow_call: Duration::from_secs(2), ..without_jitter() };
    assert_eq!(driver.set_policy(slower, at(100)), []);
    permit.attempt_ended(at(200));
    permit.attempt_begins(at(300));
    assert_eq!(driver.view(at(2_200)).slow_in_flight, 0);
    assert_eq!(driver.view(at(2_600)).slow_in_flight, 1);
    permit.done(Outcome::Success, at(2_700));
    let view = driver.view(at(2_700));
    assert_eq!((view.in_flight, view.slow_in_flight, view.window.slow), (0, 0, 1));
}

#[test]
fn one_good_attempt_a_call_takes_no_lock_and_no_memory() {
    let (mut driver, gate, _) = closed(without_jitter());
    let guarded = |now: Moment| {
        let mut permit = gate.acquire(now).unwrap();
        permit.attempt_begins(now);
        permit.attempt_ended(now);
        permit.done(Outcome::Success, now);
    };
    guarded(at(1));
    assert_eq!(driver.tick(at(1)), []);
    let before = gate.locked();
    let counted = allocation_counter::measure(|| (0..1_000).for_each(|_| guarded(at(2))));
    assert_eq!((counted.count_total, gate.locked() - before), (0, 0));
    assert_eq!(driver.view(at(2)).window.calls, 1_001);
}
