//! How a guarded call can end without a value.

use std::time::Duration;

use super::around::Refused;
use crate::domain::guard::WhyEnough;

/// A guarded call that has no value for its caller. `E` is the caller's own error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// It was not made.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The target works, and says no.
    #[error("the target declined")]
    Declined(#[source] E),
    /// The target failed, and nothing else is known to have been done.
    #[error("the target failed ({attempts} attempts, {})", why.as_str())]
    Failed {
        /// The last attempt's error.
        #[source]
        error: E,
        /// The attempts that were made.
        attempts: u32,
        /// Why no further one was.
        why: WhyEnough,
    },
    /// It says nothing about the target: throttled, wrong credentials, a fault of our own.
    #[error("the call could not be made as it is ({attempts} attempts, {})", why.as_str())]
    Ignored {
        /// The last attempt's error.
        #[source]
        error: E,
        /// The attempts that were made.
        attempts: u32,
        /// Why no further one was.
        why: WhyEnough,
    },
    /// Nobody knows whether the target did it.
    #[error("it is not known whether the target did it ({attempts} attempts, {})", why.as_str())]
    Unknown {
        /// The last attempt's error.
        #[source]
        error: E,
        /// The attempts that were made.
        attempts: u32,
        /// Why no further one was.
        why: WhyEnough,
    },
    /// The last attempt took longer than one may. Nobody knows whether the target did it.
    #[error("the target did not answer within {} ms ({attempts} attempts, {})", limit.as_millis(), why.as_str())]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
        /// The attempts that were made.
        attempts: u32,
        /// Why no further one was.
        why: WhyEnough,
    },
    /// The call's time was over. With an attempt made, nobody knows whether the target did it.
    #[error("the call's time of {} ms was over ({attempts} attempts)", budget.as_millis())]
    BudgetOver {
        /// How long the call might take.
        budget: Duration,
        /// The attempts that were made.
        attempts: u32,
    },
}

impl<E> Error<E> {
    /// When to ask again, where the call was refused.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => Some(refused.retry_after),
            Self::Declined(_)
            | Self::Failed { .. }
            | Self::Ignored { .. }
            | Self::Unknown { .. }
            | Self::TimedOut { .. }
            | Self::BudgetOver { .. } => None,
        }
    }

    /// Whether the target may have done it although there is no answer. Then ask the target before doing it again.
    #[must_use]
    pub const fn may_have_been_done(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::TimedOut { .. } => true,
            Self::BudgetOver { attempts, .. } => *attempts > 0,
            Self::Refused(_) | Self::Declined(_) | Self::Failed { .. } | Self::Ignored { .. } => false,
        }
    }

    /// The caller's own error, if there is one.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Declined(error)
            | Self::Failed { error, .. }
            | Self::Ignored { error, .. }
            | Self::Unknown { error, .. } => Some(error),
            Self::Refused(_) | Self::TimedOut { .. } | Self::BudgetOver { .. } => None,
        }
    }
}
