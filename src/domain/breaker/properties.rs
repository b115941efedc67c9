//! What the breaker never does, whatever happens to it.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::time::Moment;

#[derive(Debug, Clone)]
enum Act {
    Begin,
    End { which: usize, outcome: Outcome },
    Cancel { which: usize },
    Wait { millis: u64 },
    Probe { ok: bool },
    ProbesPassed,
    TargetFailed,
    Tick,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Failure),
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Unknown),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Begin),
        8 => (any::<usize>(), outcome()).prop_map(|(which, outcome)| Act::End { which, outcome }),
        1 => any::<usize>().prop_map(|which| Act::Cancel { which }),
        4 => (0_u64..20_000).prop_map(|millis| Act::Wait { millis }),
        2 => any::<bool>().prop_map(|ok| Act::Probe { ok }),
        1 => Just(Act::ProbesPassed),
        1 => Just(Act::TargetFailed),
        4 => Just(Act::Tick),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let window = prop_oneof![
        (1_u64..120, 1_u32..60)
            .prop_map(|(length, slices)| Window::Time { length: Duration::from_secs(length), slices }),
        (1_u32..50).prop_map(Window::Count),
    ];
    (window, 1_u32..20, 0.1_f64..1.2, prop::option::of(1_u32..6), 1_u32..6, any::<bool>()).prop_map(
        |(window, minimum_calls, failure_rate, consecutive_failures, trials, dry_run)| Policy {
            window,
            minimum_calls,
            failure_rate,
            consecutive_failures,
            trials,
            mode: if dry_run { Mode::DryRun } else { Mode::Enforce },
            ..Policy::default()
        },
    )
}

/// A breaker, the calls that have not ended, and what was seen of the present half-open.
struct World {
    breaker: Breaker,
    now: Moment,
    running: Vec<Ticket>,
    trials_out: usize,
}

impl World {
    fn new(policy: Policy) -> Self {
        let now = Moment::from_nanos(1);
        Self { breaker: Breaker::new(policy, now), now, running: Vec::new(), trials_out: 0 }
    }

    fn take(&mut self, which: usize) -> Option<Ticket> {
        (!self.running.is_empty()).then(|| self.running.swap_remove(which % self.running.len()))
    }

    fn act(&mut self, act: &Act) {
        let (before, generation) = (self.breaker.state(), self.breaker.generation());
        let transition = self.perform(act);
        match transition {
            Some(transition) => {
                assert_eq!((transition.from, transition.to), (before, self.breaker.state()));
                assert!(self.breaker.generation() > generation);
                self.trials_out = 0;
            }
            None => assert_eq!((self.breaker.state(), self.breaker.generation()), (before, generation)),
        }
    }

    fn perform(&mut self, act: &Act) -> Option<Transition> {
        match act {
            Act::Begin => self.begin(),
            Act::End { which, outcome } => self.end(*which, *outcome),
            Act::Cancel { which } => {
                let ticket = self.take(*which)?;
                self.breaker.cancelled(&ticket);
                self.give_back(&ticket);
                None
            }
            Act::Wait { millis } => {
                self.now = self.now.plus(Duration::from_millis(*millis));
                None
            }
            Act::Probe { ok } => self.breaker.probe_observed(*ok, 0.0, self.now),
            Act::ProbesPassed => self.breaker.probe_passed_threshold(self.now),
            Act::TargetFailed => self.breaker.target_failed(Cause::Probe, 0.0, self.now),
            Act::Tick => self.breaker.tick(0.0, self.now),
        }
    }

    fn begin(&mut self) -> Option<Transition> {
        let opened = self.breaker.judge(0.0, self.now);
        if opened.is_none() {
            if let Ok(ticket) = self.breaker.acquire(self.now) {
                self.trials_out += usize::from(ticket.pass == Pass::Trial);
                self.running.push(ticket);
            }
            assert!(self.trials_out <= self.breaker.policy().trials as usize, "more trials than there are");
        }
        opened
    }

    fn end(&mut self, which: usize, outcome: Outcome) -> Option<Transition> {
        let ticket = self.take(which)?;
        let stale = ticket.generation != self.breaker.generation();
        let transition = self.breaker.done(&ticket, outcome, 0.0, self.now);
        assert!(!(stale && transition.is_some()), "a stale result moved the state");
        if outcome == Outcome::Ignored {
            self.give_back(&ticket);
        }
        transition
    }

