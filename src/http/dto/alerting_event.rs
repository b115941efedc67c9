//! What the events of alerting say in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::quiet::QuietChanged;
use crate::domain::event::Event;

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
            Event::QuietCreated { quiet } => Self::Quiet(QuietChanged::of(quiet, None)),
            Event::QuietRemoved { quiet, who } => Self::Quiet(QuietChanged::of(quiet, Some(who))),
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
