//! What people see of a target: its health, with the cause in words.
//!
//! The aggregate's state says how the connection stands; health also weighs the breaker and how the last answer was.
//! Nothing is decided by it: it is shown, counted and published, and can always be derived again.

use std::borrow::Cow;

use super::breaker;
use super::status::IntegrationState;
use super::watch::Watch;

/// How well a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It does what is expected of it.
    Healthy,
    /// It works in part: slow, an attempt failed, or its breaker holds calls back.
    Degraded,
    /// It does not work.
    Down,
    /// Nobody has tried it yet.
    Unknown,
    /// Somebody said that it is being worked on.
    Maintenance,
}

impl Health {
    /// Every health.
    pub const ALL: [Self; 5] = [Self::Healthy, Self::Degraded, Self::Down, Self::Unknown, Self::Maintenance];

    /// The word in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Maintenance => "maintenance",
        }
    }
}

/// How the last probe that could be run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastProbe {
    /// The target answered as expected.
    pub ok: bool,
    /// It did, but slower than its `max_latency`.
    pub degraded: bool,
}

/// A health and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// How well it is.
    pub health: Health,
    /// Why, for people.
    pub cause: Cow<'a, str>,
}

/// How well a target is, from everything that is known of it.
#[must_use]
pub fn verdict(watch: &Watch, last: Option<LastProbe>) -> Verdict<'_> {
    match watch.status.state {
        IntegrationState::Unknown => says(Health::Unknown, "not tried yet"),
        IntegrationState::Failed => Verdict { health: Health::Down, cause: down_because(watch) },
        IntegrationState::Retrying => Verdict { health: Health::Degraded, cause: retrying_because(watch) },
        IntegrationState::Connected => connected(watch, last),
    }
}

fn connected(watch: &Watch, last: Option<LastProbe>) -> Verdict<'_> {
    if let Some(cause) = breaker_cause(watch) {
        return says(Health::Degraded, cause);
    }
    match last {
        Some(LastProbe { ok: false, .. }) => says(Health::Degraded, "the last probe failed"),
        Some(LastProbe { ok: true, degraded: true }) => {
            says(Health::Degraded, "answers, but more slowly than it should")
        }
        Some(LastProbe { ok: true, degraded: false }) | None => says(Health::Healthy, "connected"),
    }
}

/// What the breaker knows that the last probe does not: calls of real traffic that failed.
fn breaker_cause(watch: &Watch) -> Option<&'static str> {
    match (watch.breaker.mode, watch.breaker.state) {
        (breaker::Mode::ForcedOpen, _) => Some("connected, but an operator holds the circuit breaker open"),
        (breaker::Mode::Disabled | breaker::Mode::ForcedClosed, _) | (_, breaker::State::Closed) => None,
        (breaker::Mode::Enforce, breaker::State::Open) => {
            Some("connected, but the circuit breaker is open: too many calls fail or are slow")
        }
        (breaker::Mode::DryRun, breaker::State::Open) => {
            Some("connected, but too many calls fail or are slow; the circuit breaker only counts them (dry run)")
        }
        (breaker::Mode::Enforce | breaker::Mode::DryRun, breaker::State::HalfOpen) => {
            Some("connected, and the circuit breaker tries a few calls before it closes")
        }
    }
}

fn down_because(watch: &Watch) -> Cow<'_, str> {
    reason_of(watch).map_or(Cow::Borrowed("the connection failed; no reason was given"), Cow::Borrowed)
}

fn retrying_because(watch: &Watch) -> Cow<'_, str> {
    match (watch.failures_in_row, reason_of(watch)) {
        (0, None) => Cow::Borrowed("a retry was reported"),
        (0, Some(reason)) => Cow::Owned(format!("a retry was reported; before it: {reason}")),
        (1, None) => Cow::Borrowed("the last attempt failed"),
        (1, Some(reason)) => Cow::Owned(format!("the last attempt failed: {reason}")),
        (failures, None) => Cow::Owned(format!("the last {failures} attempts failed")),
        (failures, Some(reason)) => Cow::Owned(format!("the last {failures} attempts failed: {reason}")),
    }
}

fn reason_of(watch: &Watch) -> Option<&str> {
    watch.status.failure_reason.as_deref().filter(|reason| !reason.is_empty())
}

