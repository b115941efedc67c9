//! What is always true of a target between two turns. Tests check it after every turn of random lives.

use super::alert::Holding;
use super::breaker::{Mode, State};
use super::status::IntegrationState;
use super::watch::{Beside, Policy, Watch};

/// Something that should always be true, and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A target is FAILED and no history is open for it.
    FailedWithoutHistory,
    /// A target is CONNECTED while its outage's history is open.
    ConnectedInOutage,
    /// People know of trouble that there is not, or nobody knows of trouble that somebody wants to hear of and
    /// that nothing holds back.
    IncidentDoesNotFit,
    /// Both rows of attempts count at once.
    BothRowsCount,
    /// A closed breaker has a time until which it is open.
    ClosedUntil,
    /// A forced mode without anybody who forced it.
    ForcedByNobody,
}

/// Everything that is not as it should be; `beside` as at the last turn.
#[must_use]
pub fn broken(watch: &Watch, policy: &Policy, beside: &Beside<'_>) -> Vec<Broken> {
    let state = watch.status.state;
    let outage = watch.trouble.as_ref().is_some_and(|trouble| trouble.history.is_some());
    let wanted = !watch.conditions(beside).and(policy.alert.on).is_empty() && !policy.alert.channels.is_empty();
    let told = watch.incident.is_some();
    let is_held = beside.holding != Holding::default();
    let forced = matches!(watch.breaker.mode, Mode::ForcedOpen | Mode::ForcedClosed);
    [
        (state == IntegrationState::Failed && !outage, Broken::FailedWithoutHistory),
        (state == IntegrationState::Connected && outage, Broken::ConnectedInOutage),
        (if told { !wanted } else { wanted && !is_held }, Broken::IncidentDoesNotFit),
        (watch.failures_in_row > 0 && watch.successes_in_row > 0, Broken::BothRowsCount),
        (watch.breaker.state == State::Closed && watch.breaker.open_until.is_some(), Broken::ClosedUntil),
        (forced && watch.breaker.forced.is_none(), Broken::ForcedByNobody),
    ]
    .into_iter()
    .filter_map(|(is_broken, what)| is_broken.then_some(what))
    .collect()
}
