//! What one target's actor keeps: its status, its outage, its incident, and its breaker's last state.
//!
//! How it moves is in [`super::turn`]; the words of one turn's result are there too.

use super::alert::{self, Condition, Conditions, Incident};
use super::breaker;
use super::failure_history::FailureType;
use super::id::{CorrelationId, HistoryId, Sequence, StatusId, Target};
use super::status::{IntegrationState, IntegrationStatus};
use super::time::Timestamp;

/// Everything that a target's actor owns and the store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The aggregate.
    pub status: IntegrationStatus,
    /// Failed attempts since the last good one.
    pub failures_in_row: u32,
    /// Good attempts since the last failed one.
    pub successes_in_row: u32,
    /// What goes on since the first failed attempt.
    pub trouble: Option<Trouble>,
    /// What people know.
    pub incident: Option<Incident>,
    /// The breaker, as it was last changed.
    pub breaker: BreakerRecord,
}

/// From the first failed attempt until the target is connected again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Shared by all that happens in it.
    pub correlation: CorrelationId,
    /// The event that began it, once it is in the log.
    pub began_by: Option<Sequence>,
    /// When the first attempt failed.
    pub since: Timestamp,
    /// Attempts that were events: before it was FAILED, then again from 0 while it is.
    pub attempts: u32,
    /// The outage's history, once there is one.
    pub history: Option<HistoryId>,
    /// Who said that it failed: decides what ends it.
    pub origin: Origin,
}

/// Who said that a target failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Our own probe: a passing probe ends it.
    Probe,
    /// A caller: ended by a reported connection or by the breaker's closing.
    Report,
    /// Observed traffic: ended as a report is.
    Traffic,
}

/// The breaker's state in a form that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerRecord {
    /// Its state.
    pub state: breaker::State,
    /// Its mode.
    pub mode: breaker::Mode,
    /// Its level.
    pub level: u32,
    /// When its state or level last changed.
    pub since: Timestamp,
    /// Until when it is open.
    pub open_until: Option<Timestamp>,
    /// Who forced it, why, and until when.
    pub forced: Option<Forced>,
}

/// An operator's hold on a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    /// Who.
    pub who: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// Until when; for ever if `None`.
    pub until: Option<Timestamp>,
}

/// What a target's owner decides by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Failed attempts in a row that make it FAILED; at least 1.
    pub failure_threshold: u32,
    /// Good attempts in a row that make it CONNECTED; at least 1.
    pub success_threshold: u32,
    /// Attempts of one trouble that are events even where they find nothing new.
    pub max_retries: u32,
    /// The kind of system, for the histories.
    pub failure_type: FailureType,
    /// Whom to tell of what.
    pub alert: alert::Policy,
}

impl Watch {
    /// A target that was never tried, with a closed breaker.
    #[must_use]
    pub const fn new(id: StatusId, target: Target, mode: breaker::Mode, now: Timestamp) -> Self {
        Self {
            status: IntegrationStatus::new(id, target),
            failures_in_row: 0,
            successes_in_row: 0,
            trouble: None,
            incident: None,
            breaker: BreakerRecord {
                state: breaker::State::Closed,
                mode,
                level: 0,
                since: now,
                open_until: None,
                forced: None,
            },
        }
    }

    /// What is wrong now. An outage is down until it is connected, also while a caller says that it retries; a breaker
    /// that opened in an incident belongs to it until it is closed, so that one outage is told once.
    #[must_use]
    pub fn conditions(&self, degraded: bool) -> Conditions {
        let outage = self.trouble.as_ref().is_some_and(|trouble| trouble.history.is_some());
        let down = self.status.state == IntegrationState::Failed || outage;
        let breaker_open = match (self.breaker.mode, self.breaker.state) {
            (breaker::Mode::ForcedOpen, _) | (breaker::Mode::Enforce, breaker::State::Open) => true,
            (breaker::Mode::Enforce, breaker::State::HalfOpen) => self.incident.is_some(),
            (breaker::Mode::Enforce, breaker::State::Closed)
            | (breaker::Mode::DryRun | breaker::Mode::Disabled | breaker::Mode::ForcedClosed, _) => false,
        };
        [(down, Condition::Down), (breaker_open, Condition::BreakerOpen), (degraded, Condition::Degraded)]
            .into_iter()
            .filter_map(|(holds, condition)| holds.then_some(condition))
            .collect()
    }

    /// Whether a passing probe may end what goes on.
    #[must_use]
    pub fn ends_by_probe(&self) -> bool {
        self.trouble.as_ref().is_none_or(|trouble| trouble.history.is_none() || trouble.origin == Origin::Probe)
    }
}
