//! What leaves the outbox without being sent: for want of room, after a day, because a later message says more.

use super::Queue;
use crate::actors::notifier::entry::{Entry, Says};
use crate::domain::delivery::{Delivery, GIVE_UP_AFTER, Message};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;

impl Queue {
    /// What is not under way and has waited for as long as a message is tried, where the channel is down or not there:
    /// its turn to be tried would come late.
    pub(in crate::actors::notifier) fn overdue(&self, now: Timestamp) -> Vec<DeliveryId> {
        if !self.health.is_down_for_long() && self.turn_at.is_some() {
            return Vec::new();
        }
        let entries = self.remembered.iter();
        let overdue = entries
            .filter(|(id, entry)| entry.tried_since.plus(GIVE_UP_AFTER) < now && !self.is_under_way(**id, entry));
        overdue.map(|(id, _)| *id).collect()
    }

    /// Whether it is being sent or joined.
    fn is_under_way(&self, id: DeliveryId, entry: &Entry) -> bool {
        let waiting = self.lines.get(&entry.line).filter(|_| self.busy.contains(&entry.line));
        waiting.is_some_and(|waiting| waiting.ready.front().is_none_or(|head| *head == id))
    }

    /// Whether it may leave the outbox without being sent: not while it is on its way, by itself or in a group, or while
    /// another message of its incident is.
    pub(in crate::actors::notifier) fn may_leave(&self, delivery: &Delivery) -> bool {
        let (id, incident) = (delivery.id, delivery.message.alert().map(|alert| alert.incident));
        let on_its_way =
            self.remembered.get(&id).is_some_and(|entry| entry.of.is_none() || self.is_under_way(id, entry));
        let heads = self.busy.iter().filter_map(|line| self.lines.get(line)?.ready.front());
        let mut incidents = heads.filter_map(|head| self.remembered.get(head)?.incident);
        let joined = self.members.contains_key(&id) || self.leaving.contains(&id);
        !on_its_way && !joined && !incidents.any(|other| Some(other) == incident)
    }

    /// Takes out what leaves the outbox without being sent; [`Queue::forget`] follows when that is on disk.
    pub(in crate::actors::notifier) fn leave(&mut self, id: DeliveryId) {
        if self.remembered.contains_key(&id) {
            self.forget(id);
        } else {
            // One of those on disk.
            self.more_on_disk = self.more_on_disk.saturating_sub(1);
        }
        self.leaving.insert(id);
    }

    /// What of its incident waits and need not be told any more, since this says more: a reminder those before it, an end
    /// all of them, and escalations where the beginning waits too (to a channel that only those go to, they are the
    /// beginning). What was tried stays, it may have arrived; so does what is under way.
    pub(in crate::actors::notifier) fn made_stale_by(&self, delivery: &Delivery) -> Vec<DeliveryId> {
        let (alert, is_end) = match &delivery.message {
            Message::Reminder(alert) => (alert, false),
            Message::Resolved { alert, .. } => (alert, true),
            Message::Firing(_) | Message::Escalated(_) | Message::FailureRecorded { .. } | Message::Grouped(_) => {
                return Vec::new();
            }
        };
        let before = self.homes.waiting(alert.incident).take_while(|id| *id < delivery.id);
        let before = before.filter_map(|id| Some((id, self.remembered.get(&id)?)));
        let before: Vec<(DeliveryId, &Entry)> = before.collect();
        let begins = before.iter().any(|(_, entry)| entry.says == Says::Begins);
        let is_stale = |entry: &Entry| match entry.says {
            Says::Reminds => true,
            Says::Escalates => is_end && begins,
            Says::Begins | Says::Other => false,
        };
        let stale =
            before.into_iter().filter(|(id, entry)| is_stale(entry) && !entry.tried && !self.is_under_way(*id, entry));
        stale.map(|(id, _)| id).collect()
    }
}
