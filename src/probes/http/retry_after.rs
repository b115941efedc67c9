//! `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.

use std::time::Duration;

use crate::clock;
use crate::domain::time::Timestamp;

/// What is asked for beyond this is not granted: a target must not be able to turn its watching off.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long to wait from `now` on; nothing if the value is neither form.
pub(super) fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        return Some(value.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    clock::parse_http_date(value).ok().map(|date| date.since(now).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_an_hour_is_the_most() {
        let now = clock::parse("2024-06-01T10:00:00Z").unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sat, 01 Jun 2024 10:01:30 GMT", Some(90)),
            ("Sun, 02 Jun 2024 10:00:00 GMT", Some(3600)),
            ("Sat, 01 Jun 2024 09:00:00 GMT", Some(0)),
            ("", None),
            ("-5", None),
            ("soon", None),
            ("1.5", None),
        ] {
            assert_eq!(parse(value, now).map(|wait| wait.as_secs()), seconds, "{value}");
        }
    }
}
