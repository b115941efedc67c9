//! When a target that reports in is late, and what is said of it then.

use std::time::Duration;

use super::time::{Moment, Timestamp};

/// So long, or an interval if that is shorter, beats are waited for once they can be heard (again), however late they
/// are: who could not report may try again. No longer, or a node that is restarted every hour never misses a daily beat.
const SETTLING_MAX: Duration = Duration::from_secs(5 * 60);
/// What could not be judged, or told, is looked at again after so long, or after an interval if that is shorter.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

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

    /// How long a beat is waited for at least from when it can be heard (again).
    fn settling(self) -> Duration {
        self.interval.min(SETTLING_MAX)
    }

    fn look_again(self) -> Duration {
        self.interval.min(LOOK_AGAIN)
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

/// A target that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pulse: Pulse,
    began: Timestamp,
    /// The last beat, good or not, that is known.
    last: Option<Timestamp>,
    late_at: Moment,
}

/// What a look at a target that is waited for finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A beat may still come.
    InTime,
    /// None has come, and that is a failed attempt, in these words. The next is due an interval later.
    Late(String),
    /// None has come, and none could be heard. It is looked at again soon.
    Deaf(String),
}

impl Waiting {
    /// Begins to wait at `now`, which is `moment`. The `last` beat that is known counts.
    #[must_use]
    pub fn begin(pulse: Pulse, last: Option<Timestamp>, now: Timestamp, moment: Moment) -> Self {
        let waited = last.map_or(Duration::ZERO, |last| now.since(last));
        let left = pulse.patience().saturating_sub(waited).max(pulse.settling());
        Self { pulse, began: now, last, late_at: moment.plus(left) }
    }

    /// The same by another pulse, or by the same one again. Who was waited for all the time is not waited for anew.
    #[must_use]
    pub fn by(self, pulse: Pulse, now: Timestamp, moment: Moment) -> Self {
        if pulse == self.pulse { self } else { Self::begin(pulse, self.last, now, moment) }
    }

    /// The target reports in.
    pub fn heard(&mut self, now: Timestamp, moment: Moment) {
        self.last = Some(now);
        self.late_at = moment.plus(self.pulse.patience());
    }

    /// Looks whether it is late. A node that is cut off (`blind`) hears nobody, nor did one that sees again only since
    /// `seeing_since`.
    pub fn look(&mut self, now: Timestamp, moment: Moment, blind: bool, seeing_since: Option<Moment>) -> Look {
        if let Some(since) = seeing_since.filter(|_| !blind) {
            self.late_at = self.late_at.max(since.plus(self.pulse.settling()));
        }
        if moment < self.late_at {
            return Look::InTime;
        }
        let said = self.pulse.silence(self.last, self.began, now);
        let (pause, look) =
            if blind { (self.pulse.look_again(), Look::Deaf(said)) } else { (self.pulse.interval, Look::Late(said)) };
        self.late_at = moment.plus(pause);
        look
    }

