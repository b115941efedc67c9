//! The clock on a request's head: a short time once it has begun, a longer one while the connection rests between two.
//!
//! hyper has one timer for both. A client that keeps its connection and comes back after exactly that time would find it
//! closed under its hands; a probe with a ten second interval does so each time. So hyper is given a timer of ours that
//! looks at whether bytes have come since it was set.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Bytes that a connection has received, counted where they are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<AtomicU64>);

impl Received {
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The timer that hyper sets when it begins to wait for a head.
#[derive(Debug, Clone)]
pub(super) struct HeadTimer {
    pub(super) received: Received,
    pub(super) head_read: Duration,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadSleep {
            received: self.received.clone(),
            received_before: self.received.so_far(),
            head_read: self.head_read,
            head_began: false,
            until: Box::pin(tokio::time::sleep_until(deadline.into())),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

struct HeadSleep {
    received: Received,
    received_before: u64,
    head_read: Duration,
    head_began: bool,
    until: Pin<Box<tokio::time::Sleep>>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    /// hyper polls this each time it has looked for a head and found it unfinished, so also after every read.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.head_began && self.received.so_far() != self.received_before {
            self.head_began = true;
            let head_by = tokio::time::Instant::now() + self.head_read;
            if head_by < self.until.deadline() {
                self.until.as_mut().reset(head_by);
            }
        }
        ready!(self.until.as_mut().poll(context));
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    fn timer() -> HeadTimer {
        HeadTimer { received: Received::default(), head_read: HEAD }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_rest_has_the_longer_time() {
        let mut sleep = timer().sleep(IDLE);
        assert!(poll!(sleep.as_mut()).is_pending());
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert!(poll!(sleep.as_mut()).is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(poll!(sleep.as_mut()).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_dribbles_in_has_the_shorter_time_from_its_first_byte() {
        let timer = timer();
        let mut sleep = timer.sleep(IDLE);
        assert!(poll!(sleep.as_mut()).is_pending());
        tokio::time::advance(Duration::from_secs(30)).await;
        timer.received.add(1);
        assert!(poll!(sleep.as_mut()).is_pending());
        tokio::time::advance(HEAD - Duration::from_secs(1)).await;
        timer.received.add(1);
        assert!(poll!(sleep.as_mut()).is_pending(), "a further byte buys no time");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(poll!(sleep.as_mut()).is_ready());
    }
}
