//! The histories' columns in memory: what lists filter, sort and count by, about 20 bytes a history.
//!
//! Rows lie in chunks in the order of `(occurredAt, id)`, so that a row that comes out of order moves one chunk and not
//! the table. All that a filter can ask is packed into 32 bits a row: a filter is then one mask and one comparison a
//! row, and a million rows are counted exactly in a fraction of a millisecond.
//! Only rows whose commit is on disk are in here. The records themselves stay in the tree.

use std::collections::HashMap;

use super::record::ColumnRow;
use crate::domain::failure_history::{FailureType, RetryResult};
use crate::domain::id::HistoryId;
use crate::domain::time::Timestamp;

/// Which histories a list shows. An absent member shows all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// Of this kind of system.
    pub failure_type: Option<FailureType>,
    /// Of this system.
    pub target_system: Option<Box<str>>,
    /// Not before.
    pub occurred_from: Option<Timestamp>,
    /// Before.
    pub occurred_to: Option<Timestamp>,
    /// With this result of the last retry.
    pub retry_result: Option<RetryResult>,
    /// People were told, or not.
    pub notified: Option<bool>,
    /// Not recovered yet, or recovered.
    pub open: Option<bool>,
}

/// Histories of one kind of system that are not recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenHistories {
    /// The kind.
    pub failure_type: FailureType,
    /// How many.
    pub count: u64,
}

/// Rows of one chunk: appending costs nothing, an insert in the middle moves at most 80 KiB.
const CHUNK: usize = 4096;

const TYPE_MASK: u32 = 0b11;
const RESULT_MASK: u32 = 0b11 << 2;
const NOTIFIED: u32 = 1 << 4;
const OPEN: u32 = 1 << 5;
const NAME_SHIFT: u32 = 6;
const NAME_MASK: u32 = !0 << NAME_SHIFT;

/// So many different names of systems can be told apart by a filter; the next ones share the last number, and a filter
/// for one of them shows them all.
const LAST_NAME: u32 = (1 << (32 - NAME_SHIFT)) - 1;

#[derive(Debug, Default)]
pub(super) struct Columns {
    chunks: Vec<Chunk>,
    names: Names,
    open: [u64; FailureType::ALL.len()],
    rows: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    /// Ascending; never empty while it is in the table.
    places: Vec<Place>,
    tags: Vec<u32>,
}

type Place = (Timestamp, HistoryId);

/// The numbers of the systems' names.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
}

impl Columns {
    /// All rows at once, at start.
    pub(super) fn load(mut rows: Vec<(HistoryId, ColumnRow)>) -> Self {
        rows.sort_unstable_by_key(|(id, row)| (row.occurred_at, *id));
        let mut columns = Self { rows: rows.len(), ..Self::default() };
        for part in rows.chunks(CHUNK) {
            let places = part.iter().map(|(id, row)| (row.occurred_at, *id)).collect();
            let tags = part.iter().map(|(_, row)| tag(row)).collect();
            columns.chunks.push(Chunk { places, tags });
        }
        for (_, row) in rows.iter().filter(|(_, row)| row.open) {
            columns.open[type_number(row.failure_type) as usize] += 1;
        }
        columns
    }

    /// A name that is on disk with its number.
    pub(super) fn name(&mut self, name: &str, number: u32) {
        self.names.numbers.insert(name.into(), number);
    }

    /// The number of a name.
    pub(super) fn number_of(&self, name: &str) -> Option<u32> {
        self.names.numbers.get(name).copied()
    }

    /// How many names there are: the next one's number.
    pub(super) fn names(&self) -> u32 {
        u32::try_from(self.names.numbers.len()).unwrap_or(u32::MAX)
    }

    /// How many histories there are.
    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    /// How many histories are open, by kind of system.
    pub(super) fn open(&self) -> [OpenHistories; FailureType::ALL.len()] {
        FailureType::ALL
            .map(|failure_type| OpenHistories { failure_type, count: self.open[type_number(failure_type) as usize] })
    }

