//! Questions about messages: what waits in the outbox, and dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::Error;
use super::keys::{self, Kind};
use super::reader::{Page, Reader};
use crate::domain::delivery::Delivery;
use crate::domain::id::{DeliveryId, NoticeId};

/// Which messages a list shows. An absent member shows all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryFilter {
    /// For this channel.
    pub channel: Option<Arc<str>>,
    /// About this system; a group is about none.
    pub target: Option<Arc<str>>,
}

impl DeliveryFilter {
    const fn is_everything(&self) -> bool {
        self.channel.is_none() && self.target.is_none()
    }

    fn takes_channel(&self, channel: &str) -> bool {
        self.channel.as_deref().is_none_or(|wanted| wanted == channel)
    }

    fn takes(&self, delivery: &Delivery) -> bool {
        let target = || delivery.message.target().map(AsRef::as_ref);
        self.takes_channel(&delivery.channel) && self.target.as_deref().is_none_or(|wanted| target() == Some(wanted))
    }
}

/// A message of a list that is there and cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Which.
    pub id: DeliveryId,
    /// Why.
    pub error: Error,
}

/// A message of a list, which no other one is hidden by.
pub type Listed = Result<Delivery, Unreadable>;

impl Reader {
    /// One dead letter.
    ///
    /// # Errors
    /// What could not be read.
    pub fn dead_letter(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        let key = keys::delivery(Kind::Dead, id);
        self.state.get(&key)?.map(|value| self.delivery_at(&key, value)).transpose()
    }

    /// Whether this is a dead letter, by what is in memory; true of those only that are on disk.
    #[must_use]
    pub fn is_dead_letter(&self, id: DeliveryId) -> bool {
        self.state.durable.read().dead.contains(id)
    }

    /// Dead letters, newest notice first; the first page is 0. Only those on it are read.
    ///
    /// # Errors
    /// What could not be read, where that is not one letter.
    pub fn dead_letters(&self, wanted: &DeliveryFilter, page: u64, size: usize) -> Result<Page<Listed>, Error> {
        let skip = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(size);
        let DeliveryFilter { channel, target } = wanted;
        let (ids, total) = self.state.durable.read().dead.page(channel.as_deref(), target.as_deref(), skip, size);
        // One may have gone meanwhile.
        let read = |id| self.dead_letter(id).map_err(|error| Unreadable { id, error }).transpose();
        Ok(Page { items: ids.into_iter().filter_map(read).collect(), total: total as u64 })
    }

    /// The oldest dead letters of a channel; of those that come after one, if that is given.
    #[must_use]
    pub fn oldest_dead_letters(&self, channel: &str, after: Option<DeliveryId>, most: usize) -> Vec<DeliveryId> {
        let durable = self.state.durable.read();
        let of_channel = durable.dead.after(after).filter(|(_, known)| ***known == *channel);
        of_channel.map(|(id, _)| id).take(most).collect()
    }

    /// How many dead letters each channel has that has any.
    #[must_use]
    pub fn dead_letter_counts(&self) -> BTreeMap<Arc<str>, usize> {
        self.state.durable.read().dead.of_channels().clone()
    }

    /// How many dead letters there are.
    #[must_use]
    pub fn dead_letter_count(&self) -> usize {
        self.state.durable.read().dead.len()
    }

    /// How many deliveries of this notice are dead letters.
    #[must_use]
    pub fn count_dead(&self, notice: NoticeId) -> usize {
        self.state.durable.read().dead.of_notice(notice)
    }

    /// How many messages about this target are dead letters, or were and are sent again, by channel.
    #[must_use]
    pub fn dead_letters_of(&self, target: &str) -> BTreeMap<Arc<str>, usize> {
        self.state.durable.read().dead.of_target(target)
    }

    /// Entries of the outbox in the order of their ids; the first page is 0. One that cannot be read may be any of those
    /// that are wanted, and has its place among them.
    ///
    /// # Errors
    /// What could not be read, where that is not one entry.
    pub fn deliveries(&self, wanted: &DeliveryFilter, page: u64, size: usize) -> Result<Page<Listed>, Error> {
        let skip = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(size);
        let (mut items, mut total) = (Vec::new(), 0);
        for pair in self.state.tree.scan_prefix([Kind::Waiting.letter()]) {
            let (key, value) = pair.map_err(Error::sled("read the outbox"))?;
            let on_page = total >= skip && items.len() < size;
            if on_page || !wanted.is_everything() {
                let Some(id) = keys::delivery_of(&key) else { continue };
                let listed = self.delivery_at(&key, value).map_err(|error| Unreadable { id, error });
                if listed.as_ref().is_ok_and(|delivery| !wanted.takes(delivery)) {
                    continue;
                }
                if on_page {
                    items.push(listed);
                }
            }
            total += 1;
        }
        Ok(Page { items, total: total as u64 })
    }
}
