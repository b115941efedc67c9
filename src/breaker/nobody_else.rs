//! What breakers are known to get wrong, one row of the list after the other, at the gate and its driver.
//!
//! Each of these has been measured or read in a breaker that is in use: half-open lets everybody in, a late success
//! closes, a hung trial blocks for ever, a cancelled one closes, panics and hanging calls are not seen. Threads are real
//! where it is about threads; time is an argument, so that nothing waits.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use super::tests::{at, causes, closed, commit, half_open, without_jitter};
use super::{Driver, Gate, Permit, new};
use crate::domain::breaker::{Breaker, Cause, Lifetime, Mode, Outcome, Policy, Refusal, Restored, State};
use crate::domain::time::{Moment, Timestamp};
use crate::domain::watch::BreakerRecord;

const A_YEAR: u64 = 365 * 24 * 3_600 * 1_000;

/// What `gate` lets through, from `threads` threads that begin together and ask `times` times each.
fn ask_together(gate: &Gate, threads: usize, times: usize, now: Moment) -> Vec<Permit<'_>> {
    let begin = Barrier::new(threads);
    let ask = || {
        begin.wait();
        (0..times).filter_map(|_| gate.acquire(now).ok()).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_the_herd_of_8000_concurrent_callers_at_half_open_exactly_3_pass() {
    let (mut driver, gate) = half_open(without_jitter());
    let held = ask_together(&gate, 80, 100, at(5_000));
    assert_eq!(held.len(), 3);
    assert!(held.iter().all(Permit::is_trial));
    let refused = gate.acquire(at(5_000)).unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (Refusal::TrialsTaken, Duration::from_secs(1)));
    assert_eq!(driver.view(at(5_000)).refused.trials_taken, 8_000 - 3 + 1);

    let [first, second, third] = <[Permit<'_>; 3]>::try_from(held).unwrap();
    first.done(Outcome::Success, at(5_100));
    second.done(Outcome::Success, at(5_100));
    assert!(gate.acquire(at(5_100)).is_err(), "a trial that ended well is not handed out again");
    assert_eq!(driver.take_pending(), [], "two good trials do not close it");
    third.done(Outcome::Success, at(5_100));
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialsPassed]);
}

#[test]
fn the_herd_that_fails_its_trials_opens_once_and_for_twice_as_long() {
    let (mut driver, gate) = half_open(without_jitter());
    let trials = ask_together(&gate, 16, 100, at(5_000));
    let begin = Barrier::new(trials.len());
    thread::scope(|scope| {
        for trial in trials {
            let begin = &begin;
            scope.spawn(move || {
                begin.wait();
                trial.done(Outcome::Failure, at(5_001));
            });
        }
    });
    let reopened = driver.take_pending();
    assert_eq!(causes(&reopened), [Cause::TrialFailed]);
    assert_eq!(reopened[0].transition.open_for, Some(Duration::from_secs(10)));
}

#[test]
fn a_stale_result_from_before_the_trip_neither_closes_nor_opens_nor_uses_up_a_trial() {
    let (mut driver, gate, _) = closed(Policy { trials: 1, ..without_jitter() });
    let late = ask_together(&gate, 4, 3, at(0));
    let opened = driver.target_failed(Cause::Probe, at(0));
    commit(&mut driver, &opened);
    let over = driver.tick(at(5_000));
    commit(&mut driver, &over);
    thread::scope(|scope| {
        for (index, permit) in late.into_iter().enumerate() {
            scope.spawn(move || match index % 4 {
                0 => permit.done(Outcome::Success, at(5_000)),
                1 => permit.done(Outcome::Failure, at(5_000)),
                2 => permit.done(Outcome::Unknown, at(5_000)),
                _ => drop(permit),
            });
        }
    });
    assert_eq!(driver.take_pending(), []);
    let view = driver.view(at(5_000));
    assert_eq!((view.state, view.trials.granted, view.in_flight, view.window.calls), (State::HalfOpen, 0, 0, 0));
    assert_eq!(view.lifetime, Lifetime { success: 3, failure: 3, ignored: 0, unknown: 3, cancelled: 3 });

    gate.acquire(at(5_000)).unwrap().done(Outcome::Success, at(5_001));
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialsPassed], "the one trial was still to be had");
}

