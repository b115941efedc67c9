//! What one target's actor keeps: its status, its outage, its incident, and its breaker's last state.
//!
//! How it moves is in [`super::turn`]; the words of one turn's result are there too.

use std::sync::Arc;

use super::alert::{self, Condition, Conditions, Holding, Incident};
use super::breaker;
use super::failure_history::FailureType;
use super::flapping;
use super::id::{CorrelationId, HistoryId, Sequence, StatusId, Target};
use super::recent::Recent;
use super::status::{IntegrationState, IntegrationStatus};
use super::time::Timestamp;

/// Everything that a target's actor owns and the store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The aggregate.
    pub status: IntegrationStatus,
    /// Failed attempts since the last good one.
    pub failures_in_row: u32,
    /// Good attempts since the last failed one, and since the breaker last opened.
    pub successes_in_row: u32,
    /// What goes on since the first failed attempt.
    pub trouble: Option<Trouble>,
    /// What people know.
    pub incident: Option<Box<Incident>>,
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

impl Trouble {
    /// Somebody else says that it fails. A report stays one, since only who reported knows what he saw.
    pub(super) fn also_said_by(&mut self, origin: Origin) {
        self.origin = match (self.origin, origin) {
            (Origin::Report, _) | (_, Origin::Report) => Origin::Report,
            (Origin::Traffic, _) | (_, Origin::Traffic) => Origin::Traffic,
            (Origin::Probe, Origin::Probe) => Origin::Probe,
        };
    }
}

/// Who said that a target failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Our own probe: a passing probe ends it.
    Probe,
    /// A caller: ended by a reported connection or by the breaker's closing.
    Report,
    /// Our own probe, while the breaker was open because of calls: ended as a report is, or by a passing probe once
    /// somebody has closed the breaker.
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

/// What a turn is settled by beside the watch: found or known, and not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beside<'a> {
    /// The last good probe was slower than it should be, or found the target not wholly well.
    pub degraded: bool,
    /// What it said of why, where it was not slow.
    pub degraded_by: Option<&'a str>,
    /// What the last good probe said of a certificate that ends soon.
    pub certificate: Option<&'a str>,
    /// The score of a target that flaps, in percent.
    pub flapping: Option<u8>,
    /// What its error budget says, where it is used up too fast.
    pub burning: Option<&'a str>,
    /// Messages about it that were given up.
    pub dead_letters: usize,
    /// The channels that have given up none of them, and so can tell of it; `None` for all.
    pub working: Option<&'a Arc<[Arc<str>]>>,
    /// Conditions of which nothing is known yet, since the process began: what people were told of them holds.
    pub unknown: Conditions,
    /// What keeps people from being told now.
    pub holding: Holding,
}

/// What a target's owner decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Failed attempts that make it FAILED, in a row or of the `failure_window`; at least 1.
    pub failure_threshold: u32,
    /// Of how many of the latest attempts; at least the threshold and at most [`WINDOW_MAX`](super::recent::WINDOW_MAX).
    /// `None`: only those in a row count.
    pub failure_window: Option<u32>,
    /// Good attempts in a row that make it CONNECTED; at least 1.
    pub success_threshold: u32,
    /// Attempts of one trouble that are events even where they find nothing new.
    pub max_retries: u32,
    /// The kind of system, for the histories.
    pub failure_type: FailureType,
    /// Whom to tell of what.
    pub alert: alert::Policy,
    /// When it changes so often that nobody is told of each change.
    pub flapping: flapping::Limits,
}

impl Policy {
    /// Whether so many failed attempts make a target FAILED. Those in a row are stored with it and outlive the process;
    /// those of the window do not.
    #[must_use]
    pub fn is_too_many(&self, in_row: u32, recent: Recent) -> bool {
        let of_window = self.failure_window.map_or(0, |window| recent.failed_of(window));
        in_row.max(of_window) >= self.failure_threshold
    }
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

    /// Whether it does not work. An outage is down until it is connected, also while a caller says that it retries.
    #[must_use]
    pub fn is_down(&self) -> bool {
        let outage = self.trouble.as_ref().is_some_and(|trouble| trouble.history.is_some());
        self.status.state == IntegrationState::Failed || outage
    }

    /// Whether it stands in trouble, apart from what is still being confirmed; `None` where nothing is known. An operator
    /// who holds the breaker open is no trouble of the target.
    #[must_use]
    pub fn stands_in_trouble(&self) -> Option<bool> {
        let open = self.breaker.mode == breaker::Mode::Enforce && self.breaker.state != breaker::State::Closed;
        match self.status.state {
            _ if self.is_down() || open => Some(true),
            IntegrationState::Unknown => None,
            IntegrationState::Connected | IntegrationState::Retrying | IntegrationState::Failed => Some(false),
        }
    }

    /// What is wrong now. A breaker that opened in an incident belongs to it until it is closed, so that one outage is
    /// told once.
    #[must_use]
    pub fn conditions(&self, beside: &Beside<'_>) -> Conditions {
        let breaker_open = match (self.breaker.mode, self.breaker.state) {
            (breaker::Mode::ForcedOpen, _) | (breaker::Mode::Enforce, breaker::State::Open) => true,
            (breaker::Mode::Enforce, breaker::State::HalfOpen) => self.incident.is_some(),
            (breaker::Mode::Enforce, breaker::State::Closed)
            | (breaker::Mode::DryRun | breaker::Mode::Disabled | breaker::Mode::ForcedClosed, _) => false,
        };
        let found = [
            (self.is_down(), Condition::Down),
            (breaker_open, Condition::BreakerOpen),
            (beside.degraded, Condition::Degraded),
            (beside.certificate.is_some(), Condition::Certificate),
            (beside.flapping.is_some(), Condition::Flapping),
            (beside.burning.is_some(), Condition::Slo),
            (beside.dead_letters > 0, Condition::DeadLetters),
        ];
        let found: Conditions = found.into_iter().filter_map(|(holds, condition)| holds.then_some(condition)).collect();
        let told = self.incident.as_ref().map_or(Conditions::NONE, |incident| incident.told);
        found.or(beside.unknown.and(told))
    }

    /// Whether a passing probe may end what goes on.
    #[must_use]
    pub fn ends_by_probe(&self) -> bool {
        let Some(trouble) = self.trouble.as_ref().filter(|trouble| trouble.history.is_some()) else { return true };
        match trouble.origin {
            Origin::Probe => true,
            Origin::Report => false,
            // Calls pass again, by trials or by an operator's act: what they said before is over.
            Origin::Traffic => self.breaker.state == breaker::State::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_is_being_confirmed_is_no_trouble_yet() {
        let watch = |state| {
            let target = Target::new("PG_KCP", "https://api.kcp.com");
            let mut watch = Watch::new(StatusId(1), target, breaker::Mode::Enforce, Timestamp::default());
            watch.status.state = state;
            watch
        };
        assert_eq!(watch(IntegrationState::Retrying).stands_in_trouble(), Some(false));
        assert_eq!(watch(IntegrationState::Failed).stands_in_trouble(), Some(true));
        assert_eq!(watch(IntegrationState::Unknown).stands_in_trouble(), None);
        let mut open = watch(IntegrationState::Connected);
        open.breaker.state = breaker::State::Open;
        assert_eq!(open.stands_in_trouble(), Some(true));
        open.breaker.mode = breaker::Mode::ForcedOpen;
        assert_eq!(open.stands_in_trouble(), Some(false));
    }
}
