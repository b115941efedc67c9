//! Events in JSON: their data, the answer to a command, and the CloudEvents 1.0 envelope.

use serde::Serialize;
use utoipa::ToSchema;

use super::alerting_event::AlertingData;
use super::history::FailureDetail;
use super::status::Target;
use super::words::{BreakerCause, BreakerMode, BreakerState, FailureType, IntegrationState, RetryResult, Time, millis};
use crate::domain::alert::Incident;
use crate::domain::event::{Event, Logged};
use crate::domain::failure_history::{HistoryEvent, IntegrationFailureHistory, RetryResult as Result};
use crate::domain::id::{HistoryId, StatusId, Target as Whose};
use crate::domain::status::{IntegrationState as State, StatusEvent};
use crate::domain::{breaker, id};

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    /// The event that answers the command.
    #[serde(flatten)]
    pub(crate) event: Named,
    /// Further events of the same commit, in the order of the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) followed_by: Vec<Named>,
}

/// An event without its envelope.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Named {
    /// Its name.
    #[serde(rename = "type")]
    #[schema(example = "PaymentGatewayConnected")]
    pub(crate) kind: &'static str,
    /// What it says.
    pub(crate) data: EventData,
}

impl From<&Event> for Named {
    fn from(event: &Event) -> Self {
        Self { kind: event.name(), data: event.into() }
    }
}

/// An event on its way out: CloudEvents 1.0 in structured JSON.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Envelope {
    pub(crate) specversion: &'static str,
    /// The event's sequence number.
    pub(crate) id: String,
    /// This node.
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The aggregate's id, or the target's name.
    pub(crate) subject: String,
    pub(crate) time: Time,
    pub(crate) datacontenttype: &'static str,
    pub(crate) data: EventData,
    /// With what it belongs together.
    pub(crate) correlationid: String,
    /// The sequence number of the event that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) causationid: Option<String>,
}

impl Envelope {
    /// The envelope of an event of the node with this name.
    pub(crate) fn new(logged: &Logged, node: &str) -> Self {
        let Logged { sequence, event, at, correlation, cause } = logged;
        Self {
            specversion: "1.0",
            id: sequence.to_string(),
            source: node.to_owned(),
            kind: event.name(),
            subject: subject(event),
            time: Time(*at),
            datacontenttype: "application/json",
            data: event.into(),
            correlationid: correlation.to_string(),
            causationid: cause.map(|cause| cause.to_string()),
        }
    }
}

fn subject(event: &Event) -> String {
    match event {
        Event::Status { id, .. } => id.to_string(),
        Event::FailureRecorded(history) => history.id.to_string(),
        Event::History { id, .. } => id.to_string(),
        Event::BreakerTransitioned { target, .. } | Event::BreakerControlled { target, .. } => {
            target.system_name.to_string()
        }
        Event::AlertFired { target, .. }
        | Event::AlertResolved { target, .. }
        | Event::AlertAcknowledged { target, .. }
        | Event::AlertEscalated { target, .. } => target.to_string(),
        Event::QuietCreated { quiet } | Event::QuietRemoved { quiet, .. } => quiet.id.to_string(),
        Event::NotificationDeadLettered { delivery, .. }
        | Event::NotificationResent { delivery, .. }
        | Event::NotificationDismissed { delivery, .. } => delivery.to_string(),
        Event::LocationWeatherInfoFailed { location_weather_info_id, .. } => location_weather_info_id.to_string(),
    }
}

/// Events of the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Events {
    /// Oldest first.
    pub(crate) content: Vec<Envelope>,
    /// Ask with `after` set to this for what comes next.
    pub(crate) next: u64,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EventData {
    Connected(PaymentGatewayConnected),
    ConnectionFailed(PaymentGatewayConnectionFailed),
    Retried(PaymentGatewayRetried),
    FailureRecorded(IntegrationFailureRecorded),
    FailureRetried(IntegrationFailureRetried),
    FailureRecovered(IntegrationFailureRecovered),
    BreakerTransitioned(CircuitBreakerTransitioned),
    BreakerControlled(CircuitBreakerControlled),
    AlertFired(AlertFired),
    AlertResolved(AlertResolved),
    Alerting(AlertingData),
    DeadLettered(NotificationDeadLettered),
    WeatherFailed(LocationWeatherInfoFailed),
}

/// A target is connected.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentGatewayConnected {
    pub(crate) integration_status_id: u64,
    pub(crate) last_succeeded_at: Time,
    pub(crate) state: IntegrationState,
    pub(crate) target: Target,
}