const fn says(health: Health, cause: &'static str) -> Verdict<'static> {
    Verdict { health, cause: Cow::Borrowed(cause) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{StatusId, Target};
    use crate::domain::status::IntegrationStatus;
    use crate::domain::time::Timestamp;
    use crate::domain::watch::BreakerRecord;

    fn watch(state: IntegrationState) -> Watch {
        let mut status = IntegrationStatus::new(StatusId(1), Target::new("PG_KCP", "https://api.kcp.com"));
        status.state = state;
        Watch {
            status,
            failures_in_row: 0,
            successes_in_row: 0,
            trouble: None,
            incident: None,
            breaker: BreakerRecord {
                state: breaker::State::Closed,
                mode: breaker::Mode::Enforce,
                level: 0,
                since: Timestamp::default(),
                open_until: None,
                forced: None,
            },
        }
    }

    #[track_caller]
    fn check(watch: &Watch, last: Option<LastProbe>, health: Health, cause: &str) {
        let verdict = verdict(watch, last);
        assert_eq!((verdict.health, &*verdict.cause), (health, cause));
    }

    const GOOD: Option<LastProbe> = Some(LastProbe { ok: true, degraded: false });
    const SLOW: Option<LastProbe> = Some(LastProbe { ok: true, degraded: true });
    const BAD: Option<LastProbe> = Some(LastProbe { ok: false, degraded: false });

    #[test]
    fn a_target_that_nobody_tried_is_unknown() {
        check(&watch(IntegrationState::Unknown), None, Health::Unknown, "not tried yet");
    }

    #[test]
    fn a_connected_target_is_healthy_also_after_a_restart_when_no_probe_is_remembered() {
        check(&watch(IntegrationState::Connected), GOOD, Health::Healthy, "connected");
        check(&watch(IntegrationState::Connected), None, Health::Healthy, "connected");
    }

    #[test]
    fn a_slow_answer_degrades_a_connected_target() {
        check(&watch(IntegrationState::Connected), SLOW, Health::Degraded, "answers, but more slowly than it should");
        check(&watch(IntegrationState::Connected), BAD, Health::Degraded, "the last probe failed");
    }

    #[test]
    fn an_attempt_that_failed_degrades_and_says_why() {
        let mut retrying = watch(IntegrationState::Retrying);
        check(&retrying, BAD, Health::Degraded, "a retry was reported");
        retrying.failures_in_row = 1;
        check(&retrying, BAD, Health::Degraded, "the last attempt failed");
        retrying.status.failure_reason = Some("connection refused".into());
        check(&retrying, BAD, Health::Degraded, "the last attempt failed: connection refused");
        retrying.failures_in_row = 2;
        check(&retrying, BAD, Health::Degraded, "the last 2 attempts failed: connection refused");
    }

    #[test]
    fn a_failed_target_is_down_whatever_its_breaker_says() {
        let mut failed = watch(IntegrationState::Failed);
        failed.breaker.state = breaker::State::Open;
        check(&failed, BAD, Health::Down, "the connection failed; no reason was given");
        failed.status.failure_reason = Some("503 Service Unavailable".into());
        check(&failed, BAD, Health::Down, "503 Service Unavailable");
    }

    #[test]
    fn a_passing_probe_does_not_hide_an_open_breaker() {
        let mut connected = watch(IntegrationState::Connected);
        connected.breaker.state = breaker::State::Open;
        assert_eq!(verdict(&connected, GOOD).health, Health::Degraded);
        connected.breaker.state = breaker::State::HalfOpen;
        assert_eq!(verdict(&connected, GOOD).health, Health::Degraded);
        connected.breaker.mode = breaker::Mode::DryRun;
        assert_eq!(verdict(&connected, GOOD).health, Health::Degraded);
        connected.breaker.mode = breaker::Mode::ForcedClosed;
        assert_eq!(verdict(&connected, GOOD).health, Health::Healthy);
    }

    #[test]
    fn a_breaker_that_an_operator_forced_open_degrades_while_its_state_is_closed() {
        let mut connected = watch(IntegrationState::Connected);
        connected.breaker.mode = breaker::Mode::ForcedOpen;
        assert_eq!(verdict(&connected, GOOD).health, Health::Degraded);
    }
}
