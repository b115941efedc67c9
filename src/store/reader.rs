//! Questions to the store, from any number of threads.
//!
//! Lists and the log show only what is on disk. Everything here blocks for as long as a read takes, microseconds from
//! the cache and a disk's access otherwise.

use std::sync::Arc;

use super::columns::{HistoryFilter, OpenHistories};
use super::error::Error;
use super::keys::{self, Kind};
use super::record::{
    EventBlock, LiveBlock, decode_alert, decode_delivery, decode_detail, decode_event, decode_history, decode_quiet,
    decode_transition, decode_watch,
};
use super::state::{State, not_decodable};
use crate::domain::alert::Record;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Logged, StateChange};
use crate::domain::failure_history::{FailureType, IntegrationFailureHistory};
use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, IdMarks, IncidentId, Sequence, StatusId};
use crate::domain::quiet::Quiet;
use crate::domain::rollup::Observed;
use crate::domain::watch::Watch;

/// Events of one answer are at most about so many bytes; a longer one ends early and goes on at its last sequence.
const BYTES_OF_EVENTS: usize = 16 * 1024 * 1024;

/// Incidents that a list looks at: enough for what a person pages through.
const ALERTS_LOOKED_AT: usize = 10_000;

/// Reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) state: Arc<State>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
}

impl Reader {
    /// Histories by `occurredAt`, then id, descending; the first page is 0.
    ///
    /// # Errors
    /// What could not be read.
    pub fn histories(
        &self,
        filter: &HistoryFilter,
        page: u64,
        size: usize,
    ) -> Result<Page<IntegrationFailureHistory>, Error> {
        let skip = page.saturating_mul(size as u64);
        let (ids, total) = self.state.durable.read().columns.page(filter, skip, size);
        // A history that was deleted since then is left out.
        let load = || ids.iter().filter_map(|id| self.load_history(*id).transpose()).collect();
        Ok(Page { items: self.state.read_settled(&ids, load)?, total })
    }

    /// One history.
    ///
    /// # Errors
    /// What could not be read.
    pub fn history(&self, id: HistoryId) -> Result<Option<IntegrationFailureHistory>, Error> {
        self.state.read_settled(&[id], || self.load_history(id))
    }

    /// How many histories there are.
    #[must_use]
    pub fn history_count(&self) -> usize {
        self.state.durable.read().columns.len()
    }

    /// How many histories are open, by kind of system.
    #[must_use]
    pub fn open_histories(&self) -> [OpenHistories; FailureType::ALL.len()] {
        self.state.durable.read().columns.open()
    }

    /// Up to `limit` events after this one, oldest first. An answer may be shorter than `limit` although there is more,
    /// where the events are very long; it is empty only at the end.
    ///
    /// # Errors
    /// [`Error::Gone`] where the next one is not kept any more; what could not be read.
    pub fn events_after(&self, after: Sequence, limit: usize) -> Result<Vec<Logged>, Error> {
        let head = self.state.durable.read().head;
        if after.0.saturating_add(1) < head.first_sequence.0 {
            return Err(Error::Gone { first: head.first_sequence });
        }
        let mut events = Vec::new();
        if after >= head.last_sequence {
            return Ok(events);
        }
        let wanted = keys::event(Sequence(after.0 + 1));
        let before = self.state.tree.range(keys::event(Sequence(0))..=wanted).next_back();
        let begin = before
            .transpose()
            .map_err(Error::sled("read the log"))?
            .map_or_else(|| sled::IVec::from(&wanted), |(key, _)| key);
        let end = keys::event(head.last_sequence);
        let mut bytes = 0;
        for pair in self.state.tree.range(&begin[..]..=&end[..]) {
            let (key, value) = pair.map_err(Error::sled("read the log"))?;
            bytes += self
                .read_block(&key, value, &mut events, |sequence| sequence > after && sequence <= head.last_sequence)?;
            if events.len() >= limit || bytes > BYTES_OF_EVENTS {
                break;
            }
        }
        events.truncate(limit);
        // What was deleted meanwhile must not be a silent gap.
        let first = self.first_sequence();
        if after.0 + 1 < first.0 { Err(Error::Gone { first }) } else { Ok(events) }
    }

