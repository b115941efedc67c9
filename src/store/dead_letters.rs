//! Which messages were given up, and of which target: in memory, since people are told by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::delivery::Delivery;
use crate::domain::id::{DeliveryId, NoticeId};

/// The dead letters that are on disk.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    /// The target that each speaks of; `None` for one that speaks of several.
    ids: BTreeMap<DeliveryId, Option<Arc<str>>>,
    of_target: BTreeMap<Arc<str>, usize>,
}

impl DeadLetters {
    /// One more, or the same again.
    pub(super) fn insert(&mut self, id: DeliveryId, target: Option<Arc<str>>) {
        self.remove(id);
        // One name for all letters of a target.
        let known = target.map(|name| self.of_target.get_key_value(&name).map_or(name, |(known, _)| known.clone()));
        if let Some(name) = &known {
            *self.of_target.entry(name.clone()).or_default() += 1;
        }
        self.ids.insert(id, known);
    }

    /// It was sent again, or nobody wants it any more.
    pub(super) fn remove(&mut self, id: DeliveryId) {
        let Some(Some(name)) = self.ids.remove(&id) else { return };
        if let Some(count) = self.of_target.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.of_target.remove(&name);
            }
        }
    }

    pub(super) fn contains(&self, id: DeliveryId) -> bool {
        self.ids.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The oldest first.
    pub(super) fn ids(&self) -> impl DoubleEndedIterator<Item = DeliveryId> + '_ {
        self.ids.keys().copied()
    }

    pub(super) fn of_notice(&self, notice: NoticeId) -> usize {
        let of = |ordinal| DeliveryId { notice, ordinal };
        self.ids.range(of(0)..=of(u8::MAX)).count()
    }

    pub(super) fn of_target(&self, name: &str) -> usize {
        self.of_target.get(name).copied().unwrap_or(0)
    }
}

/// Dead letters that come and go with one batch.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<DeliveryId, Change>);

#[derive(Debug)]
enum Change {
    Came(Option<Arc<str>>),
    Went,
}

impl Changes {
    pub(super) fn came(&mut self, delivery: &Delivery) {
        self.0.insert(delivery.id, Change::Came(target_of(delivery)));
    }

    pub(super) fn went(&mut self, id: DeliveryId) {
        self.0.insert(id, Change::Went);
    }

    /// Whether it is one after this batch; `None` where the batch does not say.
    pub(super) fn is_dead(&self, id: DeliveryId) -> Option<bool> {
        self.0.get(&id).map(|change| matches!(change, Change::Came(_)))
    }

    /// The batch is on disk.
    pub(super) fn apply(self, letters: &mut DeadLetters) {
        for (id, change) in self.0 {
            match change {
                Change::Came(target) => letters.insert(id, target),
                Change::Went => letters.remove(id),
            }
        }
    }
}

/// The target that a delivery speaks of.
pub(super) fn target_of(delivery: &Delivery) -> Option<Arc<str>> {
    delivery.message.target().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_by_target_however_often_they_come_and_go() {
        let id = |notice| DeliveryId { notice: NoticeId(notice), ordinal: 0 };
        let mut letters = DeadLetters::default();
        for notice in [1, 2, 2] {
            letters.insert(id(notice), Some("PG_KCP".into()));
        }
        letters.insert(id(3), None);
        assert_eq!((letters.len(), letters.of_target("PG_KCP"), letters.of_target("SMS")), (3, 2, 0));
        for notice in [1, 2, 2, 9] {
            letters.remove(id(notice));
        }
        assert_eq!((letters.of_target("PG_KCP"), letters.ids().collect::<Vec<_>>()), (0, vec![id(3)]));
    }
}
