//! How fast a target uses up the failures that its objective allows: its error budget, and the rate at which it burns.
//!
//! Burn rate, windows and factors are those of Google's Site Reliability Workbook, chapter "Alerting on SLOs", table
//! "Recommended time windows and burn rates": a page at 14.4 over 1 h and 5 min (2 % of the budget of 30 days) or at 6
//! over 6 h and 30 min (5 %), a ticket at 1 over 3 d and 6 h (10 %). The short window makes it end soon after its cause.
//!
//! A window that was not watched to its end is not guessed at: what is missing of it counts as good. So neither the
//! first failure after a start nor the single failure of a target that is probed once an hour is a fire.

use std::time::Duration;

use super::rollup::Rollup;
use super::time::Timestamp;

/// The longest time that an objective can be for, in days: rollups of hours are kept for as long.
pub const DAYS_MAX: u32 = 90;

/// Fewer attempts in a window say nothing.
const LEAST: u64 = 10;

/// What a target is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// The part of the attempts that is to be good, 0..1.
    pub ratio: f64,
    /// Over how many days, 1..=[`DAYS_MAX`].
    pub days: u32,
    /// Whether what is worth a ticket, and no page, is told too.
    pub tickets: bool,
    /// How often it is tried: how many attempts a window holds.
    pub every: Duration,
}

/// A time back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// 5 minutes.
    FiveMinutes,
    /// 30 minutes.
    HalfHour,
    /// An hour.
    Hour,
    /// 6 hours.
    SixHours,
    /// 3 days.
    ThreeDays,
}

impl Window {
    /// Every window, the shortest first.
    pub const ALL: [Self; 5] = [Self::FiveMinutes, Self::HalfHour, Self::Hour, Self::SixHours, Self::ThreeDays];

    /// As in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::HalfHour => "30m",
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::ThreeDays => "3d",
        }
    }

    const fn minutes(self) -> u64 {
        match self {
            Self::FiveMinutes => 5,
            Self::HalfHour => 30,
            Self::Hour => HOUR,
            Self::SixHours => 6 * HOUR,
            Self::ThreeDays => 3 * DAY,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5 minutes",
            Self::HalfHour => "30 minutes",
            Self::Hour => "hour",
            Self::SixHours => "6 hours",
            Self::ThreeDays => "3 days",
        }
    }
}

/// Both windows burn at this rate: it is told.
struct Rule {
    long: Window,
    short: Window,
    rate: f64,
    ticket: bool,
}

const RULES: [Rule; 3] = [
    Rule { long: Window::Hour, short: Window::FiveMinutes, rate: 14.4, ticket: false },
    Rule { long: Window::SixHours, short: Window::HalfHour, rate: 6.0, ticket: false },
    Rule { long: Window::ThreeDays, short: Window::SixHours, rate: 1.0, ticket: true },
];

const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;

/// The attempts of one target as far back as its objective looks, in about 2 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    minutes: Ring,
    hours: Ring,
    days: Ring,
}

/// What a ledger begins with: rollups by their length, each from its beginning.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Of the last hour.
    pub minutes: Vec<(Timestamp, Rollup)>,
    /// Of the last three days.
    pub hours: Vec<(Timestamp, Rollup)>,
    /// Of the objective's time.
    pub days: Vec<(Timestamp, Rollup)>,
}

/// What people see of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The objective.
    pub objective: f64,
    /// The part of the budget that is left; below 0 where more was used than there was.
    pub left: f64,
    /// How fast it burns in each of [`Window::ALL`]: at 1 it is used up exactly at the end of its time.
    pub rates: [f64; Window::ALL.len()],
}

impl Ledger {
    /// One with what is known of the past.
    #[must_use]
    pub fn new(objective: &Objective, past: &Past) -> Self {
        let mut ledger = Self {
            // Each window is widened to whole minutes, hours or days; so there is one more of each.
            minutes: Ring::new(1, HOUR + 1),
            hours: Ring::new(HOUR, 3 * DAY / HOUR + 1),
            days: Ring::new(DAY, u64::from(objective.days) + 1),
        };
        let Past { minutes, hours, days } = past;
        for (ring, rollups) in [(&mut ledger.minutes, minutes), (&mut ledger.hours, hours), (&mut ledger.days, days)] {
            rollups.iter().for_each(|(at, rollup)| ring.add(*at, rollup.count, rollup.count.saturating_sub(rollup.ok)));
        }
        ledger
    }

    /// Attempts of one minute.
    pub fn add(&mut self, at: Timestamp, count: u32, failed: u32) {
        for ring in [&mut self.minutes, &mut self.hours, &mut self.days] {
            ring.add(at, count, failed);
        }
    }

    /// What people see of it now.
    #[must_use]
    pub fn budget(&self, objective: &Objective, now: Timestamp) -> Budget {
        let used = self.days.failed_part(u64::from(objective.days) * DAY, objective, now) / (1.0 - objective.ratio);
        let rates = Window::ALL.map(|window| self.rate(window, objective, now));
        Budget { objective: objective.ratio, left: 1.0 - used, rates }
    }

