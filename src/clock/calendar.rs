//! Calendars become intervals here: a cron expression or a recurrence rule in a time zone, and the next time that it
//! names.
//!
//! A cron expression has five fields as in crontab(5), with croner's additions (`L`, `#`, `W`). A rule is iCalendar's,
//! as [`super::rule`] takes it. A time of day is the zone's: where clocks are set forward a time that does not exist is
//! the next one that does; where they are set back a fixed time comes once. Zones are the machine's, and where it has
//! none those that were built in.

use std::fmt;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::rule::{NotARule, Rule};
use crate::domain::quiet::Recurrence;
use crate::domain::time::Timestamp;

/// A cron expression or a recurrence rule in a time zone.
#[derive(Clone)]
pub struct Calendar {
    names: Names,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Names {
    Cron(Box<Cron>),
    Rule(Box<Rule>),
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calendar").field(&self.names).field(&self.zone.iana_name()).finish()
    }
}

/// Why a text is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACalendar {
    /// The expression.
    #[error("not a cron expression of five fields (minute, hour, day of the month, month, day of the week): {0}")]
    Cron(String),
    /// The rule.
    #[error("not a rule that can be followed: {0}")]
    Rule(#[from] NotARule),
    /// The zone.
    #[error("not the name of a time zone, such as Asia/Seoul or UTC")]
    Zone,
    /// It names no time at all, such as the 30th of February.
    #[error("it names no time that ever comes")]
    Never(Part),
    /// The rule and its first do not agree, most often because the zone is not the one that was thought of.
    #[error("the rule does not name its first, which is {first} in this time zone; what it names next is {next}")]
    First {
        /// The day and the time of the first.
        first: String,
        /// The day and the time that it could be.
        next: String,
    },
}

/// What of a calendar is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The cron expression.
    Cron,
    /// The recurrence rule.
    Rule,
    /// The rule's first.
    First,
    /// The time zone.
    Zone,
}

impl NotACalendar {
    /// What has to be written otherwise.
    #[must_use]
    pub const fn part(&self) -> Part {
        match self {
            Self::Cron(_) => Part::Cron,
            Self::Rule(_) => Part::Rule,
            Self::Zone => Part::Zone,
            Self::Never(part) => *part,
            Self::First { .. } => Part::First,
        }
    }
}

impl Calendar {
    /// Reads both, and tells everything that is wrong.
    ///
    /// # Errors
    /// At least one.
    pub fn read(recurrence: &Recurrence, zone: &str) -> Result<Self, Vec<NotACalendar>> {
        Self::parse(recurrence, zone).map_err(|wrong| {
            let mut all = vec![wrong];
            if all[0] == NotACalendar::Zone {
                let elsewhere = Self::parse(recurrence, "UTC").err();
                all.extend(elsewhere.filter(|wrong| matches!(wrong.part(), Part::Cron | Part::Rule)));
            }
            all
        })
    }

    /// Reads both.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(recurrence: &Recurrence, zone: &str) -> Result<Self, NotACalendar> {
        let zone = TimeZone::get(zone).map_err(|_| NotACalendar::Zone)?;
        match recurrence {
            Recurrence::Cron(cron) => {
                let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
                let fields = cron.split_ascii_whitespace().count();
                if fields != 5 {
                    return Err(NotACalendar::Cron(format!("it has {fields}")));
                }
                let cron = parser
                    .parse(cron)
                    .map_err(|error| NotACalendar::Cron(error.to_string().trim_end_matches('.').to_owned()))?;
                let calendar = Self { names: Names::Cron(Box::new(cron)), zone };
                calendar.next(Timestamp::from_nanos(0)).map(|_| calendar).ok_or(NotACalendar::Never(Part::Cron))
            }
            Recurrence::Rule { rule, first } => {
                let first = instant(*first).ok_or(NotACalendar::Never(Part::First))?.to_zoned(zone.clone());
                let rule = Rule::parse(rule, &first)?;
                let named = rule.first().ok_or(NotACalendar::Never(Part::Rule))?;
                if named != first.timestamp() {
                    let said = |time: &jiff::Zoned| time.strftime("%A, %Y-%m-%d %H:%M").to_string();
                    let next = said(&named.to_zoned(zone));
                    return Err(NotACalendar::First { first: said(&first), next });
                }
                Ok(Self { names: Names::Rule(Box::new(rule)), zone })
            }
        }
    }

    /// The first time after this one.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = instant(after)?;
        let found = match &self.names {
            Names::Cron(cron) => cron.find_next_occurrence(&after.to_zoned(self.zone.clone()), false).ok()?.timestamp(),
            Names::Rule(rule) => rule.next(after)?,
        };
        i64::try_from(found.as_nanosecond()).ok().map(Timestamp::from_nanos)
    }

    /// The window of this length that lasts at `now`, or else the next one: `[from, until)`. `None` where the last is
    /// over.
    #[must_use]
    pub fn window(&self, length: Duration, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let from = self.next(now.minus(length))?;
        Some((from, from.plus(length)))
    }
}

fn instant(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).ok()
}

#[cfg(test)]
mod tests;
