//! Uptime and latency of a target over a window of time, put together from days, hours and minutes.

use super::error::Error;
use super::keys;
use super::observations::{Period, minute_begins, minutes_since_1970};
use super::reader::Reader;
use super::record::{LiveBlock, RollupBlock};
use super::state::not_decodable;
use super::tidy::rollups_kept_from;
use crate::domain::id::StatusId;
use crate::domain::rollup::Rollup;
use crate::domain::time::Timestamp;

impl Reader {
    /// The sum of a target's probes within `[from, to)`. Both ends are widened to whole minutes, and where minutes (or
    /// hours) are not kept any more at this time, to whole hours (or days).
    ///
    /// # Errors
    /// What could not be read.
    pub fn uptime(&self, id: StatusId, from: Timestamp, to: Timestamp, now: Timestamp) -> Result<Rollup, Error> {
        let kept = KeptFrom::at(now);
        let (begin, end) = (kept.widen_down(minutes_since_1970(from)), kept.widen_up(minutes_up(to)));
        let (mut sum, in_progress) = self.with_minute_in_progress(id, || {
            let mut sum = Rollup::default();
            for (period, part_begin, part_end) in parts(begin, end, kept) {
                self.each_rollup(id, period, part_begin, part_end, |_, rollup| sum.merge(rollup))?;
            }
            Ok(sum)
        })?;
        if let Some((_, rollup)) = in_progress.filter(|(minute, _)| (begin..end).contains(minute)) {
            sum.merge(&rollup);
        }
        Ok(sum)
    }

    /// A target's rollups of one length that begin within `[from, to)`, in order, without empty ones. The stretch in
    /// progress is among them.
    ///
    /// # Errors
    /// What could not be read.
    pub fn rollups(
        &self,
        id: StatusId,
        period: Period,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Rollup)>, Error> {
        let (begin, end) = (minutes_up(from), minutes_up(to));
        let (mut rollups, in_progress) = self.with_minute_in_progress(id, || {
            let mut rollups: Vec<(u64, Rollup)> = Vec::new();
            self.each_rollup(id, period, begin, end, |start, rollup| rollups.push((start, *rollup)))?;
            Ok(rollups)
        })?;
        let in_progress = in_progress.map(|(minute, rollup)| (minute / period.minutes() * period.minutes(), rollup));
        if let Some((start, rollup)) = in_progress.filter(|(start, _)| (begin..end).contains(start)) {
            match rollups.binary_search_by_key(&start, |(start, _)| *start) {
                Ok(index) => rollups[index].1.merge(&rollup),
                Err(index) => rollups.insert(index, (start, rollup)),
            }
        }
        Ok(rollups.into_iter().map(|(start, rollup)| (minute_begins(start), rollup)).collect())
    }

    /// Reads stored rollups and the minute that is not among them yet: again, if it joined them meanwhile.
    fn with_minute_in_progress<T>(
        &self,
        id: StatusId,
        read: impl Fn() -> Result<T, Error>,
    ) -> Result<(T, Option<(u64, Rollup)>), Error> {
        loop {
            let before = self.minute_in_progress(id)?;
            let stored = read()?;
            let after = self.minute_in_progress(id)?;
            if before.map(|(minute, _)| minute) == after.map(|(minute, _)| minute) {
                return Ok((stored, after));
            }
        }
    }

    fn minute_in_progress(&self, id: StatusId) -> Result<Option<(u64, Rollup)>, Error> {
        let (number, place) = LiveBlock::place(id);
        Ok(self.live_block(number)?.entries.get(&place).and_then(|entry| entry.minute))
    }

