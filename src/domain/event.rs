//! Everything that happened and is kept.

use std::sync::Arc;

use super::alert::{Incident, Severity};
use super::breaker;
use super::failure_history::{HistoryEvent, IntegrationFailureHistory};
use super::id::{CorrelationId, DeliveryId, HistoryId, IncidentId, Sequence, StatusId, Target};
use super::quiet::{Kind, Quiet};
use super::status::{IntegrationState, StatusEvent};
use super::time::Timestamp;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// PaymentGatewayConnected, PaymentGatewayConnectionFailed or PaymentGatewayRetried.
    Status {
        /// Whose.
        id: StatusId,
        /// Whose.
        target: Target,
        /// What.
        event: StatusEvent,
    },
    /// IntegrationFailureRecorded: the history as it began.
    FailureRecorded(Box<IntegrationFailureHistory>),
    /// IntegrationFailureRetried or IntegrationFailureRecovered.
    History {
        /// Which.
        id: HistoryId,
        /// Whether people were told, as known then.
        notified: bool,
        /// What.
        event: HistoryEvent,
    },
    /// The breaker changed its state.
    BreakerTransitioned {
        /// Whose.
        id: StatusId,
        /// Whose.
        target: Target,
        /// What.
        transition: breaker::Transition,
        /// Until when it stays open.
        open_until: Option<Timestamp>,
    },
    /// An operator took hold of a breaker, let it go, or reset it.
    BreakerControlled {
        /// Whose.
        id: StatusId,
        /// Whose.
        target: Target,
        /// The mode from now on.
        mode: breaker::Mode,
        /// The window was emptied and the breaker closed.
        reset: bool,
        /// Who did it.
        who: Box<str>,
        /// Why.
        reason: Box<str>,
        /// Until when, for a forced mode.
        until: Option<Timestamp>,
    },
    /// An incident began.
    AlertFired {
        /// Whose.
        id: StatusId,
        /// Of which system.
        target: Arc<str>,
        /// The incident as it began.
        incident: Box<Incident>,
    },
    /// An incident ended.
    AlertResolved {
        /// Whose.
        id: StatusId,
        /// Of which system.
        target: Arc<str>,
        /// Which.
        incident: IncidentId,
        /// How bad it was.
        severity: Severity,
        /// Since when.
        since: Timestamp,
    },
    /// Somebody has seen an incident and takes care.
    AlertAcknowledged {
        /// Whose.
        id: StatusId,
        /// Of which system.
        target: Arc<str>,
        /// Which.
        incident: IncidentId,
        /// Who.
        who: Box<str>,
        /// What he says of it; may be empty.
        comment: Box<str>,
    },
    /// An incident got worse, or nobody acknowledged it in time.
    AlertEscalated {
        /// Whose.
        id: StatusId,
        /// Of which system.
        target: Arc<str>,
        /// Which.
        incident: IncidentId,
        /// Its text from now on.
        cause: Box<str>,
        /// Who is told.
        channels: Arc<[Arc<str>]>,
        /// It got worse; else it is only late.
        worse: bool,
    },
    /// A silence or a maintenance window was asked for.
    QuietCreated {
        /// It.
        quiet: Box<Quiet>,
    },
    /// One was removed before its end.
    QuietRemoved {
        /// As it was.
        quiet: Box<Quiet>,
        /// Who did it.
        who: Box<str>,
    },
    /// A dead letter is sent again.
    NotificationResent {
        /// Which.
        delivery: DeliveryId,
        /// To whom.
        channel: Arc<str>,
        /// Who had it sent.
        who: Box<str>,
    },
    /// A dead letter is not wanted any more.
    NotificationDismissed {
        /// Which.
        delivery: DeliveryId,
        /// For whom it was.
        channel: Arc<str>,
        /// Who does not want it.
        who: Box<str>,
    },
    /// A message was given up.
    NotificationDeadLettered {
        /// Which.
        delivery: DeliveryId,
        /// To whom.
        channel: Arc<str>,
        /// The history it spoke of.
        history: Option<HistoryId>,
        /// Why.
        error: Box<str>,
    },
    /// Another context could not get the weather of a place.
    LocationWeatherInfoFailed {
        /// Of which campsite.
        campsite_id: i64,
        /// Why.
        error_message: Box<str>,
        /// The other context's id.
        location_weather_info_id: i64,
        /// When it was asked for.
        requested_at: Timestamp,
    },
}

impl Event {
    /// The name in envelopes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status { event: StatusEvent::Connected { .. }, .. } => "PaymentGatewayConnected",
            Self::Status { event: StatusEvent::ConnectionFailed { .. }, .. } => "PaymentGatewayConnectionFailed",
            Self::Status { event: StatusEvent::Retried { .. }, .. } => "PaymentGatewayRetried",
            Self::FailureRecorded(_) => "IntegrationFailureRecorded",
            Self::History { event: HistoryEvent::Retried { .. }, .. } => "IntegrationFailureRetried",
            Self::History { event: HistoryEvent::Recovered { .. }, .. } => "IntegrationFailureRecovered",
            Self::BreakerTransitioned { .. } => "CircuitBreakerTransitioned",
            Self::BreakerControlled { .. } => "CircuitBreakerControlled",
            Self::AlertFired { .. } => "AlertFired",
            Self::AlertResolved { .. } => "AlertResolved",
            Self::AlertAcknowledged { .. } => "AlertAcknowledged",
            Self::AlertEscalated { .. } => "AlertEscalated",
            Self::QuietCreated { quiet } => match quiet.kind {
                Kind::Silence => "SilenceCreated",
                Kind::Maintenance => "MaintenanceCreated",
            },
            Self::QuietRemoved { quiet, .. } => match quiet.kind {
                Kind::Silence => "SilenceRemoved",
                Kind::Maintenance => "MaintenanceRemoved",
            },
            Self::NotificationResent { .. } => "NotificationResent",
            Self::NotificationDismissed { .. } => "NotificationDismissed",
            Self::NotificationDeadLettered { .. } => "NotificationDeadLettered",
            Self::LocationWeatherInfoFailed { .. } => "LocationWeatherInfoFailed",
        }
    }
}

/// An event on its way to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// What.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// With what it belongs together.
    pub correlation: CorrelationId,
    /// What caused it.
    pub cause: Option<Cause>,
}

/// What caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An event that is in the log.
    Logged(Sequence),
    /// An event of the same change, by its place in it.
    Earlier(usize),
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its place.
    pub sequence: Sequence,
    /// What.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// With what it belongs together.
    pub correlation: CorrelationId,
    /// What caused it.
    pub cause: Option<Sequence>,
}

/// One line of a target's transition log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Timestamp,
    /// Before.
    pub from: IntegrationState,
    /// After.
    pub to: IntegrationState,
    /// Why, in words.
    pub cause: Box<str>,
}
