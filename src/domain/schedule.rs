//! When a target is probed next.

use std::time::Duration;

use super::time::Moment;

/// The first pause while a failure is being confirmed; it doubles with each attempt.
pub const FIRST_CONFIRMATION: Duration = Duration::from_secs(1);

/// Part of the interval by which a probe is moved at most, so that targets that began together drift apart.
pub const JITTER: f64 = 0.03;

/// What the next probe's time depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// How often the target is probed.
    pub interval: Duration,
    /// Failed attempts in a row, while they are too few to call it down; 0 otherwise.
    pub confirming: u32,
    /// The target asked for this pause (429, `Retry-After`).
    pub asked_pause: Option<Duration>,
    /// A draw in -1..=1.
    pub jitter: f64,
}

/// The next probe begins one interval after the last one began, or when that one ended, whichever is later; sooner
/// while a failure is confirmed (1 s, 2 s, 4 s after its end, never slower than the interval); later where the target
/// asked for it.
#[must_use]
pub fn next_probe(began: Moment, ended: Moment, pace: &Pace) -> Moment {
    let jittered = pace.interval.mul_f64(1.0 + JITTER * pace.jitter.clamp(-1.0, 1.0));
    let regular = began.plus(jittered).max(ended);
    let next = match pace.confirming {
        0 => regular,
        attempts => {
            let pause = FIRST_CONFIRMATION.saturating_mul(1 << (attempts - 1).min(16));
            regular.min(ended.plus(pause))
        }
    };
    pace.asked_pause.map_or(next, |pause| next.max(ended.plus(pause)))
}

/// When the target in place `index` of `count` is probed first: spread evenly over the interval.
#[must_use]
pub fn first_probe(start: Moment, interval: Duration, index: usize, count: usize) -> Moment {
    start.plus(interval.mul_f64(index as f64 / count.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    const PACE: Pace = Pace { interval: Duration::from_secs(10), confirming: 0, asked_pause: None, jitter: 0.0 };

    #[test]
    fn the_next_probe_begins_one_interval_after_the_last_began() {
        assert_eq!(next_probe(at(1_000), at(1_200), &PACE), at(11_000));
    }

    #[test]
    fn a_probe_longer_than_the_interval_is_followed_at_once_and_never_overlapped() {
        assert_eq!(next_probe(at(1_000), at(14_000), &PACE), at(14_000));
    }

    #[test]
    fn a_failure_is_confirmed_after_one_two_and_four_seconds() {
        for (attempts, millis) in [(1, 3_000), (2, 4_000), (3, 6_000), (4, 10_000), (30, 11_000)] {
            let pace = Pace { confirming: attempts, ..PACE };
            assert_eq!(next_probe(at(1_000), at(2_000), &pace), at(millis), "after {attempts}");
        }
    }

    #[test]
    fn confirming_is_never_slower_than_the_interval() {
        let pace = Pace { interval: Duration::from_millis(500), confirming: 3, ..PACE };
        assert_eq!(next_probe(at(1_000), at(1_010), &pace), at(1_500));
    }

    #[test]
    fn only_the_target_itself_slows_us_down() {
        let pace = Pace { asked_pause: Some(Duration::from_secs(60)), confirming: 1, ..PACE };
        assert_eq!(next_probe(at(1_000), at(2_000), &pace), at(62_000));
    }

    #[test]
    fn jitter_moves_a_probe_by_three_percent_at_most() {
        let late = next_probe(at(0), at(1), &Pace { jitter: 1.0, ..PACE });
        let early = next_probe(at(0), at(1), &Pace { jitter: -7.0, ..PACE });
        assert_eq!((early, late), (at(9_700), at(10_300)));
    }

    #[test]
    fn first_probes_are_spread_over_the_interval() {
        let times: Vec<_> = (0..4).map(|i| first_probe(at(0), Duration::from_secs(10), i, 4)).collect();
        assert_eq!(times, [at(0), at(2_500), at(5_000), at(7_500)]);
    }
}
