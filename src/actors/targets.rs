//! How others speak to the targets: commands that are answered once their events are on disk.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use tokio::sync::oneshot;

use super::answer::{Outcome, PATIENCE, Refused, wait};
use super::registry::{Deliver, Observe, Reconfigure, Registry, Whose};
use super::target::Errand;
use crate::config;
use crate::domain::alert::Acknowledged;
use crate::domain::breaker::{Mode, State};
use crate::domain::id::{CorrelationId, IncidentId, StatusId, Target};
use crate::domain::status::{Command, IntegrationState, RetryOrigin};
use crate::domain::time::Timestamp;
use crate::domain::turn::Asked;

/// Speaks to the targets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TargetsHandle {
    registry: Addr<Registry>,
}

/// An operator's act on a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// What.
    pub act: Act,
    /// Who.
    pub who: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// Until when a forced mode holds.
    pub until: Option<Timestamp>,
}

/// A target that reports in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Whether it is well.
    pub ok: bool,
    /// Why it is not.
    pub message: Option<Box<str>>,
    /// How long what it did took.
    pub took: Option<Duration>,
}

/// What an operator does to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Puts this mode in the place of the configured one.
    Hold(Mode),
    /// Lets the configured mode rule again.
    LetGo,
    /// Closes it, and forgets its window and level.
    Reset,
}

/// What a target's actor knows, for operators and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservableTarget {
    /// Its status's id.
    pub id: StatusId,
    /// Its state, committed or about to be.
    pub state: IntegrationState,
    /// Failed attempts in a row.
    pub failures_in_row: u32,
    /// Its breaker's state; `None` for a passive target.
    pub breaker: Option<State>,
    /// Whether a probe is under way.
    pub probing: bool,
    /// Whether people know that it is in trouble.
    pub incident: bool,
}

impl TargetsHandle {
    pub(crate) const fn new(registry: Addr<Registry>) -> Self {
        Self { registry }
    }

    /// ConnectPaymentGateway: with a time it is the caller's report, without one the node attempts now.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn connect(
        &self,
        target: Target,
        attempted_at: Option<Timestamp>,
        correlation: CorrelationId,
    ) -> Result<Outcome, Refused> {
        let errand = match attempted_at {
            Some(attempted_at) => Errand::Report(Command::Connect { attempted_at }),
            None => Errand::Attempt { asked: Asked::Connect, retry_count: None },
        };
        self.deliver(Whose::System(target), errand, correlation).await
    }

    /// FailPaymentGatewayConnection.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn fail(
        &self,
        target: Target,
        failure_reason: &str,
        failed_at: Timestamp,
        correlation: CorrelationId,
    ) -> Result<Outcome, Refused> {
        let command = Command::Fail { failure_reason: failure_reason.into(), failed_at };
        self.deliver(Whose::System(target), Errand::Report(command), correlation).await
    }

    /// RetryPaymentGatewayConnection: with a time it is the caller's report, without one the node attempts now.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn retry(
        &self,
        target: Target,
        retry_count: Option<u32>,
        retried_at: Option<Timestamp>,
        correlation: CorrelationId,
    ) -> Result<Outcome, Refused> {
        let errand = match retried_at {
            Some(retried_at) => {
                Errand::Report(Command::Retry { retry_count, retried_at, origin: RetryOrigin::Reported })
            }
            None => Errand::Attempt { asked: Asked::Retry, retry_count },
        };
        self.deliver(Whose::System(target), errand, correlation).await
    }

    /// Probes a configured target now; the attempt counts as any other of its own.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn probe(&self, name: &str, correlation: CorrelationId) -> Result<Outcome, Refused> {
        self.probe_for(name, Asked::No, correlation).await
    }

    /// Probes a configured target now, because somebody retries a failure of it.
    pub(crate) async fn retry_failure(&self, name: &str, correlation: CorrelationId) -> Result<Outcome, Refused> {
        self.probe_for(name, Asked::HistoryRetry, correlation).await
    }

    async fn probe_for(&self, name: &str, asked: Asked, correlation: CorrelationId) -> Result<Outcome, Refused> {
        let errand = Errand::Attempt { asked, retry_count: None };
        self.deliver(Whose::Named(name.into()), errand, correlation).await
    }

    /// A configured target of the kind `heartbeat` reports in; that is an attempt like any other.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn beat(&self, name: &str, beat: Beat, correlation: CorrelationId) -> Result<Outcome, Refused> {
        self.deliver(Whose::Named(name.into()), Errand::Beat(beat), correlation).await
    }

    /// Takes hold of a configured target's breaker, lets it go, or resets it.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn control(&self, name: &str, control: Control, correlation: CorrelationId) -> Result<Outcome, Refused> {
        self.deliver(Whose::Named(name.into()), Errand::Control(control), correlation).await
    }

    /// Somebody has seen an incident and takes care; the first who says so stays.
    ///
    /// # Errors
    /// [`Refused::AlertOver`] where the target has no such incident any more; see [`Refused`].
    pub async fn acknowledge(
        &self,
        target: Target,
        incident: IncidentId,
        by: Acknowledged,
        correlation: CorrelationId,
    ) -> Result<Outcome, Refused> {
        self.deliver(Whose::System(target), Errand::Acknowledge(incident, by), correlation).await
    }

    /// What a target's actor knows, for operators and tests.
    ///
    /// # Errors
    /// [`Refused::NoSuchTarget`], [`Refused::NoAnswer`].
    pub async fn observe(&self, name: &str) -> Result<ObservableTarget, Refused> {
        let asked = self.registry.send(Observe { name: name.into() }).timeout(PATIENCE).await;
        let answer = asked.map_err(|_| Refused::NoAnswer)??;
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| Refused::NoAnswer)?.map_err(|_| Refused::NoAnswer)
    }

    /// Goes over to another configuration: added targets start, removed ones end, the others are not touched.
    ///
    /// # Errors
    /// [`Refused::NoAnswer`].
    pub async fn reconfigure(&self, config: Arc<config::Config>) -> Result<(), Refused> {
        self.registry.send(Reconfigure { config }).timeout(PATIENCE).await.map_err(|_| Refused::NoAnswer)
    }

    #[cfg(test)]
    pub(crate) async fn panic(&self, name: &str) {
        let sent = self.registry.send(super::registry::PanicIn { name: name.into() }).await;
        assert!(sent.is_ok(), "the registry is there");
    }

    async fn deliver(&self, whose: Whose, errand: Errand, correlation: CorrelationId) -> Result<Outcome, Refused> {
        let limit = match &errand {
            Errand::Attempt { .. } => PATIENCE.saturating_add(config::LONGEST_TIMEOUT),
            Errand::Report(_) | Errand::Control(_) | Errand::Acknowledge(..) | Errand::Beat(_) => PATIENCE,
        };
        let (answer, outcome) = oneshot::channel();
        let sent = self.registry.send(Deliver { whose, errand, correlation, answer }).timeout(PATIENCE).await;
        sent.map_err(|_| Refused::NoAnswer)?;
        wait(outcome, limit).await
    }
}
