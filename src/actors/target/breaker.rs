//! A target's breaker: how its driver follows the target, time, traffic and operators, and what of it is committed.

use std::sync::{Arc, OnceLock};

use actix::{AsyncContext, Context, Handler, Recipient};

use super::actor::{TargetActor, Then};
use super::messages::LookAtBreaker;
use crate::actors::answer::{Answer, Refused};
use crate::actors::correlation;
use crate::actors::targets::{Act, Control};
use crate::breaker::{Decided, Driver, Gate};
use crate::domain::breaker::{Hold, Judged, Policy, Restored, State, Transition, View};
use crate::domain::change::{Change, Committed};
use crate::domain::event::Event;
use crate::domain::id::{CorrelationId, StatusId};
use crate::domain::time::{Moment, Timestamp};
use crate::domain::turn::{Cue, Turn};
use crate::domain::verdict::LEAST_CALLS;
use crate::domain::watch::{BreakerRecord, Forced};

/// Where a gate's hints go, once the actor has an address.
pub(crate) type Hint = Arc<OnceLock<Recipient<LookAtBreaker>>>;

/// A breaker as the store knows it, or closed. `now` is the same instant by both clocks.
pub(crate) fn breaker_for(
    id: StatusId,
    policy: &Policy,
    record: &BreakerRecord,
    now: (Timestamp, Moment),
    hint: Hint,
) -> (Driver, Gate) {
    let restored = Restored::from_record(record, now.0, now.1);
    let seed = id.0 ^ now.0.as_nanos().unsigned_abs();
    let hint = Box::new(move || {
        if let Some(actor) = hint.get() {
            actor.do_send(LookAtBreaker);
        }
    });
    crate::breaker::new(policy.clone(), Some(restored), now.1, seed, hint)
}

impl TargetActor {
    /// Carries out what the turn wants of the breaker, and adds to the turn what the breaker did.
    pub(super) fn follow_cues(&mut self, turn: &mut Turn, correlation: &CorrelationId) {
        let now = self.links.clock.moment();
        for cue in std::mem::take(&mut turn.cues) {
            let Some(driver) = self.driver.as_mut() else { return };
            let decided = match cue {
                Cue::TargetFailed(cause) => driver.target_failed(cause, now),
                Cue::Passed => driver.probe_passed_threshold(now),
            };
            self.add(decided, turn, correlation);
        }
    }

    /// A probe came back: where no real call is seen, it serves as a trial.
    pub(super) fn breaker_saw_probe(&mut self, ok: bool, turn: &mut Turn, correlation: &CorrelationId) {
        let now = self.links.clock.moment();
        let Some(driver) = self.driver.as_mut() else { return };
        let decided = driver.probe_observed(ok, now);
        self.add(decided, turn, correlation);
    }

    fn add(&mut self, decided: Vec<Decided>, turn: &mut Turn, correlation: &CorrelationId) {
        for Decided { transition, judged, .. } in decided {
            self.note_opening(&transition, judged);
            self.decide(correlation, |watch, with| turn.breaker_moved(watch, transition, with));
        }
    }

    /// Remembers what calls said when they opened the breaker: while it is open nobody calls, and its window forgets.
    /// Trials are few and the newest there is: once calls have opened it, what they say takes the place of what was
    /// said before. Probes that stood in for them change nothing of it.
    fn note_opening(&mut self, transition: &Transition, judged: Option<Judged>) {
        let opened = match transition.to {
            State::Open if transition.cause.is_by_calls() => {
                self.opened_by_calls = true;
                judged.filter(|judged| judged.calls >= LEAST_CALLS).map(|judged| judged.rates)
            }
            State::Open if self.opened_by_calls => match judged {
                Some(trials) => Some(trials.rates),
                None => return,
            },
            State::Closed if self.opened_by_calls => {
                self.opened_by_calls = false;
                None
            }
            State::Open | State::HalfOpen | State::Closed => return,
        };
        self.slot.live(|live| live.set_aside(|aside| aside.opened = opened));
    }

    /// Takes what calls have decided meanwhile into the turn, and says what the gate may be told once it is on disk.
    pub(super) fn take_late(&mut self, turn: &mut Turn, correlation: &CorrelationId) -> Option<u64> {
        let (late, generation) = self.driver.as_mut().map(Driver::take)?;
        self.add(late, turn, correlation);
        Some(generation)
    }

