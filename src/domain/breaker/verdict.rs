//! Whether what was counted is reason enough to open, and which reason.
//!
//! One pure function, in the order in which reasons are told: failures in a row need no minimum, then failures, slowness,
//! and both together.

use super::policy::{Cause, Policy};
use super::view::{Judged, Rates};
use super::window::Counts;

/// The reason to open, if there is one. Calls in flight that are slow already count as calls that were slow.
pub(super) fn of(policy: &Policy, totals: Counts, slow_in_flight: u64, failures_in_row: u32) -> Option<Cause> {
    if policy.consecutive_failures.is_some_and(|limit| failures_in_row >= limit.max(1)) {
        return Some(Cause::Consecutive);
    }
    let rates = rates(policy, totals, slow_in_flight)?;
    if totals.failed > 0 && rates.failed >= policy.failure_rate {
        return Some(Cause::FailureRate);
    }
    if totals.slow + slow_in_flight > 0 && rates.slow >= policy.slow_call_rate {
        return Some(Cause::SlowRate);
    }
    (totals.bad + slow_in_flight > 0 && rates.bad >= policy.bad_rate).then_some(Cause::BadRate)
}

/// The rates that are judged; `None` under the minimum.
pub(super) fn rates(policy: &Policy, totals: Counts, slow_in_flight: u64) -> Option<Rates> {
    all_of(totals, slow_in_flight).filter(|all| all.calls >= policy.calls_to_judge()).map(|all| all.rates)
}

/// What is judged, however few calls that is; `None` without one.
pub(super) fn all_of(totals: Counts, slow_in_flight: u64) -> Option<Judged> {
    let calls = totals.calls + slow_in_flight;
    let part = |count: u64| count as f64 / calls as f64;
    let rates = || Rates {
        failed: part(totals.failed),
        slow: part(totals.slow + slow_in_flight),
        bad: part(totals.bad + slow_in_flight),
    };
    (calls > 0).then(|| Judged { calls, rates: rates() })
}

/// Whether further good calls cannot be what opens it: they only lower rates that are judged already, or there is
/// nothing bad to judge.
pub(super) fn good_calls_are_harmless(policy: &Policy, totals: Counts, slow_in_flight: u64) -> bool {
    totals.bad + slow_in_flight == 0 || totals.calls + slow_in_flight >= policy.calls_to_judge()
}
