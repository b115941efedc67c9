//! Deletes what is older than it is kept, in small steps between the commits.
//!
//! Events, closed histories, dead letters and transition lines go after `retention`, counted from when they were
//! stored and never from when they say they happened; open histories stay. Rollups of minutes go after a day, those of
//! hours after 90 days. Of dead letters at most [`DEAD_LETTERS_MAX`] stay. Each step is one bounded part of one batch, so a kill between two of them leaves a whole store.

use std::time::Duration;

use super::batch::Batch;
use super::error::Error;
use super::keys::{self, Kind};
use super::observations::{Period, minutes_since_1970};
use super::record::{ColumnBlock, EventBlock, Mark, ROWS_PER_BLOCK, StoredEvent, decode_alert, decode_event};
use super::state::{State, not_decodable};
use crate::domain::id::{HistoryId, NoticeId, Sequence};
use crate::domain::time::Timestamp;

/// Rollups of minutes are kept so long.
pub(super) const MINUTES_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Rollups of hours are kept so long.
pub(super) const HOURS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Dead letters that a tidying leaves, the newest: a channel that refuses everything makes one of each message, they are
/// all known by name in memory, and nobody reads more.
pub(super) const DEAD_LETTERS_MAX: usize = 100_000;

/// Deletions in one step: about as long as two ordinary batches.
const STEP: usize = 512;
/// Looks at the tree in one step, where little is to be deleted.
const LOOKS: usize = 128;

/// Received events in one look: they lie in the order of their hashes, so all have to be looked at.
const RECEIVED_A_LOOK: usize = 64;

/// What a tidying deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Events.
    pub events: u64,
    /// Histories.
    pub histories: u64,
    /// Records of other kinds.
    pub others: u64,
    /// Dead letters that were too many and not too old; they are among the others.
    pub letters_too_many: u64,
}

/// A tidying on its way.
#[derive(Debug)]
pub(super) struct Tidy {
    stage: Stage,
    kept_from: KeptFrom,
    events_deleted_to: Option<Sequence>,
    tidied: Tidied,
    /// The first thing that could not be read.
    failed: Option<Error>,
}

/// The first of each that is kept.
#[derive(Debug, Clone, Copy)]
struct KeptFrom {
    sequence: Sequence,
    transition: u64,
    notice: NoticeId,
    minute: u64,
    hour: u64,
    /// When what was stored before is old.
    time: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Advance,
    Events,
    /// From this block on.
    Histories(u64),
    DeadLetters,
    Alerts,
    /// From this status on.
    Transitions(u64),
    /// From this key on.
    Received([u8; 17]),
    /// From this block of statuses on.
    Minutes(u64),
    /// From this block of statuses on.
    Hours(u64),
    Marks,
    Done,
}

impl Stage {
    /// The first of what comes after all of this kind.
    const fn next_kind(self) -> Self {
        match self {
            Self::Advance => Self::Events,
            Self::Events => Self::Histories(0),
            Self::Histories(_) => Self::DeadLetters,
            Self::DeadLetters => Self::Alerts,
            Self::Alerts => Self::Transitions(0),
            Self::Transitions(_) => Self::Received([Kind::Received.letter(); 17]),
            Self::Received(_) => Self::Minutes(0),
            Self::Minutes(_) => Self::Hours(0),
            Self::Hours(_) => Self::Marks,
            Self::Marks | Self::Done => Self::Done,
        }
    }
}

/// The first minute whose rollup is kept, and the first hour's, both in minutes since 1970. Whole hours and days are
/// kept, so that a window whose edge is here can be put together without a hole.
pub(super) fn rollups_kept_from(now: Timestamp) -> (u64, u64) {
    let whole = |time: Timestamp, period: Period| minutes_since_1970(time) / period.minutes() * period.minutes();
    (whole(now.minus(MINUTES_KEPT), Period::Hour), whole(now.minus(HOURS_KEPT), Period::Day))
}

