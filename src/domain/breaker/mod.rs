//! The circuit breaker's decision: whether calls to a target pass, why, and until when.
//!
//! [`Breaker`] owns the sliding window, the calls in flight, the state and the level; it takes calls, probes, operators'
//! acts and the time, and returns a [`Transition`] for every change of state. It guarantees that half-open hands out no
//! more than [`Policy::trials`], that a result from before the last change of state changes nothing, and that half-open
//! ends. Locks, threads and what is on disk are not here: `crate::breaker` serves callers with these decisions.

mod attempt;
mod call;
mod control;
mod decision;
mod half_open;
mod in_flight;
mod policy;
mod ramp;
mod restore;
mod tally;
mod verdict;
mod view;
mod window;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use attempt::Attempt;
pub use call::{Outcome, Pass, Refusal, Rejected, Ticket};
pub use control::Hold;
pub use decision::Breaker;
pub use in_flight::{Buckets, CELLS};
pub use policy::{Cause, Growth, Mode, Policy, State, Transition, Window};
pub use restore::Restored;
pub use tally::{Lifetime, Refused};
pub use view::{Judged, ProbeOutcome, Rates, Trials, View};
pub use window::Counts;
