//! Several messages become one: read from the store, away from the actors' thread, and put together.

use std::sync::Arc;

use super::lines::Line;
use crate::config::channel::Together;
use crate::domain::delivery::{Delivery, GROUP_TOLD, Group, Message, Of};
use crate::domain::id::{CorrelationId, DeliveryId, NoticeId};
use crate::domain::time::Timestamp;
use crate::store::Reader;

/// A message of a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    One(DeliveryId),
    /// As one message.
    Many(Of, Vec<DeliveryId>),
}

impl Part {
    /// The same in parts of at most `limit` messages each.
    pub(super) fn of_at_most(self, limit: usize) -> Vec<Self> {
        match self {
            Self::One(_) => vec![self],
            Self::Many(of, ids) => ids.chunks(limit).map(|ids| Self::Many(of, ids.to_vec())).collect(),
        }
    }
}

/// One message of a flush.
#[derive(Debug)]
pub(super) enum Joined {
    /// As it is.
    One(DeliveryId),
    /// As one message; its id is given when it is stored.
    Group(Group, CorrelationId),
}

impl Joined {
    /// What all parts are, for a channel of this kind. Blocks for as long as reading takes.
    pub(super) fn read_all(reader: &Reader, line: &Line, parts: Vec<Part>, together: Together) -> Vec<Self> {
        let parts: Vec<Part> = match together {
            // Whoever must hear of each hears of no more at once than are stored with the group.
            Together::Each | Together::Never => {
                parts.into_iter().flat_map(|part| part.of_at_most(GROUP_TOLD)).collect()
            }
            Together::Told => parts,
        };
        parts.into_iter().filter_map(|part| Self::read(reader, line, part)).collect()
    }

    /// What `part` is, by what is in the outbox; nothing where all of it is gone. Blocks for as long as reading takes.
    fn read(reader: &Reader, line: &Line, part: Part) -> Option<Self> {
        let (of, ids) = match part {
            Part::One(id) => return Some(Self::One(id)),
            Part::Many(of, ids) => (of, ids),
        };
        let read = |id: &DeliveryId| {
            reader.delivery(*id).unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, %id, "this message could not be read");
                None
            })
        };
        let mut group = Group { of, name: line.name(), count: 0, messages: Vec::new(), members: Vec::new() };
        let mut correlation = None;
        for (id, delivery) in ids.iter().filter_map(|id| Some((*id, read(id)?))) {
            if group.messages.len() < GROUP_TOLD {
                group.messages.push(delivery.message);
            }
            group.members.push(id);
            correlation.get_or_insert(delivery.correlation);
        }
        group.count = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
        let correlation = correlation?;
        match group.members.as_slice() {
            [one] => Some(Self::One(*one)),
            _ => Some(Self::Group(group, correlation)),
        }
    }
}

/// The group as an entry of the outbox.
pub(super) fn delivery(
    group: Group,
    correlation: CorrelationId,
    channel: &Arc<str>,
    notice: NoticeId,
    now: Timestamp,
) -> Delivery {
    Delivery {
        id: DeliveryId { notice, ordinal: 0 },
        siblings: 1,
        channel: channel.clone(),
        message: Message::Grouped(group),
        history: None,
        correlation,
        queued_at: now,
        tried_since: now,
        attempts: 0,
        next_attempt_at: now,
        last_error: None,
    }
}