/// A target is down.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentGatewayConnectionFailed {
    pub(crate) failure_reason: String,
    pub(crate) integration_status_id: u64,
    pub(crate) last_failed_at: Time,
    pub(crate) state: IntegrationState,
    pub(crate) target: Target,
}

/// An attempt was repeated, or is about to be.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentGatewayRetried {
    pub(crate) integration_status_id: u64,
    pub(crate) retried_at: Time,
    pub(crate) retry_count: u32,
    pub(crate) retry_result: RetryResult,
    pub(crate) state: IntegrationState,
    pub(crate) target: Target,
}

/// A failure was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationFailureRecorded {
    pub(crate) failure_detail: FailureDetail,
    pub(crate) failure_type: FailureType,
    pub(crate) integration_failure_history_id: u64,
    pub(crate) integration_status_id: u64,
    pub(crate) notified: bool,
    pub(crate) occurred_at: Time,
    pub(crate) target_system: String,
}

/// A failed call was retried.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationFailureRetried {
    pub(crate) integration_failure_history_id: u64,
    pub(crate) notified: bool,
    pub(crate) retried_at: Time,
    pub(crate) retry_count: u32,
    pub(crate) retry_result: RetryResult,
}

/// A failure is over.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationFailureRecovered {
    pub(crate) integration_failure_history_id: u64,
    pub(crate) notified: bool,
    pub(crate) recovered_at: Time,
    pub(crate) retry_result: RetryResult,
}

/// A breaker changed its state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CircuitBreakerTransitioned {
    pub(crate) integration_status_id: u64,
    pub(crate) target: Target,
    pub(crate) from: BreakerState,
    pub(crate) to: BreakerState,
    pub(crate) cause: BreakerCause,
    /// How often in a row it had to open.
    pub(crate) level: u32,
    /// How long it stays open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_for_ms: Option<f64>,
    /// Until when it stays open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_until: Option<Time>,
}

/// An operator took hold of a breaker, let it go, or reset it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CircuitBreakerControlled {
    pub(crate) integration_status_id: u64,
    pub(crate) target: Target,
    pub(crate) mode: BreakerMode,
    pub(crate) reset: bool,
    pub(crate) who: String,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
}

/// People are being told that a target is in trouble.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertFired {
    pub(crate) integration_status_id: u64,
    pub(crate) system_name: String,
    pub(crate) incident_id: u64,
    #[schema(example = "critical")]
    pub(crate) severity: &'static str,
    pub(crate) cause: String,
    pub(crate) since: Time,
    /// Who is told.
    pub(crate) channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_failure_history_id: Option<u64>,
}

/// People are being told that it is over.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertResolved {
    pub(crate) integration_status_id: u64,
    pub(crate) system_name: String,
    pub(crate) incident_id: u64,
    #[schema(example = "critical")]
    pub(crate) severity: &'static str,
    pub(crate) since: Time,
}

/// A message was given up.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationDeadLettered {
    #[schema(example = "17.0")]
    pub(crate) delivery_id: String,
    pub(crate) channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_failure_history_id: Option<u64>,
    /// What the last attempt said.
    pub(crate) error: String,
}

/// Another context could not get the weather of a place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LocationWeatherInfoFailed {
    pub(crate) campsite_id: CampsiteId,
    #[schema(max_length = 16384)]
    pub(crate) error_message: String,
    pub(crate) location_weather_info_id: i64,
    pub(crate) requested_at: Time,
}

/// Which campsite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampsiteId {
    pub(crate) campsite_id: i64,
}

impl From<&Event> for EventData {
    fn from(event: &Event) -> Self {
        if let Some(alerting) = AlertingData::of(event) {
            return Self::Alerting(alerting);
        }
        match event {
            Event::Status { id, target, event } => status_data(*id, target, event),
            Event::FailureRecorded(history) => Self::FailureRecorded(recorded(history)),
            Event::History { id, notified, event } => history_data(*id, *notified, event),
            Event::BreakerTransitioned { id, target, transition, open_until } => {
                Self::BreakerTransitioned(transitioned(*id, target, transition, open_until.map(Time)))
            }
            Event::BreakerControlled { id, target, mode, reset, who, reason, until } => {
                Self::BreakerControlled(CircuitBreakerControlled {
                    integration_status_id: id.0,
                    target: target.into(),
                    mode: (*mode).into(),
                    reset: *reset,
                    who: who.to_string(),
                    reason: reason.to_string(),
                    until: until.map(Time),
                })
            }
            Event::AlertFired { id, target, incident } => Self::AlertFired(fired(*id, target, incident)),
            Event::AlertResolved { id, target, incident, severity, since } => Self::AlertResolved(AlertResolved {
                integration_status_id: id.0,
                system_name: target.to_string(),
                incident_id: incident.0,
                severity: severity.as_str(),
                since: Time(*since),
            }),
            Event::AlertAcknowledged { .. }
            | Event::AlertEscalated { .. }
            | Event::QuietCreated { .. }
            | Event::QuietRemoved { .. }
            | Event::NotificationResent { .. }
            | Event::NotificationDismissed { .. } => unreachable!("it was told above"),
            Event::NotificationDeadLettered { delivery, channel, history, error } => {
                Self::DeadLettered(NotificationDeadLettered {
                    delivery_id: delivery.to_string(),
                    channel: channel.to_string(),
                    integration_failure_history_id: history.map(|id| id.0),
                    error: error.to_string(),
                })
            }
            Event::LocationWeatherInfoFailed { campsite_id, error_message, location_weather_info_id, requested_at } => {
                Self::WeatherFailed(LocationWeatherInfoFailed {
                    campsite_id: CampsiteId { campsite_id: *campsite_id },
                    error_message: error_message.to_string(),
                    location_weather_info_id: *location_weather_info_id,
                    requested_at: Time(*requested_at),
                })
            }
        }
    }
}

