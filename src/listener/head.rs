//! The clock on a request's head: a short time once it has begun, a longer one while the connection rests between two.
//!
//! hyper has one timer for both. A client that keeps its connection and comes back after exactly that time would find it
//! closed under its hands; a probe with a ten second interval does so each time. So hyper is given a timer of ours that
//! looks at whether bytes have come since it was set.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

/// Bytes that a connection has received, counted where they are read, and whether a head among them took too long.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    bytes: AtomicU64,
    head_was_slow: AtomicBool,
}

impl Received {
    pub(super) fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Whether nothing has come at all: nobody's head is slow who only looked whether somebody listens.
    pub(super) fn is_nothing(&self) -> bool {
        self.so_far() == 0
    }

    pub(super) fn head_was_slow(&self) -> bool {
        self.0.head_was_slow.load(Ordering::Relaxed)
    }
}

/// The timer that hyper sets when it begins to wait for a head, for one connection.
///
/// A connection waits for a head after each answer, most often for microseconds. So its one entry in the runtime's list
/// of timers is lent to each wait and given back, and moved only where it would be over too late or is over too early.
#[derive(Debug, Clone)]
pub(super) struct HeadTimer {
    received: Received,
    head_read: Duration,
    alarm: Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>,
}

impl HeadTimer {
    pub(super) fn new(received: Received, head_read: Duration) -> Self {
        Self { received, head_read, alarm: Arc::default() }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = tokio::time::Instant::from_std(deadline);
        let mut alarm = self.alarm.lock().take().unwrap_or_else(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        Box::pin(HeadSleep {
            received_before: self.received.so_far(),
            head_began: false,
            deadline,
            alarm: Some(alarm),
            timer: self.clone(),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

struct HeadSleep {
    received_before: u64,
    head_began: bool,
    deadline: tokio::time::Instant,
    /// Ours until this is dropped.
    alarm: Option<Pin<Box<tokio::time::Sleep>>>,
    timer: HeadTimer,
}

impl Sleep for HeadSleep {}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        *self.timer.alarm.lock() = self.alarm.take();
    }
}

impl Future for HeadSleep {
    type Output = ();

    /// hyper polls this each time it has looked for a head and found it unfinished, so also after every read.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(alarm) = &mut this.alarm else { return Poll::Pending };
        if !this.head_began && this.timer.received.so_far() != this.received_before {
            this.head_began = true;
            this.deadline = this.deadline.min(tokio::time::Instant::now() + this.timer.head_read);
            if alarm.deadline() > this.deadline {
                alarm.as_mut().reset(this.deadline);
            }
        }
        loop {
            ready!(alarm.as_mut().poll(context));
            if tokio::time::Instant::now() >= this.deadline {
                this.timer.received.0.head_was_slow.store(this.head_began, Ordering::Relaxed);
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            alarm.as_mut().reset(this.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    fn timer() -> HeadTimer {
        HeadTimer::new(Received::default(), HEAD)
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

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_takes_over_the_alarm_of_an_earlier_one_lasts_its_own_time() {
        let timer = timer();
        let mut first = timer.sleep(IDLE);
        assert!(poll!(first.as_mut()).is_pending());
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(first);
        let mut second = timer.sleep(IDLE);
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert!(poll!(second.as_mut()).is_pending(), "the first one's time is over, and not this one's");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(poll!(second.as_mut()).is_ready());
        drop(second);
        let mut third = timer.sleep(HEAD);
        assert!(poll!(third.as_mut()).is_pending());
        tokio::time::advance(HEAD).await;
        assert!(poll!(third.as_mut()).is_ready());
    }
}
