//! What moved without being an event, into live blocks and rollups.
//!
//! A target's minute in progress lies in its live block, which is saved often; when the next minute begins, it is added
//! to the rollups of its minute, hour and day, in the same batch that forgets it here. So each probe is in the sums
//! exactly once, whatever happens in between, and no later step has to add up anything.

use super::batch::Batch;
use super::error::Error;
use super::keys::{self, Kind};
use super::record::{LiveBlock, LiveEntry, RollupBlock};
use super::state::not_decodable;
use crate::domain::id::StatusId;
use crate::domain::rollup::{Observed, Rollup};
use crate::domain::time::Timestamp;

/// How long a stretch of time a stored rollup covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// Kept for a day.
    Minute,
    /// Kept for 90 days.
    Hour,
    /// Kept for ever. Days are UTC's.
    Day,
}

impl Period {
    /// Every period.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length in minutes.
    #[must_use]
    pub const fn minutes(self) -> u64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        }
    }

    /// Its letter in keys, on disk for ever.
    pub(super) const fn letter(self) -> u8 {
        match self {
            Self::Minute => b'm',
            Self::Hour => b'h',
            Self::Day => b'd',
        }
    }
}

const NANOS_PER_MINUTE: i64 = 60_000_000_000;

/// Whole minutes since 1970; what was before counts as its first.
pub(super) fn minutes_since_1970(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanos().div_euclid(NANOS_PER_MINUTE)).unwrap_or(0)
}

/// When this minute begins.
pub(super) fn minute_begins(minute: u64) -> Timestamp {
    let minute = i64::try_from(minute).unwrap_or(i64::MAX);
    Timestamp::from_nanos(minute.saturating_mul(NANOS_PER_MINUTE))
}

impl Batch<'_> {
    /// Adds what moved in one target's memory.
    pub(super) fn observe(&mut self, observed: &Observed) -> Result<(), Error> {
        let Observed { id, last_attempted_at, last_succeeded_at, last_failed_at, retry_count, minutes } = observed;
        let mut finished: Vec<(u64, Rollup)> = Vec::new();
        let entry = self.live_entry(*id)?;
        entry.last_attempted_at = *last_attempted_at;
        entry.last_succeeded_at = *last_succeeded_at;
        entry.last_failed_at = *last_failed_at;
        entry.retry_count = *retry_count;
        for (time, rollup) in minutes {
            let minute = minutes_since_1970(*time);
            match &mut entry.minute {
                Some((in_progress, sum)) if *in_progress == minute => sum.merge(rollup),
                Some((in_progress, _)) if *in_progress > minute => finished.push((minute, *rollup)),
                Some(_) | None => finished.extend(entry.minute.replace((minute, *rollup))),
            }
        }
        for (minute, rollup) in finished {
            self.add_rollup(*id, minute, &rollup)?;
        }
        Ok(())
    }

    fn live_entry(&mut self, id: StatusId) -> Result<&mut LiveEntry, Error> {
        use std::collections::btree_map::Entry;
        let (number, place) = LiveBlock::place(id);
        let block = match self.live.entry(number) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let key = keys::numbered(Kind::Live, number);
                let bytes = self.state.get(&key)?;
                let block = bytes.map(|bytes| LiveBlock::decode(&bytes).map_err(not_decodable(&key))).transpose()?;
                entry.insert(block.unwrap_or_default())
            }
        };
        Ok(block.entries.entry(place).or_default())
    }

    fn add_rollup(&mut self, id: StatusId, minute: u64, rollup: &Rollup) -> Result<(), Error> {
        use std::collections::btree_map::Entry;
        let (number, place) = LiveBlock::place(id);
        for period in Period::ALL {
            let key = keys::rollup(period.letter(), number, minute / period.minutes() * period.minutes());
            let block = match self.rollups.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let bytes = self.state.get(&key)?;
                    let block = bytes.map(|bytes| RollupBlock::decode(&bytes).map_err(not_decodable(&key)));
                    entry.insert(block.transpose()?.unwrap_or_default())
                }
            };
            block.entries.entry(place).or_default().merge(rollup);
        }
        Ok(())
    }
}
