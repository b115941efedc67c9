//! The gate decides what the domain alone would decide, whatever happens to both.

use std::time::Duration;

use proptest::prelude::*;

use super::tests::{at, closed, without_jitter};
use crate::domain::breaker::{Breaker, Mode, Outcome, Policy, Rejected, Ticket, Transition, Window};
use crate::domain::time::Moment;

/// The domain's breaker alone, told of every call at once.
struct Alone {
    breaker: Breaker,
    decided: Vec<Transition>,
}

#[derive(Debug, Clone)]
enum Act {
    Call { outcome: Outcome, took_ms: u64 },
    Begin,
    End { outcome: Outcome },
    Cancel,
    Attempt { begins: bool },
    SlowAfter { millis: u64 },
    Observe { outcome: Outcome, took_ms: u64 },
    Wait { millis: u64 },
    Tick,
    Probe { ok: bool },
    SlowCall { millis: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let outcome = || {
        prop_oneof![
            2 => Just(Outcome::Failure),
            9 => Just(Outcome::Success),
            2 => Just(Outcome::Ignored),
            1 => Just(Outcome::Unknown),
        ]
    };
    prop_oneof![
        12 => (outcome(), prop_oneof![4 => Just(0_u64), 1 => 0_u64..1_500]).prop_map(|(outcome, took_ms)| Act::Call { outcome, took_ms }),
        3 => Just(Act::Begin),
        3 => outcome().prop_map(|outcome| Act::End { outcome }),
        1 => Just(Act::Cancel),
        4 => any::<bool>().prop_map(|begins| Act::Attempt { begins }),
        2 => (0_u64..3_000).prop_map(|millis| Act::SlowAfter { millis }),
        2 => (outcome(), 0_u64..1_500).prop_map(|(outcome, took_ms)| Act::Observe { outcome, took_ms }),
        4 => (0_u64..4_000).prop_map(|millis| Act::Wait { millis }),
        2 => Just(Act::Tick),
        1 => any::<bool>().prop_map(|ok| Act::Probe { ok }),
        1 => (1_u64..3_000).prop_map(|millis| Act::SlowCall { millis }),
    ]
}

impl Alone {
    fn begin(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        self.decided.extend(self.breaker.judge(0.0, now));
        self.breaker.acquire(now)
    }

    fn end(&mut self, ticket: &Ticket, outcome: Outcome, now: Moment) {
        self.decided.extend(self.breaker.done(ticket, outcome, 0.0, now));
    }
}

proptest! {
    #[test]
    fn the_gate_decides_what_the_domain_alone_would_decide(
        count in any::<bool>(),
        ramp in prop::option::of(1_u64..60),
        dry_run in any::<bool>(),
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let window = if count { Window::Count(15) } else { Policy::default().window };
        let ramp = ramp.map(Duration::from_secs);
        let mode = if dry_run { Mode::DryRun } else { Mode::Enforce };
        let policy = Policy { window, ramp, mode, ..without_jitter() };
        let (mut driver, gate, _) = closed(policy.clone());
        let mut alone = Alone { breaker: Breaker::new(policy.clone(), at(0)), decided: Vec::new() };
        let mut decided = Vec::new();
        let mut running = Vec::new();
        let mut now = at(1);
        for act in acts {
            match act {
                Act::Call { outcome, took_ms } => {
                    let began = now;
                    now = now.plus(Duration::from_millis(took_ms));
                    match (gate.acquire(began), alone.begin(began)) {
                        (Ok(permit), Ok(ticket)) => {
                            permit.done(outcome, now);
                            alone.end(&ticket, outcome, now);
                        }
                        (gate, alone) => prop_assert_eq!(gate.err(), alone.err()),
                    }
                }
                Act::Begin => match (gate.acquire(now), alone.begin(now)) {
                    (Ok(permit), Ok(ticket)) => running.push((permit, ticket)),
                    (gate, alone) => prop_assert_eq!(gate.err(), alone.err()),
                },
                Act::End { outcome } => if let Some((permit, ticket)) = running.pop() {
                    permit.done(outcome, now);
                    alone.end(&ticket, outcome, now);
                },
                Act::Cancel => if let Some((permit, ticket)) = running.pop() {
                    drop(permit);
                    alone.breaker.cancelled(&ticket);
                },
                Act::Attempt { begins } => if let Some((permit, ticket)) = running.last_mut() {
                    if begins {
                        permit.attempt_begins(now);
                        alone.breaker.attempt_begins(ticket, now);
                    } else {
                        permit.attempt_ended(now);
                        alone.breaker.attempt_ended(ticket, now);
                    }
                },
                Act::SlowAfter { millis } => if let Some((permit, ticket)) = running.last_mut() {
                    permit.slow_after(Duration::from_millis(millis), now);
                    alone.breaker.slow_after(ticket, Duration::from_millis(millis), now);
                },
                Act::Observe { outcome, took_ms } => {
                    let took = Duration::from_millis(took_ms);
                    gate.observe(outcome, took, now);
                    alone.decided.extend(alone.breaker.observed(outcome, took, 0.0, now));
                }
                Act::Wait { millis } => now = now.plus(Duration::from_millis(millis)),
                Act::Tick => {
                    decided.extend(driver.tick(now));
                    alone.decided.extend(alone.breaker.tick(0.0, now));
                }
                Act::Probe { ok } => {
                    decided.extend(driver.probe_observed(ok, now));
                    alone.decided.extend(alone.breaker.probe_observed(ok, 0.0, now));
                }
                Act::SlowCall { millis } => {
                    let policy = Policy { slow_call: Duration::from_millis(millis), ..policy.clone() };
                    decided.extend(driver.set_policy(policy.clone(), now));
                    alone.decided.extend(alone.breaker.set_policy(policy, 0.0, now));
                }
            }
            decided.extend(driver.take_pending());
            driver.publish(driver.generation());
            let _ = driver.wake_at();
            let transitions: Vec<_> = decided.iter().map(|one| one.transition).collect();
            prop_assert_eq!(&transitions, &alone.decided);
            prop_assert_eq!(driver.view(now), alone.breaker.view(now));
        }
    }
}
