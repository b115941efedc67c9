//! Counters of what no window counts and no lock is taken for: refused callers, and calls that end in another state than
//! they began in or were let through uncounted.
//!
//! Plain additions; who next holds the lock takes them over.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::breaker::{Lifetime, Outcome, Refusal, Refused};

#[derive(Debug, Default)]
pub(super) struct Aside {
    success: AtomicU64,
    failure: AtomicU64,
    ignored: AtomicU64,
    unknown: AtomicU64,
    cancelled: AtomicU64,
    open: AtomicU64,
    forced_open: AtomicU64,
    trials_taken: AtomicU64,
    ramping: AtomicU64,
}

impl Aside {
    pub(super) fn ended(&self, outcome: Outcome) {
        add(match outcome {
            Outcome::Success => &self.success,
            Outcome::Failure => &self.failure,
            Outcome::Ignored => &self.ignored,
            Outcome::Unknown => &self.unknown,
        });
    }

    pub(super) fn cancelled(&self) {
        add(&self.cancelled);
    }

    pub(super) fn refused(&self, reason: Refusal) {
        add(match reason {
            Refusal::Open => &self.open,
            Refusal::ForcedOpen => &self.forced_open,
            Refusal::TrialsTaken => &self.trials_taken,
            Refusal::Ramping => &self.ramping,
        });
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> (Lifetime, Refused) {
        let Self { success, failure, ignored, unknown, cancelled, open, forced_open, trials_taken, ramping } = self;
        let ended = Lifetime {
            success: take(success),
            failure: take(failure),
            ignored: take(ignored),
            unknown: take(unknown),
            cancelled: take(cancelled),
        };
        let refused = Refused {
            open: take(open),
            forced_open: take(forced_open),
            trials_taken: take(trials_taken),
            ramping: take(ramping),
        };
        (ended, refused)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Read before it is written: most of the time there is nothing, and reading disturbs nobody.
fn take(count: &AtomicU64) -> u64 {
    if count.load(Ordering::Relaxed) == 0 { 0 } else { count.swap(0, Ordering::Relaxed) }
}
