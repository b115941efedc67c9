//! Alerts, silences, maintenance windows and messages in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::list::PageOf;
use super::words::{Time, millis};
use crate::actors::quiet::Listed;
use crate::domain::alert::{Condition, Incident, Record};
use crate::domain::delivery::{self, Message};
use crate::domain::event::Event;
use crate::domain::id::StatusId;
use crate::domain::quiet::{Kind, Recurrence, When};
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

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Matcher {
    /// target, group, severity, failure_type or condition.
    #[schema(example = "group")]
    pub(crate) name: String,
    /// The value; a regular expression matches from beginning to end.
    #[schema(example = "payments", max_length = 256)]
    pub(crate) value: String,
    /// Missing is false.
    #[schema(required = false)]
    pub(crate) is_regex: bool,
    /// Missing is true.
    #[schema(required = false)]
    pub(crate) is_equal: bool,
}

/// A silence, in Alertmanager's shape.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Silence {
    pub(crate) id: String,
    pub(crate) status: QuietStatus,
    pub(crate) matchers: Vec<Matcher>,
    /// Of a recurring one: of the interval that lasts, or the next, or the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<Time>,
    /// Of a recurring one: five fields, as in crontab(5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    /// Of a recurring one: a rule of RFC 5545.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rrule: Option<String>,
    /// The rule's first: the `startsAt` that it was asked for with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length_ms: Option<f64>,
    pub(crate) created_by: String,
    pub(crate) comment: String,
    pub(crate) updated_at: Time,
}

/// Whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct QuietStatus {
    /// active, pending or expired.
    #[schema(example = "active")]
    pub(crate) state: &'static str,
}

impl Silence {
    pub(crate) fn of(listed: &Listed, now: Timestamp) -> Self {
        let Listed { quiet, interval } = listed;
        let state = match interval {
            Some((from, _)) if now < *from => "pending",
            Some((_, until)) if now < *until => "active",
            Some(_) | None => "expired",
        };
        let (by, time_zone, length_ms) = match &quiet.when {
            When::Once { .. } => (None, None, None),
            When::Recurring { by, zone, length } => (Some(by), Some(zone.to_string()), Some(millis(*length))),
        };
        let (cron, rrule, first_starts_at) = match by {
            None => (None, None, None),
            Some(Recurrence::Cron(cron)) => (Some(cron.to_string()), None, None),
            Some(Recurrence::Rule { rule, first }) => (None, Some(rule.to_string()), Some(Time(*first))),
        };
        let matchers = quiet.matchers.iter().map(|matcher| Matcher {
            name: matcher.label.as_str().to_owned(),
            value: matcher.value.to_string(),
            is_regex: matcher.is_regex,
            is_equal: matcher.is_equal,
        });
        Self {
            id: quiet.id.to_string(),
            status: QuietStatus { state },
            matchers: matchers.collect(),
            starts_at: interval.map(|(from, _)| Time(from)),
            ends_at: interval.map(|(_, until)| Time(until)),
            cron,
            rrule,
            first_starts_at,
            time_zone,
            length_ms,
            created_by: quiet.created_by.to_string(),
            comment: quiet.comment.to_string(),
            updated_at: Time(quiet.created_at),
        }
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

/// Somebody has seen an alert and takes care.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertAcknowledged {
    pub(crate) integration_status_id: u64,
    pub(crate) system_name: String,
    pub(crate) incident_id: u64,
    pub(crate) who: String,
    pub(crate) comment: String,
}

/// An alert got worse, or nobody acknowledged it in time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertEscalated {
    pub(crate) integration_status_id: u64,
    pub(crate) system_name: String,
    pub(crate) incident_id: u64,
    pub(crate) cause: String,
    /// Who is told.
    pub(crate) channels: Vec<String>,
    /// It got worse; else it is only late.
    pub(crate) worse: bool,
}

/// A silence or maintenance window was asked for, or removed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuietChanged {
    pub(crate) id: String,
    pub(crate) matchers: Vec<Matcher>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rrule: Option<String>,
    /// The rule's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length_ms: Option<f64>,
    pub(crate) created_by: String,
    pub(crate) comment: String,
    /// Who removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) removed_by: Option<String>,
}

/// A dead letter is sent again.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationResent {
    #[schema(example = "17.0")]
    pub(crate) delivery_id: String,
    pub(crate) channel: String,
    pub(crate) who: String,
}

/// A dead letter is not wanted any more.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationDismissed {
    #[schema(example = "17.0")]
    pub(crate) delivery_id: String,
    pub(crate) channel: String,
    pub(crate) who: String,
}

/// What an event of alerting says.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum AlertingData {
    Acknowledged(AlertAcknowledged),
    Escalated(AlertEscalated),
    Quiet(QuietChanged),
    Resent(NotificationResent),
    Dismissed(NotificationDismissed),
}

impl AlertingData {
    /// `None` for an event of something else.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let told = match event {
            Event::AlertAcknowledged { id, target, incident, who, comment } => Self::Acknowledged(AlertAcknowledged {
                integration_status_id: id.0,
                system_name: target.to_string(),
                incident_id: incident.0,
                who: who.to_string(),
                comment: comment.to_string(),
            }),
            Event::AlertEscalated { id, target, incident, cause, channels, worse } => Self::Escalated(AlertEscalated {
                integration_status_id: id.0,
                system_name: target.to_string(),
                incident_id: incident.0,
                cause: cause.to_string(),
                channels: channels.iter().map(ToString::to_string).collect(),
                worse: *worse,
            }),
            Event::QuietCreated { quiet } => Self::Quiet(quiet_changed(quiet, None)),
            Event::QuietRemoved { quiet, who } => Self::Quiet(quiet_changed(quiet, Some(who))),
            Event::NotificationResent { delivery, channel, who } => Self::Resent(NotificationResent {
                delivery_id: delivery.to_string(),
                channel: channel.to_string(),
                who: who.to_string(),
            }),
            Event::NotificationDismissed { delivery, channel, who } => Self::Dismissed(NotificationDismissed {
                delivery_id: delivery.to_string(),
                channel: channel.to_string(),
                who: who.to_string(),
            }),
            Event::Status { .. }
            | Event::FailureRecorded(_)
            | Event::History { .. }
            | Event::BreakerTransitioned { .. }
            | Event::BreakerControlled { .. }
            | Event::AlertFired { .. }
            | Event::AlertResolved { .. }
            | Event::NotificationDeadLettered { .. }
            | Event::LocationWeatherInfoFailed { .. } => return None,
        };
        Some(told)
    }
}

fn quiet_changed(quiet: &crate::domain::quiet::Quiet, removed_by: Option<&str>) -> QuietChanged {
    let interval = match quiet.when {
        When::Once { from, until } => Some((from, until)),
        When::Recurring { .. } => None,
    };
    let Silence {
        id,
        status: _,
        matchers,
        starts_at,
        ends_at,
        cron,
        rrule,
        first_starts_at,
        time_zone,
        length_ms,
        created_by,
        comment,
        updated_at: _,
    } = Silence::of(&Listed { quiet: quiet.clone(), interval }, quiet.created_at);
    QuietChanged {
        id,
        matchers,
        starts_at,
        ends_at,
        cron,
        rrule,
        first_starts_at,
        time_zone,
        length_ms,
        created_by,
        comment,
        removed_by: removed_by.map(str::to_owned),
    }
}

/// The word of a kind in paths.
pub(crate) const fn path_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Silence => "/silences",
        Kind::Maintenance => "/maintenances",
    }
}
