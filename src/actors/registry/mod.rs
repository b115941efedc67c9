//! The registry and supervisor: which actor serves which target, and a new actor for one that died.
//!
//! It owns the map from targets to addresses. A target's actor that ends unasked (it panicked) is rebuilt from the store
//! within a second, after everything that it had sent is on disk. Senders: the edge, by way of
//! [`super::targets::TargetsHandle`]; targets that end. Nothing here survives a restart or needs to.

mod actor;
mod placing;
mod unheard;

#[cfg(test)]
pub(crate) use actor::PanicIn;
pub(crate) use actor::{Deliver, Ended, Observe, Reconfigure, Registry, Settled, StopAll, Whose, Wiring};
