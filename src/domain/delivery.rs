//! One message to one channel: queued with the decision that made it due, tried until it arrives or is given up.

use std::sync::Arc;
use std::time::Duration;

use super::alert::Severity;
use super::failure_history::FailureType;
use super::id::{CorrelationId, DeliveryId, HistoryId, IncidentId};
use super::time::Timestamp;

/// The first pause after a failed attempt.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// After this time a message that could not be delivered becomes a dead letter.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What is said. It is stored; each channel renders it for itself, always to the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An incident began.
    Firing(Alert),
    /// It still lasts.
    Reminder(Alert),
    /// It is over.
    Resolved {
        /// Which.
        alert: Alert,
        /// Since when.
        until: Timestamp,
    },
    /// An application reported a failure.
    FailureRecorded {
        /// Which.
        history: HistoryId,
        /// The kind of system.
        failure_type: FailureType,
        /// Which system.
        target: Arc<str>,
        /// What is known.
        cause: Box<str>,
        /// When.
        occurred_at: Timestamp,
    },
}

/// What a message says of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub incident: IncidentId,
    /// How bad.
    pub severity: Severity,
    /// Which system.
    pub target: Arc<str>,
    /// Why, in words.
    pub cause: Box<str>,
    /// Since when.
    pub since: Timestamp,
}

/// An entry of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Given once; the receiver's key, the same in every attempt.
    pub id: DeliveryId,
    /// How many channels the notice goes to, this one included.
    pub siblings: u8,
    /// To whom: a channel's name in the config.
    pub channel: Arc<str>,
    /// What.
    pub message: Message,
    /// The history whose `notified` this speaks of.
    pub history: Option<HistoryId>,
    /// The outage's or the request's correlation.
    pub correlation: CorrelationId,
    /// Since when it waits.
    pub queued_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this.
    pub next_attempt_at: Timestamp,
    /// What the last attempt said.
    pub last_error: Option<Box<str>>,
}

/// What an attempt to deliver came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It may work later.
    Transient {
        /// The receiver's words, or ours.
        error: Box<str>,
        /// The receiver asked for this pause.
        retry_after: Option<Duration>,
    },
    /// It will never work.
    Permanent {
        /// The receiver's words, or ours.
        error: Box<str>,
    },
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is done and leaves the outbox.
    Done,
    /// It waits for its next attempt.
    Wait(Delivery),
    /// It is a dead letter.
    Dead(Delivery),
}

impl Delivery {
    /// What becomes of it. `jitter` in 0..=1 spreads the pause over its upper half.
    #[must_use]
    pub fn after(mut self, outcome: Outcome, jitter: f64, now: Timestamp) -> Next {
        self.attempts = self.attempts.saturating_add(1);
        match outcome {
            Outcome::Delivered => Next::Done,
            Outcome::Permanent { error } => {
                self.last_error = Some(error);
                Next::Dead(self)
            }
            Outcome::Transient { error, retry_after } => {
                self.last_error = Some(error);
                let pause = pause(self.attempts, jitter).max(retry_after.unwrap_or(Duration::ZERO));
                self.next_attempt_at = now.plus(pause);
                if self.next_attempt_at.since(self.queued_at) > GIVE_UP_AFTER {
                    Next::Dead(self)
                } else {
                    Next::Wait(self)
                }
            }
        }
    }
}

fn pause(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}
