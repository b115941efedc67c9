//! Half-open: its trials, and when it ends.
//!
//! It ends after [`Policy::half_open_max`], with one exception. Where every trial so far was good and none is out, only
//! callers are missing: nobody is refused and nothing speaks against the target, so half-open goes on, and probes may be
//! the trials that are missing. It does so until a trial that is out takes too long, or for as long as the longest open
//! time.

use super::call::Outcome;
use super::decision::{Breaker, Phase};
use super::policy::{Cause, Policy, Transition};
use super::view::{Judged, Rates};
use crate::domain::time::Moment;

/// Half-open, as far as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HalfOpen {
    since: Moment,
    /// When it last went on; when it began, before the first time.
    renewed: Moment,
    pub(super) granted: u32,
    pub(super) succeeded: u32,
    /// Those that succeeded and were probes.
    pub(super) by_probes: u32,
}

impl HalfOpen {
    pub(super) const fn new(now: Moment) -> Self {
        Self { since: now, renewed: now, granted: 0, succeeded: 0, by_probes: 0 }
    }

    pub(super) const fn since(&self) -> Moment {
        self.since
    }

    /// When it is looked at whether it goes on.
    pub(super) fn due(&self, policy: &Policy) -> Moment {
        self.renewed.plus(policy.half_open_max).min(self.end(policy))
    }

    /// It lasts no longer in any case.
    fn end(&self, policy: &Policy) -> Moment {
        self.since.plus(policy.longest_half_open())
    }

    /// It had its time and went on, because callers are missing.
    pub(super) fn misses_callers(&self) -> bool {
        self.renewed > self.since
    }

    const fn out(&self) -> u32 {
        self.granted.saturating_sub(self.succeeded)
    }

    /// What `failed` of the trials that real calls made say of the target; `None` without one.
    fn judged(&self, failed: u32, slow: u32, bad: u32) -> Option<Judged> {
        let good = self.succeeded.saturating_sub(self.by_probes);
        let calls = good.saturating_add(bad);
        let part = |count: u32| f64::from(count) / f64::from(calls);
        let rates = || Rates { failed: part(failed), slow: part(slow), bad: part(bad) };
        (bad > 0).then(|| Judged { calls: u64::from(calls), rates: rates() })
    }
}

impl Breaker {
    pub(super) fn half_open(&mut self, cause: Cause, now: Moment) -> Transition {
        self.enter(Phase::HalfOpen(HalfOpen::new(now)), cause, None)
    }

    pub(super) fn trials_changed(&mut self, change: impl FnOnce(&mut HalfOpen)) {
        if let Phase::HalfOpen(trying) = &mut self.phase {
            change(trying);
        }
    }

    pub(super) fn trial_done(&mut self, outcome: Outcome, slow: bool, draw: f64, now: Moment) -> Option<Transition> {
        let Phase::HalfOpen(trying) = &mut self.phase else { return None };
        if outcome == Outcome::Ignored {
            trying.granted = trying.granted.saturating_sub(1);
            return None;
        }
        if outcome.is_failure() || (slow && self.policy.judges_latency()) {
            let judged = trying.judged(u32::from(outcome.is_failure()), u32::from(slow), 1);
            return Some(self.open(Cause::TrialFailed, judged, draw, now));
        }
        trying.succeeded += 1;
        self.close_if_trials_passed(now)
    }

    /// A probe is the trial. What it finds is not said by calls.
    pub(super) fn probe_tried(&mut self, ok: bool, draw: f64, now: Moment) -> Option<Transition> {
        if !ok {
            return Some(self.open(Cause::TrialFailed, None, draw, now));
        }
        self.trials_changed(|trying| {
            trying.granted += 1;
            trying.succeeded += 1;
            trying.by_probes += 1;
        });
        self.close_if_trials_passed(now)
    }

    pub(super) fn close_if_trials_passed(&mut self, now: Moment) -> Option<Transition> {
        match self.phase {
            Phase::HalfOpen(trying) if trying.succeeded >= self.policy.trials.max(1) => {
                Some(self.close(Cause::TrialsPassed, now))
            }
            Phase::HalfOpen(_) | Phase::Open { .. } | Phase::Closed { .. } => None,
        }
    }

    /// Its time is over: it goes on, or it opens. Without a length it never goes on, or it would be due all the time.
    pub(super) fn half_open_due(&mut self, draw: f64, now: Moment) -> Option<Transition> {
        let Phase::HalfOpen(trying) = &mut self.phase else { return None };
        let misses_only_callers = trying.succeeded > 0 && trying.out() == 0;
        if misses_only_callers && now < trying.end(&self.policy) && !self.policy.half_open_max.is_zero() {
            trying.renewed = now;
            return None;
        }
        // Who has not answered in this time has failed.
        let out = trying.out();
        let judged = trying.judged(out, 0, out);
        Some(self.open(Cause::TrialsTimedOut, judged, draw, now))
    }
}
