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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { attempts: 3, attempt_timeout: Duration::from_secs(3), call_budget: Duration::from_secs(8) };
    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(2) };
    const FIRST: Attempted =
        Attempted { number: 1, took: Duration::from_millis(20), left: Duration::from_millis(7_980) };
    const REFUSED: Ended = Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed);

    #[track_caller]
    fn check(attempted: Attempted, ended: Ended, expected: Next) {
        assert_eq!(attempted.next(&LIMITS, BACKOFF, &ended, 1.0), expected);
    }

    const fn again_after(millis: u64) -> Next {
        Next::Again { after: Duration::from_millis(millis) }
    }

    #[test]
    fn what_succeeded_is_never_repeated() {
        check(FIRST, Ended::new(Outcome::Success).with_safety(Safety::NotSent), Next::Enough(WhyEnough::Answered));
    }

    #[test]
    fn only_what_is_safe_is_repeated_whatever_its_outcome() {
        for outcome in [Outcome::Failure, Outcome::Unknown, Outcome::Ignored] {
            check(FIRST, Ended::new(outcome), Next::Enough(WhyEnough::NotSafe));
            for safety in [Safety::Idempotent, Safety::NotProcessed, Safety::NotSent] {
                check(FIRST, Ended::new(outcome).with_safety(safety), again_after(100));
            }
        }
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        check(Attempted { number: 2, ..FIRST }, REFUSED, again_after(200));
        check(Attempted { number: 3, ..FIRST }, REFUSED, Next::Enough(WhyEnough::AttemptsSpent));
        let none = Limits { attempts: 0, ..LIMITS };
        assert_eq!(FIRST.next(&none, BACKOFF, &REFUSED, 0.0), Next::Enough(WhyEnough::AttemptsSpent));
    }

    #[test]
    fn a_retry_after_is_waited_for_if_there_is_time_for_it() {
        let asks_for = |seconds| REFUSED.with_retry_after(Some(Duration::from_secs(seconds)));
        check(FIRST, asks_for(0), again_after(100));
        check(FIRST, asks_for(7), again_after(7_000));
        check(FIRST, asks_for(8), Next::Enough(WhyEnough::TimeSpent));
        check(FIRST, asks_for(u64::MAX), Next::Enough(WhyEnough::TimeSpent));
    }

    #[test]
    fn an_attempt_that_could_not_take_as_long_as_the_last_one_is_not_begun() {
        let hung = Attempted { number: 1, took: LIMITS.attempt_timeout, left: Duration::from_millis(3_100) };
        check(hung, REFUSED, again_after(100));
        check(Attempted { left: Duration::from_millis(3_099), ..hung }, REFUSED, Next::Enough(WhyEnough::TimeSpent));
        check(
            Attempted { left: Duration::ZERO, took: Duration::ZERO, ..hung },
            REFUSED,
            Next::Enough(WhyEnough::TimeSpent),
        );
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_are_drawn_from_all_of_their_range() {
        let longest: Vec<u128> = (1..=7).map(|number| BACKOFF.pause(number, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(BACKOFF.pause(u32::MAX, 1.0), BACKOFF.cap);
        assert_eq!(BACKOFF.pause(3, 0.0), Duration::ZERO);
        assert_eq!(BACKOFF.pause(3, 0.5), Duration::from_millis(200));
        let endless = Backoff { base: Duration::MAX, cap: Duration::MAX };
        assert!(endless.pause(2, 1.0) > Duration::from_secs(1));
    }
}
