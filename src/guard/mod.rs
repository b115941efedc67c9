//! Calls to one target through its breaker, and through what belongs around a breaker.

mod around;
mod bulkhead;
mod draws;
mod entered;
mod rate;
mod retries;

pub use crate::domain::guard::{Ended, Next, Refusal, Safety, WhyEnough};
pub use around::{Around, Refused};
pub use entered::Entered;
