//! Calls: attempts through a [`Guard`], and what the caller gets.

use super::attempts::{Attempt, Attempted, make};
use super::error::Error;
use super::operation::Operation;
use super::owned::Guard;
use super::reply::{Answer, Reply};
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Safety, WhyEnough};

impl Guard {
    /// Calls the target. `request` is asked for each attempt; what its future gives is a `Result`, whose `Err` is the
    /// target's failure, or a [`Reply`] where more is known.
    ///
    /// Dropping the returned future cancels the call, and nothing is counted; a panic in it is a failure. Must be awaited
    /// within a tokio runtime with time. Times are kept to the millisecond, as tokio's timers are.
    ///
    /// # Errors
    /// [`Error`], which says what is known of the call.
    pub async fn call<A: Answer, F: Future<Output = A>>(
        &self,
        operation: &Operation,
        mut request: impl FnMut(Attempt) -> F,
    ) -> Result<A::Value, Error<A::Error>> {
        let as_reply = |attempt| {
            let answer = request(attempt);
            Some(async move { answer.await.into_reply() })
        };
        let made =
            self.run(operation, operation.safety(), as_reply, |reply: &Reply<_, _>| reply.ended(operation)).await?;
        made.map(Reply::into_result).result()
    }

    /// As [`Guard::call`], with something to fall back on: `fallback` is asked unless the target itself declined. Where it
    /// has nothing, the error stays; where [`Error::may_have_been_done`], it should have nothing.
    ///
    /// # Errors
    /// [`Error`], where there is nothing to fall back on.
    pub async fn call_or<A: Answer, F: Future<Output = A>>(
        &self,
        operation: &Operation,
        request: impl FnMut(Attempt) -> F,
        fallback: impl FnOnce(&Error<A::Error>) -> Option<A::Value>,
    ) -> Result<A::Value, Error<A::Error>> {
        match self.call(operation, request).await {
            Err(Error::Declined(error)) => Err(Error::Declined(error)),
            Err(error) => fallback(&error).ok_or(error),
            Ok(value) => Ok(value),
        }
    }

    /// Enters, makes the attempts, and reports the call.
    pub(super) async fn run<R, E, F: Future<Output = R>>(
        &self,
        operation: &Operation,
        safety: Safety,
        request: impl FnMut(Attempt) -> Option<F>,
        ended: impl Fn(&R) -> Ended,
    ) -> Result<Made<R>, Error<E>> {
        let mut entered = self.enter(operation).await?;
        let limits = operation.limits(self.policy());
        let Some(attempted) = make(&mut entered, safety, request, ended).await else {
            // Nothing was asked of the target: a call that its own waiting has cancelled.
            return Err(Error::BudgetOver { budget: limits.call_budget, attempts: 0 });
        };
        let attempts = entered.attempts();
        let Attempted { came, outcome, why, limit } = attempted;
        entered.done(outcome);
        self.ended();
        match came {
            Some(answer) => Ok(Made { answer, outcome, attempts, why }),
            None if limit < limits.attempt_timeout => Err(Error::BudgetOver { budget: limits.call_budget, attempts }),
            None => Err(Error::TimedOut { limit, attempts, why }),
        }
    }
}

/// A call whose last attempt came back.
pub(super) struct Made<R> {
    answer: R,
    outcome: Outcome,
    attempts: u32,
    why: WhyEnough,
}

impl<R> Made<R> {
    pub(super) fn map<S>(self, change: impl FnOnce(R) -> S) -> Made<S> {
        let Self { answer, outcome, attempts, why } = self;
        Made { answer: change(answer), outcome, attempts, why }
    }
}

impl<T, E> Made<Result<T, E>> {
    /// The caller's own value, whatever it meant for the breaker, or an error that says what it meant.
    pub(super) fn result(self) -> Result<T, Error<E>> {
        let Self { answer, outcome, attempts, why } = self;
        answer.map_err(|error| match outcome {
            Outcome::Success => Error::Declined(error),
            Outcome::Failure => Error::Failed { error, attempts, why },
            Outcome::Ignored => Error::Ignored { error, attempts, why },
            Outcome::Unknown => Error::Unknown { error, attempts, why },
        })
    }
}