#[test]
fn a_stale_result_of_an_earlier_half_open_is_no_result_of_this_one() {
    let (mut driver, gate) = half_open(Policy { trials: 1, ..without_jitter() });
    let earlier = gate.acquire(at(5_000)).unwrap();
    let reopened = driver.tick(at(35_000));
    commit(&mut driver, &reopened);
    let again = driver.tick(at(45_000));
    commit(&mut driver, &again);
    let present = gate.acquire(at(45_000)).unwrap();
    earlier.done(Outcome::Success, at(45_001));
    assert_eq!(driver.take_pending(), []);
    present.done(Outcome::Failure, at(45_002));
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialFailed]);
}

#[test]
fn a_hung_trial_ends_with_half_open_and_its_return_changes_nothing() {
    let (mut driver, gate) = half_open(Policy { trials: 1, ..without_jitter() });
    let (return_it, hang) = mpsc::channel::<()>();
    let hung = gate.acquire_owned(at(5_000)).unwrap();
    let hanging = thread::spawn(move || {
        hang.recv().unwrap();
        hung.done(Outcome::Success, at(36_000));
    });
    assert_eq!(driver.wake_at(), Some(at(35_000)));
    assert_eq!(driver.tick(at(34_999)), []);
    let refused = gate.acquire(at(34_500)).unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (Refusal::TrialsTaken, Duration::from_millis(500)));
    let reopened = driver.tick(at(35_000));
    assert_eq!(causes(&reopened), [Cause::TrialsTimedOut]);
    assert_eq!(reopened[0].transition.open_for, Some(Duration::from_secs(10)));
    commit(&mut driver, &reopened);

    return_it.send(()).unwrap();
    hanging.join().unwrap();
    let view = driver.view(at(36_000));
    assert_eq!((view.state, view.lifetime.success), (State::Open, 1));
    let over = driver.tick(at(45_000));
    commit(&mut driver, &over);
    assert!(gate.acquire(at(45_000)).unwrap().is_trial());
}

#[test]
fn a_cancelled_trial_is_given_back_and_counts_for_nothing() {
    let (mut driver, gate) = half_open(without_jitter());
    let (out, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let given_back: usize = thread::scope(|scope| {
        let ask_and_give_up = || {
            let asked = (0..500).filter_map(|_| gate.acquire(at(5_000)).ok());
            let give_up = |trial: Permit<'_>| {
                most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                out.fetch_sub(1, Ordering::SeqCst);
                drop(trial);
            };
            asked.map(give_up).count()
        };
        let running: Vec<_> = (0..8).map(|_| scope.spawn(ask_and_give_up)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(most.load(Ordering::SeqCst) <= 3, "never more than three at once");
    assert_eq!(driver.take_pending(), [], "a cancelled trial neither closes nor opens");
    let view = driver.view(at(5_000));
    assert_eq!((view.trials.granted, view.lifetime.cancelled), (0, given_back as u64));
    assert_eq!(ask_together(&gate, 8, 100, at(5_000)).len(), 3);
}

#[test]
fn a_panic_in_a_trial_is_a_failed_trial() {
    let (mut driver, gate) = half_open(without_jitter());
    let trial = gate.acquire_owned(at(5_000)).unwrap();
    let panicked = thread::spawn(move || {
        let _trial = trial;
        panic!("the handler's own fault");
    });
    assert!(panicked.join().is_err());
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialFailed]);
    assert!(gate.acquire(at(5_001)).is_err());
}

#[test]
fn a_panic_in_each_of_ten_calls_opens_it() {
    let (mut driver, gate, _) = closed(without_jitter());
    for _ in 0..10 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _permit = gate.acquire(at(1)).unwrap();
            panic!("the handler's own fault");
        }));
        assert!(panicked.is_err());
    }
    assert_eq!(causes(&driver.take_pending()), [Cause::FailureRate]);
    assert_eq!(driver.view(at(1)).lifetime.failure, 10);
}

