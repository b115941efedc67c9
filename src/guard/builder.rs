//! How a [`Guard`] is made: the defaults of the domain, and what is said otherwise.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::around::Around;
use super::draws::Draws;
use super::owned::{Guard, Inner, Listener};
use crate::breaker::Decided;
use crate::clock::Clock;
use crate::domain::breaker;
use crate::domain::guard::{Backoff, Bulkhead, Policy, RateLimit, RetryBudget};
use crate::metrics::Traffic;

/// A guard that is being described.
#[must_use = "it is a guard only after `build`"]
pub struct Builder {
    name: Box<str>,
    breaker: breaker::Policy,
    policy: Policy,
    traffic: Arc<Traffic>,
    clock: Option<Clock>,
    seed: Option<u64>,
    listener: Option<Listener>,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            breaker: breaker::Policy::default(),
            policy: Policy::default(),
            traffic: Arc::default(),
            clock: None,
            seed: None,
            listener: None,
        }
    }

    /// What the breaker decides by. A target's of a configuration is `target.breaker`.
    pub fn breaker(self, policy: breaker::Policy) -> Self {
        Self { breaker: policy, ..self }
    }

    /// Everything around the breaker at once. A target's of a configuration is `target.guard`.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Attempts of a call that is safe to repeat, the first included; 1 for none but that.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.policy.attempts = attempts.max(1);
        self
    }

    /// The longest first pause between attempts, and the longest of all.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.policy.backoff = Backoff { base, cap };
        self
    }

    /// Retries for each call, and retries in 10 s that need no calls.
    pub fn retry_budget(mut self, ratio: f64, minimum: u32) -> Self {
        self.policy.retry_budget = RetryBudget { ratio, minimum };
        self
    }

    /// How long one attempt may take.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.policy.attempt_timeout = timeout;
        self
    }

    /// How long a call may take, with waiting, attempts and pauses.
    pub fn call_budget(mut self, budget: Duration) -> Self {
        self.policy.call_budget = budget;
        self
    }

    /// So many calls may be under way, so many more wait, each for at most so long.
    pub fn bulkhead(mut self, max_in_flight: u32, max_waiting: u32, max_wait: Duration) -> Self {
        self.policy.bulkhead = Bulkhead { max_in_flight, max_waiting, max_wait };
        self
    }

    /// So many calls may begin in each `per`, and as many at once after a pause.
    pub fn rate_limit(mut self, permits: u32, per: Duration) -> Self {
        self.policy.rate_limit = Some(RateLimit { permits, per, burst: permits });
        self
    }

    /// Where its calls are counted besides.
    pub fn traffic(self, traffic: Arc<Traffic>) -> Self {
        Self { traffic, ..self }
    }

    /// The clock it goes by; the machine's if it is not said.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Where the draws for jitter begin; the machine's chance if it is not said.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Told of each transition of the breaker, by the call that finds it, outside of any lock. To be quick about it.
    pub fn on_transition(self, listener: impl Fn(&Decided) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Box::new(listener)), ..self }
    }

    /// The guard, closed.
    #[must_use]
    pub fn build(self) -> Guard {
        let Self { name, breaker, policy, traffic, clock, seed, listener } = self;
        let clock = clock.unwrap_or_else(Clock::system);
        let seed = seed.unwrap_or_else(Draws::any_seed);
        let around = Around::seeded(&policy, traffic, clock, seed);
        Guard { inner: Arc::new(Inner::new(name, breaker, around, clock, seed, listener)) }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, breaker, policy, .. } = self;
        f.debug_struct("Builder")
            .field("name", name)
            .field("breaker", breaker)
            .field("policy", policy)
            .finish_non_exhaustive()
    }
}
