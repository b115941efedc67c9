//! Decisions that somebody will ask about: what was decided, why, and what it costs.
//!
//! A record is not rewritten when the decision changes; a later one says which it replaces.

#[doc = include_str!("0001-one-tree-one-batch.md")]
pub mod d0001_one_tree_one_batch {}

#[doc = include_str!("0002-optimistic-memory-behind-a-fifo-journal.md")]
pub mod d0002_optimistic_memory_behind_a_fifo_journal {}

#[doc = include_str!("0003-breaker-open-condition-lasts-until-closed.md")]
pub mod d0003_breaker_open_condition_lasts_until_closed {}

#[doc = include_str!("0004-a-report-is-stale-when-it-is-older-than-all-that-is-known.md")]
pub mod d0004_a_report_is_stale_when_it_is_older_than_all_that_is_known {}

#[doc = include_str!("0005-jemalloc-is-the-binarys-allocator.md")]
pub mod d0005_jemalloc_is_the_binarys_allocator {}

#[doc = include_str!("0006-a-reported-failure-is-a-message-of-its-own.md")]
pub mod d0006_a_reported_failure_is_a_message_of_its_own {}

#[doc = include_str!("0007-a-breaker-lets-callers-back-by-counting-and-judges-attempts.md")]
pub mod d0007_a_breaker_lets_callers_back_by_counting_and_judges_attempts {}

#[doc = include_str!("0008-retries-share-a-budget-and-operations-their-targets-breaker.md")]
pub mod d0008_retries_share_a_budget_and_operations_their_targets_breaker {}

#[doc = include_str!("0009-a-proxied-call-ends-with-its-body-and-is-judged-by-its-head.md")]
pub mod d0009_a_proxied_call_ends_with_its_body_and_is_judged_by_its_head {}

#[doc = include_str!("0010-what-silence-and-a-providers-page-are-worth.md")]
pub mod d0010_what_silence_and_a_providers_page_are_worth {}

#[doc = include_str!("0011-what-makes-a-target-look-bad-and-what-holds-its-alerts-back.md")]
pub mod d0011_what_makes_a_target_look_bad_and_what_holds_its_alerts_back {}

#[doc = include_str!("0012-an-alertmanager-is-told-by-repetition.md")]
pub mod d0012_an_alertmanager_is_told_by_repetition {}

#[doc = include_str!("0013-what-leaves-together-is-decided-once.md")]
pub mod d0013_what_leaves_together_is_decided_once {}

#[doc = include_str!("0014-what-else-people-can-be-alerted-of.md")]
pub mod d0014_what_else_people_can_be_alerted_of {}

#[doc = include_str!("0015-a-channel-that-is-down-is-tried-by-one-message.md")]
pub mod d0015_a_channel_that_is_down_is_tried_by_one_message {}