    /// Up to `limit` events after this one that share a correlation, oldest first.
    ///
    /// # Errors
    /// What could not be read.
    pub fn events_by_correlation(
        &self,
        correlation: &CorrelationId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Logged>, Error> {
        let last = self.state.durable.read().head.last_sequence;
        let mut events = Vec::new();
        if after >= last {
            return Ok(events);
        }
        let range = keys::correlation(correlation, Sequence(after.0 + 1))..=keys::correlation(correlation, last);
        for key in self.state.tree.range(range).keys() {
            let key = key.map_err(Error::sled("read the index of correlations"))?;
            let Some(sequence) = keys::number_at(&key, 17) else { continue };
            // Two texts may share a hash.
            let event = match self.event(Sequence(sequence)) {
                Err(Error::Gone { .. }) => continue,
                read => read?,
            };
            events.extend(event.filter(|event| event.correlation == *correlation));
            if events.len() >= limit {
                break;
            }
        }
        Ok(events)
    }

    /// One event; `None` if it is not kept or not on disk yet.
    ///
    /// # Errors
    /// What could not be read.
    pub fn event(&self, sequence: Sequence) -> Result<Option<Logged>, Error> {
        let kept = self.first_sequence()..=self.last_sequence();
        if !kept.contains(&sequence) {
            return Ok(None);
        }
        let (begin, end) = (keys::event(Sequence(0)), keys::event(sequence));
        let Some(pair) = self.state.tree.range(begin..=end).next_back() else { return Ok(None) };
        let (key, value) = pair.map_err(Error::sled("read the log"))?;
        let mut events = Vec::new();
        self.read_block(&key, value, &mut events, |candidate| candidate == sequence)?;
        Ok(events.pop())
    }

    /// The last event that is on disk; 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.state.durable.read().head.last_sequence
    }

    /// The first event that is kept; one more than the last where there is none.
    #[must_use]
    pub fn first_sequence(&self) -> Sequence {
        self.state.durable.read().head.first_sequence
    }

    /// The highest ids that were given.
    #[must_use]
    pub fn id_marks(&self) -> IdMarks {
        self.state.durable.read().head.marks
    }

    /// Every target by its id, with what was saved since its last commit; for the start.
    ///
    /// # Errors
    /// What could not be read.
    pub fn watches(&self) -> Result<Vec<Watch>, Error> {
        let mut watches = Vec::new();
        let mut live: Option<(u64, LiveBlock)> = None;
        for pair in self.state.tree.scan_prefix([Kind::Watch.letter()]) {
            let (key, value) = pair.map_err(Error::sled("read the watches"))?;
            let mut watch = self.decode_watch(&key, value)?;
            let (number, _) = LiveBlock::place(watch.status.id);
            if live.as_ref().is_none_or(|(known, _)| *known != number) {
                live = Some((number, self.live_block(number)?));
            }
            if let Some((_, block)) = &live {
                overlay(block, &mut watch);
            }
            watches.push(watch);
        }
        Ok(watches)
    }

    /// One target, with what was saved since its last commit. It may be one batch ahead of the disk: who rebuilds an
    /// actor from it does not survive the failure of that batch.
    ///
    /// # Errors
    /// What could not be read.
    pub fn watch(&self, id: StatusId) -> Result<Option<Watch>, Error> {
        let key = keys::numbered(Kind::Watch, id.0);
        let Some(value) = self.state.get(&key)? else { return Ok(None) };
        let mut watch = self.decode_watch(&key, value)?;
        overlay(&self.live_block(LiveBlock::place(id).0)?, &mut watch);
        Ok(Some(watch))
    }

    /// Shows every entry of the outbox, one after another in the order of their ids, also what is wrong with one that
    /// cannot be read. One may be a batch ahead of the disk.
    ///
    /// # Errors
    /// What could not be read, where that is not one entry: then the rest is not shown.
    pub fn look_through_outbox(&self, mut show: impl FnMut(Result<Delivery, Error>)) -> Result<(), Error> {
        for pair in self.state.tree.scan_prefix([Kind::Waiting.letter()]) {
            let (key, value) = pair.map_err(Error::sled("read the outbox"))?;
            show(self.delivery_at(&key, value));
        }
        Ok(())
    }

