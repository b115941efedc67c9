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
    AttemptBegins { which: usize },
    AttemptEnded { which: usize },
    Observe { outcome: Outcome, millis: u64 },
    Wait { millis: u64 },
    Probe { ok: bool },
    ProbesPassed,
    TargetFailed,
    Tick,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Failure),
        6 => Just(Outcome::Success),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Unknown),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Begin),
        8 => (any::<usize>(), outcome()).prop_map(|(which, outcome)| Act::End { which, outcome }),
        1 => any::<usize>().prop_map(|which| Act::Cancel { which }),
        2 => any::<usize>().prop_map(|which| Act::AttemptBegins { which }),
        2 => any::<usize>().prop_map(|which| Act::AttemptEnded { which }),
        2 => (outcome(), 0_u64..3_000).prop_map(|(outcome, millis)| Act::Observe { outcome, millis }),
        3 => prop_oneof![4 => 0_u64..2_000, 2 => 0_u64..20_000, 1 => 50_000_u64..200_000]
            .prop_map(|millis| Act::Wait { millis }),
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
    let limits = (window, 1_u32..20, 0.1_f64..1.2, prop::option::of(1_u32..6));
    let times = (1_u64..20, 1_u64..400, 1_u64..40, prop::option::of(1_u64..120));
    (limits, times, 1_u32..6, any::<bool>()).prop_map(|(limits, times, trials, dry_run)| {
        let (window, minimum_calls, failure_rate, consecutive_failures) = limits;
        let (open_time, open_time_max, half_open_max, ramp) = times;
        Policy {
            window,
            minimum_calls,
            failure_rate,
            consecutive_failures,
            open_time: Duration::from_secs(open_time),
            open_time_max: Duration::from_secs(open_time_max),
            half_open_max: Duration::from_secs(half_open_max),
            ramp: ramp.map(Duration::from_secs),
            trials,
            mode: if dry_run { Mode::DryRun } else { Mode::Enforce },
            ..Policy::default()
        }
    })
}

/// A breaker, the calls that have not ended, and what must be true of it, counted in the simplest way there is.
struct World {
    breaker: Breaker,
    now: Moment,
    running: Vec<Ticket>,
    /// Trials of the present half-open that were not given back.
    trials_out: u32,
    /// Since when it is in its state.
    since: Moment,
    level: u32,
    lifetime: Lifetime,
    refused: u64,
}

