//! What is counted of one target: plain numbers in a fixed place, without a lock or an allocation of their own.
//!
//! They begin at 0 with the process; everything that must outlive it is in the store. Counters have 32 bits: one
//! probe a second takes 136 years to wrap one, and Prometheus takes a wrap for a restart.

use std::time::Duration;

use crate::domain::breaker;
use crate::domain::observation::{Observation, Phases, Reason};
use crate::domain::status::IntegrationState;
use crate::domain::time::Timestamp;
use crate::domain::verdict::LastProbe;

/// The latency histogram's upper bounds in seconds: those of Prometheus' own clients, with 2 ms for neighbours in the
/// same data centre. A gateway's answer (50 to 500 ms) falls into the middle, the longest usual deadline into the end.
const LATENCY_BOUNDS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same as labels. Whole numbers have their `.0`, as OpenMetrics wants them, in both formats.
pub(super) const LATENCY_LABELS: [&str; LATENCY_BOUNDS.len()] =
    ["0.002", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0"];
pub(super) const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// What is counted of one target.
#[derive(Debug, Clone, Copy, Default)]
pub struct TargetNumbers {
    failures: [u32; Reason::ALL.len()],
    latencies: [u32; BUCKETS],
    latency_sum: Duration,
    last: Option<Last>,
    state_changes: StateChanges,
    breaker_changes: BreakerChanges,
}

/// What the last probe that could be run found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) ok: bool,
    degraded: bool,
    pub(super) status_code: Option<u16>,
    pub(super) took: Duration,
    pub(super) phases: Phases,
    pub(super) certificate_expires_at: Option<Timestamp>,
}

impl TargetNumbers {
    /// A probe ended. One that this node could not run is counted, and says nothing about the target.
    pub fn observe(&mut self, observation: &Observation) {
        if let Some(failure) = &observation.failure {
            count(&mut self.failures[place_of(failure.reason)]);
            if failure.reason == Reason::Internal {
                return;
            }
        } else {
            count(&mut self.latencies[latency_bucket(observation.took)]);
            self.latency_sum = self.latency_sum.saturating_add(observation.took);
        }
        self.last = Some(Last {
            ok: observation.is_ok(),
            degraded: observation.degraded,
            status_code: observation.status_code,
            took: observation.took,
            phases: observation.phases,
            certificate_expires_at: observation.certificate_expires_at,
        });
    }

    /// The aggregate went from one state to another.
    pub fn state_changed(&mut self, from: IntegrationState, to: IntegrationState) {
        self.state_changes.count(from, to);
    }

    /// The breaker went from one state to another.
    pub fn breaker_changed(&mut self, from: breaker::State, to: breaker::State) {
        self.breaker_changes.count(from, to);
    }

    /// Whether the breaker has changed its state since the process began.
    #[must_use]
    pub fn breaker_has_changed(&self) -> bool {
        self.breaker_changes.0.iter().flatten().any(|count| *count > 0)
    }

    /// Adds its changes of state to a sum over many targets.
    pub fn add_changes_to(&self, states: &mut StateChanges, breakers: &mut BreakerChanges) {
        states.0.iter_mut().flatten().zip(self.state_changes.0.iter().flatten()).for_each(add);
        breakers.0.iter_mut().flatten().zip(self.breaker_changes.0.iter().flatten()).for_each(add);
    }

    /// How the last probe that could be run ended; `None` before the first one of this process.
    #[must_use]
    pub fn last_probe(&self) -> Option<LastProbe> {
        self.last.map(|Last { ok, degraded, .. }| LastProbe { ok, degraded })
    }

    /// The target is probed in another way from now on: how the last probe ended says nothing of it.
    pub fn forget_last_probe(&mut self) {
        self.last = None;
    }

    pub(super) const fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    pub(super) fn successes(&self) -> u64 {
        self.latencies.iter().copied().map(u64::from).sum()
    }

    pub(super) fn failed_for(&self, reason: Reason) -> u64 {
        u64::from(self.failures[place_of(reason)])
    }

    /// Failures of the target: all but those of this node.
    pub(super) fn failures(&self) -> u64 {
        Reason::ALL.into_iter().filter(|reason| *reason != Reason::Internal).map(|reason| self.failed_for(reason)).sum()
    }

