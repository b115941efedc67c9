//! A breaker after a restart: as it was, with the time that was left.

use std::time::Duration;

use super::control::Hold;
use super::decision::{Breaker, Phase};
use super::half_open::HalfOpen;
use super::policy::{Mode, Policy, State, Transition, scaled};
use super::ramp::Ramp;
use crate::domain::time::{Moment, Timestamp};
use crate::domain::watch::BreakerRecord;

/// What is known of a breaker from before the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Its state.
    pub state: State,
    /// Its level.
    pub level: u32,
    /// How long it would still be open.
    pub open_remaining: Duration,
    /// How long it is in its state.
    pub lasted: Duration,
    /// An operator's hold on it.
    pub hold: Option<Hold>,
}

impl Restored {
    /// From the stored form; `now` and `moment` are the same instant by both clocks.
    #[must_use]
    pub fn from_record(record: &BreakerRecord, now: Timestamp, moment: Moment) -> Self {
        let BreakerRecord { state, mode, level, since, open_until, forced } = record;
        let hold = forced
            .as_ref()
            .map(|forced| Hold { mode: *mode, until: forced.until.map(|until| moment.plus(until.since(now))) });
        let open_remaining = open_until.map_or(Duration::ZERO, |until| until.since(now));
        Self { state: *state, level: *level, open_remaining, lasted: now.since(*since), hold }
    }
}

impl Breaker {
    /// As it was, with the time that was left and up to the policy's jitter more, so that the breakers of one node do not
    /// all try again at once. A clock that was set back while the node was down cannot keep it open for longer than the
    /// policy could. Half-open begins anew: its trials died with the process. So does a ramp that would not be over yet:
    /// how many came back meanwhile is not known, and it is the same ramp again for a ramp's time at most. If the
    /// policy's mode has changed meanwhile, the state follows at once and that is returned.
    #[must_use]
    pub fn restore(policy: Policy, restored: Restored, draw: f64, now: Moment) -> (Self, Option<Transition>) {
        let Restored { state, level, open_remaining, lasted, hold } = restored;
        let mut breaker = Self::new(policy, now);
        let policy = &breaker.policy;
        let longest = scaled(policy.open_time_max.max(policy.open_time), 1.0 + policy.jitter.clamp(0.0, 1.0));
        let later = 1.0 + policy.jitter.clamp(0.0, 1.0) * draw.abs().min(1.0);
        breaker.phase = match state {
            State::Closed => {
                // With level 0 it has not come back from anything, or was told to forget it.
                let ramps = level > 0 && policy.ramp.is_some_and(|length| lasted < length);
                Phase::Closed { healthy_since: now, ramp: ramps.then(|| Ramp::new(now)) }
            }
            State::Open => Phase::Open { until: now.plus(scaled(open_remaining.min(longest), later)) },
            State::HalfOpen => Phase::HalfOpen(HalfOpen::new(now)),
        };
        breaker.level = level;
        breaker.hold = hold;
        let transition = breaker.follow_mode(Mode::Enforce, now);
        (breaker, transition)
    }
}
