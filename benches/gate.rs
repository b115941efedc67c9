//! What a call through the gate costs, next to failsafe alone in the same run.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use breakwater::breaker::{self, Gate};
use breakwater::domain::breaker::{Cause, Outcome, Policy, State};
use breakwater::domain::time::Moment;
use criterion::{Criterion, criterion_group, criterion_main};
use failsafe::backoff;
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use failsafe::{FailurePolicy, StateMachine};

/// Time as it passes between two calls of a busy target; slices and buckets end as they would.
const STEP: u64 = 100;

fn closed() -> (breaker::Driver, Gate) {
    breaker::new(Policy::default(), None, Moment::from_nanos(1), 1, Box::new(|| {}))
}

fn failsafe_alone() -> StateMachine<impl FailurePolicy, ()> {
    let pause = backoff::constant(Duration::from_secs(5));
    let window = Duration::from_secs(60);
    let policy = success_rate_over_time_window(0.5, 10, window, pause.clone()).or_else(consecutive_failures(5, pause));
    StateMachine::new(policy, ())
}

fn call(gate: &Gate, now: &mut u64, outcome: Outcome) {
    *now += STEP;
    let now = Moment::from_nanos(*now);
    if let Ok(permit) = black_box(gate).acquire(now) {
        permit.done(outcome, now);
    }
}

/// Otherwise refusals would have been measured.
fn assert_stayed_closed(driver: &breaker::Driver, now: u64) {
    assert_eq!(driver.view(Moment::from_nanos(now)).state, State::Closed);
}

fn one_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one thread");
    let (driver, gate) = closed();
    let mut now = 1;
    group.bench_function("gate: acquire and done, closed", |bencher| {
        bencher.iter(|| call(&gate, &mut now, Outcome::Success));
    });
    assert_stayed_closed(&driver, now);

    let (driver, gate) = closed();
    let mut now = 1;
    let mut calls = 0_u32;
    group.bench_function("gate: acquire and done, one of ten fails", |bencher| {
        bencher.iter(|| {
            calls = calls.wrapping_add(1);
            call(&gate, &mut now, if calls % 10 == 9 { Outcome::Failure } else { Outcome::Success });
        });
    });

    assert_stayed_closed(&driver, now);

    let (mut driver, gate) = closed();
    let opened = driver.target_failed(Cause::Report, Moment::from_nanos(2));
    assert_eq!(opened.len(), 1);
    group.bench_function("gate: refused, open", |bencher| {
        bencher.iter(|| black_box(&gate).acquire(black_box(Moment::from_nanos(3))).is_err());
    });

    let alone = AtomicU64::new(0);
    group.bench_function("two atomic additions: the least this machine can do", |bencher| {
        bencher.iter(|| black_box(&alone).fetch_add(1, Relaxed) + black_box(&alone).fetch_add(1, Relaxed));
    });

    let machine = failsafe_alone();
    group.bench_function("failsafe alone: permitted and success", |bencher| {
        bencher.iter(|| {
            if black_box(&machine).is_call_permitted() {
                machine.on_success();
            }
        });
    });
    group.finish();
}

/// The time that `threads` threads take for `iterations` calls each, so that the figure is a thread's time per call.
fn together(threads: usize, iterations: u64, call: impl Fn(u64) + Sync) -> Duration {
    let begin = Barrier::new(threads);
    let slowest = thread::scope(|scope| {
        let (begin, call) = (&begin, &call);
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(move || {
                    begin.wait();
                    let started = now();
                    (0..iterations).for_each(call);
                    started.elapsed()
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).max()
    });
    slowest.unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine")]
fn now() -> Instant {
    Instant::now()
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two threads");
    let (driver, gate) = closed();
    let mut base = 1;
    group.bench_function("gate: acquire and done, closed", |bencher| {
        bencher.iter_custom(|iterations| {
            base += iterations * STEP;
            together(2, iterations, |index| {
                let mut now = base + index * STEP;
                call(&gate, &mut now, Outcome::Success);
            })
        });
    });
    assert_stayed_closed(&driver, base);
    let machine = failsafe_alone();
    group.bench_function("failsafe alone: permitted and success", |bencher| {
        bencher.iter_custom(|iterations| {
            together(2, iterations, |_| {
                if black_box(&machine).is_call_permitted() {
                    machine.on_success();
                }
            })
        });
    });
    group.finish();
}

criterion_group!(gate, one_thread, two_threads);
criterion_main!(gate);
