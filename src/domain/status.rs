//! IntegrationStatus: how the connection to one integration target stands.
//!
//! Every command is legal in every state; what may be refused (a stale report, a wrong retry count) is refused here,
//! with its reason. Nothing is decided about thresholds: that is [`super::watch`].

use std::time::Duration;

use super::failure_history::RetryResult;
use super::id::{StatusId, Target};
use super::time::Timestamp;

/// A report this far ahead of our clock is refused; clocks of healthy machines differ by less.
pub const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntegrationState {
    /// Before any attempt.
    Unknown,
    /// The last attempts succeeded.
    Connected,
    /// An attempt failed, too few to call it down; or a retry was reported.
    Retrying,
    /// Down.
    Failed,
}

impl IntegrationState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Connected, Self::Retrying, Self::Failed];

    /// The word in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Connected => "CONNECTED",
            Self::Retrying => "RETRYING",
            Self::Failed => "FAILED",
        }
    }
}

/// The aggregate: one a target, owned by that target's actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationStatus {
    /// Given once.
    pub id: StatusId,
    /// Of whom.
    pub target: Target,
    /// How it stands.
    pub state: IntegrationState,
    /// The last attempt, good or not.
    pub last_attempted_at: Option<Timestamp>,
    /// The last success.
    pub last_succeeded_at: Option<Timestamp>,
    /// The last failure.
    pub last_failed_at: Option<Timestamp>,
    /// Why the last attempt failed; may be empty where the reporter did not say.
    pub failure_reason: Option<Box<str>>,
    /// Retries since it last was connected.
    pub retry_count: u32,
}

/// Where a retry comes from, since that decides its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOrigin {
    /// A caller says that it retries.
    Reported,
    /// This node tried, and this came of it.
    Attempted {
        /// Whether it succeeded.
        ok: bool,
    },
}

/// What can be asked of the aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// ConnectPaymentGateway.
    Connect {
        /// When the attempt was made.
        attempted_at: Timestamp,
    },
    /// FailPaymentGatewayConnection.
    Fail {
        /// Why, in words; empty is accepted.
        failure_reason: Box<str>,
        /// When.
        failed_at: Timestamp,
    },
    /// RetryPaymentGatewayConnection.
    Retry {
        /// The count that the caller expects: the stored one plus one.
        retry_count: Option<u32>,
        /// When.
        retried_at: Timestamp,
        /// Reported, or made by this node.
        origin: RetryOrigin,
    },
}

impl Command {
    /// When the thing that it speaks of was.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Connect { attempted_at } => *attempted_at,
            Self::Fail { failed_at, .. } => *failed_at,
            Self::Retry { retried_at, .. } => *retried_at,
        }
    }
}

/// What happened to the aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusEvent {
    /// PaymentGatewayConnected.
    Connected {
        /// When.
        last_succeeded_at: Timestamp,
    },
    /// PaymentGatewayConnectionFailed.
    ConnectionFailed {
        /// Why.
        failure_reason: Box<str>,
        /// When.
        last_failed_at: Timestamp,
    },
    /// PaymentGatewayRetried.
    Retried {
        /// The new count.
        retry_count: u32,
        /// What came of it.
        retry_result: RetryResult,
        /// When.
        retried_at: Timestamp,
    },
}

/// Why a command was refused. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Older than what is known.
    Stale {
        /// From this time on a report is taken.
        known: Timestamp,
    },
    /// Too far in the future.
    Ahead {
        /// The latest time that would be taken.
        limit: Timestamp,
    },
    /// The caller counted differently.
    RetryCount {
        /// What would be right.
        expected: u32,
    },
}

impl IntegrationStatus {
    /// A target that was never tried.
    #[must_use]
    pub const fn new(id: StatusId, target: Target) -> Self {
        Self {
            id,
            target,
            state: IntegrationState::Unknown,
            last_attempted_at: None,
            last_succeeded_at: None,
            last_failed_at: None,
            failure_reason: None,
            retry_count: 0,
        }
    }

