//! A guarded call's words: why it was refused, how an attempt ended, and what follows.

use std::time::Duration;

use crate::domain::breaker::{self, Outcome};

/// Whether another attempt can do harm. Ordered: the later, the safer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safety {
    /// The target may have done it, and doing it twice is not the same as once. Also said where another attempt can do no
    /// harm and no good either.
    Unsafe,
    /// Doing it twice is the same as once: by its method, or by its idempotency key.
    Idempotent,
    /// The target's answer says that nothing was done.
    NotProcessed,
    /// Nothing has reached the target.
    NotSent,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// What it says about the target.
    pub outcome: Outcome,
    /// Whether it may be repeated.
    pub safety: Safety,
    /// How long the target asks us to wait before the next one.
    pub retry_after: Option<Duration>,
}

impl Ended {
    /// It ended so, and should not be repeated.
    #[must_use]
    pub const fn new(outcome: Outcome) -> Self {
        Self { outcome, safety: Safety::Unsafe, retry_after: None }
    }

    /// With this safety.
    #[must_use]
    pub const fn with_safety(self, safety: Safety) -> Self {
        Self { safety, ..self }
    }

    /// With the pause that the target asks for.
    #[must_use]
    pub const fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt. It is counted as a retry already.
    Again {
        /// When.
        after: Duration,
    },
    /// No further attempt.
    Enough(WhyEnough),
}

/// Why no further attempt follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhyEnough {
    /// The target answered.
    Answered,
    /// Another attempt could do harm, or would change nothing.
    NotSafe,
    /// As many attempts were made as may be.
    AttemptsSpent,
    /// What is left of the call's time is too short for the pause and another attempt.
    TimeSpent,
    /// There were as many retries lately as may be.
    RetryBudgetSpent,
}

impl WhyEnough {
    /// The word in logs and errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotSafe => "not_safe",
            Self::AttemptsSpent => "attempts_spent",
            Self::TimeSpent => "time_spent",
            Self::RetryBudgetSpent => "retry_budget_spent",
        }
    }
}

/// Why a guarded call was refused before it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Calls begin more often than they may.
    RateLimited,
    /// As many calls as may be are under way, and the wait was over or its queue full.
    BulkheadFull,
    /// The breaker did not let it pass.
    Breaker(breaker::Refusal),
}

impl Refusal {
    /// The word in metrics, JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::BulkheadFull => "bulkhead_full",
            Self::Breaker(refusal) => refusal.as_str(),
        }
    }
}