    /// Every entry of the outbox in the order of their ids.
    ///
    /// # Errors
    /// What could not be read.
    pub fn deliveries_waiting(&self) -> Result<Vec<Delivery>, Error> {
        let mut waiting = Vec::new();
        self.look_through_outbox(|delivery| waiting.push(delivery))?;
        waiting.into_iter().collect()
    }

    /// One entry of the outbox, if it waits.
    ///
    /// # Errors
    /// What could not be read.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        let key = keys::delivery(Kind::Waiting, id);
        self.state.get(&key)?.map(|value| self.delivery_at(&key, value)).transpose()
    }

    /// One incident, also after its end; as far as the log is kept.
    ///
    /// # Errors
    /// What could not be read.
    pub fn alert(&self, id: IncidentId) -> Result<Option<Record>, Error> {
        let key = keys::numbered(Kind::Alert, id.0);
        self.state.get(&key)?.map(|value| decode_alert(&value).map_err(not_decodable(&key))).transpose()
    }

    /// Incidents, the newest first, of the newest 10,000; the first page is 0. One may be a batch ahead of
    /// the disk.
    ///
    /// # Errors
    /// What could not be read.
    pub fn alerts(&self, wanted: impl Fn(&Record) -> bool, page: u64, size: usize) -> Result<Page<Record>, Error> {
        let skip = page.saturating_mul(size as u64);
        let (mut items, mut total) = (Vec::new(), 0);
        for pair in self.state.tree.scan_prefix([Kind::Alert.letter()]).rev().take(ALERTS_LOOKED_AT) {
            let (key, value) = pair.map_err(Error::sled("read the alerts"))?;
            let value = super::long_value::whole(&self.state.tree, &key, value)?;
            let record = decode_alert(&value).map_err(not_decodable(&key))?;
            if !wanted(&record) {
                continue;
            }
            if total >= skip && items.len() < size {
                items.push(record);
            }
            total += 1;
        }
        Ok(Page { items, total })
    }

    /// Every silence and window, in the order in which they were asked for; for the start.
    ///
    /// # Errors
    /// What could not be read.
    pub fn quiets(&self) -> Result<Vec<Quiet>, Error> {
        let read = self.state.tree.scan_prefix([Kind::Quiet.letter()]).map(|pair| {
            let (key, value) = pair.map_err(Error::sled("read the silences"))?;
            let value = super::long_value::whole(&self.state.tree, &key, value)?;
            decode_quiet(&value).map_err(not_decodable(&key))
        });
        let mut quiets: Vec<Quiet> = read.collect::<Result<_, _>>()?;
        quiets.sort_by_key(|quiet| quiet.created_at);
        Ok(quiets)
    }

    /// What signs links; made with the store.
    ///
    /// # Errors
    /// What could not be read.
    pub fn secret(&self) -> Result<Vec<u8>, Error> {
        let secret = self.state.get(keys::SECRET)?;
        let secret = secret.ok_or_else(|| Error::damaged(keys::describe(keys::SECRET), "it is missing"))?;
        Ok(secret.to_vec())
    }

    /// Up to `limit` lines of a target's transition log before the line with this number (or the newest ones), newest
    /// first, with their numbers.
    ///
    /// # Errors
    /// What could not be read.
    pub fn transitions(
        &self,
        id: StatusId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StateChange)>, Error> {
        let end = before.unwrap_or(u64::MAX).min(self.state.durable.read().head.transitions + 1);
        if end == 0 {
            return Ok(Vec::new());
        }
        let range = keys::transition(id, 0)..keys::transition(id, end);
        let lines = self.state.tree.range(range).rev().take(limit).map(|pair| {
            let (key, value) = pair.map_err(Error::sled("read the transitions"))?;
            let value = super::long_value::whole(&self.state.tree, &key, value)?;
            let number =
                keys::number_at(&key, 9).ok_or_else(|| Error::damaged(keys::describe(&key), "its key is short"))?;
            Ok((number, decode_transition(&value).map_err(not_decodable(&key))?))
        });
        lines.collect()
    }

    /// Whether this event of others was taken before, as far as the log is kept.
    ///
    /// # Errors
    /// What could not be read.
    pub fn was_received(&self, source: &str, id: &str) -> Result<bool, Error> {
        self.state.tree.contains_key(keys::received(source, id)).map_err(Error::sled("read the received events"))
    }

    /// Bytes that the store takes on disk.
    ///
    /// # Errors
    /// What could not be read.
    pub fn bytes_on_disk(&self) -> Result<u64, Error> {
        self.state.tree.size_on_disk().map_err(Error::sled("measure itself"))
    }

    pub(super) fn live_block(&self, number: u64) -> Result<LiveBlock, Error> {
        let key = keys::numbered(Kind::Live, number);
        let block = self.state.get(&key)?.map(|bytes| LiveBlock::decode(&bytes).map_err(not_decodable(&key)));
        Ok(block.transpose()?.unwrap_or_default())
    }

    fn load_history(&self, id: HistoryId) -> Result<Option<IntegrationFailureHistory>, Error> {
        let key = keys::numbered(Kind::History, id.0);
        let Some(value) = self.state.get(&key)? else { return Ok(None) };
        decode_history(id, &value).map(Some).map_err(not_decodable(&key))
    }

    /// Adds those events of a block that are wanted, and says how many bytes they had.
    fn read_block(
        &self,
        key: &[u8],
        value: sled::IVec,
        events: &mut Vec<Logged>,
        wanted: impl Fn(Sequence) -> bool,
    ) -> Result<usize, Error> {
        let value = super::long_value::whole(&self.state.tree, key, value)?;
        let first = keys::number_at(key, 1).ok_or_else(|| Error::damaged(keys::describe(key), "its key is short"))?;
        let mut read = 0;
        for (sequence, bytes) in (first..).map(Sequence).zip(EventBlock::split(&value).map_err(not_decodable(key))?) {
            if !wanted(sequence) {
                continue;
            }
            read += bytes.len();
            let stored = decode_event(sequence, bytes).map_err(not_decodable(key))?;
            let Some(history) = stored.detail_of else {
                events.push(stored.logged);
                continue;
            };
            let history_key = keys::numbered(Kind::History, history.0);
            let Some(record) = self.state.get(&history_key)? else {
                let first = self.state.durable.read().head.first_sequence;
                if sequence < first {
                    return Err(Error::Gone { first });
                }
                return Err(Error::damaged(keys::describe(&history_key), "it is missing, but its event is there"));
            };
            read += record.len();
            events.push(stored.with_detail(decode_detail(&record).map_err(not_decodable(&history_key))?));
        }
        Ok(read)
    }

    fn decode_watch(&self, key: &[u8], value: sled::IVec) -> Result<Watch, Error> {
        let value = super::long_value::whole(&self.state.tree, key, value)?;
        let id = keys::number_at(key, 1).ok_or_else(|| Error::damaged(keys::describe(key), "its key is short"))?;
        decode_watch(StatusId(id), &value).map_err(not_decodable(key))
    }

    pub(super) fn delivery_at(&self, key: &[u8], value: sled::IVec) -> Result<Delivery, Error> {
        let value = super::long_value::whole(&self.state.tree, key, value)?;
        let id = keys::delivery_of(key).ok_or_else(|| Error::damaged(keys::describe(key), "its key has no id"))?;
        decode_delivery(id, &value).map_err(not_decodable(key))
    }
}

fn overlay(block: &LiveBlock, watch: &mut Watch) {
    let (_, place) = LiveBlock::place(watch.status.id);
    let Some(entry) = block.entries.get(&place) else { return };
    let observed = Observed {
        id: watch.status.id,
        last_attempted_at: entry.last_attempted_at,
        last_succeeded_at: entry.last_succeeded_at,
        last_failed_at: entry.last_failed_at,
        retry_count: entry.retry_count,
        minutes: Vec::new(),
    };
    observed.overlay(&mut watch.status);
}
