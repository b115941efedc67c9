//! Alerts and the messages about them in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::list::PageOf;
use super::words::Time;
use crate::domain::alert::{Condition, Incident, Record};
use crate::domain::delivery::{self, Message};
use crate::domain::id::StatusId;
use crate::domain::time::Timestamp;

/// An incident: people know, or knew, that a target is in trouble.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    /// The incident's id.
    pub(crate) id: u64,
    /// firing or resolved.
    #[schema(example = "firing")]
    pub(crate) state: &'static str,
    pub(crate) system_name: String,
    pub(crate) integration_status_id: u64,
    #[schema(example = "critical")]
    pub(crate) severity: &'static str,
    pub(crate) cause: String,
    /// What is wrong, or was.
    pub(crate) conditions: Vec<&'static str>,
    /// Since when it is in trouble.
    pub(crate) since: Time,
    /// When people were first told.
    pub(crate) fired_at: Time,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
    /// Who was told.
    pub(crate) channels: Vec<String>,
    pub(crate) last_told_at: Time,
    pub(crate) reminders: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) escalated_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acknowledged: Option<Acknowledged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_failure_history_id: Option<u64>,
    pub(crate) correlation_id: String,
}

/// Who has seen it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acknowledged {
    pub(crate) who: String,
    pub(crate) comment: String,
    pub(crate) at: Time,
}

impl Alert {
    pub(crate) fn of(incident: &Incident, target: &str, status: StatusId, until: Option<Timestamp>) -> Self {
        let conditions = Condition::ALL.into_iter().filter(|condition| incident.told.contains(*condition));
        Self {
            id: incident.id.0,
            state: if until.is_some() { "resolved" } else { "firing" },
            system_name: target.to_owned(),
            integration_status_id: status.0,
            severity: incident.severity.as_str(),
            cause: incident.cause.to_string(),
            conditions: conditions.map(Condition::as_str).collect(),
            since: Time(incident.since),
            fired_at: Time(incident.fired_at),
            until: until.map(Time),
            channels: incident.channels.iter().map(ToString::to_string).collect(),
            last_told_at: Time(incident.last_told_at),
            reminders: incident.reminders,
            escalated_at: incident.escalated_at.map(Time),
            acknowledged: incident.acknowledged.as_deref().map(|by| Acknowledged {
                who: by.who.to_string(),
                comment: by.comment.to_string(),
                at: Time(by.at),
            }),
            integration_failure_history_id: incident.history.map(|history| history.0),
            correlation_id: incident.correlation.to_string(),
        }
    }
}

impl From<&Record> for Alert {
    fn from(record: &Record) -> Self {
        let Record { incident, status, target, until } = record;
        Self::of(incident, target, *status, *until)
    }
}

/// One page of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outbox {
    /// What is on it.
    pub(crate) content: Vec<Delivery>,
    /// The ids of those on it that are damaged on disk; `breakwater store verify` says how. They are counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable: Vec<String>,
    /// Which page it is, of how many.
    pub(crate) page: PageOf,
}

/// A message to one channel that waits, or was given up.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    #[schema(example = "17.0")]
    pub(crate) id: String,
    /// pending or dead.
    #[schema(example = "pending")]
    pub(crate) state: &'static str,
    pub(crate) channel: String,
    /// firing, reminder, escalated, resolved, failure or group.
    #[schema(example = "firing")]
    pub(crate) message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incident_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_failure_history_id: Option<u64>,
    /// How many messages leave as this one; they are listed too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
    pub(crate) queued_at: Time,
    pub(crate) attempts: u32,
    /// Not before this; of one that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_attempt_at: Option<Time>,
    /// What the last attempt said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
    pub(crate) correlation_id: String,
}

impl Delivery {
    pub(crate) fn of(delivery: &delivery::Delivery, is_dead: bool) -> Self {
        let message = &delivery.message;
        let (reported, count) = match message {
            Message::FailureRecorded { history, .. } => (Some(history.0), None),
            Message::Grouped(group) => (None, Some(group.count)),
            Message::Firing(_) | Message::Reminder(_) | Message::Escalated(_) | Message::Resolved { .. } => {
                (None, None)
            }
        };
        Self {
            id: delivery.id.to_string(),
            state: if is_dead { "dead" } else { "pending" },
            channel: delivery.channel.to_string(),
            message: message.word(),
            system_name: message.target().map(ToString::to_string),
            incident_id: message.alert().map(|alert| alert.incident.0),
            integration_failure_history_id: delivery.history.map(|history| history.0).or(reported),
            count,
            queued_at: Time(delivery.queued_at),
            attempts: delivery.attempts,
            next_attempt_at: (!is_dead).then_some(Time(delivery.next_attempt_at)),
            last_error: delivery.last_error.as_deref().map(str::to_owned),
            correlation_id: delivery.correlation.to_string(),
        }
    }
}
