//! The breaker's words, and the numbers it decides by.
//!
//! [`Policy`] owns every limit; its constructors are the numbers that users of other breakers know. How the numbers are
//! used is in the neighbouring modules.

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

impl Cause {
    /// Whether real calls said so.
    #[must_use]
    pub const fn is_by_calls(self) -> bool {
        match self {
            Self::FailureRate | Self::SlowRate | Self::BadRate | Self::Consecutive => true,
            Self::Probe
            | Self::Report
            | Self::TrialFailed
            | Self::TrialsTimedOut
            | Self::OpenTimeOver
            | Self::ProbePassed
            | Self::TrialsPassed
            | Self::Operator => false,
        }
    }
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
    /// How often in a row it had to open; the open time grows with it.
    pub level: u32,
    /// How long it stays open, for `to: Open`.
    pub open_for: Option<Duration>,
}

/// What a breaker decides by. A rate above 1, such as [`Policy::NEVER`], is not judged.
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
    /// The first open time; it grows with each level.
    pub open_time: Duration,
    /// The longest open time, before jitter.
    pub open_time_max: Duration,
    /// How it grows.
    pub growth: Growth,
    /// The open time is moved by up to this part of itself, 0..=1.
    pub jitter: f64,
    /// Trials in half-open; all must be good.
    pub trials: u32,
    /// Half-open lasts no longer than this, unless every trial was good, none is out, and only callers are missing: then
    /// no longer than [`Policy::longest_half_open`].
    pub half_open_max: Duration,
    /// After closing by good trials, the part of the callers that pass grows from a tenth to all in this time; `None`
    /// lets all pass at once.
    pub ramp: Option<Duration>,
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

/// How the open time grows from level to level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Twice as long each time.
    Doubling,
    /// By the first open time each time.
    Linear,
}

impl Policy {
    /// A rate that no window reaches: turns a rule off.
    pub const NEVER: f64 = f64::INFINITY;

    /// The defaults of resilience4j 2: half of the last 100 calls failed, or all of them took 60 s; open for 60 s, then
    /// 10 trials.
    ///
    /// Two things differ. There the trials are judged by the failure rate, here all must be good; and there half-open may
    /// last for ever, here it ends after 60 s, because a breaker must always leave half-open.
    #[must_use]
    pub fn resilience4j() -> Self {
        Self {
            window: Window::Count(100),
            minimum_calls: 100,
            failure_rate: 0.5,
            slow_call: Duration::from_secs(60),
            slow_call_rate: 1.0,
            bad_rate: Self::NEVER,
            open_time: Duration::from_secs(60),
            open_time_max: Duration::from_secs(60),
            jitter: 0.0,
            trials: 10,
            half_open_max: Duration::from_secs(60),
            ..Self::default()
        }
    }

    /// The defaults of Envoy's outlier detection: 5 failures in a row, away for 30 s times the ejections in a row, at most
    /// 300 s. No rate is judged.
    ///
    /// Envoy lets all calls back at once; here one trial goes first.
    #[must_use]
    pub fn envoy() -> Self {
        Self {
            failure_rate: Self::NEVER,
            slow_call_rate: Self::NEVER,
            bad_rate: Self::NEVER,
            consecutive_failures: Some(5),
            open_time: Duration::from_secs(30),
            open_time_max: Duration::from_secs(300),
            growth: Growth::Linear,
            jitter: 0.0,
            trials: 1,
            ..Self::default()
        }
    }

    /// For a payment gateway behind few calls: 30 % of the last 10 failed, or half took 700 ms, judged from 5 on; open for
    /// 5 s each time.
    #[must_use]
    pub fn pg_resilience() -> Self {
        Self {
            window: Window::Count(10),
            minimum_calls: 5,
            failure_rate: 0.3,
            slow_call: Duration::from_millis(700),
            slow_call_rate: 0.5,
            bad_rate: Self::NEVER,
            open_time: Duration::from_secs(5),
            open_time_max: Duration::from_secs(5),
            trials: 3,
            ..Self::default()
        }
    }

    /// How long half-open lasts at most, if only callers are missing: as long as it could be open, which would refuse them.
    #[must_use]
    pub fn longest_half_open(&self) -> Duration {
        self.half_open_max.max(self.open_time_max)
    }

    /// Whether a slow call can open this breaker at all.
    pub(super) fn judges_latency(&self) -> bool {
        self.slow_call_rate <= 1.0 || self.bad_rate <= 1.0
    }

    /// The calls from which on rates are judged. A window of the last calls never holds more than its size, so that a
    /// greater minimum would turn it off unseen.
    pub(super) fn calls_to_judge(&self) -> u64 {
        let minimum = self.minimum_calls.max(1);
        match self.window {
            Window::Time { .. } => u64::from(minimum),
            Window::Count(size) => u64::from(minimum.min(size.max(1))),
        }
    }

    /// How long it stays open when it opens at `level`; `draw` in -1..=1 is where in the range of the jitter.
    pub(super) fn open_time_at(&self, level: u32, draw: f64) -> Duration {
        let times = match self.growth {
            Growth::Doubling => 1_u32.checked_shl(level).unwrap_or(u32::MAX),
            Growth::Linear => level.saturating_add(1),
        };
        let without_jitter = self.open_time.saturating_mul(times).min(self.open_time_max.max(self.open_time));
        scaled(without_jitter, 1.0 + self.jitter.clamp(0.0, 1.0) * draw.clamp(-1.0, 1.0))
    }

    /// The level after it opened at `level`: stops where the open time stops growing, so that a long outage is forgiven
    /// in as many minutes as there are open times, not as there were attempts.
    pub(super) fn level_after(&self, level: u32) -> u32 {
        let at_longest = self.open_time_at(level, 0.0) >= self.open_time_max.max(self.open_time);
        if at_longest { level.max(1) } else { level + 1 }
    }
}

/// `duration` times a factor of 0 to 2, without the panic of the standard multiplication at the far end.
pub(super) fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(duration)
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
            growth: Growth::Doubling,
            jitter: 0.1,
            trials: 3,
            half_open_max: Duration::from_secs(30),
            ramp: None,
            mode: Mode::Enforce,
        }
    }
}
