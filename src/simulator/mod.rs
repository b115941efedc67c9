//! A payment gateway that can be told how to fail, and a webhook receiver that can be told how to answer.
//!
//! A user's tools (`breakwater simulate`, and inside `breakwater demo`) and the tests' other side: real servers on real
//! sockets. The gateway speaks the wire contract of a public course's simulator, so that a client written for one works
//! with the other; what goes beyond it is a setting that is off by default. Both are seeded and keep to stated limits.
//!
//! Deliberately not here: anything that the node needs to do its work.

pub mod callback_allow;
pub mod knob;
pub mod options;
pub mod problem;
pub mod receiver;
pub mod scenario;
pub mod settings;

mod server;
mod simulation;
mod stage;

mod control;
mod health;
mod payments;
mod routing;
mod weather;

mod callbacks;
mod card;
mod dice;
mod envelope;
mod fate;
mod ledger;
mod processing;
mod replays;
mod request;
mod tally;

#[cfg(test)]
mod tests;

pub use ledger::{ChargeReport, OrderCharges, TransactionReport};
pub use options::Options;
pub use problem::Error;
pub use scenario::Scenario;
pub use server::{Simulator, SimulatorHandle};
pub use settings::Settings;
pub use simulation::Report;
pub use stage::PhaseEntered;
pub use tally::{CallbackReport, Counts};
