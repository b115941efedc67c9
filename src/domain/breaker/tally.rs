//! What a breaker has seen in its life: calls by how they ended, and refusals by reason.
//!
//! Only ever grows, through changes of state, of the policy and of the mode; another [`Breaker`] begins anew unless it is
//! told what the one before it counted.
//! Nothing is decided by it.
//!
//! [`Breaker`]: super::Breaker

use super::call::{Outcome, Refusal};

/// Calls that have ended, also those that no window counts: begun in an earlier state, or let through uncounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// [`Outcome::Success`].
    pub success: u64,
    /// [`Outcome::Failure`], and calls that ended in a panic.
    pub failure: u64,
    /// [`Outcome::Ignored`].
    pub ignored: u64,
    /// [`Outcome::Unknown`].
    pub unknown: u64,
    /// Given up by their callers.
    pub cancelled: u64,
}

impl Lifetime {
    /// Counts a call that ended with `outcome`.
    pub const fn ended(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Success => &mut self.success,
            Outcome::Failure => &mut self.failure,
            Outcome::Ignored => &mut self.ignored,
            Outcome::Unknown => &mut self.unknown,
        };
        *count += 1;
    }

    pub(super) const fn add(&mut self, other: Self) {
        let Self { success, failure, ignored, unknown, cancelled } = other;
        self.success += success;
        self.failure += failure;
        self.ignored += ignored;
        self.unknown += unknown;
        self.cancelled += cancelled;
    }
}

/// Callers that were not let through. In a dry run there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// [`Refusal::Open`].
    pub open: u64,
    /// [`Refusal::ForcedOpen`].
    pub forced_open: u64,
    /// [`Refusal::TrialsTaken`].
    pub trials_taken: u64,
    /// [`Refusal::Ramping`].
    pub ramping: u64,
}

impl Refused {
    pub(super) const fn count(&mut self, reason: Refusal) {
        let count = match reason {
            Refusal::Open => &mut self.open,
            Refusal::ForcedOpen => &mut self.forced_open,
            Refusal::TrialsTaken => &mut self.trials_taken,
            Refusal::Ramping => &mut self.ramping,
        };
        *count += 1;
    }

    pub(super) const fn add(&mut self, other: Self) {
        let Self { open, forced_open, trials_taken, ramping } = other;
        self.open += open;
        self.forced_open += forced_open;
        self.trials_taken += trials_taken;
        self.ramping += ramping;
    }
}
