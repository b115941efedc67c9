//! The retry budget at work: a call costs an atomic step, and only a retry takes the lock.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::domain::guard::{RetryBudget, RetryWindow};
use crate::domain::time::Moment;

/// The calls of one second lie in the lower bits, the second in the upper: room for 16 million calls in a second, and for
/// 34,000 years.
const CALLS_BITS: u32 = 24;
const CALLS: u64 = (1 << CALLS_BITS) - 1;

/// Calls and retries of one target.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// The calls of the second that is being counted; the window does not know of them yet.
    current: AtomicU64,
    window: Mutex<RetryWindow>,
}

impl Retries {
    /// A call began.
    #[inline]
    pub(super) fn call_began(&self, now: Moment) {
        let second = RetryWindow::second(now);
        let mut before = self.current.load(Ordering::Relaxed);
        loop {
            let is_current = before >> CALLS_BITS >= second;
            // Full: further calls of this second are not counted.
            if is_current && before & CALLS == CALLS {
                return;
            }
            let after = if is_current { before + 1 } else { second << CALLS_BITS | 1 };
            match self.current.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) if is_current => return,
                Ok(_) => return Self::keep(&mut self.window.lock(), before),
                Err(seen) => before = seen,
            }
        }
    }

    /// Takes a retry; `false` if none is left.
    pub(super) fn take(&self, budget: &RetryBudget, now: Moment) -> bool {
        let mut window = self.window.lock();
        Self::keep(&mut window, self.current.fetch_and(!CALLS, Ordering::Relaxed));
        window.take_retry(budget, now)
    }

    fn keep(window: &mut RetryWindow, counted: u64) {
        window.calls_began(counted >> CALLS_BITS, counted & CALLS);
    }
}