fn status_data(id: StatusId, target: &Whose, event: &StatusEvent) -> EventData {
    let (integration_status_id, target) = (id.0, target.into());
    match event {
        StatusEvent::Connected { last_succeeded_at } => EventData::Connected(PaymentGatewayConnected {
            integration_status_id,
            last_succeeded_at: Time(*last_succeeded_at),
            state: State::Connected.into(),
            target,
        }),
        StatusEvent::ConnectionFailed { failure_reason, last_failed_at } => {
            EventData::ConnectionFailed(PaymentGatewayConnectionFailed {
                failure_reason: failure_reason.to_string(),
                integration_status_id,
                last_failed_at: Time(*last_failed_at),
                state: State::Failed.into(),
                target,
            })
        }
        StatusEvent::Retried { retry_count, retry_result, retried_at } => EventData::Retried(PaymentGatewayRetried {
            integration_status_id,
            retried_at: Time(*retried_at),
            retry_count: *retry_count,
            retry_result: (*retry_result).into(),
            state: State::Retrying.into(),
            target,
        }),
    }
}

fn recorded(history: &IntegrationFailureHistory) -> IntegrationFailureRecorded {
    IntegrationFailureRecorded {
        failure_detail: (&history.detail).into(),
        failure_type: history.failure_type.into(),
        integration_failure_history_id: history.id.0,
        integration_status_id: history.status_id.0,
        notified: history.notified,
        occurred_at: Time(history.occurred_at),
        target_system: history.target_system.to_string(),
    }
}

fn history_data(id: HistoryId, notified: bool, event: &HistoryEvent) -> EventData {
    match event {
        HistoryEvent::Retried { retry_count, retry_result, retried_at } => {
            EventData::FailureRetried(IntegrationFailureRetried {
                integration_failure_history_id: id.0,
                notified,
                retried_at: Time(*retried_at),
                retry_count: *retry_count,
                retry_result: (*retry_result).into(),
            })
        }
        HistoryEvent::Recovered { recovered_at } => EventData::FailureRecovered(IntegrationFailureRecovered {
            integration_failure_history_id: id.0,
            notified,
            recovered_at: Time(*recovered_at),
            retry_result: Result::Success.into(),
        }),
    }
}

fn transitioned(
    id: StatusId,
    target: &Whose,
    transition: &breaker::Transition,
    open_until: Option<Time>,
) -> CircuitBreakerTransitioned {
    let breaker::Transition { from, to, cause, level, open_for } = *transition;
    CircuitBreakerTransitioned {
        integration_status_id: id.0,
        target: target.into(),
        from: from.into(),
        to: to.into(),
        cause: cause.into(),
        level,
        open_for_ms: open_for.map(millis),
        open_until,
    }
}

fn fired(id: StatusId, target: &str, incident: &Incident) -> AlertFired {
    let Incident {
        id: id::IncidentId(incident_id),
        severity,
        cause,
        since,
        channels,
        history,
        correlation: _,
        last_told_at: _,
        fired_at: _,
        notice: _,
        siblings: _,
        told: _,
        reminders: _,
        escalated_at: _,
        acknowledged: _,
    } = incident;
    AlertFired {
        integration_status_id: id.0,
        system_name: target.to_owned(),
        incident_id: *incident_id,
        severity: severity.as_str(),
        cause: cause.to_string(),
        since: Time(*since),
        channels: channels.iter().map(ToString::to_string).collect(),
        integration_failure_history_id: history.map(|id| id.0),
    }
}
