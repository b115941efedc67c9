//! A call that was let in: its place, its permit, its attempts and its time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::around::Shared;
use super::bulkhead::Place;
use crate::breaker::Permit;
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Attempted, Ended, Limits, Next, WhyEnough};
use crate::domain::time::Moment;

/// A call under way. Dropped, it was cancelled: its place is free and nothing is counted. Dropped by a panic, it failed.
#[must_use = "a call that is dropped was cancelled; report how it ended with `done`"]
pub struct Entered {
    shared: Arc<Shared>,
    permit: Option<Permit<'static>>,
    limits: Limits,
    began: Moment,
    attempt_began: Moment,
    attempts: u32,
    /// Where the call goes on after its answer began: when that was.
    answered: Option<Moment>,
    attempt_ended: Moment,
    _place: Place,
}

impl Entered {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Place,
        permit: Permit<'static>,
        limits: Limits,
        began: Moment,
    ) -> Self {
        Self {
            shared,
            permit: Some(permit),
            limits,
            began,
            attempt_began: began,
            attempts: 0,
            answered: None,
            attempt_ended: began,
            _place: place,
        }
    }

    /// How long the next attempt may take: the limit of an attempt, or what is left of the call's time if that is less.
    #[must_use]
    pub fn attempt_limit(&self) -> Duration {
        self.limits.attempt_timeout.min(self.budget_left())
    }

    /// What is left of the call's time, which began with [`Around::enter`](super::Around::enter).
    #[must_use]
    pub fn budget_left(&self) -> Duration {
        self.left(self.shared.clock.moment())
    }

    /// The attempts that began.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// An attempt of this call is slow from `limit` on, whatever the breaker's policy says of others: to be told before the
    /// first one.
    pub fn slow_after(&mut self, limit: Duration) {
        let now = self.shared.clock.moment();
        if let Some(permit) = &mut self.permit {
            permit.slow_after(limit, now);
        }
    }

    /// To be told before every attempt: how slow the target is, is an attempt's matter.
    pub fn attempt_began(&mut self) {
        let now = self.shared.clock.moment();
        self.attempt_began = now;
        self.attempts = self.attempts.saturating_add(1);
        if let Some(permit) = &mut self.permit {
            permit.attempt_begins(now);
        }
    }

    /// The attempt has ended. Counts it, and says what follows; a retry is taken from the budget with that.
    #[must_use = "it says whether another attempt follows"]
    pub fn attempt_ended(&mut self, ended: &Ended) -> Next {
        let Shared { policy, traffic, clock, retries, draws, .. } = &*self.shared;
        let now = clock.moment();
        self.attempt_ended = now;
        if let Some(permit) = &mut self.permit {
            permit.attempt_ended(now);
        }
        traffic.attempt(ended.outcome);
        if ended.outcome == Outcome::Success {
            return Next::Enough(WhyEnough::Answered);
        }
        let took = now.since(self.attempt_began);
        let attempted = Attempted { number: self.attempts, took, left: self.left(now) };
        let next = attempted.next(&self.limits, policy.backoff, ended, draws.next());
        match next {
            Next::Again { .. } if retries.take(&policy.retry_budget, now) => traffic.retried(),
            Next::Again { .. } => return Next::Enough(WhyEnough::RetryBudgetSpent),
            Next::Enough(_) => {}
        }
        next
    }

    /// The last attempt's answer began, and what is left of the call is to pass it on, for as long as its reader takes.
    /// That time is not the target's, and is not counted as such; and where the call is one of half-open's trials, the
    /// breaker hears `outcome` now, so that no reader can keep it waiting.
    pub fn answered(&mut self, outcome: Outcome) {
        self.answered = Some(self.attempt_ended);
        if let Some(trial) = self.permit.take_if(|permit| permit.is_trial()) {
            trial.done(outcome, self.attempt_ended);
        }
    }

    /// The call has ended: it is counted in the breaker and among the target's calls, and its place is free.
    pub fn done(mut self, outcome: Outcome) {
        let now = self.shared.clock.moment();
        if let Some(permit) = self.permit.take() {
            permit.done(outcome, now);
        }
        self.shared.traffic.call(outcome, self.answered.unwrap_or(now).since(self.began));
    }

    fn left(&self, now: Moment) -> Duration {
        self.limits.call_budget.saturating_sub(now.since(self.began))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Its permit tells the breaker; here it is told to who counts the calls.
        if self.permit.is_some() && std::thread::panicking() {
            self.shared.traffic.call(Outcome::Failure, self.shared.clock.moment().since(self.began));
        }
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered")
            .field("attempts", &self.attempts)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
