//! An integration target in JSON: how it is, how it is watched, what its last probe found, how it was.

use serde::Serialize;
use utoipa::ToSchema;

use super::call::CallsSeen;
use super::event::Named;
use super::inputs::Inputs;
use super::words::{BreakerState, FailureType, Health, IntegrationState, Time, millis};
use crate::config;
use crate::domain::alert::{self, Condition};
use crate::domain::event::StateChange;
use crate::domain::observation::{self, Failure, ProviderStatus};
use crate::domain::slo::{Budget, Window};
use crate::domain::watch::{self, Origin, Trouble};

/// A target in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetSummary {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    /// What it belongs to; empty for nothing.
    pub(crate) group: String,
    /// Whether it is in the configuration; one that is not exists through reports.
    pub(crate) configured: bool,
    pub(crate) integration_status_id: u64,
    pub(crate) state: IntegrationState,
    pub(crate) health: Health,
    /// Why it is so.
    pub(crate) cause: String,
    /// What holds its alerts back now: maintenance, blind, dependency or flapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "dependency")]
    pub(crate) suppressed_by: Option<&'static str>,
    /// Missing where it is not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) breaker: Option<BreakerState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_attempted_at: Option<Time>,
    /// How long the last probe took; missing before the first one since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<f64>,
}

/// A target, with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetDetails {
    #[serde(flatten)]
    pub(crate) summary: TargetSummary,
    /// What its health is made of.
    pub(crate) inputs: Inputs,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_succeeded_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_reason: Option<String>,
    pub(crate) retry_count: u32,
    /// What the last probe found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_observation: Option<Observation>,
    /// What goes on since the first failed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outage: Option<Outage>,
    /// What people were told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<Incident>,
    /// The real calls to it, as this node let them pass or was told of them; missing before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<CallsSeen>,
    /// What its objective says of it; missing where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slo: Option<ErrorBudget>,
    /// How it is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<TargetConfig>,
}

/// How much of what may fail has failed, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBudget {
    /// The part of its probes that is to be good.
    #[schema(example = 0.999)]
    pub(crate) objective: f64,
    /// The part of the failures that are allowed which is left; below 0 where there were more.
    pub(crate) remaining: f64,
    /// The shortest window first.
    pub(crate) burn_rates: Vec<BurnRate>,
}

/// At 1 the budget is used up exactly at the end of its time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BurnRate {
    #[schema(example = "1h")]
    pub(crate) window: &'static str,
    pub(crate) rate: f64,
}

impl From<Budget> for ErrorBudget {
    fn from(budget: Budget) -> Self {
        let Budget { objective, left, rates } = budget;
        let rates = Window::ALL.into_iter().zip(rates);
        let burn_rates = rates.map(|(window, rate)| BurnRate { window: window.as_str(), rate }).collect();
        Self { objective, remaining: left, burn_rates }
    }
}

/// How a target is watched; addresses, headers and credentials of the probe are left out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetConfig {
    #[schema(example = "http")]
    pub(crate) kind: &'static str,
    pub(crate) interval_ms: f64,
    pub(crate) timeout_ms: f64,
    pub(crate) failure_type: FailureType,
    pub(crate) failure_threshold: u32,
    /// Of how many of the latest probes so many must fail; missing where they must fail in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_window: Option<u32>,
    pub(crate) success_threshold: u32,
    pub(crate) max_retries: u32,
    /// The targets that it needs.
    pub(crate) depends_on: Vec<String>,
    /// Of what people are told.
    pub(crate) alert_on: Vec<&'static str>,
    #[schema(example = "critical")]
    pub(crate) severity: &'static str,
    /// Who is told.
    pub(crate) channels: Vec<String>,
}

impl From<&config::Target> for TargetConfig {
    fn from(target: &config::Target) -> Self {
        let watch::Policy {
            failure_threshold,
            failure_window,
            success_threshold,
            max_retries,
            failure_type,
            alert,
            flapping: _,
        } = &target.policy;
        let alert::Policy { on, channels, severity, reminder: _, escalate: _, escalation: _ } = alert;
        let alert_on = Condition::ALL.into_iter().filter(|condition| on.contains(*condition));
        Self {
            kind: target.probe.kind(),
            interval_ms: millis(target.interval),
            timeout_ms: millis(target.timeout),
            failure_type: (*failure_type).into(),
            failure_threshold: *failure_threshold,
            failure_window: *failure_window,
            success_threshold: *success_threshold,
            max_retries: *max_retries,
            depends_on: target.depends_on.iter().map(ToString::to_string).collect(),
            alert_on: alert_on.map(Condition::as_str).collect(),
            severity: severity.as_str(),
            channels: channels.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Observation {
    pub(crate) at: Time,
    pub(crate) ok: bool,
    /// Good, but slower than it should be, or not wholly well by its provider's own page.
    pub(crate) degraded: bool,
    pub(crate) took_ms: f64,
    pub(crate) phases: Phases,
    /// Why it was not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<ObservedFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_code: Option<u16>,
    /// Bytes of the body that were read.
    pub(crate) bytes: u64,
    /// When the first certificate of the chain ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_expires_at: Option<Time>,
    /// The target asked not to be called before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<f64>,
    /// What somebody should look at before it fails: the certificate ends soon, the provider reports a partial outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<String>,
    /// What the provider's own page says: operational, degraded_performance, partial_outage, major_outage or
    /// maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "operational")]
    pub(crate) provider: Option<&'static str>,
}

/// Why a probe was not good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObservedFailure {
    #[schema(example = "http_status")]
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) code: String,
}

/// How long each part took; a part that did not happen is missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phases {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resolve_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) processing_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transfer_ms: Option<f64>,
}

