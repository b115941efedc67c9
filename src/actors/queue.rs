//! What waits for one channel: which of it is due, in what order, and how much of it is kept in memory.
//!
//! Pure: the notifier owns one for each channel. In it is a line for each incident, so that nobody hears of an end before
//! the beginning.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use actix::SpawnHandle;

use super::repeats::Repeats;
use crate::domain::delivery::{Delivery, Message};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::notify::Sender;

/// Attempts of one channel at a time: enough to empty a queue of thousands in seconds, few enough for any receiver.
const AT_ONCE: usize = 8;

/// Entries of one channel that are remembered here; the others wait on disk until there is room.
const REMEMBERED: usize = 10_000;

/// What must be told in order: an incident's beginning before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    Incident(u64),
    Report(u64),
}

/// An entry of the outbox, as far as it is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) due: Timestamp,
    pub(crate) line: Line,
    pub(crate) queued_at: Timestamp,
}

/// What waits for one channel.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) sender: Option<Arc<Sender>>,
    pub(crate) lines: BTreeMap<Line, VecDeque<DeliveryId>>,
    pub(crate) due: BTreeSet<(Timestamp, DeliveryId, Line)>,
    pub(crate) remembered: BTreeMap<DeliveryId, Entry>,
    pub(crate) in_flight: BTreeSet<DeliveryId>,
    pub(crate) more_on_disk: bool,
    /// What it is told again, where it wants that.
    pub(crate) repeats: Option<Repeats>,
    pub(crate) repeating: Option<SpawnHandle>,
}

impl Queue {
    pub(crate) fn remember(&mut self, delivery: &Delivery) {
        let (id, line) = (delivery.id, line_of(delivery));
        let entry = Entry { due: delivery.next_attempt_at, line, queued_at: delivery.queued_at };
        if let Some(before) = self.remembered.get_mut(&id) {
            if self.in_flight.contains(&id) && before.due == entry.due {
                // A hint that was doubled: its attempt is under way.
                return;
            }
            let before = std::mem::replace(before, entry);
            self.in_flight.remove(&id);
            self.due.remove(&(before.due, id, line));
        } else if self.more_on_disk || self.remembered.len() >= REMEMBERED {
            // What comes later than something that was left on disk waits there too, or it would overtake it.
            self.more_on_disk = true;
            return;
        } else {
            self.remembered.insert(id, entry);
            self.lines.entry(line).or_default().push_back(id);
        }
        self.make_due(line);
    }

    /// Only the first of a line may go, and not twice at once.
    fn make_due(&mut self, line: Line) {
        let Some(head) = self.lines.get(&line).and_then(VecDeque::front) else { return };
        if let (false, Some(entry)) = (self.in_flight.contains(head), self.remembered.get(head)) {
            self.due.insert((entry.due, *head, line));
        }
    }

    /// Ids are given in order, so the first that is remembered waits longest.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.remembered.first_key_value().map(|(_, entry)| entry.queued_at)
    }

    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<DeliveryId> {
        if self.in_flight.len() >= AT_ONCE {
            return None;
        }
        let first = self.due.first().copied().filter(|(due, ..)| *due <= now)?;
        self.due.remove(&first);
        self.in_flight.insert(first.1);
        Some(first.1)
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        if self.in_flight.len() >= AT_ONCE { None } else { self.due.first().map(|(due, ..)| *due) }
    }

    pub(crate) fn forget(&mut self, id: DeliveryId) {
        self.in_flight.remove(&id);
        let Some(Entry { due, line, .. }) = self.remembered.remove(&id) else { return };
        self.due.remove(&(due, id, line));
        if let Some(ids) = self.lines.get_mut(&line) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.lines.remove(&line);
            }
        }
        self.make_due(line);
    }

    pub(crate) fn has_room_for_more(&self) -> bool {
        self.more_on_disk && self.remembered.len() < REMEMBERED / 2
    }
}

fn line_of(delivery: &Delivery) -> Line {
    match &delivery.message {
        Message::Firing(alert) | Message::Reminder(alert) | Message::Resolved { alert, .. } => {
            Line::Incident(alert.incident.0)
        }
        Message::FailureRecorded { history, .. } => Line::Report(history.0),
    }
}
