//! What is counted of the real calls to one target: atomics that every caller adds to, and one reader sums up.
//!
//! Most targets are only probed: the counters are made with the first call, so that ten thousand targets without traffic
//! cost a pointer each. With them the target's series begin to exist; who knows before the first call that there will be
//! calls makes them with [`Traffic::begin`], so that they exist at 0.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::target::{BUCKETS, latency_bucket};
use crate::domain::breaker::Outcome;
use crate::domain::guard::Refusal;
use crate::domain::time::Timestamp;

/// Error codes that are kept of one target. One more takes the place of the one that was last seen longest ago.
pub const ERRORS_KEPT: usize = 5;

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
    slow: AtomicU64,
    durations: [AtomicU64; BUCKETS],
    duration_sum_nanos: AtomicU64,
    errors: Mutex<Vec<SeenError>>,
}

/// What was counted of the real calls to one target, read at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficSample {
    /// Calls that ended, by what came of them.
    pub calls: ByOutcome,
    /// Attempts of which they were made.
    pub attempts: ByOutcome,
    /// Further attempts that were decided on.
    pub retries: u64,
    /// Calls that were refused because they began more often than they may.
    pub rate_limited: u64,
    /// Calls that were refused because as many as may be were under way.
    pub bulkhead_full: u64,
    /// Reported calls that took as long as their breaker calls slow.
    pub slow: u64,
    pub(super) durations: [u64; BUCKETS],
    pub(crate) duration_sum: Duration,
}

/// How often each outcome was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByOutcome {
    /// The target answered.
    pub success: u64,
    /// The target failed.
    pub failure: u64,
    /// It says nothing about the target.
    pub ignored: u64,
    /// Nobody knows whether the target did it.
    pub unknown: u64,
}

/// An error code that callers told of, for people: never a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenError {
    /// As the caller told it, scrubbed.
    pub code: Box<str>,
    /// Of which operation, the last time.
    pub operation: Option<Box<str>>,
    /// How often, since it is among those that are kept.
    pub count: u64,
    /// The last time.
    pub at: Timestamp,
}

impl Traffic {
    /// There will be calls: from now on the target has its series.
    pub fn begin(&self) {
        self.counters();
    }

    /// A call has ended; `took` is all of it, with its attempts and pauses, up to where the target had
    /// answered.
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

    /// A call that was counted, and of which its duration is all that is known, took as long as its breaker calls slow.
    pub fn slow(&self) {
        add(&self.counters().slow);
    }

    /// Callers told of an error.
    pub fn failed_with(&self, seen: SeenError) {
        let mut errors = self.counters().errors.lock();
        if let Some(known) = errors.iter_mut().find(|known| known.code == seen.code) {
            let count = known.count + seen.count;
            *known = SeenError { count, at: known.at.max(seen.at), ..seen };
            return;
        }
        if errors.len() == ERRORS_KEPT {
            let oldest = errors.iter().enumerate().min_by_key(|(_, known)| known.at).map_or(0, |(place, _)| place);
            errors.swap_remove(oldest);
        }
        errors.push(seen);
    }

    /// The errors that callers told of, the latest first.
    #[must_use]
    pub fn last_errors(&self) -> Vec<SeenError> {
        let mut errors = self.0.get().map(|counters| counters.errors.lock().clone()).unwrap_or_default();
        errors.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.code.cmp(&other.code)));
        errors
    }

    /// What was counted; `None` before the first call.
    #[must_use]
    pub fn sample(&self) -> Option<TrafficSample> {
        let counters = self.0.get()?;
        Some(TrafficSample {
            calls: ByOutcome::of(&counters.calls),
            attempts: ByOutcome::of(&counters.attempts),
            retries: read(&counters.retries),
            rate_limited: read(&counters.rate_limited),
            bulkhead_full: read(&counters.bulkhead_full),
            slow: read(&counters.slow),
            durations: std::array::from_fn(|place| read(&counters.durations[place])),
            duration_sum: Duration::from_nanos(read(&counters.duration_sum_nanos)),
        })
    }

    fn counters(&self) -> &Counters {
        self.0.get_or_init(Box::default)
    }
}

impl ByOutcome {
    fn of(counters: &[AtomicU64; 4]) -> Self {
        let count = |outcome| read(&counters[place(outcome)]);
        Self {
            success: count(Outcome::Success),
            failure: count(Outcome::Failure),
            ignored: count(Outcome::Ignored),
            unknown: count(Outcome::Unknown),
        }
    }

    /// All of them.
    #[must_use]
    pub const fn all(self) -> u64 {
        let Self { success, failure, ignored, unknown } = self;
        success + failure + ignored + unknown
    }

    /// Each by its word.
    pub(super) const fn by_word(self) -> [(&'static str, u64); 4] {
        let Self { success, failure, ignored, unknown } = self;
        [("success", success), ("failure", failure), ("ignored", ignored), ("unknown", unknown)]
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(code: &str, count: u64, at: i64) -> SeenError {
        SeenError { code: code.into(), operation: None, count, at: Timestamp::from_nanos(at) }
    }

    #[test]
    fn what_was_counted_is_read_in_its_place() {
        let traffic = Traffic::default();
        assert_eq!(traffic.sample(), None);
        traffic.begin();
        assert_eq!(traffic.sample(), Some(TrafficSample::default()));
        traffic.call(Outcome::Success, Duration::from_millis(30));
        traffic.call(Outcome::Unknown, Duration::from_secs(3));
        traffic.slow();
        traffic.attempt(Outcome::Failure);
        traffic.attempt(Outcome::Ignored);
        traffic.retried();
        traffic.refused(Refusal::RateLimited);
        traffic.refused(Refusal::BulkheadFull);
        let sample = traffic.sample().unwrap();
        assert_eq!(sample.calls, ByOutcome { success: 1, unknown: 1, ..ByOutcome::default() });
        assert_eq!(sample.attempts, ByOutcome { failure: 1, ignored: 1, ..ByOutcome::default() });
        assert_eq!((sample.calls.all(), sample.retries, sample.slow), (2, 1, 1));
        assert_eq!((sample.rate_limited, sample.bulkhead_full), (1, 1));
        assert_eq!(sample.durations.iter().sum::<u64>(), 2);
        assert_eq!(sample.duration_sum, Duration::from_millis(3_030));
    }

    #[test]
    fn the_errors_that_were_last_seen_are_kept_and_counted() {
        let traffic = Traffic::default();
        for (at, code) in ["A", "B", "C", "D", "E"].into_iter().enumerate() {
            traffic.failed_with(seen(code, 1, at as i64));
        }
        traffic.failed_with(seen("A", 2, 10));
        traffic.failed_with(seen("F", 7, 11));
        let kept = traffic.last_errors();
        let kept: Vec<_> = kept.iter().map(|error| (&*error.code, error.count)).collect();
        assert_eq!(kept, [("F", 7), ("A", 3), ("E", 1), ("D", 1), ("C", 1)]);
    }

    #[test]
    fn a_target_without_calls_costs_a_pointer() {
        assert!(size_of::<Traffic>() <= 16, "{}", size_of::<Traffic>());
    }
}
