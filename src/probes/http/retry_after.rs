//! `Retry-After`, as far as it is granted.

use std::time::Duration;

use crate::clock;
use crate::domain::time::Timestamp;

/// What is asked for beyond this is not granted: a target must not be able to turn its watching off.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long to wait from `now` on; nothing if the value is neither form.
pub(in crate::probes) fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    clock::parse_retry_after(value, now).map(|wait| wait.min(LONGEST))
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
