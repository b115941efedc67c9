//! The guard under tokio's paused clock: what its callers get, and what its breaker hears.

use std::time::Duration;

use super::{Builder, Guard, Operation};

mod around;
mod calls;
mod layer;
mod limits;
mod outcomes;

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The default guard of a test, whose chance is always the same.
pub(super) fn builder() -> Builder {
    Guard::builder("PG_KCP").seed(7)
}

/// An operation that is not safe to repeat.
pub(super) fn charge() -> Operation {
    Operation::new("charge")
}

/// One that is.
pub(super) fn lookup() -> Operation {
    Operation::new("lookup").idempotent()
}

/// A call that the target answers well, at once.
pub(super) async fn good_call(guard: &Guard) -> bool {
    guard.call(&charge(), |_| async { Ok::<_, ()>(()) }).await.is_ok()
}

/// A call that fails, at once and for good.
pub(super) async fn bad_call(guard: &Guard) -> bool {
    guard.call(&charge(), |_| async { Err::<(), _>(()) }).await.is_ok()
}
