//! The shells of the state machines: who owns what, who may write, who acts.
//!
//! Messages between actors are hints; the store is the truth. Nobody outside this module holds an actor's address:
//! others hold a [`targets::TargetsHandle`] or a [`histories::HistoriesHandle`], and read the [`board::Board`].

pub mod answer;
pub mod board;
pub mod callers;
pub mod channels;
pub mod connectivity;
pub mod correlation;
mod failure_history;
pub mod histories;
pub mod journal;
pub mod links;
mod notifier;
pub mod outbox;
pub mod quiet;
mod registry;
mod sight;
pub mod system;
mod target;
pub mod targets;

#[cfg(test)]
mod tests;
