//! The calls that have begun and not ended, counted by when they began.
//!
//! A call that hangs must count as slow while it hangs, and one entry a call would need memory without a limit. So the
//! starts are counted in buckets of an eighth of [`slow_call`](super::Policy::slow_call): a call is seen as slow at the
//! latest an eighth too late, never too early, in memory that never grows. Every start is matched by one end in the same
//! place, so that the sum is exact whatever happens in between.

use std::time::Duration;

use crate::domain::time::Moment;

/// Places in the ring of buckets: nine ages of calls that are not slow yet, and room for slow ones still told apart.
pub const CELLS: usize = 16;
const PARTS: u64 = 8;
/// A bucket's age from which on every call in it is slow: all its parts and the bucket itself.
const SLOW_AGE: u64 = PARTS + 1;

/// Which bucket a moment is in. Cheap enough for the path of every call: one multiplication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    /// 2^64 / the bucket's length in nanoseconds.
    inverse: u64,
}

impl Buckets {
    /// Buckets for calls that are slow from `slow_call` on. Under 1 ms it is taken as 1 ms: below that the counting
    /// itself would be the load.
    #[must_use]
    pub fn new(slow_call: Duration) -> Self {
        let nanos = u64::try_from(slow_call.as_nanos()).unwrap_or(u64::MAX).max(1_000_000);
        Self { inverse: u64::MAX / nanos.div_ceil(PARTS) }
    }

