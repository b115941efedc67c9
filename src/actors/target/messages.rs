//! What may be sent to a target.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use crate::actors::answer::Answer;
use crate::actors::board::Slot;
use crate::actors::targets::{Beat, Control, ObservableTarget};
use crate::config;
use crate::domain::alert::Acknowledged;
use crate::domain::id::{CorrelationId, IncidentId};
use crate::domain::observation::{Observation, ProviderStatus};
use crate::domain::status::Command;
use crate::domain::time::{Moment, Timestamp};
use crate::domain::turn::Asked;

/// What somebody outside wants of a target.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A report of something that the caller did or saw.
    Report(Command),
    /// An attempt of this node, now.
    Attempt {
        /// Which command waits for it.
        asked: Asked,
        /// The count that the caller expects.
        retry_count: Option<u32>,
    },
    /// An operator's act on the breaker.
    Control(Control),
    /// Somebody has seen an incident.
    Acknowledge(IncidentId, Acknowledged),
    /// The target itself reports in.
    Beat(Beat),
}

/// An errand, from whom, and where its outcome goes.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Order {
    pub(crate) errand: Errand,
    pub(crate) correlation: CorrelationId,
    pub(crate) answer: Answer,
}

/// A probe came back.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct ProbeFinished {
    pub(super) observation: Observation,
}

/// The provider's page was read, or could not be.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct PageRead {
    /// What it says, and when it was read.
    pub(super) said: Option<(ProviderStatus, Timestamp)>,
    /// By which configuration.
    pub(super) edition: Moment,
}

/// The gate decided something on its own, or its time has come: a hint to look at the breaker.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct LookAtBreaker;

/// Something that held messages back may be gone: a hint.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct LookAgain;

/// Messages about it were given up, or are no longer: a hint.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Reconsider;

/// The target is configured differently from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Resettle {
    pub(crate) spec: Arc<config::Target>,
    pub(crate) slot: Arc<Slot>,
    /// When it is probed first by the new configuration.
    pub(crate) at: Moment,
}

/// Ends the actor.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Stop {
    /// The target leaves the configuration: those who were told of an incident are told that it is over.
    pub(crate) resolve: bool,
}

/// Asks what the actor knows.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Look(pub(crate) oneshot::Sender<ObservableTarget>);

/// Makes the actor panic: only tests of the supervisor may.
#[cfg(test)]
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Panic;
