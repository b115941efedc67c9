//! What a target's health is made of, in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{BreakerMode, BreakerState, Time};
use crate::actors::board::Live;
use crate::domain::breaker::Rates;
use crate::domain::maintenance;
use crate::domain::verdict::{self, Standing};

/// What a target's health is made of; what is not known or not so is missing.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inputs {
    /// The last probe; missing before the first one since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) probe: Option<ProbeInput>,
    /// Real calls in the breaker's window; missing where none was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<TrafficInput>,
    pub(crate) breaker: BreakerInput,
    /// What the provider says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<ProviderInput>,
    /// The announced work that goes on now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maintenance: Option<MaintenanceInput>,
    /// It changes its state so often that its alerts are held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flapping: Option<FlappingInput>,
    /// What it needs that is down, or whose failure is being confirmed.
    pub(crate) dependencies: Vec<DependencyInput>,
    /// This node is cut off, and knows nothing of any target.
    pub(crate) blind: bool,
}

/// The last probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProbeInput {
    pub(crate) ok: bool,
    /// Good, but slower than it should be.
    pub(crate) degraded: bool,
    /// What somebody should look at before it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "the certificate ends in 9 days")]
    pub(crate) warning: Option<String>,
}

/// Real calls.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrafficInput {
    /// In the breaker's window.
    pub(crate) calls: u64,
    /// Failed calls of all, from 0 to 1; missing under the minimum of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_rate: Option<f64>,
    /// Slow calls of all, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slow_call_rate: Option<f64>,
    /// What the rates were when they opened the breaker, until it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opened_at: Option<RatesInput>,
}

/// Parts of all calls, from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RatesInput {
    pub(crate) failure_rate: f64,
    pub(crate) slow_call_rate: f64,
}

/// The breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerInput {
    pub(crate) state: BreakerState,
    pub(crate) mode: BreakerMode,
}

/// The provider's own page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderInput {
    #[schema(example = "partial_outage")]
    pub(crate) status: &'static str,
    /// When it was read; missing where it is what the target's own probe reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_at: Option<Time>,
}

/// Announced work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaintenanceInput {
    pub(crate) from: Time,
    pub(crate) until: Time,
    #[schema(example = "database upgrade")]
    pub(crate) reason: String,
}

/// How much a target flaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlappingInput {
    /// In percent: the weighted part of changes among its last 21 samples.
    #[schema(example = 32)]
    pub(crate) score: u8,
}

/// Something that a target needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DependencyInput {
    #[schema(example = "internet")]
    pub(crate) target: String,
    /// `down`, or `doubtful` while a failed attempt is being confirmed.
    #[schema(example = "down")]
    pub(crate) standing: &'static str,
}

impl Inputs {
    /// What was gathered of a target, as JSON has it.
    pub(crate) fn of(live: &Live, inputs: &verdict::Inputs<'_>) -> Self {
        let verdict::Inputs {
            watch,
            failure_type: _,
            probe,
            warning,
            traffic,
            provider,
            probes_page: _,
            maintenance,
            flapping,
            blind,
            needs,
            silenced: _,
        } = *inputs;
        Self {
            probe: probe.map(|verdict::LastProbe { ok, degraded }| ProbeInput {
                ok,
                degraded,
                warning: warning.map(str::to_owned),
            }),
            traffic: (traffic.calls > 0 || traffic.opened.is_some()).then(|| traffic.into()),
            breaker: BreakerInput { state: watch.breaker.state.into(), mode: watch.breaker.mode.into() },
            provider: provider.map(|status| ProviderInput {
                status: status.as_str(),
                read_at: live.aside().provider.map(|(_, at)| Time(at)),
            }),
            maintenance: maintenance.map(|maintenance::Window { from, until, reason }| MaintenanceInput {
                from: Time(*from),
                until: Time(*until),
                reason: reason.to_string(),
            }),
            flapping: flapping.map(|score| FlappingInput { score }),
            dependencies: needs
                .iter()
                .filter_map(|(target, standing)| {
                    let standing = match standing {
                        Standing::Up => return None,
                        Standing::Doubtful => "doubtful",
                        Standing::Down => "down",
                    };
                    Some(DependencyInput { target: target.to_string(), standing })
                })
                .collect(),
            blind,
        }
    }
}

impl From<verdict::Traffic> for TrafficInput {
    fn from(traffic: verdict::Traffic) -> Self {
        let verdict::Traffic { calls, window, opened, trial_passed: _ } = traffic;
        Self {
            calls,
            failure_rate: window.map(|rates| rates.failed),
            slow_call_rate: window.map(|rates| rates.slow),
            opened_at: opened
                .map(|Rates { failed, slow, bad: _ }| RatesInput { failure_rate: failed, slow_call_rate: slow }),
        }
    }
}