impl World {
    fn new(policy: Policy) -> Self {
        let now = Moment::from_nanos(1);
        Self {
            breaker: Breaker::new(policy, now),
            now,
            running: Vec::new(),
            trials_out: 0,
            since: now,
            level: 0,
            lifetime: Lifetime::default(),
            refused: 0,
        }
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
                self.moved(&transition);
            }
            None => assert_eq!((self.breaker.state(), self.breaker.generation()), (before, generation)),
        }
        let view = self.breaker.view(self.now);
        let allowed = self.breaker.policy().trials;
        assert_eq!(view.trials, Trials { granted: self.trials_out, allowed, ..view.trials });
        assert!(view.trials.by_probes <= view.trials.succeeded);
        assert!(view.trials.succeeded <= self.trials_out && self.trials_out <= allowed, "more trials than there are");
        assert_eq!(view.lifetime, self.lifetime);
        let Refused { open, forced_open, trials_taken, ramping } = view.refused;
        assert_eq!(open + forced_open + trials_taken + ramping, self.refused);
        assert!(view.slow_in_flight <= view.in_flight && view.in_flight <= self.running.len() as u64);
        assert!(view.ramp.is_none_or(|share| view.state == State::Closed && (0.1..1.0).contains(&share)));
    }

    /// The open time doubles with each level up to the longest, and closed, a level is forgiven each whole minute.
    fn moved(&mut self, transition: &Transition) {
        self.trials_out = 0;
        let policy = self.breaker.policy();
        if transition.from == State::Closed {
            let minutes = self.now.since(self.since).as_secs() / 60;
            self.level = self.level.saturating_sub(u32::try_from(minutes).unwrap());
        }
        self.since = self.now;
        if transition.to == State::Open {
            let longest = policy.open_time_max.max(policy.open_time);
            let open_for = (policy.open_time * 2_u32.pow(self.level)).min(longest);
            assert_eq!(transition.open_for, Some(open_for));
            self.level = if open_for < longest { self.level + 1 } else { self.level.max(1) };
            assert_eq!(transition.level, self.level);
        }
        assert_eq!(self.breaker.level(), self.level);
    }

    fn perform(&mut self, act: &Act) -> Option<Transition> {
        match act {
            Act::Begin => self.begin(),
            Act::End { which, outcome } => self.end(*which, *outcome),
            Act::Cancel { which } => {
                let ticket = self.take(*which)?;
                self.breaker.cancelled(&ticket);
                self.lifetime.cancelled += 1;
                self.give_back(&ticket);
                None
            }
            Act::AttemptBegins { which } => {
                let index = which.checked_rem(self.running.len())?;
                self.breaker.attempt_begins(&mut self.running[index], self.now);
                None
            }
            Act::AttemptEnded { which } => {
                let index = which.checked_rem(self.running.len())?;
                self.breaker.attempt_ended(&mut self.running[index], self.now);
                None
            }
            Act::Observe { outcome, millis } => {
                let closed = self.breaker.state() == State::Closed;
                self.lifetime.ended(*outcome);
                let moved = self.breaker.observed(*outcome, Duration::from_millis(*millis), 0.0, self.now);
                assert!(closed || moved.is_none(), "a call that was only reported is no trial");
                moved
            }
            Act::Wait { millis } => {
                self.now = self.now.plus(Duration::from_millis(*millis));
                None
            }
            Act::Probe { ok } => {
                let before = self.breaker.view(self.now).trials.granted;
                let moved = self.breaker.probe_observed(*ok, 0.0, self.now);
                if moved.is_none() {
                    self.trials_out += self.breaker.view(self.now).trials.granted - before;
                }
                moved
            }
            Act::ProbesPassed => self.breaker.probe_passed_threshold(self.now),
            Act::TargetFailed => self.breaker.target_failed(Cause::Probe, 0.0, self.now),
            Act::Tick => self.tick(),
        }
    }

    fn begin(&mut self) -> Option<Transition> {
        let opened = self.breaker.judge(0.0, self.now);
        if opened.is_none() {
            match self.breaker.acquire(self.now) {
                Ok(ticket) => {
                    self.trials_out += u32::from(ticket.pass == Pass::Trial);
                    self.running.push(ticket);
                }
                Err(rejected) => {
                    assert_ne!(self.breaker.mode(), Mode::DryRun, "{rejected}");
                    self.refused += 1;
                }
            }
        }
        opened
    }

    fn end(&mut self, which: usize, outcome: Outcome) -> Option<Transition> {
        let ticket = self.take(which)?;
        let stale = ticket.generation != self.breaker.generation();
        self.lifetime.ended(outcome);
        let transition = self.breaker.done(&ticket, outcome, 0.0, self.now);
        assert!(!(stale && transition.is_some()), "a stale result moved the state");
        let closes = transition.is_some_and(|transition| transition.to == State::Closed);
        assert!(!closes || (ticket.pass == Pass::Trial && outcome == Outcome::Success), "closed by what is no trial");
        if outcome == Outcome::Ignored {
            self.give_back(&ticket);
        }
        transition
    }

    fn tick(&mut self) -> Option<Transition> {
        let moved = self.breaker.tick(0.0, self.now);
        if self.breaker.state() == State::HalfOpen {
            let half_open_for = self.now.since(if moved.is_some() { self.now } else { self.since });
            let policy = self.breaker.policy();
            assert!(half_open_for < policy.longest_half_open(), "half-open lasts too long");
            let misses_callers = self.breaker.view(self.now).trials.succeeded > 0;
            assert!(misses_callers || half_open_for < self.breaker.policy().half_open_max, "nothing speaks for it");
        }
        if moved.is_none() && self.breaker.state() == State::Closed {
            let minutes = self.now.since(self.since).as_secs() / 60;
            assert_eq!(u64::from(self.breaker.level()), u64::from(self.level).saturating_sub(minutes));
        }
        moved
    }

    fn give_back(&mut self, ticket: &Ticket) {
        let counts = ticket.pass == Pass::Trial && ticket.generation == self.breaker.generation();
        self.trials_out -= u32::from(counts);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_hands_out_more_trials_lets_a_stale_result_speak_or_loses_count(
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
        let mut world = World::new(policy.clone());
        for act in &acts {
            world.act(act);
        }
        if world.breaker.state() == State::HalfOpen {
            let (half_open_max, longest) = (policy.half_open_max, policy.longest_half_open());
            let mut now = world.now;
            let ended = loop {
                let due = world.breaker.wake_at().unwrap();
                prop_assert!(due <= now.plus(half_open_max) && due <= now.max(world.since.plus(longest)));
                now = due.max(now);
                let Trials { granted, succeeded, .. } = world.breaker.view(now).trials;
                match world.breaker.tick(0.0, now) {
                    Some(ended) => break ended,
                    None => prop_assert!(succeeded > 0 && granted == succeeded, "only who misses callers goes on"),
                }
            };
            prop_assert_eq!((ended.to, ended.cause), (State::Open, Cause::TrialsTimedOut));
        }
    }

    #[test]
    fn left_alone_with_passing_probes_it_always_closes(policy in policy(), acts in prop::collection::vec(act(), 1..100)) {
        // A probe a second must have the time to be all of the trials.
        let half_open_max = policy.half_open_max.max(Duration::from_secs(u64::from(policy.trials) + 2));
        let mut world = World::new(Policy { half_open_max, ..policy });
        for act in &acts {
            world.act(act);
        }
        // Longer than two of the longest open times, and so long that no caller is remembered.
        for _ in 0..1_500 {
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
    fn in_the_ramp_the_callers_pass_in_their_share_to_within_one(
        seconds in 1_u64..300,
        pauses in prop::collection::vec(0_u64..3_000, 1..300),
    ) {
        let policy = Policy { ramp: Some(Duration::from_secs(seconds)), trials: 1, ..Policy::default() };
        let mut now = Moment::from_nanos(1);
        let mut breaker = Breaker::new(policy, now);
        prop_assert!(breaker.target_failed(Cause::Report, 0.0, now).is_some());
        prop_assert!(breaker.probe_passed_threshold(now).is_some());
        let trial = breaker.acquire(now).unwrap();
        prop_assert!(breaker.done(&trial, Outcome::Success, 0.0, now).is_some());
        let (mut shares, mut passed) = (0.0, 0.0);
        for pause in pauses {
            now = now.plus(Duration::from_millis(pause));
            let share = breaker.view(now).ramp;
            let passes = breaker.acquire(now).map_err(|rejected| rejected.reason);
            prop_assert!(passes.is_ok() || passes == Err(Refusal::Ramping));
            prop_assert!(passes.is_ok() || share.is_some(), "refused although the ramp is over");
            shares += share.unwrap_or(1.0);
            passed += f64::from(u8::from(passes.is_ok()));
            prop_assert!((passed - shares).abs() <= 1.0, "{passed} of {shares}");
        }
    }

    #[test]
    fn a_call_is_slow_if_one_of_its_attempts_was_and_never_for_its_pauses(
        calls in prop::collection::vec(prop::collection::vec((0_u64..4_000, 0_u64..1_200), 1..5), 1..20),
    ) {
        let rates_off = Policy { slow_call_rate: Policy::NEVER, bad_rate: Policy::NEVER, ..Policy::default() };
        let mut breaker = Breaker::new(Policy { window: Window::Count(100), ..rates_off }, Moment::default());
        let mut now = Moment::default();
        let (mut count, mut slow) = (0, 0);
        for attempts in calls {
            let mut ticket = breaker.acquire(now).unwrap();
            for (pause, took) in &attempts {
                now = now.plus(Duration::from_millis(*pause));
                breaker.attempt_begins(&mut ticket, now);
                now = now.plus(Duration::from_millis(*took));
                breaker.attempt_ended(&mut ticket, now);
            }
            prop_assert_eq!(breaker.done(&ticket, Outcome::Success, 0.0, now.plus(Duration::from_secs(9))), None);
            count += 1;
            slow += u64::from(attempts.iter().any(|(_, took)| *took >= 1_000));
            let view = breaker.view(now);
            prop_assert_eq!((view.window.calls, view.window.slow, view.in_flight), (count, slow, 0));
        }
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
