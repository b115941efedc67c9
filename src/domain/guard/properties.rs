//! What holds for every call, however it goes.

use std::time::Duration;

use proptest::prelude::*;

use super::{Attempted, Backoff, Ended, Limits, Next, RETRY_WINDOW, RetryBudget, RetryWindow, Safety, WhyEnough};
use crate::domain::breaker::Outcome;
use crate::domain::time::Moment;

fn millis(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_millis)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Ignored), Just(Outcome::Unknown)]
}

fn safety() -> impl Strategy<Value = Safety> {
    prop_oneof![Just(Safety::Unsafe), Just(Safety::Idempotent), Just(Safety::NotProcessed), Just(Safety::NotSent)]
}

prop_compose! {
    fn limits()(attempts in 0_u32..6, attempt_timeout in millis(4_000), call_budget in millis(10_000)) -> Limits {
        Limits { attempts, attempt_timeout, call_budget }
    }
}

prop_compose! {
    fn backoff()(base in millis(3_000), cap in millis(3_000)) -> Backoff {
        Backoff { base, cap }
    }
}

prop_compose! {
    fn ended()(outcome in outcome(), safety in safety(), retry_after in proptest::option::of(millis(5_000))) -> Ended {
        Ended { outcome, safety, retry_after }
    }
}

proptest! {
    #[test]
    fn a_call_of_any_attempts_keeps_to_its_limits(
        limits in limits(),
        backoff in backoff(),
        script in prop::collection::vec((ended(), millis(5_000), 0.0_f64..=1.0), 1..12),
    ) {
        let mut spent = Duration::ZERO;
        let mut number = 0;
        for (ended, wants, draw) in script {
            number += 1;
            let took = wants.min(limits.attempt_timeout).min(limits.call_budget - spent);
            spent += took;
            let left = limits.call_budget - spent;
            match (Attempted { number, took, left }).next(&limits, backoff, &ended, draw) {
                Next::Again { after } => {
                    prop_assert!(ended.safety != Safety::Unsafe && ended.outcome != Outcome::Success);
                    prop_assert!(ended.retry_after.is_none_or(|asked| after >= asked));
                    prop_assert!(after <= backoff.cap.max(ended.retry_after.unwrap_or_default()));
                    spent += after;
                    prop_assert!(spent < limits.call_budget, "there is time for another attempt");
                    prop_assert!(limits.call_budget - spent >= took);
                }
                Next::Enough(_) => break,
            }
        }
        prop_assert!(number <= limits.attempts.max(1));
    }

    #[test]
    fn the_reason_to_stop_is_the_first_that_holds(attempted in (1_u32..6, millis(4_000), millis(8_000)), limits in limits(), ended in ended()) {
        let (number, took, left) = attempted;
        let none = Backoff { base: Duration::ZERO, cap: Duration::ZERO };
        let why = match (Attempted { number, took, left }).next(&limits, none, &ended, 0.0) {
            Next::Again { .. } => None,
            Next::Enough(why) => Some(why),
        };
        prop_assert_eq!(why == Some(WhyEnough::Answered), ended.outcome == Outcome::Success);
        prop_assert_eq!(
            why == Some(WhyEnough::NotSafe),
            ended.outcome != Outcome::Success && ended.safety == Safety::Unsafe
        );
        prop_assert!(why != Some(WhyEnough::RetryBudgetSpent), "that is not asked here");
    }

    #[test]
    fn a_pause_is_never_longer_than_its_doubled_base_or_the_cap(backoff in backoff(), number in 1_u32..40, draw in -1.0_f64..2.0) {
        let pause = backoff.pause(number, draw);
        prop_assert!(pause <= backoff.cap);
        prop_assert!(pause.as_nanos() <= backoff.base.as_nanos() << (number - 1));
    }

    #[test]
    fn within_any_window_retries_never_exceed_the_minimum_and_the_share_of_calls(
        ratio in 0.0_f64..=1.0,
        minimum in 0_u32..5,
        acts in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..300),
    ) {
        let budget = RetryBudget { ratio, minimum };
        let mut window = RetryWindow::default();
        let (mut now, mut calls, mut retries) = (0, Vec::new(), Vec::new());
        for (pause, is_call) in acts {
            now += pause;
            let second = now / 1_000;
            let oldest = (second + 1).saturating_sub(RETRY_WINDOW.as_secs());
            let recent = |seconds: &[u64]| seconds.iter().filter(|at| **at >= oldest).count();
            if is_call {
                window.calls_began(second, 1);
                calls.push(second);
                continue;
            }
            let taken = window.take_retry(&budget, Moment::from_nanos(now * 1_000_000));
            let allowed = f64::from(minimum) + ratio * recent(&calls) as f64;
            prop_assert_eq!(taken, (recent(&retries) + 1) as f64 <= allowed, "a retry is refused only where none is left");
            if taken {
                retries.push(second);
            }
        }
    }
}