#[test]
fn a_clock_jump_far_ahead_forgets_the_window_and_opens_nothing() {
    let (mut driver, gate, _) = closed(without_jitter());
    for _ in 0..9 {
        gate.acquire(at(1)).unwrap().done(Outcome::Failure, at(1));
    }
    gate.acquire(at(A_YEAR)).unwrap().done(Outcome::Failure, at(A_YEAR));
    assert_eq!((driver.tick(at(A_YEAR)), driver.view(at(A_YEAR)).window.failed), (Vec::new(), 1));
    assert_eq!(driver.tick(Breaker::NO_END), [], "the last moment that there is");
    assert!(gate.acquire(Breaker::NO_END).is_ok());
}

#[test]
fn a_clock_jump_back_neither_reopens_nor_closes_nor_stops_the_counting() {
    let (mut driver, gate, _) = closed(without_jitter());
    for _ in 0..9 {
        gate.acquire(at(A_YEAR)).unwrap().done(Outcome::Failure, at(A_YEAR));
    }
    assert_eq!(driver.tick(at(5)), []);
    gate.acquire(at(7)).unwrap().done(Outcome::Failure, at(3));
    let opened = driver.take_pending();
    assert_eq!(causes(&opened), [Cause::FailureRate]);
    commit(&mut driver, &opened);
    let refused = gate.acquire(at(1_003)).unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (Refusal::Open, Duration::from_secs(4)), "open from then on");
    assert_eq!(gate.acquire(at(0)).unwrap_err().reason, Refusal::Open);

    let over = driver.tick(at(5_003));
    commit(&mut driver, &over);
    assert_eq!(causes(&over), [Cause::OpenTimeOver]);
    assert_eq!(driver.tick(at(0)), [], "half-open has not lasted for less than no time");
    for _ in 0..3 {
        gate.acquire(at(2)).unwrap().done(Outcome::Success, at(1));
    }
    assert_eq!(causes(&driver.take_pending()), [Cause::TrialsPassed]);
}

#[test]
fn a_clock_jump_in_a_call_that_ends_before_it_began_is_no_slow_call() {
    let (mut driver, gate, _) = closed(without_jitter());
    for _ in 0..10 {
        gate.acquire(at(60_000)).unwrap().done(Outcome::Success, at(0));
    }
    assert_eq!(driver.take_pending(), []);
    let view = driver.view(at(60_000));
    assert_eq!((view.window.calls, view.window.slow, view.in_flight, view.slow_in_flight), (10, 0, 0, 0));
}

/// A node that comes back at `now`: what it stored of an open breaker says until when.
fn restarted(open_until: Timestamp, now: Timestamp, policy: Policy, seed: u64) -> (Driver, Gate) {
    let record = BreakerRecord {
        state: State::Open,
        mode: Mode::Enforce,
        level: 2,
        since: Timestamp::default(),
        open_until: Some(open_until),
        forced: None,
    };
    new(policy, Some(Restored::from_record(&record, now, at(0))), at(0), seed, Box::new(|| {}))
}

#[test]
fn a_restart_while_open_keeps_it_shut_for_the_time_left_and_up_to_the_jitter_more() {
    let now = Timestamp::default().plus(Duration::from_secs(1_000));
    let until = now.plus(Duration::from_secs(20));
    let waits: BTreeSet<_> = (0..50)
        .map(|seed| {
            let (_driver, gate) = restarted(until, now, Policy::default(), seed);
            gate.acquire(at(0)).unwrap_err().retry_after
        })
        .collect();
    assert!(waits.iter().all(|wait| (20_000..=22_000).contains(&wait.as_millis())), "{waits:?}");
    assert!(waits.len() > 40, "the breakers of one node do not all try again at once");

    let (mut driver, gate) = restarted(until, now, without_jitter(), 1);
    assert_eq!(driver.wake_at(), Some(at(20_000)));
    assert_eq!(driver.tick(at(19_999)), []);
    let over = driver.tick(at(20_000));
    commit(&mut driver, &over);
    gate.acquire(at(20_000)).unwrap().done(Outcome::Failure, at(20_000));
    let reopened = driver.take_pending();
    assert_eq!(reopened[0].transition.open_for, Some(Duration::from_secs(20)), "its level came back with it");
}