    /// How long until the next look; a short time where something is `held_back` that is told as soon as it may be.
    #[must_use]
    pub fn pause(&self, moment: Moment, held_back: bool) -> Duration {
        let left = self.late_at.since(moment);
        if held_back { left.min(self.pulse.look_again()) } else { left }
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

    const DAILY: Pulse = Pulse { interval: Duration::from_secs(86_400), grace: Duration::from_secs(3_600) };

    fn moment(seconds: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(seconds))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_beat_is_waited_for_an_interval_and_the_grace() {
        assert_eq!(PULSE.patience(), Duration::from_secs(95));
        let mut waiting = Waiting::begin(PULSE, None, at(0), moment(0));
        assert_eq!(waiting.pause(moment(0), false), Duration::from_secs(95));
        waiting.heard(at(80), moment(80));
        assert_eq!(waiting.look(at(174), moment(174), false, None), Look::InTime);
        assert_eq!(waiting.look(at(175), moment(175), false, None), Look::Late("no heartbeat for 95 s".into()));
        assert_eq!(waiting.pause(moment(175), false), PULSE.interval);
    }

    #[test]
    fn after_a_start_the_last_beat_counts_and_who_could_not_report_has_an_interval_or_5_minutes() {
        for (last, seconds) in [(1_000, 95), (990, 85), (970, 65), (0, 65), (2_000, 95)] {
            let waiting = Waiting::begin(PULSE, Some(at(last)), at(1_000), moment(7));
            assert_eq!(waiting.pause(moment(7), false), Duration::from_secs(seconds), "last at {last}");
        }
        let late = Waiting::begin(DAILY, Some(at(0)), at(100_000), moment(0));
        assert_eq!(late.pause(moment(0), false), Duration::from_secs(300));
        let in_time = Waiting::begin(DAILY, Some(at(0)), at(1_000), moment(0));
        assert_eq!(in_time.pause(moment(0), false), Duration::from_secs(89_000));
    }

    #[test]
    fn a_daily_beat_is_missed_however_often_the_node_is_restarted_or_configured() {
        let restarted = |second: u64| Waiting::begin(DAILY, Some(at(0)), at(second), moment(second));
        let mut last = restarted(90_000);
        // Every hour a start; the last was after it was due.
        for hour in 1..=25 {
            last = restarted(hour * 3_600);
        }
        let mut reloaded = last;
        for second in 90_000..90_300 {
            reloaded = reloaded.by(DAILY, at(second), moment(second));
        }
        for mut waiting in [last, reloaded] {
            assert_eq!(waiting.look(at(90_299), moment(90_299), false, None), Look::InTime);
            assert!(matches!(waiting.look(at(90_300), moment(90_300), false, None), Look::Late(_)));
        }
        let hourly = Pulse { interval: Duration::from_secs(3_600), ..DAILY };
        assert_eq!(last.by(hourly, at(90_300), moment(90_300)).pause(moment(90_300), false), SETTLING_MAX);
    }

    #[test]
    fn who_could_not_be_heard_is_looked_at_soon_and_has_time_again_once_he_can_be() {
        let mut waiting = Waiting::begin(DAILY, Some(at(0)), at(0), moment(0));
        assert!(matches!(waiting.look(at(90_000), moment(90_000), true, None), Look::Deaf(_)));
        assert_eq!(waiting.pause(moment(90_000), false), LOOK_AGAIN);
        let seeing = Some(moment(90_004));
        assert_eq!(waiting.look(at(90_010), moment(90_010), false, seeing), Look::InTime);
        assert_eq!(waiting.pause(moment(90_010), false), Duration::from_secs(294));
        assert!(matches!(waiting.look(at(90_304), moment(90_304), false, seeing), Look::Late(_)));
        assert_eq!(waiting.pause(moment(90_304), false), DAILY.interval);
        // It was blind and saw again between two looks.
        let mut unseen = Waiting::begin(DAILY, Some(at(0)), at(0), moment(0));
        assert_eq!(unseen.look(at(90_000), moment(90_000), false, Some(moment(89_999))), Look::InTime);
        assert_eq!(unseen.pause(moment(90_000), false), Duration::from_secs(299));
    }

    #[test]
    fn what_is_held_back_is_looked_at_soon_and_the_next_attempt_is_due_as_ever() {
        let mut waiting = Waiting::begin(DAILY, Some(at(0)), at(0), moment(0));
        assert!(matches!(waiting.look(at(90_000), moment(90_000), false, None), Look::Late(_)));
        assert_eq!(waiting.pause(moment(90_000), true), LOOK_AGAIN);
        assert_eq!(waiting.look(at(90_010), moment(90_010), false, None), Look::InTime);
        assert_eq!(waiting.pause(moment(90_010), false), DAILY.interval - LOOK_AGAIN);
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
