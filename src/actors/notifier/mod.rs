//! The outbox's other half: takes what is due, lets the channel try, and has the result committed.
//!
//! Senders: the journal (the outbox grew: a hint), its own attempts. It keeps a queue per channel, so that a channel
//! that hangs delays no other, and in a channel a line per incident or per group, so that nobody hears of an end before
//! the beginning. To a channel that takes silence for the end it says again what fires. What survives a restart: the outbox
//! and the incidents in the store; this actor reads them again.

mod actor;
mod attempts;
mod entry;
mod health;
mod homes;
mod joining;
mod lines;
mod pace;
mod queue;
mod repeats;
mod room;
mod taking_up;
mod voice;

pub(crate) use actor::{AdoptChannels, Drain, Notifier, OutboxGrew, RetryNow, Wiring};