    pub(super) const fn latencies(&self) -> &[u32; BUCKETS] {
        &self.latencies
    }

    pub(super) const fn latency_sum(&self) -> Duration {
        self.latency_sum
    }

    pub(super) const fn state_changes(&self) -> &StateChanges {
        &self.state_changes
    }

    pub(super) const fn breaker_changes(&self) -> &BreakerChanges {
        &self.breaker_changes
    }
}

/// The latency histogram's bucket for what took `took`.
pub(super) fn latency_bucket(took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    LATENCY_BOUNDS.partition_point(|bound| *bound < seconds)
}

/// How often an aggregate went from which state to which.
#[derive(Debug, Clone, Copy, Default)]
pub struct StateChanges([[u32; 4]; 4]);

impl StateChanges {
    /// One more. What is no change is not counted.
    pub fn count(&mut self, from: IntegrationState, to: IntegrationState) {
        if from != to {
            count(&mut self.0[state_place(from)][state_place(to)]);
        }
    }

    /// Every pair that can happen: a target that was tried is never UNKNOWN again.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let all = IntegrationState::ALL;
        all.into_iter().flat_map(move |from| {
            let possible = all.into_iter().filter(move |to| *to != from && *to != IntegrationState::Unknown);
            possible.map(move |to| (from.as_str(), to.as_str(), u64::from(self.0[state_place(from)][state_place(to)])))
        })
    }
}

fn add((sum, count): (&mut u32, &u32)) {
    *sum = sum.saturating_add(*count);
}

/// How often a breaker went from which state to which.
#[derive(Debug, Clone, Copy, Default)]
pub struct BreakerChanges([[u32; 3]; 3]);

impl BreakerChanges {
    /// One more. What is no change is not counted.
    pub fn count(&mut self, from: breaker::State, to: breaker::State) {
        if from != to {
            count(&mut self.0[breaker_place(from)][breaker_place(to)]);
        }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        BREAKER_STATES.into_iter().flat_map(move |from| {
            BREAKER_STATES
                .into_iter()
                .filter(move |to| *to != from)
                .map(move |to| (from.as_str(), to.as_str(), u64::from(self.0[breaker_place(from)][breaker_place(to)])))
        })
    }
}

pub(super) const BREAKER_STATES: [breaker::State; 3] =
    [breaker::State::Closed, breaker::State::Open, breaker::State::HalfOpen];

/// What a breaker counted itself, read when the page is written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BreakerSample {
    /// Calls that passed.
    pub calls: CallCounts,
    /// Calls that did not.
    pub rejected: RejectionCounts,
    /// Failed calls of all in the window, 0..=1.
    pub failure_rate: f64,
    /// Slow calls of all in the window, 0..=1.
    pub slow_call_rate: f64,
    /// Trials that half-open still hands out; 0 in another state.
    pub half_open_permits: u32,
}

/// Calls that passed a breaker, by what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Good.
    pub success: u64,
    /// Failed.
    pub failure: u64,
    /// Of no meaning for the breaker.
    pub ignored: u64,
    /// Nobody knows what the other side did.
    pub unknown: u64,
    /// The permit was dropped without a result.
    pub cancelled: u64,
}

/// Calls that a breaker refused, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectionCounts {
    /// It was open.
    pub open: u64,
    /// It was half-open, and all its trials were taken.
    pub trials_taken: u64,
    /// An operator held it open.
    pub forced_open: u64,
    /// It had closed and let calls back step by step.
    pub ramping: u64,
}

