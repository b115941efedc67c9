//! Calls that others made and report afterwards.
//!
//! A report arrives later than its call ended, sometimes much later. [`Call::still_counts`] says whether it may still
//! speak about the breaker; that it is counted in the metrics does not depend on it.

use std::time::Duration;

use super::breaker::Outcome;
use super::time::Timestamp;

/// A call that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// How, as far as the breaker cares.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// When it ended, by the clock of who reports it.
    pub ended_at: Timestamp,
}

impl Call {
    /// Whether a breaker may count it now that looks back as far as `window`, and whose state began at `state_since`
    /// where that is known: a call that ended in another state says nothing about this one.
    #[must_use]
    pub fn still_counts(&self, window: Duration, state_since: Option<Timestamp>, now: Timestamp) -> bool {
        now.since(self.ended_at) <= window && state_since.is_none_or(|since| self.ended_at >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn call(ended_at: i64) -> Call {
        Call { outcome: Outcome::Failure, took: Duration::from_secs(3), ended_at: at(ended_at) }
    }

    #[test]
    fn a_report_that_is_older_than_the_window_no_longer_counts() {
        assert!(call(940).still_counts(MINUTE, None, at(1_000)));
        assert!(!call(939).still_counts(MINUTE, None, at(1_000)));
    }

    #[test]
    fn a_late_report_does_not_speak_about_a_state_that_began_after_its_call() {
        assert!(!call(979).still_counts(MINUTE, Some(at(980)), at(1_000)));
        assert!(call(980).still_counts(MINUTE, Some(at(980)), at(1_000)));
    }

    #[test]
    fn a_clock_that_is_ahead_of_ours_does_not_matter() {
        assert!(call(1_200).still_counts(MINUTE, Some(at(980)), at(1_000)));
    }
}
