//! IntegrationFailureHistory: one recorded failure, what was tried, whether people were told, and how it ended.
//!
//! A history is open until it is recovered; a retry's result never closes it.

use super::id::{HistoryId, StatusId};
use super::time::Timestamp;

/// What kind of system failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureType {
    /// A payment gateway.
    PaymentGateway,
    /// A weather API.
    LocationWeatherApi,
    /// Any other system.
    Other,
}

impl FailureType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::PaymentGateway, Self::LocationWeatherApi, Self::Other];

    /// The word in JSON, config and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentGateway => "PAYMENT_GATEWAY",
            Self::LocationWeatherApi => "LOCATION_WEATHER_API",
            Self::Other => "OTHER",
        }
    }
}

/// What came of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetryResult {
    /// It succeeded, or was accepted.
    Success,
    /// It failed, or was refused.
    Failure,
    /// There was nothing to retry.
    NotApplicable,
}

impl RetryResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::NotApplicable];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::NotApplicable => "NOT_APPLICABLE",
        }
    }
}

/// What is known of a failure; `"N/A"` where nothing is. Scrubbed of card numbers before it gets here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureDetail {
    /// The provider's code, or ours.
    pub error_code: Box<str>,
    /// In words.
    pub error_message: Box<str>,
    /// What was asked.
    pub request_payload: Box<str>,
    /// What was answered.
    pub response_payload: Box<str>,
    /// Anything else.
    pub additional_info: Box<str>,
}

/// The aggregate: one a recorded failure, owned by the FailureHistory actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationFailureHistory {
    /// Given once.
    pub id: HistoryId,
    /// The kind of system.
    pub failure_type: FailureType,
    /// What is known.
    pub detail: FailureDetail,
    /// Which system.
    pub target_system: Box<str>,
    /// When it failed.
    pub occurred_at: Timestamp,
    /// The status it belongs to, as the recorder said; it need not exist.
    pub status_id: StatusId,
    /// Retries so far.
    pub retry_count: u32,
    /// What came of the last one.
    pub retry_result: RetryResult,
    /// The notification is durable for at least one channel, and not every delivery of it ended as a dead letter.
    pub notified: bool,
    /// When the last retry was.
    pub last_retried_at: Option<Timestamp>,
    /// When it was recovered; until then it is open.
    pub recovered_at: Option<Timestamp>,
}

/// Where a retry comes from, since that decides its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOrigin {
    /// A caller says that it retries: accepted up to the limit.
    Reported,
    /// This node tried, and this came of it.
    Attempted {
        /// Whether it succeeded.
        ok: bool,
    },
}

/// What can be asked of an existing history. (Record makes a new one: [`IntegrationFailureHistory::record`].)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// RetryIntegrationFailure.
    Retry {
        /// The count that the caller expects: the stored one plus one.
        retry_count: Option<u32>,
        /// When.
        retried_at: Timestamp,
        /// Reported, or made by this node.
        origin: RetryOrigin,
    },
    /// RecoverIntegrationFailure.
    Recover {
        /// Only SUCCESS is taken.
        retry_result: RetryResult,
        /// When.
        recovered_at: Timestamp,
    },
}

/// What happened to a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryEvent {
    /// IntegrationFailureRetried.
    Retried {
        /// The new count.
        retry_count: u32,
        /// What came of it.
        retry_result: RetryResult,
        /// When.
        retried_at: Timestamp,
    },
    /// IntegrationFailureRecovered.
    Recovered {
        /// When.
        recovered_at: Timestamp,
    },
}

/// Why a command was refused. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was recovered before.
    Closed {
        /// When.
        recovered_at: Timestamp,
    },
    /// The caller counted differently.
    RetryCount {
        /// What would be right.
        expected: u32,
    },
    /// A recovery is a success or it is none.
    NotASuccess,
}

/// What a new history is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The kind of system.
    pub failure_type: FailureType,
    /// What is known.
    pub detail: FailureDetail,
    /// Which system.
    pub target_system: Box<str>,
    /// When it failed.
    pub occurred_at: Timestamp,
    /// The status it belongs to.
    pub status_id: StatusId,
}

impl IntegrationFailureHistory {
    /// RecordIntegrationFailure: always a history of its own. `notified` is whether this commit also queues a message.
    #[must_use]
    pub fn record(id: HistoryId, record: Record, notified: bool) -> Self {
        let Record { failure_type, detail, target_system, occurred_at, status_id } = record;
        Self {
            id,
            failure_type,
            detail,
            target_system,
            occurred_at,
            status_id,
            retry_count: 0,
            retry_result: RetryResult::NotApplicable,
            notified,
            last_retried_at: None,
            recovered_at: None,
        }
    }

    /// Whether it waits for its recovery.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.recovered_at.is_none()
    }

    /// What the command causes; `max_retries` reported retries are accepted, later ones answered with FAILURE.
    ///
    /// # Errors
    /// A closed history, a wrong count, a recovery that is no success.
    pub fn decide(&self, command: Command, max_retries: u32) -> Result<HistoryEvent, Refusal> {
        if let Some(recovered_at) = self.recovered_at {
            return Err(Refusal::Closed { recovered_at });
        }
        match command {
            Command::Retry { retry_count, retried_at, origin } => {
                let expected = self.retry_count.saturating_add(1);
                if retry_count.is_some_and(|count| count != expected) {
                    return Err(Refusal::RetryCount { expected });
                }
                let ok = match origin {
                    RetryOrigin::Reported => expected <= max_retries,
                    RetryOrigin::Attempted { ok } => ok,
                };
                let retry_result = if ok { RetryResult::Success } else { RetryResult::Failure };
                Ok(HistoryEvent::Retried { retry_count: expected, retry_result, retried_at })
            }
            Command::Recover { retry_result: RetryResult::Success, recovered_at } => {
                Ok(HistoryEvent::Recovered { recovered_at })
            }
            Command::Recover { retry_result: RetryResult::Failure | RetryResult::NotApplicable, .. } => {
                Err(Refusal::NotASuccess)
            }
        }
    }

    /// Moves the aggregate by an event.
    pub fn apply(&mut self, event: &HistoryEvent) {
        match event {
            HistoryEvent::Retried { retry_count, retry_result, retried_at } => {
                self.retry_count = *retry_count;
                self.retry_result = *retry_result;
                self.last_retried_at = Some(*retried_at);
            }
            HistoryEvent::Recovered { recovered_at } => {
                self.retry_result = RetryResult::Success;
                self.recovered_at = Some(*recovered_at);
            }
        }
    }
}
