//! What lies around a breaker: attempts, time limits, the bulkhead and the rate limit, as numbers and decisions.
//!
//! [`Policy`] is the numbers. [`Attempted::next`] decides whether a call is tried again, [`RetryWindow`] whether there
//! are retries left, [`status`] what an HTTP status says. Who waits, counts and calls is not here.

mod policy;

mod call;
mod retry;
mod retry_window;
pub mod status;

#[cfg(test)]
mod gateway;
#[cfg(test)]
mod properties;

pub use call::{Ended, Next, Refusal, Safety, WhyEnough};
pub use policy::{Backoff, Bulkhead, Policy, RateLimit, RetryBudget};
pub use retry::{Attempted, Limits};
pub use retry_window::{RETRY_WINDOW, RetryWindow};
