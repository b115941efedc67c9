//! Places for calls under way, and a bounded queue of calls that wait for one, first come, first served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::domain::guard;

/// When a caller may ask again that found the queue full or waited in vain: about when a call should have ended.
const RETRY: Duration = Duration::from_secs(1);

/// The places of one target.
#[derive(Debug)]
pub(super) struct Bulkhead {
    places: Semaphore,
    waiting: AtomicU32,
    policy: guard::Bulkhead,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Bulkhead>);

impl Bulkhead {
    /// At least one place.
    pub(super) fn new(policy: guard::Bulkhead) -> Self {
        let places = usize::try_from(policy.max_in_flight.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(places), waiting: AtomicU32::new(0), policy }
    }

    /// A place if there is one and nobody waits.
    pub(super) fn enter_at_once(bulkhead: &Arc<Self>) -> Option<Place> {
        bulkhead.places.try_acquire().ok()?.forget();
        Some(Place(Arc::clone(bulkhead)))
    }

    /// Waits for a place in the queue, no longer than `most` either.
    ///
    /// # Errors
    /// When to ask again, if the queue is full or the wait is over.
    pub(super) async fn wait(bulkhead: &Arc<Self>, most: Duration) -> Result<Place, Duration> {
        let waiting = Waiting::begin(bulkhead).ok_or(RETRY)?;
        let acquired = tokio::time::timeout(bulkhead.policy.max_wait.min(most), bulkhead.places.acquire()).await;
        drop(waiting);
        let Ok(Ok(permit)) = acquired else { return Err(RETRY) };
        permit.forget();
        Ok(Place(Arc::clone(bulkhead)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.add_permits(1);
    }
}

/// A place in the queue, until it is dropped: also by a caller that gives up.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(bulkhead: &'a Bulkhead) -> Option<Self> {
        let Bulkhead { waiting, policy, places: _ } = bulkhead;
        let one_more = |count: u32| (count < policy.max_waiting).then_some(count + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
