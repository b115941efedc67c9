//! A rule as text: read part by part, and refused by the part that cannot be followed.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{Day, Frequency, Rule};

/// A thousand days, weeks, months or years; a longer pause is no calendar's.
const INTERVAL_MAX: u32 = 1_000;
/// Who counts further means for ever.
const COUNT_MAX: u32 = 10_000;

/// Why a rule is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARule {
    /// A part without `=`, or nothing at all.
    #[error("`{0}` is not a part such as FREQ=WEEKLY; parts are joined by `;`")]
    Part(String),
    /// A part that there is not, or that names times of day.
    #[error(
        "`{0}` is not taken; a rule has FREQ, INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS and WKST, and its time of day is its first's"
    )]
    Unknown(String),
    /// A part that stands there again.
    #[error("`{0}` stands there twice")]
    Twice(&'static str),
    /// No frequency.
    #[error("`FREQ` is missing; it is DAILY, WEEKLY, MONTHLY or YEARLY")]
    NoFrequency,
    /// A value that its part does not have.
    #[error("`{name}` is {needed}, and not `{value}`")]
    Value {
        /// The part.
        name: &'static str,
        /// What was written.
        value: String,
        /// What may be.
        needed: &'static str,
    },
    /// Two parts that exclude each other.
    #[error("{0}")]
    Together(&'static str),
    /// A count that cannot be followed to its end.
    #[error("its last of `COUNT` is more than forty years away; leave `COUNT` out")]
    FarCount,
}

/// The parts as they were written.
#[derive(Default)]
struct Parts<'t> {
    frequency: Option<&'t str>,
    interval: Option<&'t str>,
    count: Option<&'t str>,
    until: Option<&'t str>,
    months: Option<&'t str>,
    month_days: Option<&'t str>,
    days: Option<&'t str>,
    positions: Option<&'t str>,
    week_start: Option<&'t str>,
}

/// The rule without its end by `COUNT`, and that.
pub(super) fn read(text: &str, first: &Zoned) -> Result<(Rule, Option<u32>), NotARule> {
    let text = text.trim().to_ascii_uppercase();
    // As it stands in a calendar's file.
    let parts = split(text.strip_prefix("RRULE:").unwrap_or(&text))?;
    let frequency = frequency(parts.frequency.ok_or(NotARule::NoFrequency)?)?;
    let interval = parts.interval.map(|value| whole("INTERVAL", value, INTERVAL_MAX, "a whole number from 1 to 1000"));
    let count = parts.count.map(|value| whole("COUNT", value, COUNT_MAX, "a whole number from 1 to 10000"));
    let count = count.transpose()?;
    let zone = first.time_zone();
    let until = parts.until.map(|value| until(value, zone)).transpose()?;
    let months = list("BYMONTH", parts.months, |value| number(value, 1..=12), "1 to 12")?;
    let month_days = list("BYMONTHDAY", parts.month_days, |value| signed(value, 31), "1 to 31 or -31 to -1")?;
    let days = list("BYDAY", parts.days, day, "days such as MO, or 1MO and -1FR for the first and the last")?;
    let positions = list("BYSETPOS", parts.positions, |value| signed(value, 366), "1 to 366 or -366 to -1")?;
    let week_start =
        parts.week_start.map(|value| weekday(value).ok_or_else(|| wrong("WKST", value, "a day of the week, MO to SU")));
    let mut rule = Rule {
        frequency,
        interval: i64::from(interval.transpose()?.unwrap_or(1)),
        months: months.iter().fold(0, |all, month| all | (1 << month)),
        month_days: month_days.into(),
        days: days.into(),
        positions: positions.into(),
        week_start: week_start.transpose()?.unwrap_or(Weekday::Monday),
        first: first.datetime(),
        starts: first.timestamp(),
        last: until,
        zone: zone.clone(),
    };
    agree(&rule, count.is_some())?;
    complete(&mut rule);
    Ok((rule, count))
}

fn split(text: &str) -> Result<Parts<'_>, NotARule> {
    let mut parts = Parts::default();
    for part in text.split(';') {
        let Some((name, value)) = part.split_once('=') else { return Err(NotARule::Part(part.to_owned())) };
        let (name, place) = match name.trim() {
            "FREQ" => ("FREQ", &mut parts.frequency),
            "INTERVAL" => ("INTERVAL", &mut parts.interval),
            "COUNT" => ("COUNT", &mut parts.count),
            "UNTIL" => ("UNTIL", &mut parts.until),
            "BYMONTH" => ("BYMONTH", &mut parts.months),
            "BYMONTHDAY" => ("BYMONTHDAY", &mut parts.month_days),
            "BYDAY" => ("BYDAY", &mut parts.days),
            "BYSETPOS" => ("BYSETPOS", &mut parts.positions),
            "WKST" => ("WKST", &mut parts.week_start),
            other => return Err(NotARule::Unknown(other.to_owned())),
        };
        if place.replace(value.trim()).is_some() {
            return Err(NotARule::Twice(name));
        }
    }
    Ok(parts)
}

fn wrong(name: &'static str, value: &str, needed: &'static str) -> NotARule {
    NotARule::Value { name, value: value.to_owned(), needed }
}

