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
