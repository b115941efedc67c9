//! What lies around one target's breaker, without the breaker: [`Around`] lets calls in, or says why not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bulkhead::Bulkhead;
use super::draws::Draws;
use super::entered::Entered;
use super::rate::Limiter;
use super::retries::Retries;
use crate::breaker::Gate;
use crate::clock::Clock;
use crate::domain::guard::{Limits, Policy, Refusal};
use crate::domain::time::Moment;
use crate::metrics::Traffic;

/// A call that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call was refused ({}); ask again in {} ms", why.as_str(), retry_after.as_millis())]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// When to ask again.
    pub retry_after: Duration,
}

/// The rate limit, the bulkhead and the retries around one target's breaker. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Around {
    shared: Arc<Shared>,
}

/// What the calls under way hold on to.
pub(super) struct Shared {
    pub(super) policy: Policy,
    pub(super) traffic: Arc<Traffic>,
    pub(super) clock: Clock,
    limiter: Option<Arc<Limiter>>,
    pub(super) bulkhead: Arc<Bulkhead>,
    pub(super) retries: Arc<Retries>,
    pub(super) draws: Arc<Draws>,
}

impl Around {
    /// Nothing is under way. `traffic` is where its calls are counted. Pauses are drawn from the machine's chance.
    #[must_use]
    pub fn new(policy: &Policy, traffic: Arc<Traffic>, clock: Clock) -> Self {
        Self::seeded(policy, traffic, clock, Draws::any_seed())
    }

    /// As [`Around::new`], with the place where the draws of the pauses begin.
    #[must_use]
    pub fn seeded(policy: &Policy, traffic: Arc<Traffic>, clock: Clock, seed: u64) -> Self {
        let shared = Shared {
            limiter: policy.rate_limit.map(|limit| Arc::new(Limiter::new(limit, clock))),
            bulkhead: Arc::new(Bulkhead::new(policy.bulkhead)),
            retries: Arc::default(),
            draws: Arc::new(Draws::new(seed)),
            policy: policy.clone(),
            traffic,
            clock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The same with another policy, while calls are under way. A bulkhead or a rate limit whose numbers did not change
    /// goes on as it is; one whose numbers did begins anew, and calls under way are not among those it counts. Retries stay
    /// counted.
    #[must_use]
    pub fn with_policy(&self, policy: &Policy) -> Self {
        let before = &self.shared;
        let fresh = || policy.rate_limit.map(|limit| Arc::new(Limiter::new(limit, before.clock)));
        let same_rate = policy.rate_limit == before.policy.rate_limit;
        let same_bulkhead = policy.bulkhead == before.policy.bulkhead;
        let shared = Shared {
            limiter: if same_rate { before.limiter.clone() } else { fresh() },
            bulkhead: if same_bulkhead { before.bulkhead.clone() } else { Arc::new(Bulkhead::new(policy.bulkhead)) },
            retries: Arc::clone(&before.retries),
            draws: Arc::clone(&before.draws),
            policy: policy.clone(),
            traffic: Arc::clone(&before.traffic),
            clock: before.clock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// What it goes by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    /// Rate limit, then bulkhead (bounded wait), then breaker. The call's time begins here.
    ///
    /// Waits only where the bulkhead is full; must be called within a tokio runtime with time. A caller that gives up
    /// waiting frees its place in the queue.
    ///
    /// # Errors
    /// [`Refused`], with when to ask again.
    pub async fn enter(&self, gate: &Gate) -> Result<Entered, Refused> {
        self.enter_with(gate, self.shared.policy.limits()).await
    }

    /// As [`Around::enter`], for an operation with limits of its own.
    ///
    /// # Errors
    /// [`Refused`], with when to ask again.
    pub async fn enter_with(&self, gate: &Gate, limits: Limits) -> Result<Entered, Refused> {
        let shared = &self.shared;
        let began = shared.clock.moment();
        self.check_rate(began)?;
        let place = match Bulkhead::enter_at_once(&shared.bulkhead) {
            Some(place) => (place, began),
            None => {
                let place = Bulkhead::wait(&shared.bulkhead, limits.call_budget).await;
                (place.map_err(|retry_after| self.refused(Refusal::BulkheadFull, retry_after))?, shared.clock.moment())
            }
        };
        let (place, now) = place;
        let permit = gate
            .acquire_owned(now)
            .map_err(|rejected| self.refused(Refusal::Breaker(rejected.reason), rejected.retry_after))?;
        shared.retries.call_began(now);
        Ok(Entered::new(Arc::clone(shared), place, permit, limits, began))
    }

    /// As far as is known at a glance, without taking anything: [`Refused`] if the breaker is open.
    ///
    /// # Errors
    /// [`Refused`], with when to ask again.
    pub fn glance(&self, gate: &Gate) -> Result<(), Refused> {
        let rejected = gate.refuses(self.shared.clock.moment());
        rejected.map_or(Ok(()), |no| Err(self.refused(Refusal::Breaker(no.reason), no.retry_after)))
    }

    fn check_rate(&self, now: Moment) -> Result<(), Refused> {
        let Some(limiter) = &self.shared.limiter else { return Ok(()) };
        limiter.check(now).map_err(|retry_after| self.refused(Refusal::RateLimited, retry_after))
    }

    fn refused(&self, why: Refusal, retry_after: Duration) -> Refused {
        self.shared.traffic.refused(why);
        Refused { why, retry_after }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("policy", &self.policy).finish_non_exhaustive()
    }
}
