//! Values that carry their unit: durations (`500ms`), sizes (`64KiB`), rates (`50/s`), parts of one (`50%`).
//!
//! Whole numbers only, so that a value is read and written in one way.

use std::time::Duration;

use toml::value::{Datetime, Offset};

use crate::domain::time::Timestamp;

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const RATE_UNITS: [(&str, Duration); 3] =
    [("/s", Duration::from_secs(1)), ("/m", Duration::from_secs(60)), ("/h", Duration::from_secs(3_600))];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is no such value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Only a number.
    #[error("it has no unit")]
    NoUnit,
    /// A number with another unit.
    #[error("it has a unit that is not known")]
    UnknownUnit,
    /// Something else.
    #[error("it does not begin with a whole number")]
    NoNumber,
    /// Larger than can be held.
    #[error("it is too large")]
    TooLarge,
}

/// Reads `500ms`, `10s`, `5m`, `2h` or `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, Error> {
    with_unit(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// Reads `512B`, `64KiB`, `64MiB` or `2GiB` as bytes.
pub(crate) fn size(text: &str) -> Result<u64, Error> {
    with_unit(text, &SIZE_UNITS)
}

/// Reads a date and time with its offset, as RFC 3339 writes them.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let Datetime { date: Some(date), time: Some(time), offset: Some(offset) } = text.parse().ok()? else {
        return None;
    };
    let offset_minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = days * 1_440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset_minutes;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(time.nanosecond.unwrap_or(0)))?;
    Some(Timestamp::from_nanos(nanos))
}

/// In the Gregorian calendar, from years that begin with March, so that a leap day is a year's last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let of_era = year - era * 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// Reads `50/s`, `600/m` or `100/h` as a number and the time it is for.
pub(crate) fn rate(text: &str) -> Result<(u64, Duration), Error> {
    let (number, unit) = number_and_unit(text)?;
    let (_, per) = RATE_UNITS.iter().find(|(name, _)| *name == unit).ok_or(Error::UnknownUnit)?;
    Ok((number.parse().map_err(|_| Error::TooLarge)?, *per))
}

/// Reads `50%` or `2.5%` as a part of one.
pub(crate) fn percentage(text: &str) -> Result<f64, Error> {
    let number = text.strip_suffix('%').ok_or(Error::NoUnit)?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(percent) if digits => Ok(percent / 100.0),
        Ok(_) | Err(_) => Err(Error::NoNumber),
    }
}

/// Writes a duration as config does, in the largest unit that divides it; under a millisecond is cut.
pub(crate) fn write_duration(duration: Duration) -> String {
    write_in(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS, "ms")
}

/// Writes a size as config does, in the largest unit that divides it.
pub(crate) fn write_size(bytes: u64) -> String {
    write_in(bytes, &SIZE_UNITS, "B")
}

/// Writes a rate as config does.
pub(crate) fn write_rate(number: u64, per: Duration) -> String {
    // A rate is read with one of these units and no other.
    let unit = RATE_UNITS.iter().find(|(_, known)| *known == per).map_or("/s", |(unit, _)| unit);
    format!("{number}{unit}")
}

/// Writes a time as RFC 3339 does, in UTC.
pub(crate) fn write_timestamp(time: Timestamp) -> String {
    let (seconds, nanos) = (time.as_nanos().div_euclid(1_000_000_000), time.as_nanos().rem_euclid(1_000_000_000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let part = if nanos == 0 { String::new() } else { format!(".{nanos:09}").trim_end_matches('0').to_owned() };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{part}Z")
}

/// The date of a day since 1970: [`days_since_1970`] the other way round, in eras of 400 years that begin with March.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Result<u64, Error> {
    let (number, unit) = number_and_unit(text)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(Error::UnknownUnit)?;
    let number = number.parse::<u64>().map_err(|_| Error::TooLarge)?;
    number.checked_mul(*factor).ok_or(Error::TooLarge)
}

fn number_and_unit(text: &str) -> Result<(&str, &str), Error> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Error::NoNumber);
    }
    if unit.is_empty() {
        return Err(Error::NoUnit);
    }
    Ok((number, unit))
}

fn write_in(number: u64, units: &[(&str, u64)], smallest: &str) -> String {
    units
        .iter()
        .find(|(_, factor)| number != 0 && number.is_multiple_of(*factor))
        .map_or_else(|| format!("{number}{smallest}"), |(unit, factor)| format!("{}{unit}", number / factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_read() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, bytes) in [("7B", 7), ("64KiB", 65_536), ("1MiB", 1_048_576), ("2GiB", 2_147_483_648)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, seconds) in [("50/s", 1), ("50/m", 60), ("50/h", 3_600)] {
            assert_eq!(rate(text), Ok((50, Duration::from_secs(seconds))), "{text}");
        }
        assert_eq!(percentage("2.5%"), Ok(0.025));
    }

    #[test]
    fn what_has_no_unit_or_a_wrong_one_is_refused() {
        assert_eq!(duration("10"), Err(Error::NoUnit));
        assert_eq!(duration("10 s"), Err(Error::UnknownUnit));
        assert_eq!(duration("1.5s"), Err(Error::UnknownUnit));
        assert_eq!(duration("-1s"), Err(Error::NoNumber));
        assert_eq!(duration("10S"), Err(Error::UnknownUnit));
        assert_eq!(duration(""), Err(Error::NoNumber));
        assert_eq!(duration("99999999999999999999s"), Err(Error::TooLarge));
        assert_eq!(duration("9999999999999999999d"), Err(Error::TooLarge));
        assert_eq!(size("64KB"), Err(Error::UnknownUnit));
        assert_eq!(rate("50"), Err(Error::NoUnit));
        assert_eq!(rate("50/d"), Err(Error::UnknownUnit));
        assert_eq!(rate("/s"), Err(Error::NoNumber));
        assert_eq!(rate("99999999999999999999/s"), Err(Error::TooLarge));
        assert_eq!(percentage("0.5"), Err(Error::NoUnit));
        assert_eq!(percentage("inf%"), Err(Error::NoNumber));
        assert_eq!(percentage("-1%"), Err(Error::NoNumber));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0_u64..=u64::MAX / 86_400_000) {
            let written = Duration::from_millis(millis);
            prop_assert_eq!(duration(&write_duration(written)), Ok(written));
            prop_assert_eq!(size(&write_size(millis)), Ok(millis));
        }

        #[test]
        fn a_time_that_is_written_is_read_back(nanos in 0_i64..=i64::MAX / 2) {
            let written = Timestamp::from_nanos(nanos);
            prop_assert_eq!(timestamp(&write_timestamp(written)), Some(written));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,24}") {
            let _ = (duration(&text), size(&text), rate(&text), percentage(&text));
        }
    }

    #[test]
    fn a_time_is_read_with_its_offset() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T23:59:59Z", 1_709_251_199),
            ("2024-03-01T09:00:00+09:00", 1_709_251_200),
            ("2000-03-01 00:00:00Z", 951_868_800),
            ("1969-12-31T19:00:00-05:00", 0),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(timestamp(text), Some(Timestamp::from_nanos(seconds * 1_000_000_000)), "{text}");
        }
        for text in
            ["2024-06-01", "2024-06-01T10:00:00", "10:00:00", "soon", "2024-02-30T00:00:00Z", "9999-01-01T00:00:00Z"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}
