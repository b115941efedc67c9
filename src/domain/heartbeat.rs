//! When a target that reports in is late, and what is said of it then.

use std::time::Duration;

use super::time::Timestamp;

/// How often a target reports in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// From one beat to the next.
    pub interval: Duration,
    /// A beat may be this much later.
    pub grace: Duration,
}

impl Pulse {
    /// How long a beat is waited for after the one before it.
    #[must_use]
    pub const fn patience(self) -> Duration {
        self.interval.saturating_add(self.grace)
    }

    /// How long the first beat is waited for from `now`, when the waiting begins (again). The `last` one that is known
    /// counts, but a whole interval must pass: nobody could report in while the node was away.
    #[must_use]
    pub fn patience_at_start(self, last: Option<Timestamp>, now: Timestamp) -> Duration {
        let waited = last.map_or(Duration::ZERO, |last| now.since(last));
        self.patience().saturating_sub(waited).max(self.interval)
    }

    /// What is said when `now` no beat has come since the `last` one, or ever since `began`.
    ///
    /// The time that is told is the patience, doubled as often as it has passed: what is said while a target stays silent
    /// must change seldom, since each new reason is an event that is kept.
    #[must_use]
    pub fn silence(self, last: Option<Timestamp>, began: Timestamp, now: Timestamp) -> String {
        let Some(last) = last else {
            return format!("no heartbeat in the first {}", words(self.told(now.since(began))));
        };
        format!("no heartbeat for {}", words(self.told(now.since(last))))
    }

    fn told(self, waited: Duration) -> Duration {
        let mut told = self.patience();
        while !told.is_zero() && told.saturating_mul(2) <= waited {
            told = told.saturating_mul(2);
        }
        told
    }
}

/// A duration for people, cut to what they would say.
fn words(duration: Duration) -> String {
    let (millis, seconds) = (duration.as_millis(), duration.as_secs());
    match seconds {
        0..10 if millis % 1_000 != 0 => format!("{}.{} s", seconds, millis % 1_000 / 100),
        0..600 => format!("{seconds} s"),
        600..10_800 => format!("{} min", seconds / 60),
        10_800..259_200 => format!("{} h", seconds / 3_600),
        259_200.. => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULSE: Pulse = Pulse { interval: Duration::from_secs(65), grace: Duration::from_secs(30) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_beat_is_waited_for_an_interval_and_the_grace() {
        assert_eq!(PULSE.patience(), Duration::from_secs(95));
        assert_eq!(PULSE.patience_at_start(None, at(1_000)), Duration::from_secs(95));
    }

    #[test]
    fn after_a_start_the_last_beat_counts_and_a_whole_interval_must_pass() {
        for (last, seconds) in [(1_000, 95), (990, 85), (970, 65), (0, 65), (2_000, 95)] {
            let patience = PULSE.patience_at_start(Some(at(last)), at(1_000));
            assert_eq!(patience, Duration::from_secs(seconds), "last at {last}");
        }
    }

    #[test]
    fn a_long_silence_is_told_in_few_words() {
        let said = |waited| PULSE.silence(Some(at(0)), at(0), at(waited));
        assert_eq!(said(95), "no heartbeat for 95 s");
        assert_eq!(said(189), "no heartbeat for 95 s");
        assert_eq!(said(190), "no heartbeat for 190 s");
        assert_eq!(said(800), "no heartbeat for 12 min");
        assert_eq!(said(86_400), "no heartbeat for 13 h");
        assert_eq!(said(864_000), "no heartbeat for 9 days");
        assert_eq!(PULSE.silence(None, at(10), at(105)), "no heartbeat in the first 95 s");
        let different: std::collections::BTreeSet<_> = (95..864_000).step_by(65).map(said).collect();
        assert_eq!(different.len(), 14);
    }

    #[test]
    fn short_times_have_a_decimal_and_none_is_told_for_ever() {
        let quick = Pulse { interval: Duration::from_millis(1_500), grace: Duration::ZERO };
        assert_eq!(quick.silence(Some(at(0)), at(0), at(2)), "no heartbeat for 1.5 s");
        let never = Pulse { interval: Duration::ZERO, grace: Duration::ZERO };
        assert_eq!(never.silence(Some(at(0)), at(0), at(2)), "no heartbeat for 0 s");
    }
}