fn frequency(value: &str) -> Result<Frequency, NotARule> {
    match value {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        _ => Err(wrong("FREQ", value, "DAILY, WEEKLY, MONTHLY or YEARLY")),
    }
}

fn whole(name: &'static str, value: &str, max: u32, needed: &'static str) -> Result<u32, NotARule> {
    number(value, 1..=max).ok_or_else(|| wrong(name, value, needed))
}

fn number(value: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|number| digits && range.contains(number))
}

/// From 1 to `max`, or from `-max` to -1; `+` may stand before it.
fn signed<T: TryFrom<i32>>(value: &str, max: u32) -> Option<T> {
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let number = i32::try_from(number(digits, 1..=max)?).ok()?;
    T::try_from(sign * number).ok()
}

fn list<T>(
    name: &'static str,
    values: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
    needed: &'static str,
) -> Result<Vec<T>, NotARule> {
    let values = values.into_iter().flat_map(|values| values.split(','));
    values.map(|value| read(value.trim()).ok_or_else(|| wrong(name, value, needed))).collect()
}

fn day(value: &str) -> Option<Day> {
    let (place, word) = value.split_at_checked(value.len().checked_sub(2)?)?;
    let place = if place.is_empty() { 0 } else { signed(place, 53)? };
    Some(Day { place, weekday: weekday(word)? })
}

fn weekday(word: &str) -> Option<Weekday> {
    const WEEKDAYS: [(&str, Weekday); 7] = [
        ("MO", Weekday::Monday),
        ("TU", Weekday::Tuesday),
        ("WE", Weekday::Wednesday),
        ("TH", Weekday::Thursday),
        ("FR", Weekday::Friday),
        ("SA", Weekday::Saturday),
        ("SU", Weekday::Sunday),
    ];
    WEEKDAYS.into_iter().find(|(name, _)| *name == word).map(|(_, weekday)| weekday)
}

/// `20261231` is the whole day, `20261231T030000` a time of the zone, `20261231T030000Z` one of UTC.
fn until(value: &str, zone: &TimeZone) -> Result<Timestamp, NotARule> {
    let needed = "a day, 20261231, or a time, 20261231T030000Z";
    until_of(value, zone).ok_or_else(|| wrong("UNTIL", value, needed))
}

fn until_of(value: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (local, zone) = match value.strip_suffix('Z') {
        Some(local) => (local, &TimeZone::UTC),
        None => (value, zone),
    };
    let (date, time) = local.split_once('T').map_or((local, None), |(date, time)| (date, Some(time)));
    let [year, month, day] = digits(date, [4, 2, 2])?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let time = match time {
        Some(time) => {
            let [hour, minute, second] = digits(time, [2, 2, 2])?;
            let [hour, minute, second] = [hour, minute, second].map(i8::try_from);
            Time::new(hour.ok()?, minute.ok()?, second.ok()?, 0).ok()?
        }
        None => Time::MAX,
    };
    zone.to_timestamp(DateTime::from_parts(date, time)).ok()
}

/// Three numbers of these lengths, one behind the other, and nothing else.
fn digits(text: &str, lengths: [usize; 3]) -> Option<[i16; 3]> {
    let mut rest = text;
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let (digits, behind) = rest.split_at_checked(length)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        (*number, rest) = (digits.parse().ok()?, behind);
    }
    rest.is_empty().then_some(numbers)
}

/// Parts that RFC 5545 keeps apart.
fn agree(rule: &Rule, counts: bool) -> Result<(), NotARule> {
    let places = || rule.days.iter().map(|day| day.place.unsigned_abs());
    let together = if counts && rule.last.is_some() {
        "`COUNT` and `UNTIL` are two ends; it has one"
    } else if rule.frequency == Frequency::Weekly && !rule.month_days.is_empty() {
        "`BYMONTHDAY` does not go with FREQ=WEEKLY"
    } else if matches!(rule.frequency, Frequency::Daily | Frequency::Weekly) && places().any(|place| place != 0) {
        "a number before a day in `BYDAY` goes with FREQ=MONTHLY and FREQ=YEARLY"
    } else if rule.counts_in_months() && places().any(|place| place > 5) {
        "a month has five of a day at most: the number before a day in `BYDAY` is 1 to 5 or -5 to -1"
    } else if !rule.positions.is_empty() && rule.months == 0 && rule.month_days.is_empty() && rule.days.is_empty() {
        "`BYSETPOS` chooses among what BYDAY, BYMONTHDAY or BYMONTH name; one of them is needed"
    } else {
        return Ok(());
    };
    Err(NotARule::Together(together))
}

/// What a rule leaves open is as with its first.
fn complete(rule: &mut Rule) {
    let first = rule.first.date();
    let names_no_day = rule.days.is_empty() && rule.month_days.is_empty();
    match rule.frequency {
        Frequency::Daily => {}
        Frequency::Weekly if rule.days.is_empty() => {
            rule.days = [Day { place: 0, weekday: first.weekday() }].into();
        }
        Frequency::Weekly => {}
        Frequency::Monthly | Frequency::Yearly => {
            if names_no_day {
                if rule.frequency == Frequency::Yearly && rule.months == 0 {
                    rule.months = 1 << first.month();
                }
                rule.month_days = [first.day()].into();
            }
        }
    }
}
