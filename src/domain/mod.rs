//! What is decided, and nothing else: state machines without IO, clock, or randomness.

pub mod alert;
pub mod breaker;
pub mod call;
pub mod change;
pub mod delivery;
pub mod event;
pub mod failure_history;
pub mod flapping;
pub mod guard;
pub mod heartbeat;
pub mod id;
pub mod invariant;
pub mod maintenance;
pub mod notice;
pub mod observation;
pub mod quiet;
pub mod recent;
pub mod rollup;
pub mod schedule;
pub mod scrub;
pub mod slo;
pub mod status;
pub mod time;
pub mod turn;
pub mod verdict;
pub mod watch;
