//! Tells people: one message to one channel, and what came of it.
//!
//! Each channel is a pure function from a [`Delivery`](crate::domain::delivery::Delivery) to what goes on the wire
//! (or into the log), always to the same bytes, with one IO half for all that speak HTTP. When a message is due, when
//! it is tried again, and when it is given up is not decided here: the domain does that, and the outbox remembers it.

mod sender;

mod log;
mod webhook;

mod transport;
mod words;

pub use sender::{Error, Sender};
