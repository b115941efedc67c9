//! Events and observations become numbers here, and nowhere else.
//!
//! Two kinds of numbers meet on one page. What is counted per target is kept by its owner in a [`TargetNumbers`] and
//! written from a snapshot, so that the series of a removed target are gone with the target and ten thousand targets
//! cost no lookups. What is counted per node goes through the `metrics` crate and its Prometheus exporter, held by a
//! [`NodeMetrics`] that somebody owns: there is no global recorder, and a process may run several nodes.
//!
//! Labels come from the configuration or from closed enums: never a URL, an address, or the text of an error.
//! What is deliberately not here: serving the page, and asking anybody for the samples.

mod exposition;
mod names;
mod node;
mod page;
mod process;
mod target;
mod traffic;

pub use exposition::Format;
pub use names::NAMES;
pub use node::{Actor, Build, DeliveryResult, NodeMetrics};
pub use page::{Page, PassiveSample, TargetSample};
pub use process::Process;
pub use target::{BreakerChanges, BreakerSample, CallCounts, RejectionCounts, StateChanges, TargetNumbers};
pub use traffic::{ByOutcome, ERRORS_KEPT, SeenError, Traffic, TrafficSample};
