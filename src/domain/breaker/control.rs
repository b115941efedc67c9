//! What others than its own callers and time do to a breaker: probes, reports, operators, a new configuration.
//!
//! A probe's outcome is kept and shown, never counted among the calls. It can open (a target that FAILED), end the open
//! time early (enough passing probes), and stand in for the trials of a target that nobody calls.

use std::time::Duration;

use super::call::Outcome;
use super::decision::{Breaker, Phase};
use super::in_flight::InFlight;
use super::policy::{Cause, Mode, Policy, State, Transition};
use super::view::ProbeOutcome;
use crate::domain::time::Moment;

/// An operator's mode in the place of the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Which.
    pub mode: Mode,
    /// Until when; for ever if `None`.
    pub until: Option<Moment>,
}

impl Breaker {
    /// The target FAILED, by its probe or by a report: opens, unless it is open or an operator decides.
    pub fn target_failed(&mut self, cause: Cause, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        if self.state() == State::Open || !self.may_open() {
            return None;
        }
        Some(self.open(cause, None, draw, now))
    }

    /// As many probes in a row have passed as make a target CONNECTED: ends the open time.
    pub fn probe_passed_threshold(&mut self, now: Moment) -> Option<Transition> {
        self.roll(now);
        let may_end = self.state() == State::Open && self.mode() != Mode::ForcedOpen;
        may_end.then(|| self.half_open(Cause::ProbePassed, now))
    }

    /// A probe has ended at `now`. Where no caller came for a whole window, or since start if that is shorter, it is a
    /// trial while half-open; and so it is once half-open had its time and misses only callers. Not if it ended at the
    /// very moment half-open began, because then it is what began it.
    pub fn probe_observed(&mut self, ok: bool, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        self.last_probe = Some(ProbeOutcome { ok, at: now });
        let Phase::HalfOpen(trying) = self.phase else { return None };
        let called = self.last_call.is_some_and(|at| now.since(at) < self.window.length());
        if (called && !trying.misses_callers()) || now <= trying.since() {
            return None;
        }
        if ok && trying.granted >= self.policy.trials.max(1) {
            return None;
        }
        self.probe_tried(ok, draw, now)
    }

    /// A call was made without being asked for here, took `took`, and ended at `now`. Closed, it counts like any other;
    /// half-open, it is no trial; open, it says nothing. It is no caller either: who calls without asking must not keep
    /// probes from being the trials, or nothing would ever close it.
    pub fn observed(&mut self, outcome: Outcome, took: Duration, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        self.lifetime.ended(outcome);
        if self.state() != State::Closed || self.mode() == Mode::Disabled {
            return None;
        }
        self.count(outcome, took >= self.policy.slow_call);
        self.judge(draw, now)
    }

    /// An operator takes hold, or with `None` lets go. A breaker that was forced open is let go into half-open: nobody
    /// knows how the target is. One that was forced closed opens at once if its window says so.
    pub fn set_hold(&mut self, hold: Option<Hold>, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        let before = self.mode();
        self.hold = hold;
        self.follow_mode(before, now).or_else(|| self.judge(draw, now))
    }

    /// Empties the window, forgets the level, lets all callers pass that a ramp still held back, and closes, unless it is
    /// forced open.
    pub fn reset(&mut self, now: Moment) -> Option<Transition> {
        self.roll(now);
        self.level = 0;
        self.window.clear();
        self.failures_in_row = 0;
        if let Phase::Closed { ramp, .. } = &mut self.phase {
            *ramp = None;
        }
        let closes = self.state() != State::Closed && self.mode() != Mode::ForcedOpen;
        closes.then(|| self.close(Cause::Operator, now))
    }

    /// Decides by `policy` from now on. State, level, calls in flight and what was counted stay; a window in time is
    /// re-cut into the new slices and one of the last calls keeps the newest. Between the two kinds it starts empty, and
    /// with another [`Policy::slow_call`] calls in flight count as slow only when they end.
    pub fn set_policy(&mut self, policy: Policy, draw: f64, now: Moment) -> Option<Transition> {
        self.roll(now);
        let before = self.mode();
        if policy.window != self.policy.window {
            self.window = self.window.reshaped(policy.window, now);
        }
        if policy.slow_call != self.policy.slow_call {
            self.in_flight = InFlight::new(policy.slow_call, now);
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.policy = policy;
        self.follow_mode(before, now).or_else(|| self.close_if_trials_passed(now)).or_else(|| self.judge(draw, now))
    }

    /// Brings the state to where the mode wants it.
    pub(super) fn follow_mode(&mut self, before: Mode, now: Moment) -> Option<Transition> {
        match (self.mode(), self.state()) {
            (Mode::ForcedOpen, State::Closed | State::HalfOpen) => {
                let open_for = self.hold.and_then(|hold| hold.until).map(|until| until.since(now));
                Some(self.enter(Phase::Open { until: now }, Cause::Operator, open_for))
            }
            (Mode::ForcedClosed | Mode::Disabled, State::Open | State::HalfOpen) => {
                Some(self.close(Cause::Operator, now))
            }
            (Mode::Enforce | Mode::DryRun, State::Open) if before == Mode::ForcedOpen => {
                Some(self.half_open(Cause::Operator, now))
            }
            (Mode::ForcedOpen, State::Open)
            | (Mode::ForcedClosed | Mode::Disabled, State::Closed)
            | (Mode::Enforce | Mode::DryRun, State::Closed | State::Open | State::HalfOpen) => None,
        }
    }
}