    /// How many times as fast as the objective allows.
    fn rate(&self, window: Window, objective: &Objective, now: Timestamp) -> f64 {
        let ring = match window {
            Window::FiveMinutes | Window::HalfHour | Window::Hour => &self.minutes,
            Window::SixHours | Window::ThreeDays => &self.hours,
        };
        ring.failed_part(window.minutes(), objective, now) / (1.0 - objective.ratio)
    }
}

impl Budget {
    /// In words, where it burns so fast that people are to be told.
    #[must_use]
    pub fn burning(&self, objective: &Objective) -> Option<String> {
        let rate = |window: Window| self.rates[window as usize];
        let rules = RULES.iter().filter(|rule| objective.tickets || !rule.ticket);
        let rule = rules.into_iter().find(|rule| rate(rule.long) >= rule.rate && rate(rule.short) >= rule.rate)?;
        Some(format!(
            "its error budget ({} % good over {} days) burns {:.1} times too fast in the last {}, {:.1} times in the \
             last {}",
            trimmed(objective.ratio * 100.0),
            objective.days,
            rate(rule.long),
            rule.long.words(),
            rate(rule.short),
            rule.short.words(),
        ))
    }
}

/// 99.9 and not 99.90000000000001.
fn trimmed(percent: f64) -> String {
    let text = format!("{percent:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Counts of stretches of time of one length, as many as fit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ring {
    /// Minutes of one stretch.
    length: u64,
    /// By the number of the stretch since 1970, as far as it goes.
    counts: Box<[Count]>,
    newest: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    all: u32,
    failed: u32,
}

impl Ring {
    fn new(length: u64, stretches: u64) -> Self {
        let counts = (0..stretches).map(|_| Count::default()).collect();
        Self { length, counts, newest: 0 }
    }

    fn number(&self, at: Timestamp) -> u64 {
        const MINUTE: i64 = 60_000_000_000;
        u64::try_from(at.as_nanos().div_euclid(MINUTE)).unwrap_or(0) / self.length
    }

    fn place(&self, number: u64) -> usize {
        // The remainder is less than a length.
        usize::try_from(number % self.counts.len() as u64).unwrap_or(0)
    }

    fn add(&mut self, at: Timestamp, all: u32, failed: u32) {
        let number = self.number(at);
        let room = self.counts.len() as u64;
        if self.newest - number.min(self.newest) >= room {
            // The clock was ahead, and is not any more.
            self.counts.fill(Count::default());
            self.newest = number;
        }
        if number > self.newest {
            let passed = (number - self.newest).min(room);
            for gone in number - passed + 1..=number {
                let place = self.place(gone);
                self.counts[place] = Count::default();
            }
            self.newest = number;
        }
        let place = self.place(number);
        let count = &mut self.counts[place];
        count.all = count.all.saturating_add(all);
        count.failed = count.failed.saturating_add(failed);
    }

    /// The failed part of the attempts of the last `minutes`, with what was not watched as good.
    fn failed_part(&self, minutes: u64, objective: &Objective, now: Timestamp) -> f64 {
        let stretches = (minutes / self.length + 1).min(self.counts.len() as u64);
        let now = self.number(now);
        // Of what is in the future, the clock was set back meanwhile.
        let wanted = (now.saturating_sub(stretches - 1)..=now)
            .filter(|number| *number <= self.newest && self.newest - number < self.counts.len() as u64);
        let (mut all, mut failed) = (0_u64, 0_u64);
        for number in wanted {
            let count = self.counts[self.place(number)];
            all += u64::from(count.all);
            failed += u64::from(count.failed);
        }
        let expected = Duration::from_secs(minutes * 60).as_secs_f64() / objective.every.as_secs_f64().max(0.001);
        failed as f64 / (all as f64).max(expected).max(LEAST as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);
    const OBJECTIVE: Objective = Objective { ratio: 0.999, days: 30, tickets: false, every: EVERY };

    /// 2026-06-01T00:00:30Z.
    const START: i64 = 1_780_272_030;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((START + seconds) * 1_000_000_000)
    }

    /// One attempt every ten seconds up to `until`; those of the last `failing` seconds fail.
    fn watched(from: i64, until: i64, failing: i64) -> Ledger {
        let mut ledger = Ledger::new(&OBJECTIVE, &Past::default());
        let mut second = from;
        while second < until {
            ledger.add(at(second), 1, u32::from(second >= until - failing));
            second += 10;
        }
        ledger
    }

    fn burning(ledger: &Ledger, objective: &Objective, now: i64) -> bool {
        ledger.budget(objective, at(now)).burning(objective).is_some()
    }

    const HOURS: i64 = 3_600;

    #[test]
    fn a_healthy_target_burns_nothing() {
        let budget = watched(-4 * HOURS, 0, 0).budget(&OBJECTIVE, at(0));
        assert_eq!((budget.left, budget.rates), (1.0, [0.0; 5]));
    }

    #[test]
    fn a_minute_that_fails_is_a_fire_and_its_end_is_the_fires() {
        // 14.4 times 0.1 % of the 360 attempts of an hour are 5.2.
        assert!(!burning(&watched(-2 * HOURS, 0, 50), &OBJECTIVE, 0));
        let ledger = watched(-2 * HOURS, 0, 60);
        assert!(burning(&ledger, &OBJECTIVE, 0));
        let words = ledger.budget(&OBJECTIVE, at(0)).burning(&OBJECTIVE).unwrap();
        assert!(words.starts_with("its error budget (99.9 % good over 30 days) burns 16."), "{words}");
        assert!(!burning(&ledger, &OBJECTIVE, 10 * 60), "the short window has passed");
    }

    #[test]
    fn what_burns_slowly_is_told_by_the_longer_windows() {
        let mut ledger = Ledger::new(&OBJECTIVE, &Past::default());
        // One in seventy fails.
        (-8 * 360..0).for_each(|tenth: i64| ledger.add(at(tenth * 10), 1, u32::from(tenth.rem_euclid(70) == 0)));
        let budget = ledger.budget(&OBJECTIVE, at(0));
        assert!(budget.rates[Window::SixHours as usize] > 6.0 && budget.rates[Window::Hour as usize] < 14.4);
        assert!(burning(&ledger, &OBJECTIVE, 0));
    }

    #[test]
    fn a_ticket_is_told_to_those_who_asked() {
        let mut ledger = Ledger::new(&OBJECTIVE, &Past::default());
        let mut second = -72 * HOURS;
        while second < 0 {
            ledger.add(at(second), 1, u32::from(second % 5_000 == 0));
            second += 10;
        }
        let asked = Objective { tickets: true, ..OBJECTIVE };
        assert_eq!((burning(&ledger, &OBJECTIVE, 0), burning(&ledger, &asked, 0)), (false, true));
    }

    #[test]
    fn the_first_failures_of_a_target_are_no_fire_and_neither_is_one_an_hour() {
        assert!(!burning(&watched(-40, 0, 40), &OBJECTIVE, 0), "of an hour that was not watched");
        let hourly = Objective { every: Duration::from_secs(3_600), ..OBJECTIVE };
        let mut ledger = Ledger::new(&hourly, &Past::default());
        (-72..0).for_each(|hour| ledger.add(at(hour * HOURS), 1, u32::from(hour == -1)));
        let rates = ledger.budget(&hourly, at(0)).rates;
        assert!(rates[Window::FiveMinutes as usize] <= 100.0 && rates[Window::Hour as usize] <= 100.0, "{rates:?}");
        assert_eq!(rates[Window::FiveMinutes as usize], 0.0, "the last five minutes saw nothing");
    }

    #[test]
    fn a_ledger_goes_on_with_what_was_stored() {
        let rollup = |count, ok| Rollup { count, ok, ..Rollup::default() };
        let past = Past {
            minutes: (1..=60).map(|minute| (at(-minute * 60), rollup(6, 5))).collect(),
            hours: (1..=72).map(|hour| (at(-hour * HOURS), rollup(360, 360))).collect(),
            days: (1..=30).map(|day| (at(-day * 24 * HOURS), rollup(8_640, 8_632))).collect(),
        };
        let budget = Ledger::new(&OBJECTIVE, &past).budget(&OBJECTIVE, at(0));
        assert!((budget.rates[Window::Hour as usize] - 1_000.0 / 6.0).abs() < 3.0, "{budget:?}");
        assert_eq!(budget.rates[Window::ThreeDays as usize], 0.0);
        assert!((budget.left - (1.0 - 8.0 / 8.64)).abs() < 0.01, "{budget:?}");
    }

    #[test]
    fn a_clock_that_jumps_breaks_nothing() {
        let mut ledger = watched(-2 * HOURS, 0, 60);
        assert!(!burning(&ledger, &OBJECTIVE, -50 * 24 * HOURS), "of what is in the future nothing is said");
        ledger.add(at(400 * 24 * HOURS), 1, 1);
        let budget = ledger.budget(&OBJECTIVE, at(400 * 24 * HOURS));
        assert!(budget.left > 0.8, "what was before is forgotten: {budget:?}");
        // And back: it counts from here on, and is not deaf until the time has come again.
        (0..30).for_each(|tenth| ledger.add(at(tenth * 10), 1, 1));
        assert!(burning(&ledger, &OBJECTIVE, 300));
    }

    #[test]
    fn a_percentage_is_told_as_it_was_written() {
        let percents = [0.999, 0.9999, 0.95, 0.99].map(|ratio| trimmed(ratio * 100.0));
        assert_eq!(percents, ["99.9", "99.99", "95", "99"]);
    }
}
