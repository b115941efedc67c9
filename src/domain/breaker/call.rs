//! A call as the breaker sees it: let through and how it ended, or refused and when to ask again.

use std::time::Duration;

use super::attempt::Attempt;
use super::decision::Breaker;
use crate::domain::time::Moment;

/// When a caller may ask again that came while all trials were out, about when one of them should be back, or during the
/// ramp, when more pass.
const SOON: Duration = Duration::from_secs(1);
/// When a caller may ask again if an operator holds the breaker open without an end.
const FORCED_RETRY: Duration = Duration::from_secs(60);

/// How a call ended, as far as the breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The target answered; a declined card is an answer.
    Success,
    /// The target failed.
    Failure,
    /// It says nothing about the target: throttled, misconfigured, or our own fault.
    Ignored,
    /// Nobody knows whether the target did it; for the breaker a failure.
    Unknown,
}

impl Outcome {
    pub(super) const fn is_failure(self) -> bool {
        match self {
            Self::Failure | Self::Unknown => true,
            Self::Success | Self::Ignored => false,
        }
    }
}

/// How a call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Closed: its outcome is counted.
    Counted,
    /// One of half-open's trials.
    Trial,
    /// Nothing is refused and nothing is counted: disabled, or a dry run that would have refused.
    Uncounted,
}

/// A call that was let through and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// In which generation of the state.
    pub generation: u64,
    /// In which count of the calls in flight; wraps.
    pub epoch: u8,
    /// When it, or the attempt of it that is under way, began.
    pub at: Moment,
    /// How.
    pub pass: Pass,
    /// What is known of its attempts.
    pub attempt: Attempt,
    /// From when on an attempt of it is slow, where that is not the policy's to say.
    pub slow_after: Option<Duration>,
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It is open.
    Open,
    /// An operator keeps it open.
    ForcedOpen,
    /// It is half-open and all trials are out.
    TrialsTaken,
    /// It has closed a short time ago, and not every caller passes yet.
    Ramping,
}

impl Refusal {
    /// The word in JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ForcedOpen => "forced_open",
            Self::TrialsTaken => "trials_taken",
            Self::Ramping => "ramping",
        }
    }

    /// When to ask again, where what refuses ends at `end`, or at nobody knows when if that is [`Breaker::NO_END`].
    #[must_use]
    pub fn retry_after(self, end: Moment, now: Moment) -> Duration {
        match self {
            Self::ForcedOpen if end == Breaker::NO_END => FORCED_RETRY,
            Self::Open | Self::ForcedOpen => end.since(now),
            Self::TrialsTaken | Self::Ramping => end.since(now).min(SOON),
        }
    }
}

/// A call that was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker refused the call ({}); ask again in {} ms", reason.as_str(), retry_after.as_millis())]
pub struct Rejected {
    /// Why.
    pub reason: Refusal,
    /// When to ask again; zero if the next state is due already.
    pub retry_after: Duration,
}