#[test]
fn a_restart_while_open_after_the_open_time_was_over_tries_at_once() {
    let now = Timestamp::default().plus(Duration::from_secs(1_000));
    let (mut driver, gate) = restarted(Timestamp::default(), now, Policy::default(), 1);
    assert_eq!(gate.acquire(at(0)).unwrap_err().retry_after, Duration::ZERO);
    let over = driver.tick(at(0));
    assert_eq!(causes(&over), [Cause::OpenTimeOver]);
}

#[test]
fn a_clock_jump_between_the_two_lives_of_a_node_keeps_it_open_for_no_longer_than_the_policy_can() {
    let now = Timestamp::default();
    let (mut driver, _gate) = restarted(Timestamp::MAX, now, Policy::default(), 3);
    let wake_at = driver.wake_at().unwrap();
    assert!(wake_at <= at(363_000), "300 s, a tenth for its own jitter, a tenth for the restart's: {wake_at:?}");
}

#[test]
fn a_config_change_in_flight_keeps_the_window_the_calls_the_counts_and_the_gate() {
    let (mut driver, gate, _) = closed(without_jitter());
    let under_way = ask_together(&gate, 2, 1, at(0));
    for _ in 0..8 {
        gate.acquire(at(1)).unwrap().done(Outcome::Failure, at(1));
    }
    let before = driver.view(at(2));
    let slower = Policy { slow_call: Duration::from_secs(2), open_time: Duration::from_secs(7), ..without_jitter() };
    assert_eq!(driver.set_policy(slower, at(2)), []);
    let after = driver.view(at(2));
    assert_eq!((after.window, after.lifetime, after.refused), (before.window, before.lifetime, before.refused));
    thread::scope(|scope| {
        for permit in under_way {
            scope.spawn(|| permit.done(Outcome::Failure, at(3)));
        }
    });
    let opened = driver.take_pending();
    assert_eq!(causes(&opened), [Cause::FailureRate]);
    assert_eq!(opened[0].transition.open_for, Some(Duration::from_secs(7)));
    let view = driver.view(at(3));
    assert_eq!((view.in_flight, view.slow_in_flight, view.lifetime.failure), (0, 0, 10));
}

#[test]
fn a_config_change_in_flight_at_half_open_hands_out_no_trial_twice() {
    let (mut driver, gate) = half_open(without_jitter());
    let held = ask_together(&gate, 8, 10, at(5_000));
    assert_eq!(driver.set_policy(Policy { trials: 5, ..without_jitter() }, at(5_001)), []);
    let more = ask_together(&gate, 8, 10, at(5_001));
    assert_eq!((held.len(), more.len()), (3, 2));
    for trial in held {
        trial.done(Outcome::Success, at(5_002));
    }
    assert_eq!(driver.take_pending(), []);
    let fewer = driver.set_policy(Policy { trials: 2, ..without_jitter() }, at(5_003));
    assert_eq!(causes(&fewer), [Cause::TrialsPassed], "three were good and two are enough now");
    drop(more);
}

