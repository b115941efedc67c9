//! failsafe's state machine as the executor of what the domain decided.
//!
//! failsafe 1.3 by itself admits every caller in half-open, closes after any single success, also one from before the
//! trip, moves its state when it is looked at, judges by a moving average, and counts by std's clock. So it is given no
//! outcome to judge and asked for no permission on behalf of a caller. What it holds is the executed state: it is told
//! "open for so many milliseconds", "half-open", "closed"; its [`Instrument`] says what it has done, and the gate opens
//! as far as that and no further. The [`Driver`](super::Driver) is its only user, after a commit.
//!
//! Its clock decides nothing: the open time it is given ends when the domain says so, earlier or later than by std's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use failsafe::{FailurePolicy, Instrument, StateMachine};

use crate::domain::breaker::State;

/// What it opens for where the domain knows no end: longer than a process lives between two deployments, short enough
/// for std's clock to add.
const WITHOUT_END: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One breaker's executed state.
pub(super) struct Engine {
    machine: StateMachine<Directive, Executed>,
    directive: Directive,
    executed: Executed,
}

impl Engine {
    /// Closed, as failsafe begins.
    pub(super) fn new() -> Self {
        let directive = Directive(Arc::new(AtomicU64::new(0)));
        let executed = Executed(Arc::new(AtomicU8::new(CLOSED)));
        Self { machine: StateMachine::new(directive.clone(), executed.clone()), directive, executed }
    }

    /// Carries `state` out, open for `open_for`, and returns the state it is in now.
    pub(super) fn execute(&self, state: State, open_for: Option<Duration>) -> State {
        match (state, self.executed.state()) {
            (State::Closed, State::Closed) | (State::HalfOpen, State::HalfOpen) => {}
            (State::Closed, State::HalfOpen) => self.machine.on_success(),
            (State::Closed, State::Open) => self.machine.reset(),
            (State::Open, before) => self.open(before, open_for.unwrap_or(WITHOUT_END)),
            (State::HalfOpen, before) => self.half_open(before),
        }
        self.executed.state()
    }

    /// A failure is what failsafe opens on; the directive is how long. In its open state it hears no failure.
    fn open(&self, before: State, open_for: Duration) {
        if before == State::Open {
            self.machine.reset();
        }
        self.directive.open_for(open_for);
        self.machine.on_error();
    }

    /// failsafe has one way into half-open: a question after the open time. So the open time is made to be over, and it
    /// is asked until its clock has moved by one tick.
    fn half_open(&self, before: State) {
        if before == State::Open && self.machine.is_call_permitted() {
            return;
        }
        self.open(before, Duration::ZERO);
        while !self.machine.is_call_permitted() {
            std::hint::spin_loop();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.executed.state()).finish()
    }
}

/// A failure policy without an opinion: every failure it hears of opens for the time it was told.
#[derive(Debug, Clone)]
struct Directive(Arc<AtomicU64>);

impl Directive {
    fn open_for(&self, open_for: Duration) {
        let nanos = u64::try_from(open_for.min(WITHOUT_END).as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Release);
    }
}

impl FailurePolicy for Directive {
    fn record_success(&mut self) {}

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        Some(Duration::from_nanos(self.0.load(Ordering::Acquire)))
    }

    fn revived(&mut self) {}
}

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const HALF_OPEN: u8 = 2;

/// Remembers what the machine has done: it cannot be asked. Only stores, because failsafe may call it under its lock.
#[derive(Debug, Clone)]
struct Executed(Arc<AtomicU8>);

impl Executed {
    fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            CLOSED => State::Closed,
            HALF_OPEN => State::HalfOpen,
            _ => State::Open,
        }
    }
}

impl Instrument for Executed {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.0.store(OPEN, Ordering::Release);
    }

    fn on_half_open(&self) {
        self.0.store(HALF_OPEN, Ordering::Release);
    }

    fn on_closed(&self) {
        self.0.store(CLOSED, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_executed_from_every_state() {
        let states = [State::Closed, State::Open, State::HalfOpen];
        for from in states {
            for to in states {
                let engine = Engine::new();
                let an_hour = Some(Duration::from_secs(3_600));
                assert_eq!(engine.execute(from, an_hour), from);
                assert_eq!(engine.execute(to, an_hour), to, "from {from:?}");
            }
        }
    }

    #[test]
    fn an_open_time_without_an_end_does_not_overflow_the_clock_of_failsafe() {
        let engine = Engine::new();
        assert_eq!(engine.execute(State::Open, None), State::Open);
        assert_eq!(engine.execute(State::Open, Some(Duration::MAX)), State::Open);
        assert_eq!(engine.execute(State::HalfOpen, None), State::HalfOpen);
    }
}
