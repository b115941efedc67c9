//! True sliding windows: the last calls, or the calls of the last so-and-so many seconds.
//!
//! Owns what was counted and nothing about what it means. Totals are kept while counting, so that a verdict costs the
//! same with one slice and with sixty. Memory is taken once, when the window is made.

use std::time::Duration;

use super::policy::Window;
use crate::domain::time::Moment;

/// The most slices of a window in time.
const SLICES_MAX: u32 = 60;
/// The most calls of a window of the last calls.
const CALLS_MAX: u32 = 10_000;
/// What a window of the last calls counts as its length where a length in time is asked for: the default window's.
const LENGTH_OF_COUNT: Duration = Duration::from_secs(60);

const FAILED: u8 = 1;
const SLOW: u8 = 2;

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls that were counted; the ignored ones are not among them.
    pub calls: u64,
    /// Failed calls.
    pub failed: u64,
    /// Slow calls, failed or not.
    pub slow: u64,
    /// Calls that failed or were slow.
    pub bad: u64,
    /// Calls whose outcome says nothing about the target. A window of the last calls counts them since it was emptied.
    pub ignored: u64,
}

impl Counts {
    fn of(call: Call) -> Self {
        Self {
            calls: 1,
            failed: u64::from(call.failed),
            slow: u64::from(call.slow),
            bad: u64::from(call.failed || call.slow),
            ignored: 0,
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
        self.bad += other.bad;
        self.ignored += other.ignored;
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
        self.bad -= other.bad;
        self.ignored -= other.ignored;
    }
}

/// A call as the window sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

#[derive(Debug, Clone)]
pub(super) struct SlidingWindow {
    totals: Counts,
    kept: Kept,
}

#[derive(Debug, Clone)]
enum Kept {
    Slices(Slices),
    Calls(Calls),
}

#[derive(Debug, Clone)]
struct Slices {
    nanos_each: u64,
    ring: Box<[Counts]>,
    /// The number of the newest slice since the clock's zero; `number % ring.len()` is its place.
    newest: u64,
}

#[derive(Debug, Clone)]
struct Calls {
    ring: Box<[u8]>,
    next: usize,
    filled: usize,
}

impl SlidingWindow {
    pub(super) fn new(shape: Window, now: Moment) -> Self {
        let kept = match shape {
            Window::Time { length, slices } => Kept::Slices(Slices::new(length, slices, now)),
            Window::Count(size) => {
                Kept::Calls(Calls { ring: vec![0; size.clamp(1, CALLS_MAX) as usize].into(), next: 0, filled: 0 })
            }
        };
        Self { totals: Counts::default(), kept }
    }

    pub(super) fn totals(&self) -> Counts {
        self.totals
    }

    /// How long it looks back.
    pub(super) fn length(&self) -> Duration {
        match &self.kept {
            Kept::Slices(slices) => Duration::from_nanos(slices.nanos_each.saturating_mul(slices.ring.len() as u64)),
            Kept::Calls(_) => LENGTH_OF_COUNT,
        }
    }

    /// When time alone next takes something out of it, at the earliest.
    pub(super) fn unchanged_until(&self) -> Moment {
        match &self.kept {
            Kept::Slices(slices) => {
                Moment::from_nanos(slices.newest.saturating_add(1).saturating_mul(slices.nanos_each))
            }
            Kept::Calls(_) => Moment::from_nanos(u64::MAX),
        }
    }

    /// Forgets the slices that `now` has left behind. An earlier `now` than before forgets nothing.
    pub(super) fn roll(&mut self, now: Moment) {
        if let Kept::Slices(slices) = &mut self.kept {
            slices.roll(now, &mut self.totals);
        }
    }

    pub(super) fn record(&mut self, call: Call) {
        match &mut self.kept {
            Kept::Slices(slices) => slices.newest().add(Counts::of(call)),
            Kept::Calls(calls) => calls.push(call, &mut self.totals),
        }
        self.totals.add(Counts::of(call));
    }

