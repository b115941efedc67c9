//! One actor per integration target.
//!
//! It owns the target's [`crate::domain::watch::Watch`], its breaker's driver, and its probe schedule. The registry
//! sends it commands; its own probes and its gate come back as messages. It is rebuilt from the store at any moment.

mod actor;
mod breaker;
mod budget;
mod heartbeat;
mod holding;
mod messages;
mod opinion;
mod probing;

pub(crate) use actor::{Links, TargetActor};
pub(crate) use breaker::{Hint, breaker_for};
#[cfg(test)]
pub(crate) use messages::Panic;
pub(crate) use messages::{Errand, Look, LookAgain, Order, Reconsider, Resettle, Stop};
