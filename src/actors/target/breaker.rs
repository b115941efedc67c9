//! A target's breaker: how its driver follows the target, time, traffic and operators, and what of it is committed.

use actix::{AsyncContext, Context, Handler};
use rand::Rng;

use super::actor::{TargetActor, Then};
use super::messages::LookAtBreaker;
use crate::actors::answer::{Answer, Refused};
use crate::actors::system::fresh_correlation;
use crate::actors::targets::Control;
use crate::domain::breaker::{Mode, Transition};
use crate::domain::change::{Change, Committed};
use crate::domain::event::Event;
use crate::domain::id::CorrelationId;
use crate::domain::turn::{Cue, Turn};
use crate::domain::watch::Forced;

impl TargetActor {
    /// Carries out what the turn wants of the breaker, and adds to the turn what the breaker did.
    pub(super) fn follow_cues(&mut self, turn: &mut Turn, correlation: &CorrelationId) {
        let (now, jitter) = (self.links.clock.moment(), self.rng.random_range(-1.0..=1.0));
        for cue in std::mem::take(&mut turn.cues) {
            let Some(driver) = self.driver.as_mut() else { return };
            let moved = match cue {
                Cue::TargetFailed(cause) => driver.target_failed(cause, jitter, now),
                Cue::Passed => driver.probe_passed(now),
            };
            self.add(moved, turn, correlation);
        }
    }

    /// A probe came back: where no real call is seen, it serves as a trial.
    pub(super) fn breaker_saw_probe(&mut self, ok: bool, turn: &mut Turn, correlation: &CorrelationId) {
        let (now, jitter) = (self.links.clock.moment(), self.rng.random_range(-1.0..=1.0));
        let Some(driver) = self.driver.as_mut() else { return };
        let moved = driver.probe_observed(ok, jitter, now);
        self.add(moved, turn, correlation);
    }

    fn add(&mut self, moved: impl IntoIterator<Item = Transition>, turn: &mut Turn, correlation: &CorrelationId) {
        for transition in moved {
            self.decide(correlation, |watch, with| turn.breaker_moved(watch, transition, with));
        }
    }

    /// Tells the gate what is on disk: it admits nobody before.
    pub(super) fn publish_breaker(&mut self, committed: &Committed<Change>) {
        let moves = committed.get().events.iter().filter_map(|occurrence| match &occurrence.event {
            Event::BreakerTransitioned { transition, .. } => Some(*transition),
            Event::Status { .. }
            | Event::FailureRecorded(_)
            | Event::History { .. }
            | Event::BreakerControlled { .. }
            | Event::AlertFired { .. }
            | Event::AlertResolved { .. }
            | Event::NotificationDeadLettered { .. }
            | Event::LocationWeatherInfoFailed { .. } => None,
        });
        let Some(driver) = self.driver.as_mut() else { return };
        for transition in moves {
            driver.publish(&transition);
            self.slot.live(|live| live.numbers.breaker_changed(transition.from, transition.to));
        }
    }

    pub(super) fn arm_breaker(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.breaker_timer.take() {
            context.cancel_future(timer);
        }
        let Some(at) = self.driver.as_ref().and_then(crate::breaker::Driver::wake_at) else { return };
        let pause = at.since(self.links.clock.moment());
        self.breaker_timer = Some(context.run_later(pause, |actor, context| {
            actor.breaker_timer = None;
            actor.look_at_breaker(context);
        }));
    }

    fn look_at_breaker(&mut self, context: &mut Context<Self>) {
        let (now, jitter) = (self.links.clock.moment(), self.rng.random_range(-1.0..=1.0));
        let Some(driver) = self.driver.as_mut() else { return };
        let mut moved: Vec<Transition> = driver.take_pending();
        moved.extend(driver.tick(jitter, now));
        if !moved.is_empty() {
            let correlation = fresh_correlation();
            let mut turn = Turn::began_by_breaker();
            self.add(moved, &mut turn, &correlation);
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
        let now = self.links.clock.moment();
        let until = control.until.map(|until| (until, until.since(self.links.clock.now())));
        if let Some((until, left)) = until
            && left.is_zero()
        {
            return drop(answer.send(Err(Refused::AlreadyOver { until })));
        }
        let name = self.slot.name.clone();
        let Some(driver) = self.driver.as_mut() else {
            return drop(answer.send(Err(Refused::NotConfigured { name })));
        };
        let Control { mode, reset, who, reason, until: wall_until } = control;
        let mut moved: Vec<Transition> = Vec::new();
        if let Some(mode) = mode {
            moved.extend(driver.set_mode(mode, until.map(|(_, left)| now.plus(left)), now));
        }
        if reset {
            moved.extend(driver.reset(now));
        }
        let mode = mode.unwrap_or(self.watch.breaker.mode);
        let forced = matches!(mode, Mode::ForcedOpen | Mode::ForcedClosed);
        self.watch.breaker.mode = mode;
        self.watch.breaker.forced =
            forced.then(|| Forced { who: who.clone(), reason: reason.clone(), until: wall_until });
        let (id, target) = (self.watch.status.id, self.watch.status.target.clone());
        let event = Event::BreakerControlled { id, target, mode, reset, who, reason, until: wall_until };
        let mut turn = Turn::began_by_breaker();
        self.decide(correlation, |watch, with| turn.breaker_controlled(watch, event, with));
        self.add(moved, &mut turn, correlation);
        self.finish(turn, correlation, Then { answer: Some(answer), observation: None }, context);
    }
}

impl Handler<LookAtBreaker> for TargetActor {
    type Result = ();

    fn handle(&mut self, _: LookAtBreaker, context: &mut Context<Self>) {
        self.look_at_breaker(context);
    }
}
