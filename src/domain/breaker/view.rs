//! The breaker as people and metrics see it. Looking changes nothing that is decided.

use std::time::Duration;

use super::control::Hold;
use super::decision::{Breaker, Phase};
use super::half_open::HalfOpen;
use super::policy::{Mode, State};
use super::tally::{Lifetime, Refused};
use super::verdict;
use super::window::Counts;
use crate::domain::time::Moment;

/// A breaker at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Its state.
    pub state: State,
    /// Its mode.
    pub mode: Mode,
    /// The operator's hold on it.
    pub hold: Option<Hold>,
    /// How often in a row it had to open.
    pub level: u32,
    /// How long it stays open, while it is and that is known.
    pub open_remaining: Option<Duration>,
    /// What it judges by; `None` under the minimum of calls.
    pub rates: Option<Rates>,
    /// What its window holds.
    pub window: Counts,
    /// Failures in a row.
    pub failures_in_row: u32,
    /// Calls let through while closed that have not ended and do not pause between two attempts. Those with a limit of
    /// slowness of their own are not among them.
    pub in_flight: u64,
    /// Those of them that are slow already; they are part of the rates.
    pub slow_in_flight: u64,
    /// Half-open's trials; all zero in another state but what is allowed.
    pub trials: Trials,
    /// The part of the callers that pass, below 1, while it is closed and ramps.
    pub ramp: Option<f64>,
    /// The last probe.
    pub last_probe: Option<ProbeOutcome>,
    /// Calls that have ended, since it was made.
    pub lifetime: Lifetime,
    /// Callers that were refused, since it was made.
    pub refused: Refused,
}

/// Parts of all calls, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Failed.
    pub failed: f64,
    /// Slow, also those still in flight.
    pub slow: f64,
    /// Failed or slow.
    pub bad: f64,
}

/// What calls said when they opened a breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// How many calls: those of the window with those that hung, or the trials.
    pub calls: u64,
    /// What came of them, also under the minimum of calls.
    pub rates: Rates,
}

/// Half-open's trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trials {
    /// Handed out and not given back.
    pub granted: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Those of them that were probes.
    pub by_probes: u32,
    /// How many there are.
    pub allowed: u32,
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// Whether it passed.
    pub ok: bool,
    /// When.
    pub at: Moment,
}

impl Breaker {
    /// What it is like at `now`. Only forgets what time has already taken from the window.
    pub fn view(&mut self, now: Moment) -> View {
        self.roll(now);
        let slow_in_flight = self.in_flight.slow();
        let window = self.window.totals();
        let allowed = self.policy.trials.max(1);
        let trials = match self.phase {
            Phase::HalfOpen(HalfOpen { granted, succeeded, by_probes, .. }) => {
                Trials { granted, succeeded, by_probes, allowed }
            }
            Phase::Open { .. } | Phase::Closed { .. } => Trials { granted: 0, succeeded: 0, by_probes: 0, allowed },
        };
        View {
            state: self.state(),
            mode: self.mode(),
            hold: self.hold,
            level: self.level,
            open_remaining: self.open_remaining(now),
            rates: verdict::rates(&self.policy, window, slow_in_flight),
            window,
            failures_in_row: self.failures_in_row,
            in_flight: self.in_flight.count(),
            slow_in_flight,
            trials,
            ramp: self.ramp_share(now),
            last_probe: self.last_probe,
            lifetime: self.lifetime,
            refused: self.refused,
        }
    }

    /// How long it stays open; `None` if it is not, or if an operator keeps it open without an end.
    #[must_use]
    pub fn open_remaining(&self, now: Moment) -> Option<Duration> {
        match (self.phase, self.mode()) {
            (Phase::Open { .. }, Mode::ForcedOpen) => {
                self.hold.and_then(|hold| hold.until).map(|until| until.since(now))
            }
            (Phase::Open { until }, _) => Some(until.since(now)),
            (Phase::HalfOpen(_) | Phase::Closed { .. }, _) => None,
        }
    }

    /// Whether half-open has trials left.
    #[must_use]
    pub fn has_trials_left(&self) -> bool {
        match self.phase {
            Phase::HalfOpen(trying) => trying.granted < self.policy.trials.max(1),
            Phase::Open { .. } | Phase::Closed { .. } => false,
        }
    }

    /// How calls in flight are told apart by when they began.
    #[must_use]
    pub fn buckets(&self) -> super::Buckets {
        self.in_flight.buckets()
    }
}
