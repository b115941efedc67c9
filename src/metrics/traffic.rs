//! What is counted of the real calls to one target: atomics that every caller adds to, and one reader sums up.
//!
//! Most targets are only probed: the counters are made with the first call, so that ten thousand targets without traffic
//! cost a pointer each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::target::{BUCKETS, latency_bucket};
use crate::domain::breaker::Outcome;
use crate::domain::guard::Refusal;

/// The real calls to one target since the process began.
#[derive(Debug, Default)]
pub struct Traffic(OnceLock<Box<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    calls: [AtomicU64; 4],
    attempts: [AtomicU64; 4],
    retries: AtomicU64,
    rate_limited: AtomicU64,
    bulkhead_full: AtomicU64,
    durations: [AtomicU64; BUCKETS],
    duration_sum_nanos: AtomicU64,
}

impl Traffic {
    /// A call has ended; `took` is all of it, with its attempts and pauses.
    pub fn call(&self, outcome: Outcome, took: Duration) {
        let counters = self.counters();
        add(&counters.calls[place(outcome)]);
        add(&counters.durations[latency_bucket(took)]);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counters.duration_sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// One attempt of a call has ended.
    pub fn attempt(&self, outcome: Outcome) {
        add(&self.counters().attempts[place(outcome)]);
    }

    /// A further attempt was decided on.
    pub fn retried(&self) {
        add(&self.counters().retries);
    }

    /// A call was refused before it was made. What the breaker refuses, it counts itself.
    pub fn refused(&self, why: Refusal) {
        match why {
            Refusal::RateLimited => add(&self.counters().rate_limited),
            Refusal::BulkheadFull => add(&self.counters().bulkhead_full),
            Refusal::Breaker(_) => {}
        }
    }

    fn counters(&self) -> &Counters {
        self.0.get_or_init(Box::default)
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

const fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Success => 0,
        Outcome::Failure => 1,
        Outcome::Ignored => 2,
        Outcome::Unknown => 3,
    }
}
