//! What is kept on disk: the event log, the projections, the outbox, the rollups, in one sled tree.
//!
//! Guarantees: what was acknowledged survives `kill -9` and the loss of power; a commit is there as a whole or not at
//! all; no id and no sequence is given twice; a damaged store is refused with a sentence that says what is damaged and
//! what to do, and never started empty.
//!
//! The data folder holds `store/` (sled's) and `last-commit` (ours, in `last_commit.rs`). One thread writes
//! ([`Writer`]), any number read ([`Reader`]). Not here: what an event means, and when anything is due.

// In the order of the way of a commit.
mod batch;
mod columns;
mod copy;
mod dead_letters;
mod error;
mod keys;
mod last_commit;
mod long_value;
mod memory;
mod migrate;
mod observations;
mod opening;
mod outbox;
mod reader;
mod record;
mod replay;
mod state;
mod tidy;
mod verify;
mod windows;
mod writer;

pub use columns::{HistoryFilter, OpenHistories};
pub use copy::{Copied, backup, compact, restore};
pub use error::Error;
pub use observations::Period;
pub use opening::{Options, Store};
pub use outbox::{DeliveryFilter, Listed, Unreadable};
pub use reader::{Page, Reader};
pub use tidy::Tidied;
pub use verify::{Report, accept_loss, verify};
pub use writer::{Acknowledge, BatchWritten, NotTaken, Writer};

#[cfg(test)]
mod tests;
