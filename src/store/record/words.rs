//! The domain's closed sets and small parts as they are on disk. The order of variants is on disk, for ever: new ones go last.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::{self, CorrelationId};
use crate::domain::time::Timestamp;
use crate::domain::{alert, breaker, failure_history, status, watch};
use crate::store::keys;

macro_rules! word {
    ($name:ident is $module:ident::$domain:ident { $($variant:ident),+ $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) enum $name { $($variant),+ }

        impl From<$module::$domain> for $name {
            fn from(word: $module::$domain) -> Self {
                match word { $($module::$domain::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $module::$domain {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

word!(FailureType is failure_history::FailureType { PaymentGateway, LocationWeatherApi, Other });
word!(RetryResult is failure_history::RetryResult { Success, Failure, NotApplicable });
word!(IntegrationState is status::IntegrationState { Unknown, Connected, Retrying, Failed });
word!(Severity is alert::Severity { Critical, Warning, Info });
word!(Origin is watch::Origin { Probe, Report, Traffic });
word!(BreakerState is breaker::State { Closed, Open, HalfOpen });
word!(BreakerMode is breaker::Mode { Enforce, DryRun, Disabled, ForcedOpen, ForcedClosed });
word!(BreakerCause is breaker::Cause {
    FailureRate, SlowRate, BadRate, Consecutive, Probe, Report, TrialFailed, TrialsTimedOut, OpenTimeOver,
    ProbePassed, TrialsPassed, Operator,
});

/// Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Time(i64);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time.as_nanos())
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        Self::from_nanos(time.0)
    }
}

pub(super) fn time(time: Option<Timestamp>) -> Option<Time> {
    time.map(Time::from)
}

pub(super) fn timestamp(time: Option<Time>) -> Option<Timestamp> {
    time.map(Timestamp::from)
}

/// A length of time, to the nanosecond, up to 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Length(u64);

impl From<Duration> for Length {
    fn from(length: Duration) -> Self {
        Self(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Length> for Duration {
    fn from(length: Length) -> Self {
        Self::from_nanos(length.0)
    }
}

/// A correlation: most are UUIDs, and those take 16 bytes instead of 36.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Correlation<'a> {
    Uuid([u8; 16]),
    Text(&'a str),
}

impl<'a> From<&'a CorrelationId> for Correlation<'a> {
    fn from(correlation: &'a CorrelationId) -> Self {
        match keys::plain_uuid(&correlation.0) {
            Some(uuid) => Self::Uuid(uuid.into_bytes()),
            None => Self::Text(&correlation.0),
        }
    }
}

impl From<Correlation<'_>> for CorrelationId {
    fn from(correlation: Correlation<'_>) -> Self {
        match correlation {
            Correlation::Uuid(bytes) => {
                let mut buffer = uuid::Uuid::encode_buffer();
                Self::new(uuid::Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut buffer))
            }
            Correlation::Text(text) => Self::new(text),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target<'a> {
    system_name: &'a str,
    endpoint: &'a str,
}

impl<'a> From<&'a id::Target> for Target<'a> {
    fn from(target: &'a id::Target) -> Self {
        let id::Target { system_name, endpoint } = target;
        Self { system_name, endpoint }
    }
}

impl From<Target<'_>> for id::Target {
    fn from(target: Target<'_>) -> Self {
        Self::new(target.system_name, target.endpoint)
    }
}

/// As version 1 of a watch has it, and the events of that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IncidentV1<'a> {
    id: u64,
    severity: Severity,
    cause: &'a str,
    since: Time,
    #[serde(borrow)]
    channels: Vec<&'a str>,
    history: Option<u64>,
    correlation: Correlation<'a>,
    last_told_at: Time,
}

impl From<IncidentV1<'_>> for alert::Incident {
    fn from(incident: IncidentV1<'_>) -> Self {
        let IncidentV1 { id, severity, cause, since, channels, history, correlation, last_told_at } = incident;
        Self {
            id: id::IncidentId(id),
            severity: severity.into(),
            cause: cause.into(),
            since: since.into(),
            siblings: u8::try_from(channels.len()).unwrap_or(u8::MAX),
            channels: channels.into_iter().map(Arc::from).collect(),
            history: history.map(id::HistoryId),
            correlation: correlation.into(),
            last_told_at: last_told_at.into(),
            fired_at: last_told_at.into(),
            notice: id::NoticeId(0),
            // Nobody is told again of what he may have been told.
            told: alert::Conditions::from_bits(u8::MAX),
            reminders: 0,
            escalated_at: None,
            acknowledged: None,
        }
    }
}

/// As version 2 of a watch has it, and version 1 of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IncidentV2<'a> {
    id: u64,
    severity: Severity,
    cause: &'a str,
    since: Time,
    #[serde(borrow)]
    channels: Vec<&'a str>,
    history: Option<u64>,
    correlation: Correlation<'a>,
    last_told_at: Time,
    fired_at: Time,
    notice: u64,
    siblings: u8,
    told: u8,
    reminders: u32,
    escalated_at: Option<Time>,
    /// Who, what he said, when.
    acknowledged: Option<(&'a str, &'a str, Time)>,
}

impl<'a> From<&'a alert::Incident> for IncidentV2<'a> {
    fn from(incident: &'a alert::Incident) -> Self {
        let alert::Incident {
            id,
            severity,
            cause,
            since,
            channels,
            history,
            correlation,
            last_told_at,
            fired_at,
            notice,
            siblings,
            told,
            reminders,
            escalated_at,
            acknowledged,
        } = incident;
        let acknowledged = acknowledged.as_deref().map(|alert::Acknowledged { who, comment, at }| {
            let (who, comment): (&str, &str) = (who, comment);
            (who, comment, (*at).into())
        });
        Self {
            id: id.0,
            severity: (*severity).into(),
            cause,
            since: (*since).into(),
            channels: channels.iter().map(|channel| &**channel).collect(),
            history: history.map(|history| history.0),
            correlation: correlation.into(),
            last_told_at: (*last_told_at).into(),
            fired_at: (*fired_at).into(),
            notice: notice.0,
            siblings: *siblings,
            told: told.bits(),
            reminders: *reminders,
            escalated_at: time(*escalated_at),
            acknowledged,
        }
    }
}

impl From<IncidentV2<'_>> for alert::Incident {
    fn from(incident: IncidentV2<'_>) -> Self {
        let acknowledged = incident.acknowledged.map(|(who, comment, at)| {
            Box::new(alert::Acknowledged { who: who.into(), comment: comment.into(), at: at.into() })
        });
        Self {
            id: id::IncidentId(incident.id),
            severity: incident.severity.into(),
            cause: incident.cause.into(),
            since: incident.since.into(),
            channels: incident.channels.into_iter().map(Arc::from).collect(),
            history: incident.history.map(id::HistoryId),
            correlation: incident.correlation.into(),
            last_told_at: incident.last_told_at.into(),
            fired_at: incident.fired_at.into(),
            notice: id::NoticeId(incident.notice),
            siblings: incident.siblings,
            told: alert::Conditions::from_bits(incident.told),
            reminders: incident.reminders,
            escalated_at: timestamp(incident.escalated_at),
            acknowledged,
        }
    }
}