    /// Tells the gate what is on disk: it admits nobody before.
    pub(super) fn publish_breaker(&mut self, committed: &Committed<Change>) {
        if let (Some(generation), Some(driver)) = (self.unpublished.pop_front(), self.driver.as_mut()) {
            driver.publish(generation);
        }
        for occurrence in &committed.get().events {
            if let Event::BreakerTransitioned { transition, .. } = &occurrence.event {
                self.slot.live(|live| live.numbers.breaker_changed(transition.from, transition.to));
            }
        }
    }

    pub(super) fn arm_breaker(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.breaker_timer.take() {
            context.cancel_future(timer);
        }
        let Some(at) = self.driver.as_mut().and_then(Driver::wake_at) else { return };
        let pause = at.since(self.links.clock.moment());
        self.breaker_timer = Some(context.run_later(pause, |actor, context| {
            actor.breaker_timer = None;
            actor.look_at_breaker(context);
        }));
    }

    pub(super) fn look_at_breaker(&mut self, context: &mut Context<Self>) {
        let now = self.links.clock.moment();
        let Some(driver) = self.driver.as_mut() else { return };
        let decided = driver.tick(now);
        self.take_in(decided, context);
    }

    /// The owner's policy changed while calls are in flight: the window stays.
    pub(super) fn resettle_breaker(&mut self, policy: Policy, context: &mut Context<Self>) {
        let now = self.links.clock.moment();
        let Some(driver) = self.driver.as_mut() else { return };
        let decided = driver.set_policy(policy, now);
        self.take_in(decided, context);
    }

    /// Commits what the breaker decided by itself, and that an operator's hold ended.
    fn take_in(&mut self, decided: Vec<Decided>, context: &mut Context<Self>) {
        self.sample();
        let Some(driver) = &self.driver else { return };
        let view = driver.view(self.links.clock.moment());
        let hold_ended = view.hold.is_none() && self.watch.breaker.forced.take().is_some();
        let before = &self.watch.breaker;
        let keep = hold_ended || view.level < before.level || view.mode != before.mode;
        if keep || !decided.is_empty() {
            (self.watch.breaker.mode, self.watch.breaker.level) = (view.mode, view.level);
            let correlation = correlation::fresh();
            let mut turn = if keep { Turn::keeping() } else { Turn::default() };
            self.add(decided, &mut turn, &correlation);
            self.finish(turn, &correlation, Then::default(), context);
        }
        self.arm_breaker(context);
    }

    pub(super) fn control(
        &mut self,
        control: Control,
        correlation: &CorrelationId,
        answer: Answer,
        context: &mut Context<Self>,
    ) {
        let (now, moment) = (self.links.clock.now(), self.links.clock.moment());
        let Control { act, who, reason, until } = control;
        if let Some(until) = until.filter(|until| *until <= now) {
            return drop(answer.send(Err(Refused::AlreadyOver { until })));
        }
        let name = self.slot.name.clone();
        let Some(driver) = self.driver.as_mut() else {
            return drop(answer.send(Err(Refused::NotConfigured { name })));
        };
        let hold = |mode| Hold { mode, until: until.map(|until| moment.plus(until.since(now))) };
        let decided = match act {
            Act::Hold(mode) => driver.set_mode(Some(hold(mode)), moment),
            Act::LetGo => driver.set_mode(None, moment),
            Act::Reset => driver.reset(moment),
        };
        let View { mode, level, .. } = driver.view(moment);
        // Also a reset that moves no state: with a level left, a restart would begin the ramp anew.
        (self.watch.breaker.mode, self.watch.breaker.level) = (mode, level);
        match act {
            Act::Hold(_) => {
                self.watch.breaker.forced = Some(Forced { who: who.clone(), reason: reason.clone(), until });
            }
            Act::LetGo => self.watch.breaker.forced = None,
            Act::Reset => {}
        }
        let (id, target) = (self.watch.status.id, self.watch.status.target.clone());
        let event = Event::BreakerControlled { id, target, mode, reset: act == Act::Reset, who, reason, until };
        let mut turn = Turn::default();
        self.decide(correlation, |watch, with| turn.breaker_controlled(watch, event, with));
        self.add(decided, &mut turn, correlation);
        self.finish(turn, correlation, Then { answer: Some(answer), observation: None }, context);
        self.arm_breaker(context);
    }
}

impl Handler<LookAtBreaker> for TargetActor {
    type Result = ();

    fn handle(&mut self, _: LookAtBreaker, context: &mut Context<Self>) {
        self.look_at_breaker(context);
    }
}
