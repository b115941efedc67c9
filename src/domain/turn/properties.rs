//! Random lives of a target: whatever is found, reported or decided by the breaker, nothing that is always true breaks,
//! and the log alone tells a story that fits together.

use proptest::prelude::*;

use super::tests::{Stage, policy};
use super::*;
use crate::domain::breaker::{Cause as Why, State};
use crate::domain::failure_history::IntegrationFailureHistory;
use crate::domain::invariant::broken;
use crate::domain::watch::Policy;

#[derive(Debug, Clone)]
enum Step {
    Attempt(Option<u8>, Asked),
    Connect,
    Fail(u8),
    Retry,
    BreakerCloses,
    BreakerReopens,
    CallsOpenTheBreaker,
    Hold(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let asked = prop_oneof![6 => Just(Asked::No), 1 => Just(Asked::Connect), 1 => Just(Asked::Retry), 1 => Just(Asked::HistoryRetry)];
    prop_oneof![
        10 => (proptest::option::weighted(0.6, 0_u8..3), asked).prop_map(|(fault, asked)| Step::Attempt(fault, asked)),
        1 => Just(Step::Connect),
        1 => (0_u8..3).prop_map(Step::Fail),
        1 => Just(Step::Retry),
        2 => Just(Step::BreakerCloses),
        1 => Just(Step::BreakerReopens),
        1 => Just(Step::CallsOpenTheBreaker),
        2 => any::<bool>().prop_map(Step::Hold),
    ]
}

fn play(stage: &mut Stage, step: &Step, second: i64) -> Turn {
    let reason = |number: &u8| format!("reason {number}");
    match step {
        Step::Attempt(fault, asked) => stage.attempt_asked(second, fault.as_ref().map(reason).as_deref(), *asked),
        Step::Connect => stage.report(second, Command::Connect { attempted_at: at(second) }),
        Step::Fail(number) => {
            stage.report(second, Command::Fail { failure_reason: reason(number).into(), failed_at: at(second) })
        }
        Step::Retry => {
            let origin = RetryOrigin::Reported;
            stage.report(second, Command::Retry { retry_count: None, retried_at: at(second), origin })
        }
        Step::BreakerCloses if stage.breaker == State::HalfOpen => {
            stage.breaker(second, State::Closed, Why::TrialsPassed)
        }
        Step::BreakerReopens if stage.breaker == State::HalfOpen => {
            stage.breaker(second, State::Open, Why::TrialFailed)
        }
        Step::CallsOpenTheBreaker if stage.breaker == State::Closed => {
            stage.origin = Origin::Traffic;
            stage.breaker(second, State::Open, Why::FailureRate)
        }
        Step::Hold(hold) => {
            stage.beside.holding = hold.then_some(alert::Hold::Dependency).into();
            stage.attempt_asked(second, None, Asked::No)
        }
        Step::BreakerCloses | Step::BreakerReopens | Step::CallsOpenTheBreaker => Turn::default(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_nanos(second * 1_000_000_000)
}

/// The histories and alerts as somebody sees them who only reads what the turns wrote.
#[derive(Default)]
struct Told {
    open: Option<IntegrationFailureHistory>,
    firing: bool,
}

impl Told {
    fn read(&mut self, turn: &Turn) {
        for step in &turn.steps {
            match step {
                HistoryStep::Record { id, record } => {
                    assert!(self.open.is_none(), "an outage has one history");
                    self.open = Some(IntegrationFailureHistory::record(*id, record.clone(), true));
                }
                HistoryStep::Retry { id, .. } | HistoryStep::Told { id } => {
                    assert_eq!(self.open.as_ref().map(|open| open.id), Some(*id))
                }
                HistoryStep::Recover { id, .. } => assert_eq!(self.open.take().map(|open| open.id), Some(*id)),
            }
        }
        for occurrence in &turn.events {
            if let Event::AlertFired { .. } = &occurrence.event {
                assert!(!self.firing, "an incident fires once");
                self.firing = true;
            }
            if let Event::AlertResolved { .. } = &occurrence.event {
                assert!(self.firing, "what was not told is not taken back");
                self.firing = false;
            }
        }
    }
}

proptest! {
    #[test]
    fn no_life_breaks_what_is_always_true(
        steps in proptest::collection::vec(step(), 1..80),
        thresholds in (1_u32..4, 1_u32..3, 0_u32..4),
    ) {
        let (failure_threshold, success_threshold, max_retries) = thresholds;
        let policy = Policy { failure_threshold, success_threshold, max_retries, ..policy() };
        let (mut stage, mut told) = (Stage::new(policy.clone()), Told::default());
        for (step, second) in steps.iter().zip(1..) {
            let before = stage.watch.status.clone();
            let turn = play(&mut stage, step, second);
            told.read(&turn);
            prop_assert_eq!(broken(&stage.watch, &policy, &stage.beside), vec![], "after {:?}", step);
            prop_assert_eq!(told.firing, stage.watch.incident.is_some());
            prop_assert_eq!(told.open.is_some(), stage.watch.trouble.as_ref().is_some_and(|t| t.history.is_some()));
            if turn.is_empty() {
                prop_assert_eq!(before.state, stage.watch.status.state, "a state moves by events only");
            }
        }
    }
}