impl From<&observation::Observation> for Observation {
    fn from(observation: &observation::Observation) -> Self {
        let observation::Observation {
            at,
            took,
            failure,
            degraded,
            phases: observation::Phases { resolve, connect, tls, processing, transfer },
            status_code,
            bytes,
            certificate_expires_at,
            retry_after,
            warning,
            provider,
        } = observation;
        let failure = failure.as_ref().map(|Failure { reason, message, code }| ObservedFailure {
            reason: reason.as_str(),
            message: message.to_string(),
            code: code.to_string(),
        });
        Self {
            at: Time(*at),
            ok: observation.is_ok(),
            degraded: *degraded,
            took_ms: millis(*took),
            phases: Phases {
                resolve_ms: resolve.map(millis),
                connect_ms: connect.map(millis),
                tls_ms: tls.map(millis),
                processing_ms: processing.map(millis),
                transfer_ms: transfer.map(millis),
            },
            failure,
            status_code: *status_code,
            bytes: *bytes,
            certificate_expires_at: certificate_expires_at.map(Time),
            retry_after_ms: retry_after.map(millis),
            warning: warning.as_deref().map(str::to_owned),
            provider: provider.map(ProviderStatus::as_str),
        }
    }
}

/// From the first failed attempt until the target is connected again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outage {
    pub(crate) since: Time,
    /// Shared by all that happens in it.
    pub(crate) correlation_id: String,
    /// Its history, once it is FAILED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_failure_history_id: Option<u64>,
    /// Who said that it failed.
    #[schema(example = "probe")]
    pub(crate) origin: &'static str,
}

impl From<&Trouble> for Outage {
    fn from(trouble: &Trouble) -> Self {
        let Trouble { correlation, began_by: _, since, attempts: _, history, origin } = trouble;
        let origin = match origin {
            Origin::Probe => "probe",
            Origin::Report => "report",
            Origin::Traffic => "traffic",
        };
        Self {
            since: Time(*since),
            correlation_id: correlation.to_string(),
            integration_failure_history_id: history.map(|id| id.0),
            origin,
        }
    }
}

/// People know that a target is in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incident {
    pub(crate) incident_id: u64,
    #[schema(example = "critical")]
    pub(crate) severity: &'static str,
    pub(crate) cause: String,
    pub(crate) since: Time,
    /// Who was told.
    pub(crate) channels: Vec<String>,
}

impl From<&alert::Incident> for Incident {
    fn from(incident: &alert::Incident) -> Self {
        Self {
            incident_id: incident.id.0,
            severity: incident.severity.as_str(),
            cause: incident.cause.to_string(),
            since: Time(incident.since),
            channels: incident.channels.iter().map(ToString::to_string).collect(),
        }
    }
}

/// How a target was over a window of time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Uptime {
    #[schema(example = "24h")]
    pub(crate) window: &'static str,
    pub(crate) from: Time,
    pub(crate) to: Time,
    /// Good probes of all, from 0 to 1; missing where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uptime: Option<f64>,
    /// Probes that said something about the target.
    pub(crate) count: u32,
    /// Good ones.
    pub(crate) ok: u32,
    /// Latency of the good ones, to within about 25 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p95_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<f64>,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transition {
    pub(crate) at: Time,
    pub(crate) from: IntegrationState,
    pub(crate) to: IntegrationState,
    /// Why, in words.
    pub(crate) cause: String,
}

impl From<&StateChange> for Transition {
    fn from(change: &StateChange) -> Self {
        let StateChange { at, from, to, cause } = change;
        Self { at: Time(*at), from: (*from).into(), to: (*to).into(), cause: cause.to_string() }
    }
}

/// What came of a probe that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probed {
    /// What it found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) observation: Option<Observation>,
    /// What it led to; empty where it found what was known.
    pub(crate) events: Vec<Named>,
}