#[test]
fn slow_calls_still_in_flight_count_as_slow_now() {
    let (mut driver, gate, hints) = closed(without_jitter());
    assert_eq!(driver.wake_at(), None);
    let hung = ask_together(&gate, 10, 1, at(10));
    assert_eq!(hints.load(Ordering::SeqCst), 1, "one hint for the first of them, not one for each");
    let due = driver.wake_at().expect("they become slow");
    assert!(due <= at(10 + 1_126));
    let opened = driver.tick(due);
    assert_eq!(causes(&opened), [Cause::SlowRate]);
    commit(&mut driver, &opened);
    for permit in hung {
        permit.done(Outcome::Success, at(9_000));
    }
    assert_eq!(driver.take_pending(), [], "their ends come too late to matter");

    let (mut driver, gate, hints) = closed(without_jitter());
    gate.acquire(at(10)).unwrap().done(Outcome::Success, at(20));
    assert_eq!(driver.wake_at(), None, "nothing is in flight any more");
    let _second = gate.acquire(at(30)).unwrap();
    assert_eq!(hints.load(Ordering::SeqCst), 2, "and the next one is told again");
}

#[test]
fn slow_calls_still_in_flight_are_noticed_by_the_next_caller_where_no_timer_runs() {
    let (mut driver, gate, _) = closed(without_jitter());
    let hung = ask_together(&gate, 8, 125, at(10));
    assert_eq!(hung.len(), 1_000);
    assert_eq!(gate.acquire(at(2_000)).unwrap_err().reason, Refusal::Open);
    assert_eq!(causes(&driver.take_pending()), [Cause::SlowRate]);
}

#[test]
fn a_flapping_gateway_is_left_alone_for_5_10_20_and_40_seconds() {
    let (mut driver, gate, _) = closed(without_jitter());
    let mut now = 1;
    let mut open_times = Vec::new();
    for _ in 0..10 {
        gate.acquire(at(now)).unwrap().done(Outcome::Failure, at(now));
    }
    for _ in 0..4 {
        let opened = driver.take_pending();
        let open_for = opened[0].transition.open_for.unwrap();
        open_times.push(open_for.as_secs());
        commit(&mut driver, &opened);
        assert_eq!(gate.acquire(at(now)).unwrap_err().retry_after, open_for);
        now += u64::try_from(open_for.as_millis()).unwrap();
        let over = driver.tick(at(now));
        commit(&mut driver, &over);
        // It lets itself be seen for two calls, and is gone again.
        gate.acquire(at(now)).unwrap().done(Outcome::Success, at(now));
        gate.acquire(at(now)).unwrap().done(Outcome::Success, at(now));
        gate.acquire(at(now)).unwrap().done(Outcome::Failure, at(now));
    }
    assert_eq!(open_times, [5, 10, 20, 40]);
}

#[test]
fn a_flapping_gateway_that_recovers_for_less_than_a_minute_each_time_is_not_forgiven() {
    let (mut driver, gate) = half_open(without_jitter());
    let mut now = 5_000;
    for expected in [10, 20, 40] {
        for _ in 0..3 {
            gate.acquire(at(now)).unwrap().done(Outcome::Success, at(now));
        }
        let closed = driver.take_pending();
        assert_eq!(causes(&closed), [Cause::TrialsPassed]);
        commit(&mut driver, &closed);
        now += 59_999;
        let opened = driver.target_failed(Cause::Report, at(now));
        assert_eq!(opened[0].transition.open_for, Some(Duration::from_secs(expected)));
        commit(&mut driver, &opened);
        now += expected * 1_000;
        let over = driver.tick(at(now));
        commit(&mut driver, &over);
    }
}

#[test]
fn fully_down_with_probes_off_it_opens_after_exactly_minimum_calls_10_calls() {
    let (mut driver, gate, _) = closed(without_jitter());
    for call in 1..=10 {
        assert_eq!(driver.take_pending(), [], "before call {call}");
        gate.acquire(at(call)).unwrap().done(Outcome::Failure, at(call));
    }
    assert_eq!(causes(&driver.take_pending()), [Cause::FailureRate]);
    assert_eq!(gate.acquire(at(11)).unwrap_err().reason, Refusal::Open);
    assert_eq!(driver.view(at(11)).lifetime, Lifetime { failure: 10, ..Lifetime::default() });
}