    fn each_rollup(
        &self,
        id: StatusId,
        period: Period,
        begin: u64,
        end: u64,
        mut each: impl FnMut(u64, &Rollup),
    ) -> Result<(), Error> {
        if begin >= end {
            return Ok(());
        }
        let (number, place) = LiveBlock::place(id);
        let key = |start| keys::rollup(period.letter(), number, start);
        for pair in self.state.tree.range(key(begin)..key(end)) {
            let (key, value) = pair.map_err(Error::sled("read the rollups"))?;
            let value = super::long_value::whole(&self.state.tree, &key, value)?;
            let block = RollupBlock::decode(&value).map_err(not_decodable(&key))?;
            let start =
                keys::number_at(&key, 10).ok_or_else(|| Error::damaged(keys::describe(&key), "its key is short"))?;
            if let Some(rollup) = block.entries.get(&place) {
                each(start, rollup);
            }
        }
        Ok(())
    }
}

/// The first minute and the first hour that are kept, in minutes since 1970.
#[derive(Debug, Clone, Copy)]
struct KeptFrom {
    minute: u64,
    hour: u64,
}

impl KeptFrom {
    fn at(now: Timestamp) -> Self {
        let (minute, hour) = rollups_kept_from(now);
        Self { minute, hour }
    }

    /// The shortest period that is kept at this time.
    const fn finest(self, minute: u64) -> Period {
        if minute < self.hour {
            Period::Day
        } else if minute < self.minute {
            Period::Hour
        } else {
            Period::Minute
        }
    }

    const fn widen_down(self, minute: u64) -> u64 {
        let length = self.finest(minute).minutes();
        minute / length * length
    }

    const fn widen_up(self, minute: u64) -> u64 {
        let length = self.finest(minute.saturating_sub(1)).minutes();
        minute.div_ceil(length) * length
    }
}

fn minutes_up(time: Timestamp) -> u64 {
    let down = minutes_since_1970(time);
    if minute_begins(down) < time { down + 1 } else { down }
}

/// The fewest stored stretches that make up `[begin, end)`: up from minutes to hours to days, and down again.
fn parts(begin: u64, end: u64, kept: KeptFrom) -> Vec<(Period, u64, u64)> {
    let mut parts: Vec<(Period, u64, u64)> = Vec::new();
    let mut at = begin;
    while at < end {
        let longest = Period::ALL.into_iter().rev().find(|period| {
            let length = period.minutes();
            at.is_multiple_of(length) && at + length <= end
        });
        // At an edge where only longer stretches are kept, `begin` and `end` were widened to them.
        let period = longest.unwrap_or(Period::Minute).max(kept.finest(at));
        let next = at + period.minutes();
        match parts.last_mut() {
            Some((last, _, part_end)) if *last == period => *part_end = next,
            Some(_) | None => parts.push((period, at, next)),
        }
        at = next;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_KEPT: KeptFrom = KeptFrom { minute: 0, hour: 0 };

    #[test]
    fn a_window_is_covered_once_by_the_longest_stretches() {
        let (hour, day) = (60, 24 * 60);
        assert_eq!(
            parts(day - hour - 2, 3 * day + 2 * hour + 5, ALL_KEPT),
            [
                (Period::Minute, day - hour - 2, day - hour),
                (Period::Hour, day - hour, day),
                (Period::Day, day, 3 * day),
                (Period::Hour, 3 * day, 3 * day + 2 * hour),
                (Period::Minute, 3 * day + 2 * hour, 3 * day + 2 * hour + 5),
            ]
        );
    }

    #[test]
    fn an_edge_without_minutes_is_widened_to_its_hour_and_without_hours_to_its_day() {
        let (hour, day) = (60, 24 * 60);
        let kept = KeptFrom { minute: 10 * day, hour: 5 * day };
        assert_eq!(kept.widen_down(7 * day + 61), 7 * day + hour);
        assert_eq!(kept.widen_up(7 * day + 61), 7 * day + 2 * hour);
        assert_eq!(kept.widen_down(2 * day + 61), 2 * day);
        assert_eq!(kept.widen_up(2 * day + 61), 3 * day);
        assert_eq!(kept.widen_up(7 * day + hour), 7 * day + hour);
        assert_eq!(kept.widen_down(10 * day + 61), 10 * day + 61);
    }
}