    /// As a number that can be kept in an atomic.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.inverse
    }

    /// From [`Buckets::to_bits`].
    #[must_use]
    pub const fn from_bits(inverse: u64) -> Self {
        Self { inverse }
    }

    /// The place in a ring of [`CELLS`] for a call that begins at `moment`.
    #[must_use]
    pub const fn cell(self, moment: Moment) -> usize {
        (self.number(moment) % CELLS as u64) as usize
    }

    /// Whether two moments are in the same bucket.
    #[must_use]
    pub const fn are_one(self, one: Moment, other: Moment) -> bool {
        self.number(one) == self.number(other)
    }

    const fn number(self, moment: Moment) -> u64 {
        ((moment.as_nanos() as u128 * self.inverse as u128) >> 64) as u64
    }

    fn start_of(self, number: u64) -> Moment {
        let nanos = (u128::from(number) << 64).div_ceil(u128::from(self.inverse.max(1)));
        Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[derive(Debug, Clone)]
pub(super) struct InFlight {
    buckets: Buckets,
    cells: [i32; CELLS],
    /// Begun before the oldest cell. Signed: a thread that slept between its clock and its count may end here what it
    /// began in a cell; the sum stays right.
    older: i64,
    newest: u64,
}

impl InFlight {
    pub(super) fn new(slow_call: Duration, now: Moment) -> Self {
        let buckets = Buckets::new(slow_call);
        Self { buckets, cells: [0; CELLS], older: 0, newest: buckets.number(now) }
    }

    pub(super) fn buckets(&self) -> Buckets {
        self.buckets
    }

    pub(super) fn clear(&mut self) {
        self.cells = [0; CELLS];
        self.older = 0;
    }

    pub(super) fn roll(&mut self, now: Moment) {
        let newest = self.buckets.number(now);
        for _ in 0..newest.saturating_sub(self.newest).min(CELLS as u64) {
            self.newest += 1;
            let place = (self.newest % CELLS as u64) as usize;
            self.older += i64::from(std::mem::take(&mut self.cells[place]));
        }
        if newest > self.newest {
            // Longer than the whole ring: the loop has emptied every cell, only the number is behind.
            self.newest = newest;
        }
    }

    pub(super) fn began(&mut self, at: Moment) {
        self.change(at, 1);
    }

    pub(super) fn ended(&mut self, began_at: Moment) {
        self.change(began_at, -1);
    }

    /// What was counted elsewhere in one cell of the same ring since the last [`InFlight::roll`].
    pub(super) fn add(&mut self, cell: usize, change: i32) {
        self.cells[cell % CELLS] += change;
    }

    /// Calls in flight.
    pub(super) fn count(&self) -> u64 {
        let in_cells: i64 = self.cells.iter().copied().map(i64::from).sum();
        u64::try_from(self.older + in_cells).unwrap_or(0)
    }

    /// Calls in flight that are slow already.
    pub(super) fn slow(&self) -> u64 {
        let in_cells: i64 = (SLOW_AGE..CELLS as u64).filter_map(|age| self.at_age(age)).map(i64::from).sum();
        u64::try_from(self.older + in_cells).unwrap_or(0)
    }

    /// When the number of slow calls can next grow, if nothing else begins.
    pub(super) fn next_slow_at(&self) -> Option<Moment> {
        let oldest = (0..SLOW_AGE).rev().find(|&age| self.at_age(age).is_some_and(|count| count > 0))?;
        Some(self.buckets.start_of(self.newest - oldest + SLOW_AGE))
    }

    /// Until when no call in flight becomes slow, and a call that begins belongs to the same bucket.
    pub(super) fn unchanged_until(&self) -> Moment {
        self.buckets.start_of(self.newest.saturating_add(1))
    }

    fn at_age(&self, age: u64) -> Option<i32> {
        let number = self.newest.checked_sub(age)?;
        Some(self.cells[(number % CELLS as u64) as usize])
    }

    fn change(&mut self, began_at: Moment, change: i32) {
        let number = self.buckets.number(began_at).min(self.newest);
        if self.newest - number < CELLS as u64 {
            self.cells[(number % CELLS as u64) as usize] += change;
        } else {
            self.older += i64::from(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_call_in_flight_is_slow_an_eighth_too_late_at_most_and_never_too_early() {
        for began in [0, 1, 60, 124, 125, 126, 7_777] {
            let mut in_flight = InFlight::new(Duration::from_secs(1), at(0));
            in_flight.roll(at(began));
            in_flight.began(at(began));
            in_flight.roll(at(began + 999));
            assert_eq!(in_flight.slow(), 0, "began at {began}");
            in_flight.roll(at(began + 1_126));
            assert_eq!(in_flight.slow(), 1, "began at {began}");
            assert_eq!(in_flight.count(), 1);
            in_flight.ended(at(began));
            assert_eq!((in_flight.slow(), in_flight.count()), (0, 0));
        }
    }

    #[test]
    fn a_call_that_hangs_for_an_hour_is_still_one_slow_call_and_then_none() {
        let mut in_flight = InFlight::new(Duration::from_secs(1), at(0));
        in_flight.began(at(0));
        for seconds in 0..3_600 {
            in_flight.roll(at(seconds * 1_000));
        }
        assert_eq!((in_flight.slow(), in_flight.count()), (1, 1));
        in_flight.ended(at(0));
        assert_eq!((in_flight.slow(), in_flight.count()), (0, 0));
    }

    #[test]
    fn the_next_slow_moment_is_when_the_oldest_bucket_is_wholly_slow() {
        let mut in_flight = InFlight::new(Duration::from_secs(1), at(0));
        assert_eq!(in_flight.next_slow_at(), None);
        in_flight.began(at(0));
        let due = in_flight.next_slow_at().unwrap();
        assert!(due >= at(1_000) && due <= at(1_126), "{due:?}");
        in_flight.roll(due);
        assert_eq!((in_flight.slow(), in_flight.next_slow_at()), (1, None));
    }

    #[test]
    fn the_longest_and_the_shortest_limits_are_held() {
        for slow_call in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(3_600), Duration::MAX] {
            let mut in_flight = InFlight::new(slow_call, Moment::from_nanos(u64::MAX - 10));
            in_flight.began(Moment::from_nanos(u64::MAX - 10));
            in_flight.roll(Moment::from_nanos(u64::MAX));
            let _ = in_flight.unchanged_until();
            let _ = in_flight.next_slow_at();
            assert_eq!(in_flight.count(), 1);
        }
    }
}