impl Tidy {
    /// What there is to do at this time.
    pub(super) fn plan(state: &State, now: Timestamp, retention: Duration) -> Result<Self, Error> {
        let (sequence, transition, notice) = stored_before(state, now.minus(retention))?;
        let (minute, hour) = rollups_kept_from(now);
        let time = now.minus(retention);
        let kept_from = KeptFrom { sequence, transition, notice, minute, hour, time };
        Ok(Self { stage: Stage::Advance, kept_from, events_deleted_to: None, tidied: Tidied::default(), failed: None })
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// What was deleted; or what could not be read, and kept only what is of its kind.
    pub(super) fn finish(self) -> Result<Tidied, Error> {
        self.failed.map_or(Ok(self.tidied), Err)
    }

    /// Does the next part of it within a batch.
    pub(super) fn step(&mut self, batch: &mut Batch<'_>) {
        let end = batch.writes.records() + STEP;
        for _ in 0..LOOKS {
            if self.is_done() || batch.writes.records() >= end {
                break;
            }
            let is_advance = self.stage == Stage::Advance;
            self.stage = self.part(batch).unwrap_or_else(|error| {
                self.failed.get_or_insert(error);
                self.stage.next_kind()
            });
            if is_advance {
                break;
            }
        }
    }

    fn part(&mut self, batch: &mut Batch<'_>) -> Result<Stage, Error> {
        let next = match self.stage {
            Stage::Advance => return self.advance(batch),
            Stage::Events => return self.delete_events(batch),
            Stage::Histories(block) => return self.delete_histories(batch, block),
            Stage::DeadLetters => return self.delete_dead_letters(batch),
            Stage::Alerts => return self.delete_alerts(batch),
            Stage::Received(key) => return self.delete_received(batch, key),
            Stage::Marks => return self.delete_marks(batch),
            Stage::Transitions(status) => {
                let kept_from = self.kept_from.transition;
                self.delete_grouped(batch, &[Kind::Transition.letter()], status, kept_from)?.map(Stage::Transitions)
            }
            Stage::Minutes(block) => {
                let prefix = [Kind::Rollup.letter(), Period::Minute.letter()];
                self.delete_grouped(batch, &prefix, block, self.kept_from.minute)?.map(Stage::Minutes)
            }
            Stage::Hours(block) => {
                let prefix = [Kind::Rollup.letter(), Period::Hour.letter()];
                self.delete_grouped(batch, &prefix, block, self.kept_from.hour)?.map(Stage::Hours)
            }
            Stage::Done => None,
        };
        Ok(next.unwrap_or_else(|| self.stage.next_kind()))
    }

    /// Moves the log's beginning up to the last block that holds an event to be kept. The blocks before it go only after
    /// that is on disk, so that a reader who misses one can tell that it is gone.
    fn advance(&self, batch: &mut Batch<'_>) -> Result<Stage, Error> {
        let blocks = batch.state.tree.range(keys::event(Sequence(0))..=keys::event(self.kept_from.sequence));
        let last = blocks.keys().next_back().transpose().map_err(Error::sled("read what is old"))?;
        let begin = last.and_then(|key| keys::number_at(&key, 1)).map_or(Sequence(0), Sequence);
        if begin > batch.head.first_sequence {
            batch.head.first_sequence = begin;
            batch.writes.touch();
        }
        Ok(Stage::Events)
    }

    fn delete_events(&mut self, batch: &mut Batch<'_>) -> Result<Stage, Error> {
        let state = batch.state;
        let from = self.events_deleted_to.map_or(keys::event(Sequence(0)), keys::event);
        let Some((key, value)) = first_in(state, &from, &keys::event(batch.head.first_sequence))? else {
            return Ok(self.stage.next_kind());
        };
        let value = super::long_value::whole(&state.tree, &key, value)?;
        let first = keys::number_at(&key, 1).ok_or_else(|| Error::damaged(keys::describe(&key), "its key is short"))?;
        let events = EventBlock::split(&value).map_err(not_decodable(&key))?;
        let stored: Result<Vec<_>, _> =
            (first..).map(Sequence).zip(&events).map(|(sequence, event)| decode_event(sequence, event)).collect();
        for StoredEvent { logged, detail_of: _ } in stored.map_err(not_decodable(&key))? {
            batch.writes.delete_short(&keys::correlation(&logged.correlation, logged.sequence));
        }
        batch.writes.delete(&key)?;
        self.events_deleted_to = Some(Sequence(first + events.len() as u64));
        self.tidied.events += events.len() as u64;
        Ok(Stage::Events)
    }

    /// Closed histories whose events are gone. Ids are given in about the order of the log, so the first block without
    /// an old row is the end.
    fn delete_histories(&mut self, batch: &mut Batch<'_>, from: u64) -> Result<Stage, Error> {
        let begin = keys::numbered(Kind::Columns, from);
        let end = keys::numbered(Kind::Columns, u64::MAX);
        let Some((key, value)) = first_in(batch.state, &begin, &end)? else { return Ok(self.stage.next_kind()) };
        let number =
            keys::number_at(&key, 1).ok_or_else(|| Error::damaged(keys::describe(&key), "its key is short"))?;
        let kept_from = batch.head.first_sequence.0;
        let block = ColumnBlock::decode(&value).map_err(not_decodable(&key))?;
        let rows: Vec<_> = block.rows().filter(|(_, row)| row.recorded_by < kept_from).collect();
        if rows.is_empty() {
            return Ok(self.stage.next_kind());
        }
        // A history that is closed here cannot open again: what this batch does to it does not matter.
        for (place, row) in rows.iter().filter(|(_, row)| !row.open) {
            let id = HistoryId(number * ROWS_PER_BLOCK + *place as u64);
            debug_assert_eq!(ColumnBlock::place(id), (number, *place));
            batch.remove_history(id, row)?;
            self.tidied.histories += 1;
        }
        Ok(Stage::Histories(number + 1))
    }

    fn delete_dead_letters(&mut self, batch: &mut Batch<'_>) -> Result<Stage, Error> {
        let old = |notice: NoticeId| notice < self.kept_from.notice;
        let durable = batch.state.durable.read();
        let too_many = durable.dead.len().saturating_sub(DEAD_LETTERS_MAX);
        let ids = durable.dead.ids().enumerate();
        let dead = ids.take_while(|(place, id)| *place < too_many || old(id.notice)).map(|(_, id)| id);
        let dead: Vec<_> = dead.take(STEP).collect();
        drop(durable);
        let more = dead.len() == STEP;
        for id in dead {
            batch.remove_dead(id)?;
            self.tidied.others += 1;
            self.tidied.letters_too_many += u64::from(!old(id.notice));
        }
        // The list in memory moves with the disk: where there is more, the next batch sees it.
        Ok(if more { self.stage } else { self.stage.next_kind() })
    }

    /// Incidents that were over before: they are in the order in which they began, so the first that is kept is the end.
    /// One that lasts keeps those after it for as long.
    fn delete_alerts(&mut self, batch: &mut Batch<'_>) -> Result<Stage, Error> {
        let old = |until: Option<Timestamp>| until.is_some_and(|until| until < self.kept_from.time);
        let (begin, end) = (keys::numbered(Kind::Alert, 0), keys::numbered(Kind::Alert, u64::MAX));
        let mut keys = Vec::new();
        for pair in batch.state.tree.range(begin..end).take(STEP) {
            let (key, value) = pair.map_err(Error::sled("read the alerts"))?;
            let value = super::long_value::whole(&batch.state.tree, &key, value)?;
            if !old(decode_alert(&value).map_err(not_decodable(&key))?.until) {
                break;
            }
            keys.push(key);
        }
        for key in &keys {
            batch.writes.delete(key)?;
            self.tidied.others += 1;
        }
        // The tree moves with the disk: where there is more, the next tidying sees it.
        Ok(self.stage.next_kind())
    }

    fn delete_received(&mut self, batch: &mut Batch<'_>, from: [u8; 17]) -> Result<Stage, Error> {
        let end = [Kind::Received.letter() + 1];
        let mut seen = 0;
        for pair in batch.state.tree.range(&from[..]..&end[..]).take(RECEIVED_A_LOOK) {
            let (key, value) = pair.map_err(Error::sled("read the received events"))?;
            seen += 1;
            if keys::number_at(&value, 1).is_some_and(|sequence| sequence < batch.head.first_sequence.0) {
                batch.writes.delete_short(&key);
                self.tidied.others += 1;
            }
            if seen == RECEIVED_A_LOOK {
                return Ok(key.as_ref().try_into().map_or(self.stage.next_kind(), |key| Stage::Received(after(key))));
            }
        }
        Ok(self.stage.next_kind())
    }

    /// Of keys made of a prefix, a group and a number: deletes some of one group's numbers below `kept_from`. Says
    /// which group is next, the same one if there is more in it.
    fn delete_grouped(
        &mut self,
        batch: &mut Batch<'_>,
        prefix: &[u8],
        group: u64,
        kept_from: u64,
    ) -> Result<Option<u64>, Error> {
        if kept_from == 0 {
            return Ok(None);
        }
        let key = |group: u64, number: u64| [prefix, &group.to_be_bytes(), &number.to_be_bytes()].concat();
        let end = [prefix, &[0xff; 17]].concat();
        let Some((first, _)) = first_in(batch.state, &key(group, 0), &end)? else { return Ok(None) };
        let Some(group) = keys::number_at(&first, prefix.len()) else { return Ok(None) };
        let mut deleted = 0;
        for pair in batch.state.tree.range(key(group, 0)..key(group, kept_from)).take(STEP) {
            let (key, _) = pair.map_err(Error::sled("read what is old"))?;
            batch.writes.delete(&key)?;
            deleted += 1;
        }
        self.tidied.others += deleted as u64;
        if deleted == STEP {
            // What this batch deletes is still there for its own reads: the next batch goes on.
            return Ok(Some(group));
        }
        Ok(group.checked_add(1))
    }

    fn delete_marks(&mut self, batch: &mut Batch<'_>) -> Result<Stage, Error> {
        if self.kept_from.sequence.0 == 0 {
            return Ok(Stage::Done);
        }
        let range = keys::numbered(Kind::Mark, 0)..keys::numbered(Kind::Mark, self.kept_from.sequence.0);
        let mut deleted = 0;
        for key in batch.state.tree.range(range).keys().take(STEP) {
            batch.writes.delete_short(&key.map_err(Error::sled("read the time marks"))?);
            deleted += 1;
        }
        Ok(if deleted == STEP { Stage::Marks } else { Stage::Done })
    }
}

/// How far the log had come when retention ended: the last mark before which every mark is old enough. (The clock may
/// have been set back; then what came after the first younger mark is kept.)
fn stored_before(state: &State, time: Timestamp) -> Result<(Sequence, u64, NoticeId), Error> {
    let mut kept_from = (Sequence(0), 0, NoticeId(0));
    for pair in state.tree.scan_prefix([Kind::Mark.letter()]) {
        let (key, value) = pair.map_err(Error::sled("read the time marks"))?;
        let mark = Mark::decode(&value).map_err(not_decodable(&key))?;
        if mark.at > time {
            break;
        }
        let sequence =
            keys::number_at(&key, 1).ok_or_else(|| Error::damaged(keys::describe(&key), "its key is short"))?;
        kept_from = (Sequence(sequence), mark.transitions + 1, NoticeId(mark.notice.0 + 1));
    }
    Ok(kept_from)
}

fn first_in(state: &State, from: &[u8], to: &[u8]) -> Result<Option<(sled::IVec, sled::IVec)>, Error> {
    if from >= to {
        return Ok(None);
    }
    state.tree.range(from..to).next().transpose().map_err(Error::sled("read what is old"))
}

fn after(mut key: [u8; 17]) -> [u8; 17] {
    for byte in key.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    key
}