    /// Puts a history's row in, or a newer one in its place.
    pub(super) fn put(&mut self, id: HistoryId, row: &ColumnRow) {
        let place = (row.occurred_at, id);
        let tag = tag(row);
        let index = self.chunk_of(place);
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.chunks.push(Chunk { places: vec![place], tags: vec![tag] });
            self.count(tag, None);
            return;
        };
        match chunk.places.binary_search(&place) {
            Ok(at) => {
                let before = std::mem::replace(&mut chunk.tags[at], tag);
                self.count(tag, Some(before));
            }
            Err(at) => {
                chunk.places.insert(at, place);
                chunk.tags.insert(at, tag);
                if chunk.places.len() > CHUNK {
                    self.split(index);
                }
                self.count(tag, None);
            }
        }
    }

    /// Takes a history's row out.
    pub(super) fn remove(&mut self, occurred_at: Timestamp, id: HistoryId) {
        let place = (occurred_at, id);
        let index = self.chunk_of(place);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let Ok(at) = chunk.places.binary_search(&place) else { return };
        chunk.places.remove(at);
        let tag = chunk.tags.remove(at);
        if chunk.places.is_empty() {
            self.chunks.remove(index);
        }
        self.rows -= 1;
        if tag & OPEN != 0 {
            self.open[(tag & TYPE_MASK) as usize] -= 1;
        }
    }

    /// The ids on one page, newest first, and how many histories the filter shows in all.
    pub(super) fn page(&self, filter: &HistoryFilter, skip: u64, take: usize) -> (Vec<HistoryId>, u64) {
        let Some((mask, wanted)) = self.compile(filter) else { return (Vec::new(), 0) };
        let mut ids = Vec::with_capacity(take.min(1024));
        let mut total = 0;
        for chunk in self.chunks.iter().rev() {
            let (places, tags) = chunk.between(filter.occurred_from, filter.occurred_to);
            let here = count(tags, mask, wanted);
            if here > 0 && total + here > skip && ids.len() < take {
                let shown = places.iter().zip(tags).rev().filter(|(_, tag)| **tag & mask == wanted);
                let skip_here = usize::try_from(skip.saturating_sub(total)).unwrap_or(usize::MAX);
                ids.extend(shown.skip(skip_here).take(take - ids.len()).map(|((_, id), _)| *id));
            }
            total += here;
        }
        (ids, total)
    }

    /// The filter as a mask and what must be left under it; `None` where nothing can match.
    fn compile(&self, filter: &HistoryFilter) -> Option<(u32, u32)> {
        let HistoryFilter {
            failure_type,
            target_system,
            occurred_from: _,
            occurred_to: _,
            retry_result,
            notified,
            open,
        } = filter;
        let flag = |bit: u32, set: bool| (bit, if set { bit } else { 0 });
        let name = match target_system {
            None => None,
            Some(name) => Some((NAME_MASK, self.number_of(name)?.min(LAST_NAME) << NAME_SHIFT)),
        };
        let parts = [
            failure_type.map(|word| (TYPE_MASK, type_number(word))),
            retry_result.map(|word| (RESULT_MASK, result_number(word) << 2)),
            notified.map(|set| flag(NOTIFIED, set)),
            open.map(|set| flag(OPEN, set)),
            name,
        ];
        Some(parts.into_iter().flatten().fold((0, 0), |(mask, wanted), (m, w)| (mask | m, wanted | w)))
    }

    /// The chunk that holds this place or should: the last one that begins at or before it.
    fn chunk_of(&self, place: Place) -> usize {
        self.chunks.partition_point(|chunk| chunk.places.first().is_some_and(|first| *first <= place)).saturating_sub(1)
    }

    /// Halves a chunk; the newest one gives up only its last row, since most rows come in order.
    fn split(&mut self, index: usize) {
        let newest = index + 1 == self.chunks.len();
        let chunk = &mut self.chunks[index];
        let at = if newest { CHUNK } else { CHUNK / 2 };
        let tail = Chunk { places: chunk.places.split_off(at), tags: chunk.tags.split_off(at) };
        self.chunks.insert(index + 1, tail);
    }

    fn count(&mut self, tag: u32, before: Option<u32>) {
        match before {
            None => self.rows += 1,
            Some(before) if before & OPEN != 0 => self.open[(before & TYPE_MASK) as usize] -= 1,
            Some(_) => {}
        }
        if tag & OPEN != 0 {
            self.open[(tag & TYPE_MASK) as usize] += 1;
        }
    }
}