    /// What the command causes.
    ///
    /// # Errors
    /// A retry count that is not the stored one plus one.
    pub fn decide(&self, command: Command) -> Result<StatusEvent, Refusal> {
        match command {
            Command::Connect { attempted_at } => Ok(StatusEvent::Connected { last_succeeded_at: attempted_at }),
            Command::Fail { failure_reason, failed_at } => {
                Ok(StatusEvent::ConnectionFailed { failure_reason, last_failed_at: failed_at })
            }
            Command::Retry { retry_count, retried_at, origin } => self.decide_retry(retry_count, retried_at, origin),
        }
    }

    fn decide_retry(
        &self,
        asked: Option<u32>,
        retried_at: Timestamp,
        origin: RetryOrigin,
    ) -> Result<StatusEvent, Refusal> {
        let expected = self.retry_count.saturating_add(1);
        if asked.is_some_and(|count| count != expected) {
            return Err(Refusal::RetryCount { expected });
        }
        let retry_result = match (origin, self.state) {
            (RetryOrigin::Attempted { ok: true }, _) => RetryResult::Success,
            (RetryOrigin::Attempted { ok: false }, _) => RetryResult::Failure,
            (RetryOrigin::Reported, IntegrationState::Unknown | IntegrationState::Connected) => {
                RetryResult::NotApplicable
            }
            (RetryOrigin::Reported, IntegrationState::Retrying | IntegrationState::Failed) => RetryResult::Success,
        };
        Ok(StatusEvent::Retried { retry_count: expected, retry_result, retried_at })
    }

    /// Whether a report of `at` may be taken: not older than both the last attempt and the last failure, as far as there
    /// are any (a passive target takes any, since it knows only what it is told), and not from the future. What was noted
    /// by a clock that has been set back since says nothing: else nobody could report until that time comes again.
    ///
    /// # Errors
    /// [`Refusal::Stale`] or [`Refusal::Ahead`].
    pub fn admit_report(&self, at: Timestamp, now: Timestamp, passive: bool) -> Result<(), Refusal> {
        let limit = now.plus(MAX_AHEAD);
        if at > limit {
            return Err(Refusal::Ahead { limit });
        }
        let known = [self.last_attempted_at, self.last_failed_at].into_iter().flatten();
        let known = known.filter(|known| *known <= limit).min();
        match known {
            Some(known) if !passive && at < known => Err(Refusal::Stale { known }),
            Some(_) | None => Ok(()),
        }
    }

    /// Moves the aggregate by an event.
    pub fn apply(&mut self, event: &StatusEvent) {
        match event {
            StatusEvent::Connected { last_succeeded_at } => {
                self.state = IntegrationState::Connected;
                self.last_attempted_at = Some(*last_succeeded_at);
                self.last_succeeded_at = Some(*last_succeeded_at);
                self.failure_reason = None;
                self.retry_count = 0;
            }
            StatusEvent::ConnectionFailed { failure_reason, last_failed_at } => {
                self.state = IntegrationState::Failed;
                self.last_failed_at = Some(*last_failed_at);
                self.failure_reason = Some(failure_reason.clone());
            }
            StatusEvent::Retried { retry_count, retried_at, .. } => {
                self.state = IntegrationState::Retrying;
                self.last_attempted_at = Some(*retried_at);
                self.retry_count = *retry_count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);

    #[test]
    fn what_a_clock_that_was_set_back_had_noted_refuses_no_report() {
        let mut status = IntegrationStatus::new(StatusId(1), Target::new("PG_KCP", "https://api.kcp.com"));
        let admit = |status: &IntegrationStatus, at| status.admit_report(at, NOW, false);
        let (before, soon, tomorrow) =
            (NOW.minus(Duration::from_secs(1)), NOW.plus(MAX_AHEAD), NOW.plus(Duration::from_secs(86_400)));
        (status.last_attempted_at, status.last_failed_at) = (Some(tomorrow), Some(tomorrow));
        assert_eq!(admit(&status, before), Ok(()));
        status.last_failed_at = Some(NOW);
        assert_eq!(admit(&status, before), Err(Refusal::Stale { known: NOW }), "the other one is right");
        (status.last_attempted_at, status.last_failed_at) = (Some(soon), Some(soon));
        assert_eq!(admit(&status, before), Err(Refusal::Stale { known: soon }), "clocks differ by so much");
    }
}