impl CallCounts {
    pub(super) const fn by_outcome(self) -> [(&'static str, u64); 5] {
        let Self { success, failure, ignored, unknown, cancelled } = self;
        [
            ("success", success),
            ("failure", failure),
            ("ignored", ignored),
            ("unknown", unknown),
            ("cancelled", cancelled),
        ]
    }
}

impl RejectionCounts {
    pub(super) const fn by_reason(self) -> [(&'static str, u64); 4] {
        let Self { open, trials_taken, forced_open, ramping } = self;
        [("open", open), ("trials_taken", trials_taken), ("forced_open", forced_open), ("ramping", ramping)]
    }
}

const fn count(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}

/// The place in [`Reason::ALL`].
const fn place_of(reason: Reason) -> usize {
    match reason {
        Reason::Dns => 0,
        Reason::Connect => 1,
        Reason::Tls => 2,
        Reason::Timeout => 3,
        Reason::HttpStatus => 4,
        Reason::Assertion => 5,
        Reason::Auth => 6,
        Reason::RateLimited => 7,
        Reason::Protocol => 8,
        Reason::Internal => 9,
    }
}

const fn state_place(state: IntegrationState) -> usize {
    match state {
        IntegrationState::Unknown => 0,
        IntegrationState::Connected => 1,
        IntegrationState::Retrying => 2,
        IntegrationState::Failed => 3,
    }
}

const fn breaker_place(state: breaker::State) -> usize {
    match state {
        breaker::State::Closed => 0,
        breaker::State::Open => 1,
        breaker::State::HalfOpen => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::Failure;

    fn observation(took_ms: u64, reason: Option<Reason>) -> Observation {
        Observation {
            at: Timestamp::default(),
            took: Duration::from_millis(took_ms),
            failure: reason.map(|reason| Failure { reason, message: "said".into(), code: "N/A".into() }),
            degraded: false,
            phases: Phases::default(),
            status_code: None,
            bytes: 0,
            certificate_expires_at: None,
            retry_after: None,
            warning: None,
            provider: None,
        }
    }

    #[test]
    fn every_reason_has_the_place_that_the_list_gives_it() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(place_of(reason), place);
        }
        for (place, state) in IntegrationState::ALL.into_iter().enumerate() {
            assert_eq!(state_place(state), place);
        }
        for (place, state) in BREAKER_STATES.into_iter().enumerate() {
            assert_eq!(breaker_place(state), place);
        }
    }

    #[test]
    fn the_labels_of_the_latency_buckets_are_their_bounds() {
        for (bound, label) in LATENCY_BOUNDS.iter().zip(LATENCY_LABELS) {
            assert_eq!(format!("{bound:?}"), label);
        }
    }

    #[test]
    fn a_latency_on_a_bound_falls_into_its_bucket() {
        let mut numbers = TargetNumbers::default();
        for took_ms in [2, 3, 10_000, 10_001] {
            numbers.observe(&observation(took_ms, None));
        }
        assert_eq!(numbers.latencies(), &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(numbers.successes(), 4);
        assert_eq!(numbers.latency_sum(), Duration::from_millis(20_006));
    }

    #[test]
    fn what_this_node_could_not_run_says_nothing_about_the_target() {
        let mut numbers = TargetNumbers::default();
        numbers.observe(&observation(5, None));
        numbers.observe(&observation(1, Some(Reason::Internal)));
        assert_eq!(numbers.last_probe(), Some(LastProbe { ok: true, degraded: false }));
        assert_eq!((numbers.successes(), numbers.failures(), numbers.failed_for(Reason::Internal)), (1, 0, 1));
    }

    #[test]
    fn a_failure_is_counted_by_its_reason_and_has_no_latency() {
        let mut numbers = TargetNumbers::default();
        numbers.observe(&observation(1, Some(Reason::Connect)));
        numbers.observe(&observation(2_000, Some(Reason::Timeout)));
        assert_eq!(numbers.last_probe(), Some(LastProbe { ok: false, degraded: false }));
        assert_eq!((numbers.successes(), numbers.failures(), numbers.failed_for(Reason::Timeout)), (0, 2, 1));
    }

    #[test]
    fn only_changes_are_counted_and_none_leads_back_to_unknown() {
        let mut changes = StateChanges::default();
        changes.count(IntegrationState::Unknown, IntegrationState::Connected);
        changes.count(IntegrationState::Connected, IntegrationState::Connected);
        let pairs: Vec<_> = changes.pairs().collect();
        assert_eq!(pairs.len(), 9);
        assert_eq!(pairs.iter().filter(|(_, _, count)| *count > 0).collect::<Vec<_>>(), [&("UNKNOWN", "CONNECTED", 1)]);
        assert!(pairs.iter().all(|(_, to, _)| *to != "UNKNOWN"));
        assert_eq!(BreakerChanges::default().pairs().count(), 6);
    }

    #[test]
    fn the_numbers_of_a_target_fit_into_400_bytes() {
        assert!(size_of::<TargetNumbers>() <= 400, "{}", size_of::<TargetNumbers>());
    }
}
