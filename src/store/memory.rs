//! What the memory takes over from a batch.

use std::collections::BTreeMap;

use super::dead_letters;
use super::record::ColumnRow;
use super::state::Durable;
use crate::domain::id::HistoryId;
use crate::domain::time::Timestamp;

/// What the memory takes over once the batch is on disk.
#[derive(Debug, Default)]
pub(super) struct MemoryChanges {
    pub(super) rows: Vec<(HistoryId, RowChange)>,
    pub(super) names: BTreeMap<Box<str>, u32>,
    pub(super) dead: dead_letters::Changes,
}

#[derive(Debug)]
pub(super) enum RowChange {
    Put(ColumnRow),
    Remove(Timestamp),
}

impl MemoryChanges {
    /// The histories that readers must wait for.
    pub(super) fn histories(&self) -> Vec<HistoryId> {
        self.rows.iter().map(|(id, _)| *id).collect()
    }

    /// The batch is on disk: the memory follows.
    pub(super) fn apply(self, durable: &mut Durable) {
        let Self { rows, names, dead } = self;
        for (name, number) in names {
            durable.columns.name(&name, number);
        }
        for (id, change) in rows {
            match change {
                RowChange::Put(row) => durable.columns.put(id, &row),
                RowChange::Remove(occurred_at) => durable.columns.remove(occurred_at, id),
            }
        }
        dead.apply(&mut durable.dead);
    }
}
