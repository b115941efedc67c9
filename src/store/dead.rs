//! The dead letters in memory: their ids, whose they are, and how many each channel has.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::id::{DeliveryId, NoticeId};

#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    channels: BTreeMap<DeliveryId, Arc<str>>,
    counts: BTreeMap<Arc<str>, usize>,
}

impl DeadLetters {
    pub(super) fn insert(&mut self, id: DeliveryId, channel: &Arc<str>) {
        self.remove(id);
        let count = self.counts.entry(channel.clone()).or_default();
        *count += 1;
        self.channels.insert(id, channel.clone());
    }

    pub(super) fn remove(&mut self, id: DeliveryId) {
        let Some(channel) = self.channels.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&channel) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&channel);
            }
        }
    }

    pub(super) fn contains(&self, id: DeliveryId) -> bool {
        self.channels.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// Ids with their channels, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (DeliveryId, &Arc<str>)> {
        self.channels.iter().map(|(id, channel)| (*id, channel))
    }

    pub(super) fn of_notice(&self, notice: NoticeId) -> usize {
        let of = |ordinal| DeliveryId { notice, ordinal };
        self.channels.range(of(0)..=of(u8::MAX)).count()
    }

    /// How many each channel has; none that has none.
    pub(super) const fn counts(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_counted_as_long_as_it_has_dead_letters() {
        let (ops, boss): (Arc<str>, Arc<str>) = ("ops".into(), "boss".into());
        let id = |notice| DeliveryId { notice: NoticeId(notice), ordinal: 0 };
        let mut dead = DeadLetters::default();
        dead.insert(id(1), &ops);
        dead.insert(id(2), &ops);
        dead.insert(id(2), &ops);
        dead.insert(id(3), &boss);
        assert_eq!(dead.counts(), &BTreeMap::from([(ops.clone(), 2), (boss, 1)]));
        dead.remove(id(3));
        dead.remove(id(3));
        dead.remove(id(1));
        assert_eq!((dead.counts(), dead.len()), (&BTreeMap::from([(ops, 1)]), 1));
        assert!(dead.contains(id(2)) && !dead.contains(id(1)));
    }
}
