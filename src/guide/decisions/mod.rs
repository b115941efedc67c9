//! Decisions that somebody will ask about: what was decided, why, and what it costs.
//!
//! A record is not rewritten when the decision changes; a later one says which it replaces.

#[doc = include_str!("0001-one-tree-one-batch.md")]
pub mod d0001_one_tree_one_batch {}

#[doc = include_str!("0002-optimistic-memory-behind-a-fifo-journal.md")]
pub mod d0002_optimistic_memory_behind_a_fifo_journal {}

#[doc = include_str!("0003-breaker-open-condition-lasts-until-closed.md")]
pub mod d0003_breaker_open_condition_lasts_until_closed {}
