//! A webhook receiver: it keeps what it gets, checks the signature, and answers as it was told.
//!
//! It owns the last 1,000 requests and the script of its answers. Deliberately not here: what a webhook means.

mod arrival;
mod script;
mod server;

pub use arrival::{Arrival, SignatureCheck};
pub use script::{Answer, Script};
pub use server::{Receiver, ReceiverHandle, ReceiverOptions};
