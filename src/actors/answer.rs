//! What a command comes to: the events that were committed, or why there are none.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::change::{Change, Committed};
use crate::domain::event::Logged;
use crate::domain::observation::Observation;
use crate::domain::time::Timestamp;
use crate::domain::{failure_history, status};

/// How long a command may take before its caller is told that it takes too long; the node's own attempt apart.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where a command's outcome goes.
pub(crate) type Answer = oneshot::Sender<Result<Outcome, Refused>>;

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was committed; `None` where there was nothing to say.
    pub committed: Option<Arc<Committed<Change>>>,
    /// What the node's own attempt found, where the command made one.
    pub observation: Option<Observation>,
}

impl Outcome {
    /// Its events, in the order of the log.
    #[must_use]
    pub fn logged(&self) -> Vec<Logged> {
        self.committed.iter().flat_map(|committed| committed.logged()).collect()
    }
}

/// Why a command was not carried out. Nothing was changed, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The status does not allow it.
    #[error("the integration status refused the command")]
    Status(status::Refusal),
    /// The history does not allow it.
    #[error("the failure history refused the command")]
    History(failure_history::Refusal),
    /// There is no such history.
    #[error("there is no failure history with this id")]
    NoSuchHistory,
    /// There is no such target.
    #[error("there is no integration target {name}")]
    NoSuchTarget {
        /// What was asked for.
        name: Arc<str>,
    },
    /// The system is configured with another endpoint.
    #[error("{name} is configured with the endpoint {configured}")]
    OtherEndpoint {
        /// Which.
        name: Arc<str>,
        /// The right one.
        configured: Arc<str>,
    },
    /// The node attempts only what is configured.
    #[error("{name} is not configured, so this node makes no attempt of its own; report one with its time")]
    NotConfigured {
        /// Which.
        name: Arc<str>,
    },
    /// The node never calls this one.
    #[error("{name} is not called: it reports in by POST /heartbeats/{name}")]
    ReportsIn {
        /// Which.
        name: Arc<str>,
    },
    /// The node calls this one, and takes no heartbeat of it.
    #[error("{name} does not report in: it is probed; its probe.kind is not \"heartbeat\"")]
    IsCalled {
        /// Which.
        name: Arc<str>,
    },
    /// Too many targets exist through reports.
    #[error(
        "{limit} systems that are not configured report already; configure this one or raise monitor.max_passive_targets"
    )]
    TooManyPassive {
        /// `monitor.max_passive_targets`.
        limit: usize,
    },
    /// This node could not make the attempt; it says nothing about the target.
    #[error("this node could not make the attempt: {message}")]
    AttemptImpossible {
        /// Why.
        message: Box<str>,
    },
    /// Too much waits for the disk.
    #[error("too much waits to be written; try again")]
    Busy {
        /// After this time.
        retry_after: Duration,
    },
    /// The answer did not come in time, or the actor was restarted; it may have been carried out.
    #[error("no answer in time; look at the events before you repeat it")]
    NoAnswer,
    /// The store could not be read.
    #[error("the store could not be read; the log says why")]
    Unreadable,
    /// There is no such alert.
    #[error("there is no alert with this id")]
    NoSuchAlert,
    /// It is over.
    #[error("the alert is over already")]
    AlertOver,
    /// A beginning (or that it lasts) that was given up, of an incident that is over.
    #[error(
        "the incident is over: to say now that it began would open it for ever at a pager; if its end was given up too, \
         send that again, which says from when until when it lasted"
    )]
    IncidentOver,
    /// It is neither in the outbox nor among the dead letters.
    #[error("there is no message with this id that waits or was given up")]
    NoSuchDelivery,
    /// The event had been received before.
    #[error("this event was received before")]
    Duplicate,
    /// A time that is not in the future, for something that should end.
    #[error("{until:?} is over already")]
    AlreadyOver {
        /// What was asked for.
        until: Timestamp,
    },
}

/// Waits for an answer with a limit.
pub(crate) async fn wait(
    answer: oneshot::Receiver<Result<Outcome, Refused>>,
    limit: Duration,
) -> Result<Outcome, Refused> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(Refused::NoAnswer),
    }
}

/// Answers somebody outside as soon as the change is on disk.
pub(crate) fn pass_on(
    landed: oneshot::Receiver<Arc<Committed<Change>>>,
    answer: Answer,
    observation: Option<Observation>,
) {
    actix::spawn(async move {
        // Without a commit there is no answer either: the one who waits learns it by the closed channel.
        if let Ok(committed) = landed.await {
            drop(answer.send(Ok(Outcome { committed: Some(committed), observation })));
        }
    });
}
