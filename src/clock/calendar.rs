//! Calendars become intervals here: a cron expression in a time zone, and the next time that it names.
//!
//! Five fields as in crontab(5), with croner's additions (`L`, `#`, `W`). Where clocks are set forward a time that does
//! not exist is the next one that does; where they are set back a fixed time comes once.

use std::fmt;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use crate::domain::time::Timestamp;

/// A cron expression in a time zone.
#[derive(Clone)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calendar").field(&self.cron.as_str()).field(&self.zone.iana_name()).finish()
    }
}

/// Why a text is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACalendar {
    /// The expression.
    #[error("not a cron expression of five fields (minute, hour, day of the month, month, day of the week): {0}")]
    Cron(String),
    /// The zone.
    #[error("not the name of a time zone, such as Asia/Seoul or UTC")]
    Zone,
    /// It names no time at all, such as the 30th of February.
    #[error("it names no time that ever comes")]
    Never,
}

impl Calendar {
    /// Reads both.
    ///
    /// # Errors
    /// [`NotACalendar`].
    pub fn parse(cron: &str, zone: &str) -> Result<Self, NotACalendar> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser
            .parse(cron)
            .map_err(|error| NotACalendar::Cron(error.to_string().trim_end_matches('.').to_owned()))?;
        let zone = TimeZone::get(zone).map_err(|_| NotACalendar::Zone)?;
        let calendar = Self { cron, zone };
        calendar.next(Timestamp::from_nanos(0)).map(|_| calendar).ok_or(NotACalendar::Never)
    }

    /// The first time after this one.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.zoned(after)?, false).ok()?;
        i64::try_from(found.timestamp().as_nanosecond()).ok().map(Timestamp::from_nanos)
    }

    /// The window of this length that lasts at `now`, or else the next one: `[from, until)`.
    #[must_use]
    pub fn window(&self, length: Duration, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let from = self.next(now.minus(length))?;
        Some((from, from.plus(length)))
    }

    fn zoned(&self, time: Timestamp) -> Option<jiff::Zoned> {
        let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{format, parse};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[track_caller]
    fn window(cron: &str, zone: &str, length: Duration, now: &str) -> (String, String) {
        let (from, until) = Calendar::parse(cron, zone).unwrap().window(length, parse(now).unwrap()).unwrap();
        (format(from), format(until))
    }

    #[test]
    fn a_window_lasts_from_the_time_that_it_names_until_its_length_is_over() {
        let at = |now| window("0 3 * * 1", "Asia/Seoul", 2 * HOUR, now);
        let first = ("2024-06-02T18:00:00Z".to_owned(), "2024-06-02T20:00:00Z".to_owned());
        for now in ["2024-06-01T00:00:00Z", "2024-06-02T18:00:00Z", "2024-06-02T19:59:59Z"] {
            assert_eq!(at(now), first, "{now}");
        }
        assert_eq!(at("2024-06-02T20:00:00Z").0, "2024-06-09T18:00:00Z", "its end is not in it");
    }

    #[test]
    fn a_time_of_day_is_the_zones_also_where_its_clocks_are_set() {
        let from = |now| window("30 4 * * *", "Europe/Berlin", HOUR, now).0;
        assert_eq!(from("2024-03-30T12:00:00Z"), "2024-03-31T02:30:00Z", "summer time began at 01:00Z");
        assert_eq!(from("2024-10-27T01:30:00Z"), "2024-10-27T03:30:00Z", "and ended at 01:00Z");
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        assert!(matches!(Calendar::parse("every day", "UTC"), Err(NotACalendar::Cron(_))));
        assert!(matches!(Calendar::parse("0 0 3 * * *", "UTC"), Err(NotACalendar::Cron(_))));
        assert_eq!(Calendar::parse("0 3 * * *", "Mars/Olympus").unwrap_err(), NotACalendar::Zone);
        assert_eq!(Calendar::parse("0 0 30 2 *", "UTC").unwrap_err(), NotACalendar::Never);
    }
}
