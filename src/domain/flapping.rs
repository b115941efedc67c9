//! Whether a target flaps: goes up and down so often that each single message about it would be noise.
//!
//! Nagios' score: of the last 21 samples there are 20 possible changes; each counts with a weight that grows from 0.75
//! (the oldest) to 1.25 (the newest), and the score is their sum as a part of 20. A target flaps from a score of
//! [`Limits::high`] on, until the score falls below [`Limits::low`].
//!
//! A sample is the state in which the target stood at a fixed time, one every [`Limits::every`], and not what the last
//! probe found: ten failures between two samples are one change or none. An attempt that is still being confirmed
//! leaves the target in the state in which it was. Nothing of it is stored: after a restart it is learned anew.

use std::time::Duration;

use super::time::Moment;

/// Samples are at least this far apart, however often a target is probed: 21 of them are three and a half minutes, less
/// of which is an outage rather than a habit.
pub const LEAST_DISTANCE: Duration = Duration::from_secs(10);

/// Samples that are remembered.
const SAMPLES: u32 = 21;
/// Changes that they can hold.
const CHANGES: u32 = SAMPLES - 1;
/// The weight of the oldest change (nagioscore, `base/flapping.c`).
const OLDEST_WEIGHT: f64 = 0.75;
/// The weight of the newest.
const NEWEST_WEIGHT: f64 = 1.25;

/// What flapping is decided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How far samples are apart.
    pub every: Duration,
    /// The score from which on it flaps, 0..=1.
    pub high: f64,
    /// The score below which it no longer does, 0..=1; at most `high`.
    pub low: f64,
}

/// From this score on: the number of Nagios' sample configuration.
pub const HIGH: f64 = 0.20;
/// Until below this score, as there.
pub const LOW: f64 = 0.05;

impl Limits {
    /// The defaults for a target that is probed every `interval`.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { every: interval.max(LEAST_DISTANCE), high: HIGH, low: LOW }
    }
}

/// The last samples of one target. Twelve bytes, since there may be ten thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flapping {
    /// The samples, the newest lowest; 1 is bad.
    samples: u32,
    /// In which time slot the last one was taken, counted from 1; 0 before the first. Wraps after 1,361 years of 10 s.
    slot: u32,
    /// How many samples there are, up to [`SAMPLES`].
    taken: u8,
    flaps: bool,
}

/// Something that the mark did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It flaps from now on.
    Began,
    /// It no longer does.
    Ended,
}

impl Flapping {
    /// Takes the samples that are due: whether the target stood in trouble until `now`, before anything that was just
    /// found; `None` where nothing is known.
    pub fn sample(&mut self, bad: Option<bool>, limits: &Limits, now: Moment) -> Option<Change> {
        let slot = slot_of(now, limits.every);
        if slot == self.slot {
            return None;
        }
        let due = if self.slot == 0 { 1 } else { slot.saturating_sub(self.slot) };
        self.slot = slot;
        let bad = bad?;
        for _ in 0..due.min(SAMPLES) {
            self.samples = self.samples << 1 | u32::from(bad);
            self.taken = (self.taken + 1).min(SAMPLES as u8);
        }
        self.judge(limits)
    }

    /// Lets the time pass without a sample: nobody could look.
    pub fn skip(&mut self, limits: &Limits, now: Moment) {
        self.slot = slot_of(now, limits.every);
    }

    fn judge(&mut self, limits: &Limits) -> Option<Change> {
        let score = self.score();
        let flaps = if self.flaps { score >= limits.low } else { score >= limits.high };
        let before = std::mem::replace(&mut self.flaps, flaps);
        match (before, flaps) {
            (false, true) => Some(Change::Began),
            (true, false) => Some(Change::Ended),
            (false, false) | (true, true) => None,
        }
    }

    /// The weighted part of all possible changes, 0..=1.
    #[must_use]
    pub fn score(&self) -> f64 {
        let differences = self.samples ^ (self.samples >> 1);
        let possible = u32::from(self.taken).saturating_sub(1);
        let changed = (0..possible).filter(|age| differences >> age & 1 == 1);
        changed.map(weight).sum::<f64>() / f64::from(CHANGES)
    }

    /// Whether enough was seen to say that it does not flap.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.taken as u32 >= SAMPLES
    }

    /// Whether it flaps.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.flaps
    }
}

/// The weight of a change by its age; 0 is the newest.
fn weight(age: u32) -> f64 {
    NEWEST_WEIGHT - f64::from(age) * (NEWEST_WEIGHT - OLDEST_WEIGHT) / f64::from(CHANGES - 1)
}

