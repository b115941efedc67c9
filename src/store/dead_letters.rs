//! The dead letters in memory: whose they are and what they speak of, since people are told by their numbers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::domain::delivery::Delivery;
use crate::domain::id::{DeliveryId, NoticeId};

/// The dead letters that are on disk.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    ids: BTreeMap<DeliveryId, Letter>,
    of_channels: Counts,
    /// By target, how many each channel has; also those that are sent again and have not arrived yet, so that an attempt
    /// that fails as before is no news.
    of_targets: BTreeMap<Arc<str>, Counts>,
    again: BTreeMap<DeliveryId, Letter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Letter {
    channel: Arc<str>,
    /// `None` for one that speaks of several.
    target: Option<Arc<str>>,
}

/// How many there are by name; a name that has none is not there.
type Counts = BTreeMap<Arc<str>, usize>;

impl DeadLetters {
    /// One more, or the same again.
    pub(super) fn insert(&mut self, delivery: &Delivery) {
        self.put(delivery.id, Letter::of(delivery));
    }

    fn put(&mut self, id: DeliveryId, letter: Letter) {
        self.remove(id);
        self.arrived(id);
        let channel = one_more(&mut self.of_channels, letter.channel);
        let target = letter.target.map(|target| {
            let target = self.of_targets.get_key_value(&target).map_or(target, |(known, _)| known.clone());
            one_more(self.of_targets.entry(target.clone()).or_default(), channel.clone());
            target
        });
        self.ids.insert(id, Letter { channel, target });
    }

    /// It is sent again.
    fn send_again(&mut self, id: DeliveryId) {
        if let Some(letter) = self.ids.remove(&id) {
            one_less(&mut self.of_channels, &letter.channel);
            self.again.insert(id, letter);
        }
    }

    /// One that was sent again has left the outbox.
    fn arrived(&mut self, id: DeliveryId) {
        if let Some(letter) = self.again.remove(&id) {
            self.speaks_no_more(&letter);
        }
    }

    fn speaks_no_more(&mut self, letter: &Letter) {
        let Some(target) = &letter.target else { return };
        if let Some(counts) = self.of_targets.get_mut(target) {
            one_less(counts, &letter.channel);
            if counts.is_empty() {
                self.of_targets.remove(target);
            }
        }
    }

    pub(super) fn is_sent_again(&self, id: DeliveryId) -> bool {
        self.again.contains_key(&id)
    }

    /// Nobody wants it any more.
    pub(super) fn remove(&mut self, id: DeliveryId) {
        let Some(letter) = self.ids.remove(&id) else { return };
        one_less(&mut self.of_channels, &letter.channel);
        self.speaks_no_more(&letter);
    }

    pub(super) fn contains(&self, id: DeliveryId) -> bool {
        self.ids.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Their ids, the oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = DeliveryId> {
        self.ids.keys().copied()
    }

    /// Of those for a channel and about a target, or of all: some, the newest first, and how many there are.
    pub(super) fn page(
        &self,
        channel: Option<&str>,
        target: Option<&str>,
        skip: usize,
        take: usize,
    ) -> (Vec<DeliveryId>, usize) {
        let is =
            |known: Option<&Arc<str>>, wanted: Option<&str>| wanted.is_none() || known.map(AsRef::as_ref) == wanted;
        let is_wanted = |letter: &Letter| is(Some(&letter.channel), channel) && is(letter.target.as_ref(), target);
        let mut wanted = self.ids.iter().rev().filter(|(_, letter)| is_wanted(letter)).map(|(id, _)| *id);
        let (skipped, page) = (wanted.by_ref().take(skip).count(), wanted.by_ref().take(take).collect::<Vec<_>>());
        let total = match (channel, target) {
            (None, None) => self.len(),
            (Some(channel), None) => self.of_channels.get(channel).copied().unwrap_or(0),
            // What is sent again counts for its target, and is none of these.
            (_, Some(_)) => skipped + page.len() + wanted.count(),
        };
        (page, total)
    }

    /// Ids with their channels, the oldest first; of those that come after one, or of all.
    pub(super) fn after(&self, id: Option<DeliveryId>) -> impl Iterator<Item = (DeliveryId, &Arc<str>)> {
        let begin = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.ids.range((begin, Bound::Unbounded)).map(|(id, letter)| (*id, &letter.channel))
    }

    pub(super) fn of_notice(&self, notice: NoticeId) -> usize {
        let of = |ordinal| DeliveryId { notice, ordinal };
        self.ids.range(of(0)..=of(u8::MAX)).count()
    }

    /// How many each channel has; none that has none.
    pub(super) const fn of_channels(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.of_channels
    }

    /// How many speak of this target, by channel.
    pub(super) fn of_target(&self, name: &str) -> BTreeMap<Arc<str>, usize> {
        self.of_targets.get(name).cloned().unwrap_or_default()
    }
}

impl Letter {
    fn of(delivery: &Delivery) -> Self {
        Self { channel: delivery.channel.clone(), target: delivery.message.target().cloned() }
    }
}

/// The name as it is known: one text for all letters that share it.
fn one_more(counts: &mut Counts, name: Arc<str>) -> Arc<str> {
    let name = counts.get_key_value(&name).map_or(name, |(known, _)| known.clone());
    *counts.entry(name.clone()).or_default() += 1;
    name
}

fn one_less(counts: &mut Counts, name: &Arc<str>) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

/// Dead letters that come and go with one batch.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<DeliveryId, Change>);

#[derive(Debug)]
enum Change {
    Came(Letter),
    SentAgain,
    Arrived,
    Went,
}

impl Changes {
    pub(super) fn came(&mut self, delivery: &Delivery) {
        self.0.insert(delivery.id, Change::Came(Letter::of(delivery)));
    }

