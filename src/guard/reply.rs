//! What an attempt came back with: what the caller is to get, and what it says about the target.

use std::time::Duration;

use super::operation::Operation;
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Safety};

/// What an attempt came back with. A plain `Result` will do where an `Err` is always the target's failure.
#[derive(Debug)]
#[must_use = "it is for the guard, which has asked for it"]
pub struct Reply<T, E> {
    result: Result<T, E>,
    ended: Ended,
    /// The operation may know that it is safer than this.
    at_least_operation: bool,
}

impl<T, E> Reply<T, E> {
    /// The target did it.
    pub fn success(value: T) -> Self {
        Self::classified(Ok(value), Ended::new(Outcome::Success))
    }

    /// The target works and says no: a declined card, a thing that does not exist. Nobody tries again.
    pub fn declined(error: E) -> Self {
        Self::classified(Err(error), Ended::new(Outcome::Success))
    }

    /// The target failed.
    pub fn failure(error: E) -> Self {
        Self { at_least_operation: true, ..Self::classified(Err(error), Ended::new(Outcome::Failure)) }
    }

    /// Nobody knows whether the target did it: the connection broke after the request was sent.
    pub fn unknown(error: E) -> Self {
        Self { at_least_operation: true, ..Self::classified(Err(error), Ended::new(Outcome::Unknown)) }
    }

    /// It says nothing about the target, and another attempt would not help: wrong credentials, a fault of our own.
    pub fn ignored(error: E) -> Self {
        Self::classified(Err(error), Ended::new(Outcome::Ignored))
    }

    /// The target wants fewer calls, and to be asked again after a while, if it says after which.
    pub fn throttled(error: E, retry_after: Option<Duration>) -> Self {
        let ended = Ended::new(Outcome::Ignored).with_safety(Safety::NotProcessed);
        Self::classified(Err(error), ended.with_retry_after(retry_after))
    }

    /// What the caller is to get, and what somebody else has found it to mean, as [`Operation::ended`] does for HTTP.
    pub fn classified(result: Result<T, E>, ended: Ended) -> Self {
        Self { result, ended, at_least_operation: false }
    }

    /// Nothing has reached the target, so another attempt is always safe.
    pub fn not_sent(self) -> Self {
        Self { ended: self.ended.with_safety(Safety::NotSent), ..self }
    }

    /// The target says that it did nothing, so another attempt is safe.
    pub fn not_processed(self) -> Self {
        Self { ended: self.ended.with_safety(Safety::NotProcessed), ..self }
    }

    /// The target asks for this pause before the next attempt.
    pub fn retry_after(self, pause: Duration) -> Self {
        Self { ended: self.ended.with_retry_after(Some(pause)), ..self }
    }

    pub(super) fn ended(&self, operation: &Operation) -> Ended {
        let least = if self.at_least_operation { operation.safety() } else { Safety::Unsafe };
        self.ended.with_safety(self.ended.safety.max(least))
    }

    pub(super) fn into_result(self) -> Result<T, E> {
        self.result
    }
}

/// What a request's future may give: a [`Reply`], or a `Result` whose `Err` is the target's failure.
pub trait Answer {
    /// What the caller gets.
    type Value;
    /// What the caller gets instead.
    type Error;

    /// As a reply.
    fn into_reply(self) -> Reply<Self::Value, Self::Error>;
}

impl<T, E> Answer for Reply<T, E> {
    type Value = T;
    type Error = E;

    fn into_reply(self) -> Self {
        self
    }
}

impl<T, E> Answer for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_reply(self) -> Reply<T, E> {
        match self {
            Ok(value) => Reply::success(value),
            Err(error) => Reply::failure(error),
        }
    }
}
