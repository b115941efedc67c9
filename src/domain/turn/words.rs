//! What goes into a turn, and what it asks others to do.

use crate::domain::breaker;
use crate::domain::failure_history::{FailureDetail, Record};
use crate::domain::id::{CorrelationId, HistoryId, Ids};
use crate::domain::recent::Recent;
use crate::domain::time::Timestamp;
use crate::domain::watch::{Origin, Policy};

/// What a turn decides by, apart from the watch.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The owner's thresholds and rules.
    pub policy: &'a Policy,
    /// Where new ids come from.
    pub ids: &'a Ids,
    /// The time.
    pub now: Timestamp,
    /// For what begins here: the request's, or a fresh one. What belongs to an outage keeps the outage's.
    pub correlation: &'a CorrelationId,
}

/// An attempt that this node made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What was wrong; `None` is good.
    pub fault: Option<FailureDetail>,
    /// Who else says that it fails: [`Origin::Traffic`] while the breaker is open because of calls, else
    /// [`Origin::Probe`].
    pub origin: Origin,
    /// Whether somebody waits for its event.
    pub asked: Asked,
    /// Which of the latest attempts failed, this one included.
    pub recent: Recent,
}

/// Whether somebody waits for an attempt's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nobody: an attempt that finds nothing new is no event.
    No,
    /// A ConnectPaymentGateway without a time.
    Connect,
    /// A RetryPaymentGatewayConnection without a time.
    Retry,
    /// A RetryIntegrationFailure without a time: the outage's history is to show the attempt.
    HistoryRetry,
}

/// What the breaker should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cue {
    /// The target is FAILED: open.
    TargetFailed(breaker::Cause),
    /// Enough probes passed in a row, or a caller reported a connection.
    Passed,
}

/// What the failure histories should do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryStep {
    /// Open one for this outage.
    Record {
        /// Its id.
        id: HistoryId,
        /// What it is made of.
        record: Record,
    },
    /// The outage's goes on.
    Retry {
        /// Which.
        id: HistoryId,
        /// What the attempt found.
        ok: bool,
        /// When.
        at: Timestamp,
    },
    /// People are told of it only now: something held the message back when it was recorded.
    Told {
        /// Which.
        id: HistoryId,
    },
    /// The outage is over.
    Recover {
        /// Which.
        id: HistoryId,
        /// When.
        at: Timestamp,
    },
}

/// Why people are told that calls opened the breaker.
pub(super) const fn opened_because(cause: breaker::Cause) -> &'static str {
    match cause {
        breaker::Cause::FailureRate => "the circuit breaker opened: too many calls fail",
        breaker::Cause::SlowRate => "the circuit breaker opened: too many calls are slow",
        breaker::Cause::BadRate => "the circuit breaker opened: too many calls fail or are slow",
        breaker::Cause::Consecutive => "the circuit breaker opened: too many calls failed in a row",
        breaker::Cause::Probe
        | breaker::Cause::Report
        | breaker::Cause::TrialFailed
        | breaker::Cause::TrialsTimedOut
        | breaker::Cause::OpenTimeOver
        | breaker::Cause::ProbePassed
        | breaker::Cause::TrialsPassed
        | breaker::Cause::Operator => "the circuit breaker opened",
    }
}
