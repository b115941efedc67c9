//! What moved without being an event: live blocks and rollup blocks, each for 32 neighbouring statuses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use crate::domain::id::StatusId;
use crate::domain::rollup::{BUCKETS, Rollup};
use crate::domain::time::Timestamp;

/// How many statuses share a block. Saving 10,000 targets is then 313 records, and the fullest block that can be (all
/// 25 buckets of all statuses in use, with a day's counts) stays under the 6,000 bytes that one value may have.
const STATUSES_PER_BLOCK: u64 = 32;

/// A status's block and its place in it.
pub(super) const fn place(id: StatusId) -> (u64, u8) {
    (id.0 / STATUSES_PER_BLOCK, (id.0 % STATUSES_PER_BLOCK) as u8)
}

/// What one target's memory holds beyond its last commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LiveEntry {
    /// As in the status.
    pub(crate) last_attempted_at: Option<Timestamp>,
    /// As in the status.
    pub(crate) last_succeeded_at: Option<Timestamp>,
    /// As in the status.
    pub(crate) last_failed_at: Option<Timestamp>,
    /// As in the status.
    pub(crate) retry_count: u32,
    /// The minute in progress, in minutes since 1970, and its probes so far.
    pub(crate) minute: Option<(u64, Rollup)>,
}

/// The live entries of one block by their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LiveBlock {
    /// By place.
    pub(crate) entries: BTreeMap<u8, LiveEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LiveBlockV1 {
    /// The latest time in the block; all times in it are told by how long before it they are.
    latest: i64,
    entries: Vec<LiveEntryV1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LiveEntryV1 {
    place: u8,
    attempted: Option<u64>,
    succeeded: Option<u64>,
    failed: Option<u64>,
    retry_count: u32,
    minute: Option<(u64, Sparse)>,
}

impl LiveBlock {
    pub(crate) const fn place(id: StatusId) -> (u64, u8) {
        place(id)
    }

    pub(crate) fn encode<'e>(&self, encoder: &'e mut Encoder) -> &'e [u8] {
        let times = |entry: &LiveEntry| [entry.last_attempted_at, entry.last_succeeded_at, entry.last_failed_at];
        let latest = self.entries.values().flat_map(times).flatten().max().unwrap_or_default().as_nanos();
        let before = |time: Option<Timestamp>| time.map(|time| latest.wrapping_sub(time.as_nanos()).cast_unsigned());
        let entries = self.entries.iter().map(|(&place, entry)| {
            let LiveEntry { last_attempted_at, last_succeeded_at, last_failed_at, retry_count, minute } = entry;
            LiveEntryV1 {
                place,
                attempted: before(*last_attempted_at),
                succeeded: before(*last_succeeded_at),
                failed: before(*last_failed_at),
                retry_count: *retry_count,
                minute: minute.map(|(minute, rollup)| (minute, rollup.into())),
            }
        });
        encoder.encode(FIRST_VERSION, &LiveBlockV1 { latest, entries: entries.collect() })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotDecodable> {
        let LiveBlockV1 { latest, entries } = decode(FIRST_VERSION, bytes)?;
        let time = |before: u64| Timestamp::from_nanos(latest.wrapping_sub(before.cast_signed()));
        let entries = entries.into_iter().map(|entry| {
            let LiveEntryV1 { place, attempted, succeeded, failed, retry_count, minute } = entry;
            let minute = minute.map(|(minute, sparse)| Ok((minute, sparse.try_into()?))).transpose()?;
            let entry = LiveEntry {
                last_attempted_at: attempted.map(time),
                last_succeeded_at: succeeded.map(time),
                last_failed_at: failed.map(time),
                retry_count,
                minute,
            };
            Ok((place, entry))
        });
        Ok(Self { entries: entries.collect::<Result<_, NotDecodable>>()? })
    }
}

/// The rollups of one block and one stretch of time by their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RollupBlock {
    /// By place.
    pub(crate) entries: BTreeMap<u8, Rollup>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RollupBlockV1 {
    entries: Vec<(u8, Sparse)>,
}

impl RollupBlock {
    pub(crate) fn encode<'e>(&self, encoder: &'e mut Encoder) -> &'e [u8] {
        let entries = self.entries.iter().map(|(&place, &rollup)| (place, rollup.into())).collect();
        encoder.encode(FIRST_VERSION, &RollupBlockV1 { entries })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotDecodable> {
        let RollupBlockV1 { entries } = decode(FIRST_VERSION, bytes)?;
        let entries = entries.into_iter().map(|(place, sparse)| Ok((place, sparse.try_into()?)));
        Ok(Self { entries: entries.collect::<Result<_, NotDecodable>>()? })
    }
}

/// A rollup without its empty buckets: most targets fill two or three of 25.
#[derive(Debug, Serialize, Deserialize)]
struct Sparse {
    count: u32,
    bad: u32,
    buckets: Vec<(u8, u32)>,
}

impl From<Rollup> for Sparse {
    fn from(rollup: Rollup) -> Self {
        let Rollup { count, ok, latencies } = rollup;
        let buckets = (0..).zip(latencies).filter(|&(_, count)| count > 0).collect();
        Self { count, bad: count.saturating_sub(ok), buckets }
    }
}

impl TryFrom<Sparse> for Rollup {
    type Error = NotDecodable;

    fn try_from(sparse: Sparse) -> Result<Self, NotDecodable> {
        let Sparse { count, bad, buckets } = sparse;
        let mut latencies = [0; BUCKETS];
        for (bucket, count) in buckets {
            *latencies.get_mut(usize::from(bucket)).ok_or(NotDecodable::Content)? = count;
        }
        Ok(Self { count, ok: count.checked_sub(bad).ok_or(NotDecodable::Content)?, latencies })
    }
}
