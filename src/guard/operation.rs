//! What is called: an operation of the target, and what is different about it.

use std::sync::Arc;
use std::time::Duration;

use super::reply::Reply;
use crate::domain::guard::{Ended, Limits, Policy, Safety, status};

/// One kind of call to a target. What it does not say is the guard's policy. Cheap to clone; make it once.
#[derive(Debug, Clone)]
pub struct Operation {
    name: Arc<str>,
    safety: Safety,
    attempts: Option<u32>,
    attempt_timeout: Option<Duration>,
    call_budget: Option<Duration>,
    slow_call: Option<Duration>,
    not_processed: Arc<[u16]>,
}

impl Operation {
    /// An operation that must not be done twice: an attempt of it is repeated only if it was not sent, or if its answer
    /// says that nothing was done.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            safety: Safety::Unsafe,
            attempts: None,
            attempt_timeout: None,
            call_budget: None,
            slow_call: None,
            not_processed: Arc::default(),
        }
    }

    /// Doing it twice is the same as once: it only reads, or every attempt carries the same idempotency key.
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self { safety: Safety::Idempotent, ..self }
    }

    /// HTTP statuses by which this operation says that nothing was done, so that it may be repeated.
    #[must_use]
    pub fn not_processed(self, statuses: &[u16]) -> Self {
        Self { not_processed: statuses.into(), ..self }
    }

    /// So many attempts, the first included.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts: Some(attempts), ..self }
    }

    /// So long may one attempt take.
    #[must_use]
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        Self { attempt_timeout: Some(timeout), ..self }
    }

    /// So long may a call take, with waiting, attempts and pauses.
    #[must_use]
    pub fn call_budget(self, budget: Duration) -> Self {
        Self { call_budget: Some(budget), ..self }
    }

    /// An attempt that takes this long is slow, whatever the breaker's policy says of other operations. One that hangs is
    /// seen by the breaker when it ends, at the latest by its time limit.
    #[must_use]
    pub fn slow_call(self, limit: Duration) -> Self {
        Self { slow_call: Some(limit), ..self }
    }

    /// Its name, for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may be repeated in any case.
    #[must_use]
    pub const fn safety(&self) -> Safety {
        self.safety
    }

    /// How an attempt ended that was answered with an HTTP status: [`status::ended`] with what this operation declares.
    #[must_use]
    pub fn ended(&self, status: u16) -> Ended {
        self.ended_as(status, self.safety)
    }

    /// An answer with an HTTP status, and what the caller is to get for it.
    pub fn reply<T, E>(&self, status: u16, result: Result<T, E>) -> Reply<T, E> {
        Reply::classified(result, self.ended(status))
    }

    pub(super) fn ended_as(&self, status: u16, safety: Safety) -> Ended {
        status::ended(status, safety, self.not_processed.contains(&status))
    }

    pub(super) const fn slow_after(&self) -> Option<Duration> {
        self.slow_call
    }

    pub(super) fn limits(&self, policy: &Policy) -> Limits {
        let Limits { attempts, attempt_timeout, call_budget } = policy.limits();
        Limits {
            attempts: self.attempts.unwrap_or(attempts),
            attempt_timeout: self.attempt_timeout.unwrap_or(attempt_timeout),
            call_budget: self.call_budget.unwrap_or(call_budget),
        }
    }
}
