//! A circuit breaker in JSON: how it is, what it has seen, and by what it judges.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{BreakerMode, BreakerState, Time, millis};
use crate::domain::breaker::{Counts, Growth, Lifetime, Policy, Rates, Refused, Trials, View, Window};
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
    /// The part of the callers that it lets pass after it has closed, below 1; missing where all pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ramp: Option<f64>,
    /// Permits that are lent over HTTP and not reported; their calls are not among those in flight.
    pub(crate) permits: usize,
    pub(crate) lifetime: BreakerLifetime,
    pub(crate) refused: BreakerRefused,
    pub(crate) policy: BreakerPolicy,
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

/// Calls that have ended since the node started, also those that no window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerLifetime {
    pub(crate) success: u64,
    pub(crate) failure: u64,
    /// They said nothing about the target.
    pub(crate) ignored: u64,
    /// Nobody knows whether the target did it; in the window they are failures.
    pub(crate) unknown: u64,
    /// Given up by their callers, or not reported in time.
    pub(crate) cancelled: u64,
}

/// Callers that were refused since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerRefused {
    /// It was open.
    pub(crate) open: u64,
    /// An operator held it open.
    pub(crate) forced_open: u64,
    /// It was half-open, and all trials were out.
    pub(crate) trials_taken: u64,
    /// It had closed and let calls back little by little.
    pub(crate) ramping: u64,
}

/// By what it judges. A rate that is missing is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BreakerPolicy {
    /// How far it looks back, where it does so in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 60000)]
    pub(crate) window_ms: Option<f64>,
    /// In so many slices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 12)]
    pub(crate) window_slices: Option<u32>,
    /// Over how many calls it looks back, where it counts those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) window_calls: Option<u32>,
    /// Calls in the window from which on rates are judged.
    #[schema(example = 10)]
    pub(crate) minimum_calls: u32,
    /// Failed calls of all, from 0 to 1, at which it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.5)]
    pub(crate) failure_rate: Option<f64>,
    /// A call that takes as long is slow; missing where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1000)]
    pub(crate) slow_call_ms: Option<f64>,
    /// Slow calls of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.8)]
    pub(crate) slow_call_rate: Option<f64>,
    /// Calls that failed or were slow of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.6)]
    pub(crate) bad_rate: Option<f64>,
    /// Failures in a row that open it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consecutive_failures: Option<u32>,
    /// How long it stays open the first time.
    #[schema(example = 5000)]
    pub(crate) open_time_ms: f64,
    /// The longest open time, before jitter.
    #[schema(example = 300000)]
    pub(crate) open_time_max_ms: f64,
    /// How the open time grows with the level: `doubling`, or `linear` by the first one.
    #[schema(example = "doubling")]
    pub(crate) growth: &'static str,
    /// By which part of itself an open time may be longer or shorter.
    #[schema(example = 0.1)]
    pub(crate) jitter: f64,
    /// Trials in half-open, which must all be good.
    #[schema(example = 3)]
    pub(crate) trials: u32,
    /// How long half-open may last.
    #[schema(example = 30000)]
    pub(crate) half_open_max_ms: f64,
    /// In which time all callers are let back after it has closed; missing where that is at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ramp_ms: Option<f64>,
    /// Its mode where no operator holds it.
    pub(crate) mode: BreakerMode,
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
    /// From what it is now, what is stored of it, by what it judges, and how many permits of it are lent.
    pub(crate) fn new(view: &View, record: &BreakerRecord, policy: &Policy, permits: usize) -> Self {
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
            ramp,
            last_probe: _,
            lifetime,
            refused,
        } = *view;
        let Counts { calls, failed, slow, bad, ignored } = window;
        let Trials { granted, succeeded, by_probes: _, allowed } = trials;
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
            ramp,
            permits,
            lifetime: lifetime.into(),
            refused: refused.into(),
            policy: policy.into(),
            forced_by: forced.as_ref().map(Into::into),
        }
    }
}

impl From<Lifetime> for BreakerLifetime {
    fn from(lifetime: Lifetime) -> Self {
        let Lifetime { success, failure, ignored, unknown, cancelled } = lifetime;
        Self { success, failure, ignored, unknown, cancelled }
    }
}

impl From<Refused> for BreakerRefused {
    fn from(refused: Refused) -> Self {
        let Refused { open, forced_open, trials_taken, ramping } = refused;
        Self { open, forced_open, trials_taken, ramping }
    }
}

impl From<&Policy> for BreakerPolicy {
    fn from(policy: &Policy) -> Self {
        let Policy {
            window,
            minimum_calls,
            failure_rate,
            slow_call,
            slow_call_rate,
            bad_rate,
            consecutive_failures,
            open_time,
            open_time_max,
            growth,
            jitter,
            trials,
            half_open_max,
            ramp,
            mode,
        } = policy;
        let (window_ms, window_slices, window_calls) = match window {
            Window::Time { length, slices } => (Some(millis(*length)), Some(*slices), None),
            Window::Count(size) => (None, None, Some(*size)),
        };
        let judged = |rate: f64| (rate <= 1.0).then_some(rate);
        Self {
            window_ms,
            window_slices,
            window_calls,
            minimum_calls: *minimum_calls,
            failure_rate: judged(*failure_rate),
            slow_call_ms: (*slow_call < Duration::MAX).then(|| millis(*slow_call)),
            slow_call_rate: judged(*slow_call_rate),
            bad_rate: judged(*bad_rate),
            consecutive_failures: *consecutive_failures,
            open_time_ms: millis(*open_time),
            open_time_max_ms: millis(*open_time_max),
            growth: match growth {
                Growth::Doubling => "doubling",
                Growth::Linear => "linear",
            },
            jitter: *jitter,
            trials: *trials,
            half_open_max_ms: millis(*half_open_max),
            ramp_ms: ramp.map(millis),
            mode: (*mode).into(),
        }
    }
}

impl From<&Forced> for ForcedBy {
    fn from(forced: &Forced) -> Self {
        let Forced { who, reason, until } = forced;
        Self { who: who.to_string(), reason: reason.to_string(), until: until.map(Time) }
    }
}
