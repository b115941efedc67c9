//! The only file that reads the machine's clock, and where times are read from and written as text.
//!
//! Timers are tokio's. A [`Clock`] under tokio's paused time follows it: [`Clock::simulated`] counts from a fixed day.

mod calendar;
mod rule;

use std::fmt;
use std::time::Duration;

use jiff::fmt::temporal::DateTimeParser;
use tokio::time::Instant;

use crate::domain::time::{Moment, Timestamp};

pub use calendar::{Calendar, NotACalendar, Part};
pub use rule::NotARule;

/// Tells the time. Cheap to copy; an argument of every shell.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    simulated_since: Option<Timestamp>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { origin: Instant::now(), simulated_since: None }
    }

    /// A clock that starts at `start` and goes as tokio's time goes, also where that is paused.
    #[must_use]
    pub fn simulated(start: Timestamp) -> Self {
        Self { origin: Instant::now(), simulated_since: Some(start) }
    }

    /// The time of day, in whole milliseconds: it is for people, and machines' clocks agree no better. What must be
    /// measured is measured with [`Clock::moment`].
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.simulated_since {
            Some(start) => start.plus(self.origin.elapsed()),
            None => system_now(),
        }
    }

    /// The moment since this clock was made.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment::default().plus(self.origin.elapsed())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
fn system_now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(millis.saturating_mul(1_000_000))
}

/// A text that is no RFC 3339 time, or one that a [`Timestamp`] cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time with an offset between 1678 and 2262, such as 2024-06-01T10:00:00Z")]
pub struct NotATime;

/// Reads RFC 3339.
///
/// # Errors
/// [`NotATime`].
pub fn parse(text: &str) -> Result<Timestamp, NotATime> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let parsed = PARSER.parse_timestamp(text).map_err(|_| NotATime)?;
    i64::try_from(parsed.as_nanosecond()).map(Timestamp::from_nanos).map_err(|_| NotATime)
}

/// Reads the date of an HTTP header (RFC 9110, 5.6.7): `Sat, 01 Jun 2024 10:00:00 GMT`. Not its two obsolete forms.
///
/// # Errors
/// [`NotATime`].
pub fn parse_http_date(text: &str) -> Result<Timestamp, NotATime> {
    static PARSER: jiff::fmt::rfc2822::DateTimeParser = jiff::fmt::rfc2822::DateTimeParser::new();
    let parsed = PARSER.parse_timestamp(text).map_err(|_| NotATime)?;
    i64::try_from(parsed.as_nanosecond()).map(Timestamp::from_nanos).map_err(|_| NotATime)
}

/// Reads `Retry-After` (RFC 9110, 10.2.3), seconds or a date, as the time to wait from `now` on. Nothing if it is neither;
/// more seconds than can be counted are the longest wait there is.
#[must_use]
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    parse_http_date(value).ok().map(|date| date.since(now))
}

/// Writes the date of a mail (RFC 5322, 3.3) in UTC: `Sat, 1 Jun 2024 10:00:00 -0000`.
#[must_use]
pub fn format_mail_date(time: Timestamp) -> String {
    static PRINTER: jiff::fmt::rfc2822::DateTimePrinter = jiff::fmt::rfc2822::DateTimePrinter::new();
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap_or_default();
    PRINTER.timestamp_to_string(&time).unwrap_or_default()
}

/// Writes RFC 3339 in UTC with `Z`, and a fraction only where it is not zero.
#[must_use]
pub fn format(time: Timestamp) -> String {
    Rfc3339(time).to_string()
}

/// A time that displays as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0.as_nanos())) {
            Ok(time) => time.fmt(f),
            Err(_) => f.write_str("out of range"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_it_was_read() {
        for text in ["2024-06-01T10:00:00Z", "2024-06-01T10:00:00.5Z", "2024-06-01T10:00:00.123456789Z"] {
            assert_eq!(parse(text).map(format).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        assert_eq!(parse("2024-06-01T19:00:00+09:00").map(format).as_deref(), Ok("2024-06-01T10:00:00Z"));
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = parse("2024-06-01T10:00:00Z").unwrap();
        let seconds = |value: &str| parse_retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!((seconds("0"), seconds("86400")), (Some(0), Some(86_400)));
        assert_eq!(parse_retry_after("99999999999999999999999", now), Some(Duration::MAX));
        assert_eq!(seconds("Sat, 01 Jun 2024 10:01:30 GMT"), Some(90));
        assert_eq!(seconds("Sat, 01 Jun 2024 09:00:00 GMT"), Some(0));
        for value in ["", "-5", "soon", "1.5"] {
            assert_eq!(seconds(value), None, "{value}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "yesterday", "2024-06-01", "2024-06-01T10:00:00", "2024-13-01T10:00:00Z", "9999-12-31T23:59:59Z"]
        {
            assert_eq!(parse(text), Err(NotATime), "{text}");
        }
    }
}