    /// As many good calls at once.
    pub(super) fn succeeded(&mut self, count: u64) {
        match &mut self.kept {
            Kept::Slices(slices) => {
                slices.newest().calls += count;
                self.totals.calls += count;
            }
            Kept::Calls(calls) => {
                let good = Call { failed: false, slow: false };
                for _ in 0..count.min(calls.ring.len() as u64) {
                    calls.push(good, &mut self.totals);
                    self.totals.add(Counts::of(good));
                }
            }
        }
    }

    pub(super) fn ignored(&mut self) {
        if let Kept::Slices(slices) = &mut self.kept {
            slices.newest().ignored += 1;
        }
        self.totals.ignored += 1;
    }

    pub(super) fn clear(&mut self) {
        self.totals = Counts::default();
        match &mut self.kept {
            Kept::Slices(slices) => slices.ring.fill(Counts::default()),
            Kept::Calls(calls) => (calls.next, calls.filled) = (0, 0),
        }
    }

    /// The same calls in another shape. What one kind does not know of the other (when each call was, or in which order)
    /// is not made up: between the kinds the new window starts empty.
    pub(super) fn reshaped(&self, shape: Window, now: Moment) -> Self {
        let mut reshaped = Self::new(shape, now);
        match (&self.kept, &mut reshaped.kept) {
            (Kept::Slices(old), Kept::Slices(new)) => {
                for (began_at, counts) in old.oldest_first() {
                    if let Some(place) = new.place_of(began_at) {
                        new.ring[place].add(counts);
                        reshaped.totals.add(counts);
                    }
                }
            }
            (Kept::Calls(old), Kept::Calls(_)) => {
                for call in old.oldest_first() {
                    reshaped.record(call);
                }
                reshaped.totals.ignored = self.totals.ignored;
            }
            (Kept::Slices(_), Kept::Calls(_)) | (Kept::Calls(_), Kept::Slices(_)) => {}
        }
        reshaped
    }
}

impl Slices {
    fn new(length: Duration, slices: u32, now: Moment) -> Self {
        let count = slices.clamp(1, SLICES_MAX);
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let nanos_each = (nanos / u64::from(count)).max(1);
        Self { nanos_each, ring: vec![Counts::default(); count as usize].into(), newest: now.as_nanos() / nanos_each }
    }

    fn newest(&mut self) -> &mut Counts {
        let place = self.newest % self.ring.len() as u64;
        &mut self.ring[place as usize]
    }

    fn roll(&mut self, now: Moment, totals: &mut Counts) {
        let newest = now.as_nanos() / self.nanos_each;
        if newest <= self.newest {
            return;
        }
        for _ in 0..(newest - self.newest).min(self.ring.len() as u64) {
            self.newest += 1;
            totals.subtract(std::mem::take(self.newest()));
        }
        self.newest = newest;
    }

    fn oldest_first(&self) -> impl Iterator<Item = (Moment, Counts)> + '_ {
        let count = self.ring.len() as u64;
        (0..count).rev().filter_map(move |age| {
            let number = self.newest.checked_sub(age)?;
            Some((Moment::from_nanos(number.saturating_mul(self.nanos_each)), self.ring[(number % count) as usize]))
        })
    }

    fn place_of(&self, moment: Moment) -> Option<usize> {
        let count = self.ring.len() as u64;
        let number = (moment.as_nanos() / self.nanos_each).min(self.newest);
        (self.newest - number < count).then_some((number % count) as usize)
    }
}

impl Calls {
    /// Puts `call` in the place of the oldest, and takes that one out of `totals`.
    fn push(&mut self, call: Call, totals: &mut Counts) {
        if self.filled == self.ring.len() {
            totals.subtract(Counts::of(decoded(self.ring[self.next])));
        } else {
            self.filled += 1;
        }
        self.ring[self.next] = encoded(call);
        self.next = (self.next + 1) % self.ring.len();
    }

    fn oldest_first(&self) -> impl Iterator<Item = Call> + '_ {
        (0..self.filled).map(move |age| {
            let place = (self.next + self.ring.len() - self.filled + age) % self.ring.len();
            decoded(self.ring[place])
        })
    }
}

fn encoded(call: Call) -> u8 {
    (u8::from(call.failed) * FAILED) | (u8::from(call.slow) * SLOW)
}

fn decoded(byte: u8) -> Call {
    Call { failed: byte & FAILED != 0, slow: byte & SLOW != 0 }
}
