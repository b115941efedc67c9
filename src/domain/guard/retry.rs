//! Whether a call is tried again, and after which pause.
//!
//! Pure: the time left and the draw of the jitter are arguments. Whether there are retries left beside the calls is
//! [`RetryWindow`](super::RetryWindow)'s to say, and is asked last, because asking takes one.

use std::time::Duration;

use super::call::{Ended, Next, Safety, WhyEnough};
use super::policy::{Backoff, Policy};
use crate::domain::breaker::Outcome;

/// What a call may take. A policy's, or what an operation of its own has instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attempts of a call that is safe to repeat, the first included; at least 1.
    pub attempts: u32,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long the call may take with all that belongs to it.
    pub call_budget: Duration,
}

impl Policy {
    /// What a call may take that has no limits of its own.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits { attempts: self.attempts, attempt_timeout: self.attempt_timeout, call_budget: self.call_budget }
    }
}

/// An attempt that has ended, in its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// Which it was; the first is 1.
    pub number: u32,
    /// How long it took.
    pub took: Duration,
    /// What is left of the call's time.
    pub left: Duration,
}

impl Attempted {
    /// What follows, as far as this call alone is concerned. `draw` in 0..=1 is where in the range of the pause.
    ///
    /// Only what is safe is repeated, and only if after the pause there is as much time left as the last attempt took: one
    /// that can only be cut short would turn a failure that is known into an outcome that is not.
    #[must_use]
    pub fn next(&self, limits: &Limits, backoff: Backoff, ended: &Ended, draw: f64) -> Next {
        if ended.outcome == Outcome::Success {
            return Next::Enough(WhyEnough::Answered);
        }
        if ended.safety == Safety::Unsafe {
            return Next::Enough(WhyEnough::NotSafe);
        }
        if self.number >= limits.attempts.max(1) {
            return Next::Enough(WhyEnough::AttemptsSpent);
        }
        let after = backoff.pause(self.number, draw).max(ended.retry_after.unwrap_or_default());
        let fits = after < self.left && self.left - after >= self.took.min(limits.attempt_timeout);
        if fits { Next::Again { after } } else { Next::Enough(WhyEnough::TimeSpent) }
    }
}

impl Backoff {
    /// The pause after attempt `number`, from 1 on: full jitter, evenly between 0 and `base` doubled with each attempt, up
    /// to `cap`, so that callers who failed together do not come back together. Source: AWS Architecture Blog,
    /// "Exponential Backoff And Jitter".
    #[must_use]
    pub fn pause(&self, number: u32, draw: f64) -> Duration {
        let doublings = number.saturating_sub(1);
        let longest = self.base.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(self.cap);
        let drawn = Duration::try_from_secs_f64(longest.as_secs_f64() * draw.clamp(0.0, 1.0));
        drawn.unwrap_or(longest).min(longest)
    }
}
