//! One batch in the making: many decisions become the records of one write.
//!
//! It reads what is on disk and remembers what it is about to change; nothing happens to the tree or to the memory
//! until the writer takes what [`Batch::finish`] gives.

use std::collections::BTreeMap;

use super::error::Error;
use super::keys::{self, Kind};
use super::long_value::{self, LIMIT};
use super::memory::{MemoryChanges, RowChange};
use super::record::{
    ColumnBlock, ColumnRow, Encoder, EventBlock, EventToStore, Head, LiveBlock, Mark, RollupBlock, encode_alert,
    encode_delivery, encode_event, encode_history, encode_quiet, encode_transition, encode_watch,
};
use super::state::{State, not_decodable};
use crate::domain::change::{Change, DeliveryChange, QuietChange};
use crate::domain::event::{Cause, Event, Occurrence};
use crate::domain::failure_history::IntegrationFailureHistory;
use crate::domain::id::{DeliveryId, HistoryId, IdMarks, Sequence, Shard, StatusId};
use crate::domain::time::Timestamp;

/// Events of a batch share values up to this size. One that is read for one of its events costs little, and a page of
/// them stays well below what sled keeps in its log.
const EVENT_BLOCK: usize = 4_000;

/// A batch in the making.
pub(super) struct Batch<'s> {
    pub(super) state: &'s State,
    pub(super) writes: Writes<'s>,
    pub(super) head: Head,
    pub(super) encoder: Encoder,
    /// Live blocks as this batch leaves them.
    pub(super) live: BTreeMap<u64, LiveBlock>,
    /// Rollup blocks as this batch leaves them, by their keys.
    pub(super) rollups: BTreeMap<[u8; 18], RollupBlock>,
    columns: BTreeMap<u64, ColumnBlock>,
    memory: MemoryChanges,
    events: EventBlock,
    events_begin: Sequence,
}

/// The records of a batch.
pub(super) struct Writes<'s> {
    tree: &'s sled::Db,
    batch: sled::Batch,
    records: usize,
    /// How many long values there were so far; where there were none, nobody has to look for one.
    overflows: u64,
    /// The long values of this batch.
    long: BTreeMap<Vec<u8>, (u64, usize)>,
}

/// A batch that can be written.
pub(super) struct Finished {
    /// For sled.
    pub(super) batch: sled::Batch,
    /// How many records it writes or deletes.
    pub(super) records: usize,
    /// The counters as it leaves them.
    pub(super) head: Head,
    /// For [`MemoryChanges::apply`].
    pub(super) memory: MemoryChanges,
}

impl<'s> Batch<'s> {
    /// An empty batch after what is on disk.
    pub(super) fn begin(state: &'s State) -> Self {
        let head = state.durable.read().head;
        let writes = Writes {
            tree: &state.tree,
            batch: sled::Batch::default(),
            records: 0,
            overflows: head.overflows,
            long: BTreeMap::new(),
        };
        Self {
            state,
            writes,
            head,
            encoder: Encoder::default(),
            live: BTreeMap::new(),
            rollups: BTreeMap::new(),
            columns: BTreeMap::new(),
            memory: MemoryChanges::default(),
            events: EventBlock::default(),
            events_begin: head.next_sequence(),
        }
    }

