//! A circuit breaker in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{BreakerMode, BreakerState, Time, millis};
use crate::domain::breaker::{Counts, Rates, Trials, View};
use crate::domain::watch::{BreakerRecord, Forced};

/// A breaker at this moment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Breaker {
    pub(crate) state: BreakerState,
    pub(crate) mode: BreakerMode,
    /// When its state last changed.
    pub(crate) since: Time,
    /// Until when it is open, or until when an operator holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
    /// When a caller that is refused now should come again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<f64>,
    /// How often in a row it had to open; the open time grows with it.
    pub(crate) level: u32,
    /// What it judges by; missing under the minimum of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rates: Option<BreakerRates>,
    pub(crate) window: BreakerWindow,
    pub(crate) trials: BreakerTrials,
    /// The operator that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forced_by: Option<ForcedBy>,
}

/// Parts of all calls, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerRates {
    pub(crate) failed: f64,
    /// Also those still in flight.
    pub(crate) slow: f64,
    /// Failed or slow.
    pub(crate) bad: f64,
}

/// The calls in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerWindow {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
    pub(crate) bad: u64,
    /// Calls whose outcome says nothing about the target; not among `calls`.
    pub(crate) ignored: u64,
    pub(crate) failures_in_row: u32,
    /// Calls that have not ended.
    pub(crate) in_flight: u64,
    /// Those of them that are slow already.
    pub(crate) slow_in_flight: u64,
}

/// Half-open's trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerTrials {
    pub(crate) granted: u32,
    pub(crate) succeeded: u32,
    pub(crate) allowed: u32,
}

/// An operator's hold on a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForcedBy {
    pub(crate) who: String,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
}

impl Breaker {
    /// From what it is now, and what is stored of it.
    pub(crate) fn new(view: &View, record: &BreakerRecord) -> Self {
        let View {
            state,
            mode,
            hold: _,
            level,
            open_remaining,
            rates,
            window,
            failures_in_row,
            in_flight,
            slow_in_flight,
            trials,
            ramp: _,
            last_probe: _,
            lifetime: _,
            refused: _,
        } = *view;
        let Counts { calls, failed, slow, bad, ignored } = window;
        let Trials { granted, succeeded, allowed } = trials;
        let BreakerRecord { since, open_until, forced, state: _, mode: _, level: _ } = record;
        let held_until = forced.as_ref().and_then(|forced| forced.until);
        Self {
            state: state.into(),
            mode: mode.into(),
            since: Time(*since),
            until: open_remaining.and(*open_until).or(held_until).map(Time),
            retry_after_ms: open_remaining.map(millis),
            level,
            rates: rates.map(|Rates { failed, slow, bad }| BreakerRates { failed, slow, bad }),
            window: BreakerWindow { calls, failed, slow, bad, ignored, failures_in_row, in_flight, slow_in_flight },
            trials: BreakerTrials { granted, succeeded, allowed },
            forced_by: forced.as_ref().map(Into::into),
        }
    }
}

impl From<&Forced> for ForcedBy {
    fn from(forced: &Forced) -> Self {
        let Forced { who, reason, until } = forced;
        Self { who: who.to_string(), reason: reason.to_string(), until: until.map(Time) }
    }
}
