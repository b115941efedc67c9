//! Recurrence rules of iCalendar (RFC 5545, 3.3.10), as far as they say on which days: every part of them but those that
//! name hours, minutes, seconds, weeks of the year and days of the year.
//!
//! A rule is followed by looking at days: each period (a day, a week, a month, a year) holds the days that the rule's
//! parts let pass, which is what RFC 5545 calls expanding and limiting. A look begins at the period that is asked for and
//! not at the first, whatever lies between them, and looks at [`DAYS`] days at most: a rule that names nothing costs as
//! little as another. The end of a rule with `COUNT` is found once, when it is read.
//!
//! By hand, since what there is to be had follows every rule from its first day each time it is asked, and brings a
//! second calendar with a database of time zones of its own.

mod text;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

pub use text::NotARule;

/// Days that one look goes through: forty-one years of them. The rarest day that people mean, the 29th of February on a
/// given day of the week, comes within forty; a look takes half a millisecond at most.
const DAYS: i32 = 15_000;

/// A rule with its first time.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    frequency: Frequency,
    interval: i64,
    /// One bit a month, from bit 1; none is every month.
    months: u16,
    /// From 1, or from the end of the month from -1; empty is every day.
    month_days: Box<[i8]>,
    /// Empty is every day.
    days: Box<[Day]>,
    /// Which of a period's days, from 1 or from the end from -1; empty is all of them.
    positions: Box<[i16]>,
    week_start: Weekday,
    first: DateTime,
    /// The same; where clocks are set back it may be the second of two.
    starts: Timestamp,
    /// Nothing after it.
    last: Option<Timestamp>,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A day of the week, or the n-th of them in the month or year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    /// From 1, or from the end from -1; 0 is each.
    place: i8,
    weekday: Weekday,
}

impl Rule {
    /// Reads one; its first gives the time of day, the zone, and what the rule leaves open.
    pub(super) fn parse(text: &str, first: &Zoned) -> Result<Self, NotARule> {
        let (mut rule, count) = text::read(text, first)?;
        if let Some(count) = count {
            let counted = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(1);
            let last = rule.times_from(0).nth(counted);
            if last.is_none() && rule.first().is_some() {
                return Err(NotARule::FarCount);
            }
            rule.last = last;
        }
        Ok(rule)
    }

    /// The first time that it names.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.within(self.times_from(0).next())
    }

    /// The first time after this one.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // Where clocks are set back over midnight the day before comes again.
        let day = after.to_zoned(self.zone.clone()).date().yesterday().ok()?;
        self.within(self.times_from(self.period_of(day)).find(|time| *time > after))
    }

    fn within(&self, time: Option<Timestamp>) -> Option<Timestamp> {
        time.filter(|time| self.last.is_none_or(|last| *time <= last))
    }

    /// All that it names, from a period on, up to [`DAYS`] days that were looked at.
    fn times_from(&self, number: i64) -> impl Iterator<Item = Timestamp> {
        let mut left = DAYS;
        let periods = (number..).map_while(move |number| {
            let (from, length) = self.period(number)?;
            left -= length;
            (left >= 0).then(|| self.days_of(from, length))
        });
        let dates = periods.flatten().filter(|date| *date >= self.first.date());
        dates.filter_map(|date| self.time_of(date))
    }

    /// Its first day and how many it has.
    fn period(&self, number: i64) -> Option<(Date, i32)> {
        let steps = number.checked_mul(self.interval)?;
        let first = self.first.date();
        match self.frequency {
            Frequency::Daily => Some((first.checked_add(days(steps)?).ok()?, 1)),
            Frequency::Weekly => {
                let all = steps.checked_mul(7)?;
                Some((self.week_of_first()?.checked_add(days(all)?).ok()?, 7))
            }
            Frequency::Monthly => {
                let months = months_of(first).checked_add(steps)?;
                let year = i16::try_from(months.div_euclid(12)).ok()?;
                let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
                let from = Date::new(year, month, 1).ok()?;
                Some((from, i32::from(from.days_in_month())))
            }
            Frequency::Yearly => {
                let year = i16::try_from(i64::from(first.year()).checked_add(steps)?).ok()?;
                let from = Date::new(year, 1, 1).ok()?;
                Some((from, i32::from(from.days_in_year())))
            }
        }
    }

    /// The number of the period that a day lies in, or of the last before it.
    fn period_of(&self, day: Date) -> i64 {
        let first = self.first.date();
        let steps = match self.frequency {
            Frequency::Daily => days_between(first, day),
            Frequency::Weekly => days_between(self.week_of_first().unwrap_or(first), day).div_euclid(7),
            Frequency::Monthly => months_of(day) - months_of(first),
            Frequency::Yearly => i64::from(day.year()) - i64::from(first.year()),
        };
        steps.div_euclid(self.interval).max(0)
    }

    fn week_of_first(&self) -> Option<Date> {
        let first = self.first.date();
        first.checked_sub(i32::from(first.weekday().since(self.week_start)).days()).ok()
    }

    /// The days of a period that it names, in their order.
    fn days_of(&self, from: Date, length: i32) -> Vec<Date> {
        let days = std::iter::successors(Some(from), |day| day.tomorrow().ok());
        let length = usize::try_from(length).unwrap_or_default();
        let days: Vec<Date> = days.take(length).filter(|day| self.lets_pass(*day)).collect();
        if self.positions.is_empty() {
            return days;
        }
        let count = days.len();
        let is_chosen = |place: usize| {
            self.positions.iter().any(|position| {
                let distance = usize::from(position.unsigned_abs());
                if *position > 0 { place + 1 == distance } else { place + distance == count }
            })
        };
        days.into_iter().enumerate().filter(|(place, _)| is_chosen(*place)).map(|(_, day)| day).collect()
    }

    fn lets_pass(&self, date: Date) -> bool {
        (self.months == 0 || self.months & (1 << date.month()) != 0)
            && (self.month_days.is_empty() || {
                let from_end = date.day() - date.days_in_month() - 1;
                self.month_days.iter().any(|day| *day == date.day() || *day == from_end)
            })
            && (self.days.is_empty() || self.days.iter().any(|day| self.is_day(*day, date)))
    }

    fn is_day(&self, day: Day, date: Date) -> bool {
        if day.weekday != date.weekday() {
            return false;
        }
        let (number, all) = if self.counts_in_months() {
            (i16::from(date.day()), i16::from(date.days_in_month()))
        } else {
            (date.day_of_year(), date.days_in_year())
        };
        let place = i16::from(day.place);
        place == 0 || place == (number - 1) / 7 + 1 || place == -((all - number) / 7 + 1)
    }

    /// What the n-th day of the week is counted in: a year that is not narrowed to months, or a month.
    fn counts_in_months(&self) -> bool {
        self.frequency != Frequency::Yearly || self.months != 0
    }

    fn time_of(&self, date: Date) -> Option<Timestamp> {
        if date == self.first.date() {
            return Some(self.starts);
        }
        self.zone.to_timestamp(date.to_datetime(self.first.time())).ok()
    }
}

fn months_of(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

fn days_between(from: Date, until: Date) -> i64 {
    from.duration_until(until).as_hours() / 24
}

/// As a span, unless it leads out of every calendar.
fn days(number: i64) -> Option<Span> {
    Span::new().try_days(number).ok()
}

#[cfg(test)]
mod tests;