    /// Adds a decision, and says where its first event is (or the next one would be).
    pub(super) fn add(&mut self, change: &Change) -> Result<Sequence, Error> {
        let Change { events, watches, histories, transitions, alerts, quiets, deliveries, received } = change;
        let first = self.head.next_sequence();
        for occurrence in events {
            self.add_event(first, occurrence, histories)?;
        }
        for watch in watches {
            let key = keys::numbered(Kind::Watch, watch.status.id.0);
            self.writes.put(&key, encode_watch(&mut self.encoder, watch))?;
        }
        for history in histories {
            self.add_history(first, history, events)?;
        }
        for (id, line) in transitions {
            self.head.transitions += 1;
            let key = keys::transition(*id, self.head.transitions);
            self.writes.put_new(&key, encode_transition(&mut self.encoder, line));
        }
        for record in alerts {
            let key = keys::numbered(Kind::Alert, record.incident.id.0);
            self.writes.put(&key, encode_alert(&mut self.encoder, record))?;
        }
        for quiet in quiets {
            match quiet {
                QuietChange::Put(quiet) => {
                    self.writes.put(&keys::quiet(&quiet.id), encode_quiet(&mut self.encoder, quiet))?;
                }
                QuietChange::Remove(id) => self.writes.delete(&keys::quiet(id))?,
            }
        }
        for delivery in deliveries {
            self.add_delivery(delivery)?;
        }
        if let Some((source, id)) = received {
            let mut value = [1; 9];
            value[1..].copy_from_slice(&first.0.to_be_bytes());
            self.writes.put_new(&keys::received(source, id), &value);
        }
        Ok(first)
    }

    /// Takes over the highest ids that were given.
    pub(super) fn raise(&mut self, marks: IdMarks) {
        self.head.raise(marks);
    }

    /// Writes down that the log had come so far at this time, before anything is added.
    pub(super) fn mark(&mut self, at: Timestamp) {
        let mark = Mark { at, transitions: self.head.transitions, notice: self.head.marks.notice };
        let key = keys::numbered(Kind::Mark, self.head.next_sequence().0);
        self.writes.put_new(&key, mark.encode(&mut self.encoder));
    }

    /// Everything, ready to be written; `None` where there is nothing.
    pub(super) fn finish(mut self) -> Option<Finished> {
        self.close_event_block();
        for (number, block) in &self.columns {
            let key = keys::numbered(Kind::Columns, *number);
            if block.is_empty() {
                self.writes.delete_short(&key);
            } else {
                self.writes.put_new(&key, block.encoded());
            }
        }
        for (number, block) in &self.live {
            self.writes.put_new(&keys::numbered(Kind::Live, *number), block.encode(&mut self.encoder));
        }
        for (key, block) in &self.rollups {
            self.writes.put_new(key, block.encode(&mut self.encoder));
        }
        if self.writes.records == 0 {
            return None;
        }
        self.head.commits += 1;
        self.head.overflows = self.writes.overflows;
        self.writes.put_new(keys::HEAD, self.head.encode(&mut self.encoder));
        let Writes { batch, records, .. } = self.writes;
        Some(Finished { batch, records, head: self.head, memory: self.memory })
    }

    fn add_event(
        &mut self,
        first: Sequence,
        occurrence: &Occurrence,
        histories: &[IntegrationFailureHistory],
    ) -> Result<(), Error> {
        let Occurrence { event, at, correlation, cause } = occurrence;
        let cause = cause.map(|cause| match cause {
            Cause::Logged(sequence) => sequence,
            Cause::Earlier(index) => Sequence(first.0 + index as u64),
        });
        let stored = EventToStore {
            event,
            at: *at,
            correlation,
            cause,
            shard: shard(event, histories),
            detail_is_in_history: detail_is_in_history(event, histories),
        };
        let sequence = self.head.next_sequence();
        let length = encode_event(&mut self.encoder, &stored).len();
        if self.events.is_full(length, EVENT_BLOCK) {
            self.close_event_block();
        }
        if self.events.is_empty() {
            self.events_begin = sequence;
        }
        self.events.push(self.encoder.last());
        self.head.last_sequence = sequence;
        self.writes.put_new(&keys::correlation(correlation, sequence), &[]);
        Ok(())
    }

    fn close_event_block(&mut self) {
        if !self.events.is_empty() {
            self.writes.put_new(&keys::event(self.events_begin), &self.events.take());
        }
    }

