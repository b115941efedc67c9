//! How others speak to the failure histories: commands that are answered once their events are on disk.

use std::time::Duration;

use actix::Addr;
use tokio::sync::oneshot;

use super::answer::{Outcome, PATIENCE, Refused, wait};
use super::failure_history::{Asked, FailureHistory, Wish, read};
use super::journal::JournalHandle;
use super::targets::TargetsHandle;
use crate::domain::event::{Event, Occurrence};
use crate::domain::failure_history::{Command, HistoryEvent, Record, RetryOrigin, RetryResult};
use crate::domain::id::{CorrelationId, HistoryId};
use crate::domain::observation::Observation;
use crate::domain::time::Timestamp;
use crate::store::Reader;

/// Speaks to the failure histories. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HistoriesHandle {
    actor: Addr<FailureHistory>,
    targets: TargetsHandle,
    reader: Reader,
    journal: JournalHandle,
}

/// What became of an event that another context sent.
#[derive(Debug, Clone)]
pub enum Received {
    /// It was acted on.
    Accepted(Box<Outcome>),
    /// It had been before.
    Duplicate,
}

/// LocationWeatherInfoFailed, as another context says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeatherFailed {
    /// The event itself.
    pub event: Event,
    /// What the policy records of it.
    pub record: Record,
    /// CloudEvents `source` and `id`.
    pub received: (Box<str>, Box<str>),
}

impl HistoriesHandle {
    pub(crate) const fn new(
        actor: Addr<FailureHistory>,
        targets: TargetsHandle,
        reader: Reader,
        journal: JournalHandle,
    ) -> Self {
        Self { actor, targets, reader, journal }
    }

    /// RecordIntegrationFailure.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::NoAnswer`].
    pub async fn record(&self, record: Record, correlation: CorrelationId) -> Result<Outcome, Refused> {
        self.ask(Wish::Record(record), correlation, None, None).await
    }

    /// RetryIntegrationFailure: with a time it is the caller's report; without one the node attempts now, with the
    /// probe of the target that the history belongs to. Past the limit nothing is attempted.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn retry(
        &self,
        id: HistoryId,
        retry_count: Option<u32>,
        retried_at: Option<Timestamp>,
        now: Timestamp,
        max_retries: u32,
        correlation: CorrelationId,
    ) -> Result<Outcome, Refused> {
        let reported = |at| Command::Retry { retry_count, retried_at: at, origin: RetryOrigin::Reported };
        if let Some(at) = retried_at {
            return self.ask(Wish::Change(id, reported(at)), correlation, None, None).await;
        }
        let history = read(&self.reader, id)?;
        history.decide(reported(now), max_retries).map_err(Refused::History)?;
        if history.retry_count >= max_retries {
            return self.ask(Wish::Change(id, reported(now)), correlation, None, None).await;
        }
        let attempt = self.targets.retry_failure(&history.target_system, correlation.clone()).await;
        let attempt = match attempt {
            Err(Refused::NoSuchTarget { name }) => return Err(Refused::NotConfigured { name }),
            attempt => attempt?,
        };
        let ok = attempt.observation.as_ref().is_some_and(Observation::is_ok);
        let told = attempt.committed.as_ref().is_some_and(|committed| {
            committed.get().events.iter().any(|occurrence| is_retry_of(&occurrence.event, id))
        });
        if told {
            return Ok(attempt);
        }
        let origin = RetryOrigin::Attempted { ok };
        let command = Command::Retry { retry_count, retried_at: now, origin };
        let observation = attempt.observation;
        let outcome = self.ask(Wish::Change(id, command), correlation, None, None).await?;
        Ok(Outcome { observation, ..outcome })
    }

    /// RecoverIntegrationFailure.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn recover(
        &self,
        id: HistoryId,
        retry_result: RetryResult,
        recovered_at: Timestamp,
        correlation: CorrelationId,
    ) -> Result<Outcome, Refused> {
        let command = Command::Recover { retry_result, recovered_at };
        self.ask(Wish::Change(id, command), correlation, None, None).await
    }

    /// The policy IntegrationFailureNotification: the failure is recorded and people are told, once for each event.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::NoAnswer`].
    pub async fn weather_failed(
        &self,
        failed: WeatherFailed,
        now: Timestamp,
        correlation: CorrelationId,
    ) -> Result<Received, Refused> {
        let WeatherFailed { event, record, received } = failed;
        let cause = Occurrence { event, at: now, correlation: correlation.clone(), cause: None };
        match self.ask(Wish::Record(record), correlation, Some(cause), Some(received)).await {
            Ok(outcome) => Ok(Received::Accepted(Box::new(outcome))),
            Err(Refused::Duplicate) => Ok(Received::Duplicate),
            Err(refused) => Err(refused),
        }
    }

    async fn ask(
        &self,
        what: Wish,
        correlation: CorrelationId,
        cause: Option<Occurrence>,
        received: Option<(Box<str>, Box<str>)>,
    ) -> Result<Outcome, Refused> {
        if self.journal.is_crowded() {
            return Err(Refused::Busy { retry_after: Duration::from_secs(1) });
        }
        let (answer, outcome) = oneshot::channel();
        let asked = Asked { what, correlation, cause, received, answer };
        self.actor.send(asked).timeout(PATIENCE).await.map_err(|_| Refused::NoAnswer)?;
        wait(outcome, PATIENCE).await
    }
}

fn is_retry_of(event: &Event, history: HistoryId) -> bool {
    matches!(event, Event::History { id, event: HistoryEvent::Retried { .. }, .. } if *id == history)
}