impl Chunk {
    /// The part within `[from, to)`.
    fn between(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> (&[Place], &[u32]) {
        let begin = from.map_or(0, |from| self.places.partition_point(|(at, _)| *at < from));
        let end = to.map_or(self.places.len(), |to| self.places.partition_point(|(at, _)| *at < to)).max(begin);
        (&self.places[begin..end], &self.tags[begin..end])
    }
}

fn count(tags: &[u32], mask: u32, wanted: u32) -> u64 {
    if mask == 0 {
        return tags.len() as u64;
    }
    // 32-bit sums, so that the compiler counts four or eight rows at a time.
    u64::from(tags.iter().map(|tag| u32::from(tag & mask == wanted)).sum::<u32>())
}

fn tag(row: &ColumnRow) -> u32 {
    let ColumnRow { occurred_at: _, recorded_by: _, name, failure_type, retry_result, notified, open } = row;
    type_number(*failure_type)
        | result_number(*retry_result) << 2
        | if *notified { NOTIFIED } else { 0 }
        | if *open { OPEN } else { 0 }
        | (*name).min(LAST_NAME) << NAME_SHIFT
}

const fn type_number(failure_type: FailureType) -> u32 {
    match failure_type {
        FailureType::PaymentGateway => 0,
        FailureType::LocationWeatherApi => 1,
        FailureType::Other => 2,
    }
}

const fn result_number(result: RetryResult) -> u32 {
    match result {
        RetryResult::Success => 0,
        RetryResult::Failure => 1,
        RetryResult::NotApplicable => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SYSTEMS: [&str; 3] = ["PG_KCP", "PG_TOSS", "WEATHER_API"];

    fn any_row() -> impl Strategy<Value = ColumnRow> {
        (0..40_i64, 0..3_u32, 0..3_usize, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
            |(at, name, kind, result, notified, open)| ColumnRow {
                occurred_at: Timestamp::from_nanos(at),
                recorded_by: 1,
                name,
                failure_type: FailureType::ALL[kind],
                retry_result: RetryResult::ALL[result],
                notified,
                open,
            },
        )
    }

    fn any_filter() -> impl Strategy<Value = HistoryFilter> {
        let time = || prop::option::of((0..40_i64).prop_map(Timestamp::from_nanos));
        (
            prop::option::of((0..3_usize).prop_map(|kind| FailureType::ALL[kind])),
            prop::option::of((0..4_usize).prop_map(|name| Box::from(*SYSTEMS.get(name).unwrap_or(&"UNKNOWN")))),
            time(),
            time(),
            prop::option::of((0..3_usize).prop_map(|result| RetryResult::ALL[result])),
            any::<Option<bool>>(),
            any::<Option<bool>>(),
        )
            .prop_map(
                |(failure_type, target_system, occurred_from, occurred_to, retry_result, notified, open)| {
                    HistoryFilter {
                        failure_type,
                        target_system,
                        occurred_from,
                        occurred_to,
                        retry_result,
                        notified,
                        open,
                    }
                },
            )
    }

    fn shows(filter: &HistoryFilter, row: &ColumnRow) -> bool {
        filter.failure_type.is_none_or(|wanted| wanted == row.failure_type)
            && filter.target_system.as_deref().is_none_or(|wanted| wanted == SYSTEMS[row.name as usize])
            && filter.occurred_from.is_none_or(|from| row.occurred_at >= from)
            && filter.occurred_to.is_none_or(|to| row.occurred_at < to)
            && filter.retry_result.is_none_or(|wanted| wanted == row.retry_result)
            && filter.notified.is_none_or(|wanted| wanted == row.notified)
            && filter.open.is_none_or(|wanted| wanted == row.open)
    }

    fn naive(
        rows: &BTreeMap<u64, ColumnRow>,
        filter: &HistoryFilter,
        skip: usize,
        take: usize,
    ) -> (Vec<HistoryId>, u64) {
        let mut shown: Vec<_> = rows
            .iter()
            .filter(|(_, row)| shows(filter, row))
            .map(|(id, row)| (row.occurred_at, HistoryId(*id)))
            .collect();
        shown.sort_unstable_by(|a, b| b.cmp(a));
        (shown.iter().skip(skip).take(take).map(|(_, id)| *id).collect(), shown.len() as u64)
    }

    fn named() -> Columns {
        let mut columns = Columns::default();
        (0..).zip(SYSTEMS).for_each(|(number, name)| columns.name(name, number));
        columns
    }

    proptest! {
        #[test]
        fn a_page_is_what_a_naive_filter_shows(
            steps in prop::collection::vec((1..60_u64, any_row(), 0..8_u8), 1..200),
            filters in prop::collection::vec((any_filter(), 0..30_usize, 1..20_usize), 1..20),
        ) {
            let mut columns = named();
            let mut rows: BTreeMap<u64, ColumnRow> = BTreeMap::new();
            for (id, mut row, step) in steps {
                if step == 0 {
                    if let Some(row) = rows.remove(&id) {
                        columns.remove(row.occurred_at, HistoryId(id));
                    }
                    continue;
                }
                // A history's occurredAt never changes.
                row.occurred_at = rows.get(&id).map_or(row.occurred_at, |known| known.occurred_at);
                columns.put(HistoryId(id), &row);
                rows.insert(id, row);
            }
            for (filter, skip, take) in filters {
                prop_assert_eq!(columns.page(&filter, skip as u64, take), naive(&rows, &filter, skip, take));
            }
            for open in columns.open() {
                let expected = rows.values().filter(|row| row.open && row.failure_type == open.failure_type).count();
                prop_assert_eq!(open.count, expected as u64);
            }
            prop_assert_eq!(columns.len(), rows.len());
        }
    }

    #[test]
    fn rows_in_any_order_over_many_chunks_come_back_in_order() {
        let row = |at: i64| ColumnRow {
            occurred_at: Timestamp::from_nanos(at),
            recorded_by: 1,
            name: 0,
            failure_type: FailureType::Other,
            retry_result: RetryResult::NotApplicable,
            notified: true,
            open: at % 2 == 0,
        };
        let count = 3 * CHUNK as u64;
        let mut columns = named();
        for step in 0..count {
            let id = step * 7_919 % count;
            columns.put(HistoryId(id), &row(id.cast_signed()));
        }
        let (ids, total) = columns.page(&HistoryFilter::default(), count / 2, 3);
        assert_eq!(ids, [count / 2 - 1, count / 2 - 2, count / 2 - 3].map(HistoryId));
        assert_eq!(total, count);
        let open = HistoryFilter { open: Some(true), ..HistoryFilter::default() };
        let (ids, total) = columns.page(&open, 0, 2);
        assert_eq!((ids, total), (vec![HistoryId(count - 2), HistoryId(count - 4)], count / 2));
    }
}
