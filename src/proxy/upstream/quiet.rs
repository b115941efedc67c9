//! A waker that can hold its tongue.
//!
//! Who drives a connection and reads from it in one task is woken by himself: each half tells the other that there is
//! something to do, through the task's waker, and the whole task would run once more for nothing. So a connection gets a
//! waker of its own, which while its task is at work only remembers that it was called.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

const AT_WORK: u8 = 1;
const CALLED: u8 = 2;
/// Rounds after which the task yields to others, as any that always finds something to do must.
const ROUNDS: usize = 16;

/// The two ends of it.
#[derive(Debug)]
pub(super) struct Quiet {
    state: Arc<State>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct State {
    task: AtomicWaker,
    state: AtomicU8,
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who is at work looks for this before he rests; it may also come from another thread.
        if self.state.fetch_or(CALLED, Ordering::AcqRel) & AT_WORK == 0 {
            self.task.wake();
        }
    }
}

impl Default for Quiet {
    fn default() -> Self {
        let state = Arc::<State>::default();
        Self { waker: Waker::from(state.clone()), state }
    }
}

impl Quiet {
    /// Works until there is a result, or nothing to do but wait. Then the task of `context` is woken when there is.
    pub(super) fn work<T>(&self, context: &Context<'_>, mut round: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.state.task.register(context.waker());
        for _ in 0..ROUNDS {
            self.state.state.store(AT_WORK, Ordering::Release);
            let worked = round(&mut Context::from_waker(&self.waker));
            let called = self.state.state.swap(0, Ordering::AcqRel) & CALLED != 0;
            // Who has a result goes on working with the connection, or gives it back, which looks at it again.
            if worked.is_ready() || !called {
                return worked;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// As [`work`](Self::work), once, for a connection that nobody waits for.
    pub(super) fn look<T>(&self, round: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.state.state.store(AT_WORK, Ordering::Release);
        let seen = round(&mut Context::from_waker(&self.waker));
        self.state.state.store(0, Ordering::Release);
        seen
    }
}
