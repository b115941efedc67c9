//! One target's circuit breaker at work: the domain decides, failsafe executes, a [`Gate`] serves the callers.
//!
//! [`new`] gives two halves. The [`Driver`] belongs to the target's actor, the only one that commits and publishes; the
//! [`Gate`] is cloned to whoever calls the target. Guaranteed: a gate may refuse before its transition is on disk, it
//! never admits before. Retries, time limits, bulkheads and the HTTP surface are not here.

mod aside;
mod driver;
mod engine;
mod gate;
mod shared;
mod stripes;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod nobody_else;
#[cfg(test)]
mod tests;

pub use driver::{Driver, new};
pub use gate::{Gate, Permit};
pub use shared::Decided;
