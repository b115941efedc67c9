//! After closing, the callers come back little by little: a tenth at first, all of them at the end of the ramp.
//!
//! Who passes is counted, not drawn: each caller adds the share of the moment to a credit, and a whole credit is a call
//! that passes. So of ten callers at a share of 30 % exactly three pass, in the same order each time.

use std::time::Duration;

use crate::domain::time::Moment;

/// A whole credit: one call. Shares are counted in millionths of it.
const WHOLE: u64 = 1_000_000;
/// The share at the beginning: a tenth, as Envoy's slow start has it (`min_weight_percent`).
const FIRST_SHARE: u64 = WHOLE / 10;

/// A ramp that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ramp {
    since: Moment,
    credit: u64,
}

impl Ramp {
    /// The first caller passes, however few there are.
    pub(super) const fn new(since: Moment) -> Self {
        Self { since, credit: WHOLE - FIRST_SHARE }
    }

    /// When it is over.
    pub(super) fn end(&self, length: Duration) -> Moment {
        self.since.plus(length)
    }

    /// The part of the callers that pass at `now`, below 1; `None` when it is over.
    pub(super) fn share(&self, length: Duration, now: Moment) -> Option<f64> {
        self.millionths(length, now).map(|share| share as f64 / WHOLE as f64)
    }

    /// Whether one more caller passes.
    pub(super) fn admits(&mut self, length: Duration, now: Moment) -> bool {
        let Some(share) = self.millionths(length, now) else { return true };
        self.credit += share;
        let admits = self.credit >= WHOLE;
        if admits {
            self.credit -= WHOLE;
        }
        admits
    }

    fn millionths(&self, length: Duration, now: Moment) -> Option<u64> {
        let gone = now.since(self.since);
        if gone >= length {
            return None;
        }
        let grown = u128::from(WHOLE - FIRST_SHARE) * gone.as_nanos() / length.as_nanos();
        Some(FIRST_SHARE + u64::try_from(grown).unwrap_or(WHOLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(ramp: &mut Ramp, callers: usize, second: u64) -> usize {
        let now = Moment::from_nanos(second * 1_000_000_000);
        (0..callers).filter(|_| ramp.admits(Duration::from_secs(30), now)).count()
    }

    #[test]
    fn a_tenth_passes_at_first_and_all_at_the_end() {
        let mut ramp = Ramp::new(Moment::default());
        assert_eq!(passed(&mut ramp, 1_000, 0), 100);
        assert_eq!(passed(&mut ramp, 1_000, 10), 400);
        assert_eq!(passed(&mut ramp, 1_000, 20), 700);
        assert_eq!(passed(&mut ramp, 1_000, 29), 970);
        assert_eq!(passed(&mut ramp, 1_000, 30), 1_000);
    }

    #[test]
    fn the_first_caller_passes_and_then_every_tenth() {
        let mut ramp = Ramp::new(Moment::default());
        let passes: Vec<_> = (0..30).filter(|_| passed(&mut ramp, 1, 0) == 1).collect();
        assert_eq!(passes, [0, 10, 20]);
    }

    #[test]
    fn the_longest_ramp_and_the_last_moment_are_held() {
        let mut ramp = Ramp::new(Moment::from_nanos(u64::MAX));
        assert!(ramp.admits(Duration::MAX, Moment::from_nanos(u64::MAX)));
        assert!(!ramp.admits(Duration::MAX, Moment::default()));
        assert!(ramp.admits(Duration::ZERO, Moment::default()), "no time is no ramp");
    }
}
