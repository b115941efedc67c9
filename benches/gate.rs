//! What a call through the gate costs, next to failsafe alone and to recloser in the same run, with their ratios.
//!
//! The gate is told the time by its caller; the other two count without a time or read the clock themselves. recloser
//! counts the last 100 calls. Each figure is a thread's time per call; where threads are several they share one breaker
//! and do nothing else, which is as bad as it can get.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use breakwater::breaker::{self, Gate};
use breakwater::domain::breaker::{Cause, Outcome, Policy, State};
use breakwater::domain::time::Moment;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use failsafe::backoff;
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use failsafe::{FailurePolicy, StateMachine};
use recloser::Recloser;

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

fn moment(call: u64) -> Moment {
    Moment::from_nanos(1 + call * STEP)
}

const fn outcome(call: u64, fails_each: u64) -> Outcome {
    if call % fails_each == fails_each - 1 { Outcome::Failure } else { Outcome::Success }
}

/// No call of a run is as late as this.
const NONE_FAILS: u64 = u64::MAX;

/// Nanoseconds a call.
struct Figure {
    name: &'static str,
    /// The warm-up's short samples are at the ends, and on a busy machine much of the rest.
    median: f64,
    /// What remains where no other program disturbs; with several threads also where they happened not to meet.
    least: f64,
}

/// Breakers under one load.
struct Measured<'group, 'criterion> {
    group: &'group mut BenchmarkGroup<'criterion, WallTime>,
    threads: usize,
    figures: Vec<Figure>,
}

impl Measured<'_, '_> {
    /// `call` is told its number; the numbers grow through all samples.
    fn measure(&mut self, name: &'static str, call: impl Fn(u64) + Sync) {
        let (threads, mut begun) = (self.threads, 0);
        let mut samples = Vec::new();
        self.group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let took = together(threads, begun..begun + iterations, &call);
                begun += iterations;
                samples.push(took.as_nanos() as f64 / iterations as f64);
                took
            });
        });
        samples.sort_by(f64::total_cmp);
        let [least, median] = [0, samples.len() / 2].map(|place| samples.get(place).copied().unwrap_or(f64::NAN));
        self.figures.push(Figure { name, median, least });
    }

    /// The first figure is what the others are compared to.
    fn print_ratios(self, title: &str) {
        let Some(first) = self.figures.first() else { return };
        for Figure { name, median, least } in &self.figures {
            let (ratio, of_least) = (median / first.median, least / first.least);
            eprintln!(
                "{title}: {name}: median {median:.1} ns, {ratio:.2} of {}; least {least:.1} ns, {of_least:.2}",
                first.name
            );
        }
    }
}

/// The time that `threads` threads take for all of `calls` each, so that the figure is a thread's time per call.
fn together(threads: usize, calls: std::ops::Range<u64>, call: &(impl Fn(u64) + Sync)) -> Duration {
    let begin = Barrier::new(threads);
    let slowest = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let (begin, calls) = (&begin, calls.clone());
                scope.spawn(move || {
                    begin.wait();
                    let started = now();
                    calls.for_each(call);
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

/// A closed breaker, one call in `fails_each` of which fails, by all three.
fn compared(criterion: &mut Criterion, title: &str, threads: usize, fails_each: u64) {
    let mut group = criterion.benchmark_group(title);
    let mut measured = Measured { group: &mut group, threads, figures: Vec::new() };

    let (driver, gate) = closed();
    let last = AtomicU64::new(0);
    measured.measure("gate", |call| {
        if let Ok(permit) = black_box(&gate).acquire(moment(call)) {
            permit.done(outcome(call, fails_each), moment(call));
        }
        if call % 1_024 == 0 {
            last.store(call, Relaxed);
        }
    });
    // Otherwise refusals would have been measured.
    assert_eq!(driver.view(moment(last.into_inner())).state, State::Closed);

    let machine = failsafe_alone();
    measured.measure("failsafe alone", |call| {
        if black_box(&machine).is_call_permitted() {
            match outcome(call, fails_each) {
                Outcome::Success => machine.on_success(),
                Outcome::Failure | Outcome::Ignored | Outcome::Unknown => machine.on_error(),
            }
        }
    });
    assert!(machine.is_call_permitted());

    let recloser = Recloser::custom().error_rate(0.5).closed_len(100).build();
    measured.measure("recloser", |call| {
        let called =
            black_box(&recloser).call(|| if outcome(call, fails_each) == Outcome::Success { Ok(()) } else { Err(()) });
        black_box(called.is_ok());
    });
    assert!(recloser.call(|| Ok::<_, ()>(())).is_ok());
    measured.print_ratios(title);
    group.finish();
}

fn side_by_side(criterion: &mut Criterion) {
    compared(criterion, "acquire and done, closed, one thread", 1, NONE_FAILS);
    compared(criterion, "acquire and done, closed, two threads", 2, NONE_FAILS);
    compared(criterion, "gate and window while one percent fails, one thread", 1, 100);
    compared(criterion, "gate and window while one percent fails, two threads", 2, 100);
}

fn of_the_gate_alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("the gate alone, one thread");
    let mut measured = Measured { group: &mut group, threads: 1, figures: Vec::new() };

    let (_driver, gate) = closed();
    measured.measure("acquire, one attempt, done", |call| {
        if let Ok(mut permit) = black_box(&gate).acquire(moment(call)) {
            permit.attempt_begins(moment(call));
            permit.attempt_ended(moment(call));
            permit.done(Outcome::Success, moment(call));
        }
    });

    let (mut driver, gate) = closed();
    assert_eq!(driver.target_failed(Cause::Report, Moment::from_nanos(2)).len(), 1);
    measured.measure("refused and counted, open", |_| {
        black_box(black_box(&gate).acquire(black_box(Moment::from_nanos(3))).is_err());
    });

    let alone = AtomicU64::new(0);
    measured.measure("two atomic additions: the least this machine can do", |_| {
        black_box(black_box(&alone).fetch_add(1, Relaxed) + black_box(&alone).fetch_add(1, Relaxed));
    });
    measured.print_ratios("the gate alone");
    group.finish();
}

criterion_group!(gate, side_by_side, of_the_gate_alone);
criterion_main!(gate);