    pub(super) fn went(&mut self, id: DeliveryId) {
        self.0.insert(id, Change::Went);
    }

    pub(super) fn sent_again(&mut self, id: DeliveryId) {
        self.0.insert(id, Change::SentAgain);
    }

    /// One that was sent again left the outbox.
    pub(super) fn arrived(&mut self, id: DeliveryId) {
        self.0.insert(id, Change::Arrived);
    }

    /// Whether the batch says anything of it.
    pub(super) fn names(&self, id: DeliveryId) -> bool {
        self.0.contains_key(&id)
    }

    /// Whether it is one after this batch; `None` where the batch does not say.
    pub(super) fn is_dead(&self, id: DeliveryId) -> Option<bool> {
        self.0.get(&id).map(|change| matches!(change, Change::Came(_)))
    }

    /// The batch is on disk.
    pub(super) fn apply(self, letters: &mut DeadLetters) {
        for (id, change) in self.0 {
            match change {
                Change::Came(letter) => letters.put(id, letter),
                Change::SentAgain => letters.send_again(id),
                Change::Arrived => {
                    // It may have been sent again in the same batch.
                    letters.remove(id);
                    letters.arrived(id);
                }
                Change::Went => letters.remove(id),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(notice: u64) -> DeliveryId {
        DeliveryId { notice: NoticeId(notice), ordinal: 0 }
    }

    fn letter(channel: &str, target: Option<&str>) -> Letter {
        Letter { channel: channel.into(), target: target.map(Into::into) }
    }

    #[test]
    fn letters_are_counted_by_channel_and_by_target_however_often_they_come_and_go() {
        let mut letters = DeadLetters::default();
        for notice in [1, 2, 2] {
            letters.put(id(notice), letter("ops", Some("PG_KCP")));
        }
        letters.put(id(3), letter("boss", None));
        assert_eq!(letters.of_channels(), &BTreeMap::from([("ops".into(), 2), ("boss".into(), 1)]));
        let of = |letters: &DeadLetters, name: &str| letters.of_target(name).values().sum::<usize>();
        assert_eq!((letters.len(), of(&letters, "PG_KCP"), of(&letters, "SMS")), (3, 2, 0));
        for notice in [1, 2, 2, 9] {
            letters.remove(id(notice));
        }
        assert_eq!((of(&letters, "PG_KCP"), letters.of_channels().len()), (0, 1));
        assert_eq!(letters.ids().collect::<Vec<_>>(), [id(3)]);
        assert!(letters.contains(id(3)) && !letters.contains(id(1)));
    }

    #[test]
    fn one_that_is_sent_again_speaks_of_its_target_until_it_has_arrived() {
        let mut letters = DeadLetters::default();
        letters.put(id(1), letter("ops", Some("PG_KCP")));
        let ops = BTreeMap::from([(Arc::from("ops"), 1)]);
        letters.send_again(id(1));
        assert_eq!((letters.len(), letters.of_channels().len(), letters.of_target("PG_KCP")), (0, 0, ops.clone()));
        letters.put(id(1), letter("ops", Some("PG_KCP")));
        assert_eq!((letters.len(), letters.of_target("PG_KCP")), (1, ops), "it was given up once more");
        letters.send_again(id(1));
        assert!(letters.is_sent_again(id(1)));
        letters.arrived(id(1));
        assert!(letters.of_target("PG_KCP").is_empty() && !letters.is_sent_again(id(1)));
    }

    #[test]
    fn a_page_has_what_is_wanted_the_newest_first_and_says_how_much_there_is() {
        let mut letters = DeadLetters::default();
        for (notice, channel, target) in [
            (1, "ops", Some("A")),
            (2, "ops", Some("B")),
            (3, "boss", Some("A")),
            (4, "ops", Some("A")),
            (5, "ops", None),
        ] {
            letters.put(id(notice), letter(channel, target));
        }
        for (channel, target, all) in [
            (None, None, vec![5, 4, 3, 2, 1]),
            (Some("ops"), None, vec![5, 4, 2, 1]),
            (None, Some("A"), vec![4, 3, 1]),
            (Some("ops"), Some("A"), vec![4, 1]),
            (Some("ops"), Some("C"), vec![]),
            (Some("nobody"), None, vec![]),
        ] {
            for (skip, take) in [(0, 9), (0, 2), (1, 1), (9, 9), (usize::MAX, 1)] {
                let expected: Vec<_> = all.iter().skip(skip).take(take).map(|notice| id(*notice)).collect();
                assert_eq!(letters.page(channel, target, skip, take), (expected, all.len()), "{channel:?} {target:?}");
            }
        }
    }

    #[test]
    fn a_batch_says_what_it_changes_and_leaves_the_rest_to_the_memory() {
        let mut changes = Changes(BTreeMap::from([(id(1), Change::Came(letter("ops", None)))]));
        changes.went(id(2));
        assert_eq!([1, 2, 3].map(|notice| changes.is_dead(id(notice))), [Some(true), Some(false), None]);
        let mut letters = DeadLetters::default();
        letters.put(id(2), letter("ops", None));
        changes.apply(&mut letters);
        assert!(letters.contains(id(1)) && !letters.contains(id(2)));
    }
}
