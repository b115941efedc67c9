//! The outbox's other half: takes what is due, lets the channel try, and has the result committed.
//!
//! Senders: the journal (the outbox grew: a hint), its own attempts. It keeps a queue per channel, so that a channel
//! that hangs delays no other, and in a channel a line per incident or per group, so that nobody hears of an end before
//! the beginning. What survives a restart: the outbox in the store; this actor reads it again.

mod actor;
mod attempts;
mod joining;
mod lines;
mod queue;

pub(crate) use actor::{AdoptChannels, Drain, Notifier, OutboxGrew, RetryNow, Wiring};