fn slot_of(now: Moment, every: Duration) -> u32 {
    let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1);
    u32::try_from(now.as_nanos() / every % u64::from(u32::MAX)).map_or(1, |slot| slot + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { every: Duration::from_secs(10), high: 0.2, low: 0.05 };

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    /// One sample every 10 s: `+` is good, `-` bad.
    fn sampled(states: &str) -> (Flapping, Vec<Change>) {
        let mut flapping = Flapping::default();
        let mut changes = Vec::new();
        for (sign, number) in states.chars().zip(1..) {
            changes.extend(flapping.sample(Some(sign == '-'), &LIMITS, at(number * 10)));
        }
        (flapping, changes)
    }

    #[test]
    fn the_weights_are_those_of_nagios() {
        assert!((weight(0) - 1.25).abs() < 1e-12 && (weight(19) - 0.75).abs() < 1e-12);
        let sum: f64 = (0..CHANGES).map(weight).sum();
        assert!((sum - 20.0).abs() < 1e-9, "a change at every sample is a score of 1");
        let (always, _) = sampled("+-+-+-+-+-+-+-+-+-+-+-+");
        assert!((always.score() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn one_outage_is_two_changes_and_no_flapping() {
        for states in ["+++++-----+++++++", "+-+", "++++++++++++-+", "----------+"] {
            let (flapping, changes) = sampled(states);
            assert!(!flapping.is_on() && changes.is_empty(), "{states}: {}", flapping.score());
        }
    }

    #[test]
    fn four_recent_changes_are_flapping_and_it_ends_only_when_most_are_forgotten() {
        let (flapping, changes) = sampled("++-+-+");
        assert_eq!((flapping.is_on(), changes), (true, vec![Change::Began]));
        // As long as two changes are remembered it is above 5 %.
        let (flapping, _) = sampled("++-+-+++++++++++++++++");
        assert!(flapping.is_on(), "{}", flapping.score());
        let (flapping, changes) = sampled("++-+-++++++++++++++++++++++");
        assert_eq!((flapping.is_on(), changes), (false, vec![Change::Began, Change::Ended]));
    }

    #[test]
    fn samples_are_of_the_state_at_their_time_and_no_more_often_than_it() {
        let mut flapping = Flapping::default();
        for tenth in 0..1_000_u64 {
            flapping.sample(Some(tenth % 2 == 1), &LIMITS, Moment::from_nanos(tenth * 100_000_000));
        }
        assert_eq!(flapping.taken, 10, "one each 10 s, however often somebody looks");
    }

    #[test]
    fn a_target_that_nothing_was_found_of_for_long_stood_still() {
        let (mut flapping, _) = sampled("++-+-+");
        flapping.sample(Some(false), &LIMITS, at(10_000));
        assert!(!flapping.is_on());
        assert!(flapping.score() < 1e-12);
    }

    #[test]
    fn while_nobody_can_look_there_is_no_sample() {
        let (mut flapping, _) = sampled("++-+-+");
        let before = flapping.score();
        flapping.skip(&LIMITS, at(10_000));
        assert_eq!(flapping.sample(Some(true), &LIMITS, at(10_001)), None);
        assert!((flapping.score() - before).abs() < 1e-12);
    }

    #[test]
    fn it_fits_into_twelve_bytes() {
        assert_eq!(size_of::<Flapping>(), 12);
    }

    proptest! {
        #[test]
        fn the_score_is_the_sum_as_it_is_written_in_the_book(states in proptest::collection::vec(any::<bool>(), 0..60)) {
            let text: String = states.iter().map(|good| if *good { '+' } else { '-' }).collect();
            let (flapping, _) = sampled(&text);
            let last = &states[states.len().saturating_sub(21)..];
            let missing = 21 - last.len();
            let mut sum = 0.0;
            for (index, pair) in last.windows(2).enumerate() {
                if pair[0] != pair[1] {
                    // x counts from 1, as in nagioscore.
                    let x = (missing + index + 1) as f64;
                    sum += (x - 1.0) * (1.25 - 0.75) / 19.0 + 0.75;
                }
            }
            prop_assert!((flapping.score() - sum / 20.0).abs() < 1e-9);
            prop_assert!(!flapping.is_on() || flapping.score() >= 0.05);
            prop_assert!(flapping.is_on() || flapping.score() < 0.2);
        }
    }
}
