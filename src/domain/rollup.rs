//! What many probes of one target came to: how many, how many good, and how fast the good ones were.
//!
//! Rollups add up: the rollup of an hour is the sum of its minutes' rollups. Latencies are kept as a histogram, so
//! that quantiles of any window can be told from sums; a quantile is therefore right to within its bucket.

use std::time::Duration;

use super::id::StatusId;
use super::status::IntegrationStatus;
use super::time::Timestamp;

/// The upper bounds of the histogram's buckets; one more bucket holds what is slower. The table is part of what is on
/// disk: it never changes. Each step is about a factor of 1.6, so a quantile is right to within about 25 %.
pub const BOUNDS: [Duration; 24] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(3),
    Duration::from_millis(5),
    Duration::from_micros(7_500),
    Duration::from_millis(10),
    Duration::from_millis(15),
    Duration::from_millis(20),
    Duration::from_millis(30),
    Duration::from_millis(50),
    Duration::from_millis(75),
    Duration::from_millis(100),
    Duration::from_millis(150),
    Duration::from_millis(200),
    Duration::from_millis(300),
    Duration::from_millis(500),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// How many buckets there are: one below each of [`BOUNDS`], and one for what is slower.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// The sum of many probes of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rollup {
    /// Probes that said something about the target.
    pub count: u32,
    /// Those that were good.
    pub ok: u32,
    /// How long the good ones took, by bucket.
    pub latencies: [u32; BUCKETS],
}

impl Rollup {
    /// Adds one probe; the time counts only where it was good, since a deadline says nothing of a latency.
    pub fn add(&mut self, ok: bool, took: Duration) {
        self.count = self.count.saturating_add(1);
        if !ok {
            return;
        }
        self.ok = self.ok.saturating_add(1);
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        self.latencies[bucket] = self.latencies[bucket].saturating_add(1);
    }

    /// Adds another rollup.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.ok = self.ok.saturating_add(other.ok);
        for (mine, theirs) in self.latencies.iter_mut().zip(other.latencies) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Whether nothing was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Good probes of all, 0..=1. `None` where there were none: a time in which nobody looked counts for nobody.
    #[must_use]
    pub fn uptime(&self) -> Option<f64> {
        (self.count > 0).then(|| f64::from(self.ok) / f64::from(self.count))
    }

    /// The latency that this part (0..=1) of the good probes did not exceed, evenly spread within its bucket. Of the
    /// last bucket only its lower bound is known. `None` where no probe was good.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let total: u64 = self.latencies.iter().map(|&count| u64::from(count)).sum();
        if total == 0 {
            return None;
        }
        let rank = part.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        let mut lower = Duration::ZERO;
        for (&count, &upper) in self.latencies.iter().zip(&BOUNDS) {
            let here = f64::from(count);
            if here > 0.0 && below + here >= rank {
                return Some(lower + (upper - lower).mul_f64(((rank - below) / here).clamp(0.0, 1.0)));
            }
            below += here;
            lower = upper;
        }
        Some(lower)
    }
}

/// What moved in a target's memory without being an event, since it was last saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whose.
    pub id: StatusId,
    /// As in the status.
    pub last_attempted_at: Option<Timestamp>,
    /// As in the status.
    pub last_succeeded_at: Option<Timestamp>,
    /// As in the status.
    pub last_failed_at: Option<Timestamp>,
    /// As in the status.
    pub retry_count: u32,
    /// The probes since the last save, by the minute in which they began. They are added to what is stored.
    pub minutes: Vec<(Timestamp, Rollup)>,
}

impl Observed {
    /// Brings a status as it was last committed up to what was saved since. A commit may also be the younger of the
    /// two: then only what the commit does not know is taken.
    pub fn overlay(&self, status: &mut IntegrationStatus) {
        if self.last_attempted_at > status.last_attempted_at {
            status.retry_count = self.retry_count;
        }
        status.last_attempted_at = status.last_attempted_at.max(self.last_attempted_at);
        status.last_succeeded_at = status.last_succeeded_at.max(self.last_succeeded_at);
        status.last_failed_at = status.last_failed_at.max(self.last_failed_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Target;

    fn rollup(good: &[u64], bad: u32) -> Rollup {
        let mut rollup = Rollup::default();
        good.iter().for_each(|&millis| rollup.add(true, Duration::from_millis(millis)));
        (0..bad).for_each(|_| rollup.add(false, Duration::from_secs(10)));
        rollup
    }

    #[test]
    fn uptime_is_the_good_part_of_what_was_probed_and_nothing_is_not_zero() {
        assert_eq!(rollup(&[5, 5, 5], 1).uptime(), Some(0.75));
        assert_eq!(Rollup::default().uptime(), None);
    }

    #[test]
    fn rollups_add_up() {
        let mut sum = rollup(&[1, 40], 2);
        sum.merge(&rollup(&[900], 0));
        assert_eq!(sum, rollup(&[1, 40, 900], 2));
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_the_probe_it_speaks_of() {
        let sum = rollup(&[4, 4, 4, 4, 4, 4, 4, 4, 4, 400], 3);
        let median = sum.quantile(0.5).unwrap();
        assert!(median > Duration::from_millis(3) && median <= Duration::from_millis(5), "{median:?}");
        let tail = sum.quantile(0.99).unwrap();
        assert!(tail > Duration::from_millis(300) && tail <= Duration::from_millis(500), "{tail:?}");
        assert_eq!(rollup(&[], 3).quantile(0.5), None);
        assert_eq!(rollup(&[60_000], 0).quantile(0.5), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        assert_eq!(rollup(&[10], 0).quantile(1.0), Some(Duration::from_millis(10)));
    }

    #[test]
    fn what_was_saved_later_than_the_commit_wins_and_what_was_saved_earlier_does_not() {
        let at = |nanos| Some(Timestamp::from_nanos(nanos));
        let mut status = IntegrationStatus::new(StatusId(1), Target::new("PG_KCP", "https://api.kcp.com"));
        status.last_attempted_at = at(5);
        status.last_failed_at = at(5);
        status.retry_count = 3;
        let mut observed = Observed {
            id: StatusId(1),
            last_attempted_at: at(9),
            last_succeeded_at: None,
            last_failed_at: at(9),
            retry_count: 7,
            minutes: Vec::new(),
        };
        observed.overlay(&mut status);
        assert_eq!((status.last_attempted_at, status.last_failed_at, status.retry_count), (at(9), at(9), 7));

        status.last_attempted_at = at(12);
        status.last_succeeded_at = at(12);
        status.retry_count = 0;
        observed.retry_count = 8;
        observed.overlay(&mut status);
        assert_eq!((status.last_attempted_at, status.last_succeeded_at, status.retry_count), (at(12), at(12), 0));
    }
}