    fn give_back(&mut self, ticket: &Ticket) {
        let counts = ticket.pass == Pass::Trial && ticket.generation == self.breaker.generation();
        self.trials_out -= usize::from(counts);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_hands_out_more_trials_or_lets_a_stale_result_speak(
        policy in policy(),
        acts in prop::collection::vec(act(), 1..300),
    ) {
        let mut world = World::new(policy);
        for act in &acts {
            world.act(act);
        }
    }

    #[test]
    fn half_open_always_ends(policy in policy(), acts in prop::collection::vec(act(), 1..100)) {
        let mut world = World::new(policy);
        for act in &acts {
            world.act(act);
        }
        if world.breaker.state() == State::HalfOpen {
            let due = world.breaker.wake_at().unwrap();
            prop_assert!(due <= world.now.plus(world.breaker.policy().half_open_max));
            let ended = world.breaker.tick(0.0, due);
            prop_assert_eq!(ended.map(|to| (to.to, to.cause)), Some((State::Open, Cause::TrialsTimedOut)));
        }
    }

    #[test]
    fn left_alone_with_passing_probes_it_always_closes(policy in policy(), acts in prop::collection::vec(act(), 1..100)) {
        let mut world = World::new(policy);
        for act in &acts {
            world.act(act);
        }
        // Longer than the longest open time, and so long that no caller is remembered.
        for _ in 0..600 {
            world.now = world.now.plus(Duration::from_secs(1));
            let _ = world.breaker.tick(0.0, world.now);
            let _ = world.breaker.probe_observed(true, 0.0, world.now);
        }
        prop_assert_eq!(world.breaker.state(), State::Closed);
    }

    #[test]
    fn the_open_time_doubles_up_to_its_limit_and_falls_by_one_level_a_healthy_minute(
        openings in 1_usize..12,
        minutes in 0_u64..12,
        draw in -1.0_f64..=1.0,
    ) {
        let policy = Policy::default();
        let mut breaker = Breaker::new(policy.clone(), Moment::from_nanos(0));
        let mut now = Moment::from_nanos(0);
        let mut expected = policy.open_time;
        for _ in 0..openings {
            let opened = breaker.target_failed(Cause::Probe, draw, now).unwrap();
            let open_for = opened.open_for.unwrap();
            prop_assert!(open_for >= expected.mul_f64(0.899) && open_for <= expected.mul_f64(1.101));
            expected = (expected * 2).min(policy.open_time_max);
            now = now.plus(open_for);
            prop_assert!(breaker.tick(draw, now).is_some());
        }
        let level = breaker.level();
        for _ in 0..policy.trials {
            let trial = breaker.acquire(now).unwrap();
            let _ = breaker.done(&trial, Outcome::Success, draw, now);
        }
        prop_assert_eq!(breaker.state(), State::Closed);
        let _ = breaker.tick(draw, now.plus(Duration::from_secs(60 * minutes)));
        prop_assert_eq!(u64::from(breaker.level()), u64::from(level).saturating_sub(minutes));
    }

    #[test]
    fn the_totals_are_what_a_list_of_all_calls_says(
        calls in prop::collection::vec((0_u64..3_000, any::<bool>(), 0_u64..2_000), 1..300),
        size in 1_u32..40,
        slices in 1_u32..20,
    ) {
        let rates_off = Policy { failure_rate: Policy::NEVER, slow_call_rate: Policy::NEVER, bad_rate: Policy::NEVER, ..Policy::default() };
        let length = Duration::from_secs(u64::from(slices));
        let mut by_count = Breaker::new(Policy { window: Window::Count(size), ..rates_off.clone() }, Moment::default());
        let mut by_time = Breaker::new(Policy { window: Window::Time { length, slices }, ..rates_off }, Moment::default());
        let mut list = Vec::new();
        let mut now = Moment::default();
        for (wait, failed, took) in calls {
            let ended = now.plus(Duration::from_millis(wait)).plus(Duration::from_millis(took));
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            for breaker in [&mut by_count, &mut by_time] {
                let ticket = breaker.acquire(now.plus(Duration::from_millis(wait))).unwrap();
                prop_assert_eq!(breaker.done(&ticket, outcome, 0.0, ended), None);
            }
            now = ended;
            list.push((now, failed, took >= 1_000));
            let last: Vec<_> = list.iter().rev().take(size as usize).collect();
            let slice = |moment: Moment| moment.as_nanos() / 1_000_000_000;
            let recent: Vec<_> = list.iter().filter(|call| slice(now) - slice(call.0) < u64::from(slices)).collect();
            prop_assert_eq!(by_count.view(now).window, counts(&last));
            prop_assert_eq!(by_time.view(now).window, counts(&recent));
        }
    }
}

fn counts(calls: &[&(Moment, bool, bool)]) -> Counts {
    let count = |wanted: fn(&(Moment, bool, bool)) -> bool| calls.iter().filter(|call| wanted(call)).count() as u64;
    Counts {
        calls: calls.len() as u64,
        failed: count(|call| call.1),
        slow: count(|call| call.2),
        bad: count(|call| call.1 || call.2),
        ignored: 0,
    }
}