    fn add_history(
        &mut self,
        first: Sequence,
        history: &IntegrationFailureHistory,
        events: &[Occurrence],
    ) -> Result<(), Error> {
        let key = keys::numbered(Kind::History, history.id.0);
        let recorded = events.iter().position(
            |occurrence| matches!(&occurrence.event, Event::FailureRecorded(recorded) if recorded.id == history.id),
        );
        let (number, place) = ColumnBlock::place(history.id);
        let known = self.column_block(number)?.row(place);
        let bytes = encode_history(&mut self.encoder, history);
        match known {
            None => self.writes.put_new(&key, bytes),
            Some(_) => self.writes.put(&key, bytes)?,
        }
        let recorded_by = match (known, recorded) {
            (Some(row), _) => row.recorded_by,
            (None, Some(index)) => first.0 + index as u64,
            (None, None) => first.0,
        };
        let row = ColumnRow {
            occurred_at: history.occurred_at,
            recorded_by,
            name: self.name_number(&history.target_system),
            failure_type: history.failure_type,
            retry_result: history.retry_result,
            notified: history.notified,
            open: history.is_open(),
        };
        self.column_block(number)?.set(place, Some(row));
        self.memory.rows.push((history.id, RowChange::Put(row)));
        Ok(())
    }

    /// Deletes a history with its row.
    pub(super) fn remove_history(&mut self, id: HistoryId, row: &ColumnRow) -> Result<(), Error> {
        let (number, place) = ColumnBlock::place(id);
        self.column_block(number)?.set(place, None);
        self.memory.rows.push((id, RowChange::Remove(row.occurred_at)));
        self.writes.delete(&keys::numbered(Kind::History, id.0))
    }

    /// The columns of 128 neighbouring histories, as this batch leaves them.
    pub(super) fn column_block(&mut self, number: u64) -> Result<&mut ColumnBlock, Error> {
        use std::collections::btree_map::Entry;
        match self.columns.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let key = keys::numbered(Kind::Columns, number);
                let block = match self.state.get(&key)? {
                    None => ColumnBlock::empty(),
                    Some(bytes) => ColumnBlock::decode(&bytes).map_err(not_decodable(&key))?,
                };
                Ok(entry.insert(block))
            }
        }
    }

    fn name_number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.memory.names.get(name) {
            return *number;
        }
        let durable = self.state.durable.read();
        if let Some(number) = durable.columns.number_of(name) {
            return number;
        }
        let number = durable.columns.names() + u32::try_from(self.memory.names.len()).unwrap_or(u32::MAX);
        drop(durable);
        self.memory.names.insert(name.into(), number);
        let mut value = vec![1];
        value.extend_from_slice(name.as_bytes());
        self.writes.put_new(&keys::numbered(Kind::Name, number.into()), &value);
        number
    }

    fn add_delivery(&mut self, change: &DeliveryChange) -> Result<(), Error> {
        match change {
            DeliveryChange::Wait(delivery) => {
                if self.is_dead(delivery.id) {
                    self.memory.dead.sent_again(delivery.id);
                    self.writes.delete(&keys::delivery(Kind::Dead, delivery.id))?;
                }
                let key = keys::delivery(Kind::Waiting, delivery.id);
                self.writes.put(&key, encode_delivery(&mut self.encoder, delivery))
            }
            DeliveryChange::Done(id) => {
                if self.is_dead(*id) {
                    self.remove_dead(*id)?;
                } else if self.memory.dead.names(*id) || self.state.durable.read().dead.is_sent_again(*id) {
                    self.memory.dead.arrived(*id);
                }
                self.writes.delete(&keys::delivery(Kind::Waiting, *id))
            }
            DeliveryChange::Dead(delivery) => {
                self.writes.delete(&keys::delivery(Kind::Waiting, delivery.id))?;
                self.memory.dead.came(delivery);
                let key = keys::delivery(Kind::Dead, delivery.id);
                self.writes.put(&key, encode_delivery(&mut self.encoder, delivery))
            }
        }
    }

    fn is_dead(&self, id: DeliveryId) -> bool {
        self.memory.dead.is_dead(id).unwrap_or_else(|| self.state.durable.read().dead.contains(id))
    }

    /// Deletes a dead letter.
    pub(super) fn remove_dead(&mut self, id: DeliveryId) -> Result<(), Error> {
        self.memory.dead.went(id);
        self.writes.delete(&keys::delivery(Kind::Dead, id))
    }
}

