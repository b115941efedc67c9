//! What a queue remembers of a message that waits.

use std::sync::Arc;

use super::lines::Line;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Delivery, Message, Of};
use crate::domain::failure_history::FailureType;
use crate::domain::id::{HistoryId, IncidentId};
use crate::domain::time::Timestamp;

/// A failure that an application reported: it may be held back when it is sent, since it has no end of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) target: Arc<str>,
    pub(super) severity: Severity,
    pub(super) failure_type: FailureType,
    pub(super) history: HistoryId,
    /// Whether something has held it back.
    pub(super) held: bool,
}

/// What may be done with a report now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// It may go.
    Go,
    /// Not before this time.
    Wait(Timestamp),
    /// It ended while it was held back: it is not told any more.
    Drop,
}

/// What a message says, as far as a later one makes it superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// An incident begins.
    Begins,
    /// It still lasts.
    Reminds,
    /// It got worse.
    Escalates,
    /// Something else.
    Other,
}

impl Says {
    const fn of(message: &Message) -> Self {
        match message {
            Message::Firing(_) => Self::Begins,
            Message::Reminder(_) => Self::Reminds,
            Message::Escalated(_) => Self::Escalates,
            Message::Resolved { .. } | Message::FailureRecorded { .. } | Message::Grouped(_) => Self::Other,
        }
    }
}

/// A message that waits.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) due: Timestamp,
    /// When it is due as it is stored, and after how many attempts: what comes with the same is a doubled hint. The time
    /// alone may be the same again, where the receiver names one and it is tried before.
    pub(super) stored: (Timestamp, u32),
    pub(super) line: Line,
    pub(super) queued_at: Timestamp,
    /// Since when it is tried, or would be if its turn came.
    pub(super) tried_since: Timestamp,
    /// Whether it waits because an attempt failed.
    pub(super) tried: bool,
    /// `None` for a group.
    pub(super) of: Option<Of>,
    pub(super) says: Says,
    pub(super) incident: Option<IncidentId>,
    /// `None` for a group.
    pub(super) target: Option<Arc<str>>,
    pub(super) report: Option<Box<Report>>,
}

impl Entry {
    pub(super) fn of(delivery: &Delivery, line: Line, now: Timestamp) -> Self {
        let report = match &delivery.message {
            Message::FailureRecorded { history, failure_type, target, severity, .. } => Some(Box::new(Report {
                target: target.clone(),
                severity: *severity,
                failure_type: *failure_type,
                history: *history,
                held: false,
            })),
            Message::Firing(_)
            | Message::Reminder(_)
            | Message::Escalated(_)
            | Message::Resolved { .. }
            | Message::Grouped(_) => None,
        };
        Self {
            due: delivery.due(now),
            stored: (delivery.next_attempt_at, delivery.attempts),
            line,
            queued_at: delivery.queued_at,
            tried_since: delivery.tried_since,
            tried: delivery.attempts > 0,
            of: delivery.message.of(),
            says: Says::of(&delivery.message),
            incident: delivery.message.alert().map(|alert| alert.incident),
            target: delivery.message.target().cloned(),
            report,
        }
    }
}
