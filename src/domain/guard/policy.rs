//! By what a call is guarded besides its breaker, as numbers.
//!
//! [`Policy`] owns every limit of a guarded call but the breaker's own. Who waits, counts and calls is not here.

use std::time::Duration;

/// By what calls to one target are guarded, besides its breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Attempts of one call that is safe to repeat, the first included; at least 1.
    pub attempts: u32,
    /// The pauses between attempts.
    pub backoff: Backoff,
    /// How many retries there may be beside the calls.
    pub retry_budget: RetryBudget,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long one attempt may take, connecting included.
    pub attempt_timeout: Duration,
    /// How long a call may take with all that belongs to it: waiting for a place, attempts, and pauses.
    pub call_budget: Duration,
    /// How many calls may be under way.
    pub bulkhead: Bulkhead,
    /// How often calls may begin; `None` for as often as they come.
    pub rate_limit: Option<RateLimit>,
}

/// Exponential back-off with full jitter: a pause is drawn between 0 and `base` doubled with each attempt, up to `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first pause.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
}

/// Of the last 10 s, retries are at most `minimum` and `ratio` times the calls. Every retry counts, also the second and
/// third of one call; which call takes it does not matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// Retries that each call pays for, its own or another's; 1 is as many retries as calls.
    pub ratio: f64,
    /// Retries in 10 s that need no calls, so that a target with few calls has any.
    pub minimum: u32,
}

/// How many calls may be under way, and how many may wait for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulkhead {
    /// Calls under way at a time.
    pub max_in_flight: u32,
    /// Calls that wait for a place; one more is refused at once.
    pub max_waiting: u32,
    /// How long a call waits.
    pub max_wait: Duration,
}

/// A token bucket: `permits` tokens in each `per`, at most `burst` saved up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls in each `per`; at least 1.
    pub permits: u32,
    /// The time in which they come back.
    pub per: Duration,
    /// Calls that may begin at once after a pause; at least 1.
    pub burst: u32,
}

impl Default for Policy {
    /// 3 attempts of 3 s in 8 s, retries for a fifth of the calls, 32 at a time, no rate limit.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(2) },
            retry_budget: RetryBudget { ratio: 0.2, minimum: 3 },
            connect_timeout: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(3),
            call_budget: Duration::from_secs(8),
            bulkhead: Bulkhead { max_in_flight: 32, max_waiting: 64, max_wait: Duration::from_millis(500) },
            rate_limit: None,
        }
    }
}