impl Writes<'_> {
    /// A record that was not there, or one that is never long.
    pub(super) fn put_new(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        if value.len() <= LIMIT {
            self.batch.insert(key, value);
            return;
        }
        self.overflows += 1;
        for (part_key, part) in long_value::parts(self.overflows, value) {
            self.records += 1;
            self.batch.insert(&part_key, part);
        }
        self.long.insert(key.to_vec(), (self.overflows, value.len()));
        self.batch.insert(key, &long_value::pointer(self.overflows, value.len()));
    }

    /// A record that may be there already.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.delete_parts(key)?;
        self.put_new(key, value);
        Ok(())
    }

    /// Deletes a record.
    pub(super) fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        self.delete_parts(key)?;
        self.delete_short(key);
        Ok(())
    }

    /// Deletes a record that is never long.
    pub(super) fn delete_short(&mut self, key: &[u8]) {
        self.records += 1;
        self.batch.remove(key);
    }

    /// Only the counters move, but they are to be written.
    pub(super) const fn touch(&mut self) {
        self.records += 1;
    }

    /// How much this batch does so far.
    pub(super) const fn records(&self) -> usize {
        self.records
    }

    fn delete_parts(&mut self, key: &[u8]) -> Result<(), Error> {
        if self.overflows == 0 {
            return Ok(());
        }
        let pointed_at = match self.long.remove(key) {
            Some(pointed_at) => Some(pointed_at),
            None => {
                let value = self.tree.get(key).map_err(Error::sled("read a record"))?;
                value.and_then(|value| long_value::pointed_at(&value))
            }
        };
        if let Some((number, length)) = pointed_at {
            for part in long_value::part_keys(number, length) {
                self.delete_short(&part);
            }
        }
        Ok(())
    }
}

/// The shard whose log an event is part of: its target's. What belongs to no target goes to that of status 0.
fn shard(event: &Event, histories: &[IntegrationFailureHistory]) -> Shard {
    let of_history = |id: HistoryId| histories.iter().find(|history| history.id == id).map(|history| history.status_id);
    let status = match event {
        Event::Status { id, .. }
        | Event::BreakerTransitioned { id, .. }
        | Event::BreakerControlled { id, .. }
        | Event::AlertFired { id, .. }
        | Event::AlertResolved { id, .. }
        | Event::AlertAcknowledged { id, .. }
        | Event::AlertEscalated { id, .. } => Some(*id),
        Event::FailureRecorded(history) => Some(history.status_id),
        Event::History { id, .. } => of_history(*id),
        Event::NotificationDeadLettered { history, .. } => history.and_then(of_history),
        Event::QuietCreated { .. }
        | Event::QuietRemoved { .. }
        | Event::NotificationResent { .. }
        | Event::NotificationDismissed { .. }
        | Event::LocationWeatherInfoFailed { .. } => None,
    };
    Shard::of(status.unwrap_or(StatusId(0)))
}

/// A history's detail never changes once it was recorded, so the log need not hold it a second time.
fn detail_is_in_history(event: &Event, histories: &[IntegrationFailureHistory]) -> bool {
    match event {
        Event::FailureRecorded(recorded) => {
            histories.iter().any(|history| history.id == recorded.id && history.detail == recorded.detail)
        }
        Event::Status { .. }
        | Event::History { .. }
        | Event::BreakerTransitioned { .. }
        | Event::BreakerControlled { .. }
        | Event::AlertFired { .. }
        | Event::AlertResolved { .. }
        | Event::AlertAcknowledged { .. }
        | Event::AlertEscalated { .. }
        | Event::QuietCreated { .. }
        | Event::QuietRemoved { .. }
        | Event::NotificationResent { .. }
        | Event::NotificationDismissed { .. }
        | Event::NotificationDeadLettered { .. }
        | Event::LocationWeatherInfoFailed { .. } => false,
    }
}
