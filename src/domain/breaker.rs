//! The circuit breaker's decision.

use std::time::Duration;

/// Whether calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Calls pass and are counted.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// A few trials pass, to find out.
    HalfOpen,
}

impl State {
    /// The word in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How much the breaker may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Decides and refuses.
    Enforce,
    /// Counts and tells, refuses nothing.
    DryRun,
    /// Does nothing.
    Disabled,
    /// An operator keeps it open.
    ForcedOpen,
    /// An operator keeps it closed.
    ForcedClosed,
}

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Too many calls failed.
    FailureRate,
    /// Too many calls were slow.
    SlowRate,
    /// Too many calls failed or were slow.
    BadRate,
    /// Too many failures in a row.
    Consecutive,
    /// The target reached FAILED by its probe.
    Probe,
    /// The target reached FAILED by a report.
    Report,
    /// A trial failed.
    TrialFailed,
    /// Half-open lasted too long.
    TrialsTimedOut,
    /// The open time was over.
    OpenTimeOver,
    /// A probe passed (or a caller reported a connection) while it was open.
    ProbePassed,
    /// All trials were good.
    TrialsPassed,
    /// An operator's act.
    Operator,
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How often in a row it had to open; the open time doubles with it.
    pub level: u32,
    /// How long it stays open, for `to: Open`.
    pub open_for: Option<Duration>,
}

/// What a breaker decides by. Defaults and sources: the guide's chapter on the breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Over what it counts.
    pub window: Window,
    /// Calls in the window below which no rate is judged.
    pub minimum_calls: u32,
    /// Failed calls of all, 0..=1, at and above which it opens.
    pub failure_rate: f64,
    /// A call that takes this long is slow.
    pub slow_call: Duration,
    /// Slow calls of all, 0..=1.
    pub slow_call_rate: f64,
    /// Calls that failed or were slow of all, 0..=1.
    pub bad_rate: f64,
    /// Failures in a row that open it at once, without the minimum.
    pub consecutive_failures: Option<u32>,
    /// The first open time; it doubles with each level.
    pub open_time: Duration,
    /// The longest open time, before jitter.
    pub open_time_max: Duration,
    /// The open time is moved by up to this part of itself, 0..=1.
    pub jitter: f64,
    /// Trials in half-open; all must be good.
    pub trials: u32,
    /// Half-open lasts no longer than this.
    pub half_open_max: Duration,
    /// What it may do.
    pub mode: Mode,
}

/// Over what a breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last `length`, in this many slices.
    Time {
        /// How long.
        length: Duration,
        /// How many; at most 60.
        slices: u32,
    },
    /// The last calls; at most 10,000.
    Count(u32),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window: Window::Time { length: Duration::from_secs(60), slices: 12 },
            minimum_calls: 10,
            failure_rate: 0.5,
            slow_call: Duration::from_secs(1),
            slow_call_rate: 0.8,
            bad_rate: 0.6,
            consecutive_failures: None,
            open_time: Duration::from_secs(5),
            open_time_max: Duration::from_secs(300),
            jitter: 0.1,
            trials: 3,
            half_open_max: Duration::from_secs(30),
            mode: Mode::Enforce,
        }
    }
}
