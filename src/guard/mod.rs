//! Calls to one target through its breaker, and through what belongs around a breaker.

mod owned;

mod builder;
mod call;
mod error;
mod operation;
mod reply;

mod layer;
mod protocol;

mod around;
mod attempts;
mod entered;

mod bulkhead;
mod draws;
mod rate;
mod retries;

#[cfg(test)]
mod tests;

pub use crate::domain::guard::{Ended, Next, Policy, Refusal, Safety, WhyEnough};
pub use around::{Around, Refused};
pub use attempts::Attempt;
pub use builder::Builder;
pub use entered::Entered;
pub use error::Error;
pub use layer::{Layer, Service};
pub use operation::Operation;
pub use owned::{Guard, View};
pub use protocol::{By, Cloned, Http, Once, Plain, Protocol, Repeat};
pub use reply::{Answer, Reply};
