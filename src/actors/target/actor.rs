//! The actor itself: its state, how it starts and ends, and how a turn reaches the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Recipient, SpawnHandle};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::{Semaphore, oneshot};

use super::budget::Spending;
use super::messages::{Errand, Look, LookAgain, Order, Reconsider, Resettle, Stop};
use super::opinion::Opinion;
use crate::actors::answer::{Answer, Outcome, Refused, pass_on};
use crate::actors::board::{Board, Slot};
use crate::actors::correlation;
use crate::actors::failure_history::{FailureHistory, Outage};
use crate::actors::journal::Landed;
use crate::actors::registry::Ended;
use crate::actors::targets::ObservableTarget;
use crate::breaker::Driver;
use crate::clock::Clock;
use crate::config;
use crate::domain::alert::{Acknowledged, Condition, Incident};
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::event::Event;
use crate::domain::flapping::Flapping;
use crate::domain::heartbeat::Waiting as Silence;
use crate::domain::id::{CorrelationId, Ids, IncidentId};
use crate::domain::observation::Observation;
use crate::domain::recent::Recent;
use crate::domain::status::Command;
use crate::domain::time::{Moment, Timestamp};
use crate::domain::turn::{Context as Decide, Turn};
use crate::domain::watch::{Policy, Watch};
use crate::metrics::NodeMetrics;
use crate::probes::{Prepared, Prober};
use crate::store::Reader;

/// What every target's actor is connected to.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) board: Arc<Board>,
    pub(crate) histories: Addr<FailureHistory>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) prober: Arc<Prober>,
    pub(crate) reader: Reader,
    /// Who reads much of the store at a start takes turns.
    pub(crate) reading: Arc<Semaphore>,
    /// The multi-threaded runtime: probes run there.
    pub(crate) io: tokio::runtime::Handle,
    /// Told when an actor ends without having been asked to.
    pub(crate) ended: Recipient<Ended>,
    /// What a passive target is decided by.
    pub(crate) passive: Arc<Policy>,
}

/// Somebody who waits for the attempt that is under way.
pub(super) struct Waiting {
    pub(super) errand: Errand,
    pub(super) correlation: CorrelationId,
    pub(super) answer: Answer,
}

/// The actor.
pub(crate) struct TargetActor {
    pub(super) links: Links,
    pub(super) slot: Arc<Slot>,
    pub(super) watch: Watch,
    pub(super) spec: Option<Arc<config::Target>>,
    pub(super) probe: Option<Prepared>,
    pub(super) driver: Option<Driver>,
    pub(super) rng: SmallRng,
    /// Whether the last good probe was slower than it should be; `None` before the first.
    pub(super) degraded: Option<bool>,
    /// What the last good probe said of why, where it was not slow: the words of a provider's page.
    pub(super) degraded_by: Option<Box<str>>,
    /// What the last good probe said of its certificate.
    pub(super) certificate: Option<Box<str>>,
    pub(super) flapping: Flapping,
    /// For who calls it down after m of n.
    pub(super) recent: Recent,
    /// Where it has an objective.
    pub(super) spending: Option<Box<Spending>>,
    pub(super) opinion: Option<Box<Opinion>>,
    /// The breaker is open, or tries its trials, because of calls.
    pub(super) opened_by_calls: bool,
    /// When the actor began: what it remembers is no older.
    pub(super) born: Moment,
    pub(super) first_probe_at: Moment,
    /// The target asked not to be called before this.
    pub(super) not_before: Moment,
    pub(super) probing_since: Option<Moment>,
    /// Of a target that reports in.
    pub(super) silence: Option<Box<Silence>>,
    pub(super) waiting: Vec<Waiting>,
    /// For each commit on its way, what of the breaker it carries.
    pub(super) unpublished: VecDeque<u64>,
    pub(super) probe_timer: Option<SpawnHandle>,
    pub(super) breaker_timer: Option<SpawnHandle>,
    /// When it must be looked at although nothing is found.
    pub(super) look_again_at: Option<Timestamp>,
    pub(super) look_timer: Option<(Timestamp, SpawnHandle)>,
    asked_to_end: bool,
}

impl TargetActor {
    /// Starts the actor of a target. Its first probe is at `first_probe_at`.
    pub(crate) fn start_for(
        slot: Arc<Slot>,
        driver: Option<Driver>,
        first_probe_at: Moment,
        links: Links,
    ) -> Addr<Self> {
        let watch = slot.live(|live| {
            // The actor before this one knew them, and died with them.
            live.set_aside(|aside| (aside.flapping, aside.opened) = (None, None));
            live.watch.clone()
        });
        let spec = slot.spec.clone();
        Self::create(move |_| Self {
            rng: SmallRng::seed_from_u64(watch.status.id.0 ^ links.clock.moment().as_nanos()),
            born: links.clock.moment(),
            links,
            slot,
            watch,
            spec,
            probe: None,
            driver,
            degraded: None,
            degraded_by: None,
            certificate: None,
            flapping: Flapping::default(),
            recent: Recent::default(),
            spending: None,
            opinion: None,
            opened_by_calls: false,
            first_probe_at,
            not_before: Moment::default(),
            probing_since: None,
            silence: None,
            waiting: Vec::new(),
            unpublished: VecDeque::new(),
            probe_timer: None,
            breaker_timer: None,
            look_again_at: None,
            look_timer: None,
            asked_to_end: false,
        })
    }

    /// Decides something with the target's policy.
    pub(super) fn decide<R>(
        &mut self,
        correlation: &CorrelationId,
        decide: impl FnOnce(&mut Watch, &Decide<'_>) -> R,
    ) -> R {
        let policy = self.spec.as_deref().map_or(&*self.links.passive, |spec| &spec.policy);
        let now = self.links.clock.now();
        decide(&mut self.watch, &Decide { policy, ids: &self.links.ids, now, correlation })
    }

    /// Lets the breaker follow, decides whether people are told, and sends all of it to the disk.
    pub(super) fn finish(
        &mut self,
        mut turn: Turn,
        correlation: &CorrelationId,
        then: Then,
        context: &mut Context<Self>,
    ) {
        self.follow_cues(&mut turn, correlation);
        let generation = self.take_late(&mut turn, correlation);
        self.settle(&mut turn, correlation);
        self.arm_look(context);
        if turn.ends_outage() {
            self.recent.forget();
        }
        if turn.is_empty() {
            return then.nothing_new();
        }
        self.unpublished.extend(generation);
        self.commit(turn, correlation, then, context);
    }

    fn commit(&mut self, turn: Turn, correlation: &CorrelationId, then: Then, context: &Context<Self>) {
        let last = turn.events.last().map_or(correlation, |event| &event.correlation);
        let (correlation, began_by) = turn.outage.unwrap_or_else(|| (last.clone(), None));
        let incident = self.watch.incident.as_deref().filter(|incident| !incident.channels.is_empty());
        let told = incident.is_some();
        let fired_now = |incident: &Incident| {
            turn.events.iter().any(
                |event| matches!(&event.event, Event::AlertFired { incident: fired, .. } if fired.id == incident.id),
            )
        };
        let told_by = incident
            .filter(|incident| incident.notice.0 > 0 && !fired_now(incident))
            .map(|incident| (incident.notice, incident.siblings));
        let change = Change {
            events: turn.events,
            watches: vec![self.watch.clone()],
            transitions: turn.transitions,
            alerts: turn.alerts,
            deliveries: turn.deliveries.into_iter().map(DeliveryChange::Wait).collect(),
            ..Change::default()
        };
        let answer = then.answer.map(|answer| {
            let (committed, landed) = oneshot::channel();
            pass_on(landed, answer, then.observation);
            committed
        });
        let landed = Some(context.address().recipient());
        let steps = turn.steps;
        self.links.histories.do_send(Outage { change, steps, told, told_by, correlation, began_by, landed, answer });
    }

    fn report(&mut self, command: Command, correlation: &CorrelationId, answer: Answer, context: &mut Context<Self>) {
        self.sample();
        let at = command.at();
        let passive = self.spec.is_none();
        let turn = self.decide(correlation, |watch, with| {
            watch.status.admit_report(at, with.now, passive)?;
            Turn::reported(watch, command, with)
        });
        match turn {
            Ok(turn) => self.finish(turn, correlation, Then { answer: Some(answer), observation: None }, context),
            Err(refusal) => drop(answer.send(Err(Refused::Status(refusal)))),
        }
    }
}

impl TargetActor {
    fn acknowledge(
        &mut self,
        which: IncidentId,
        by: Acknowledged,
        correlation: &CorrelationId,
        answer: Answer,
        context: &mut Context<Self>,
    ) {
        if self.watch.incident.as_ref().is_none_or(|incident| incident.id != which) {
            return drop(answer.send(Err(Refused::AlertOver)));
        }
        let mut turn = Turn::default();
        self.decide(correlation, |watch, with| turn.acknowledged(watch, by, with));
        self.finish(turn, correlation, Then { answer: Some(answer), observation: None }, context);
    }
}

/// What follows a commit, outside.
#[derive(Default)]
pub(super) struct Then {
    pub(super) answer: Option<Answer>,
    pub(super) observation: Option<Observation>,
}

impl Then {
    fn nothing_new(self) {
        if let Some(answer) = self.answer {
            drop(answer.send(Ok(Outcome { committed: None, observation: self.observation })));
        }
    }
}

/// `None` for a target that is not called, or cannot be.
pub(super) fn prepare(prober: &Prober, spec: &config::Target) -> Option<Prepared> {
    if spec.probe.heartbeat().is_some() {
        return None;
    }
    match prober.prepare(&spec.probe) {
        Ok(prepared) => Some(prepared),
        Err(error) => {
            tracing::error!(target = %spec.name, %error, "this target cannot be probed; mend its configuration");
            None
        }
    }
}

impl Actor for TargetActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.probe = self.spec.as_deref().and_then(|spec| prepare(&self.links.prober, spec));
        self.arm_first_probe(context);
        self.await_beats(context);
        self.seek_opinion(self.first_probe_at, context);
        self.look_at_breaker(context);
        self.open_account(context);
        let in_trouble = self.watch.incident.is_some() || self.watch.is_down() || !self.dead_letters().is_empty();
        // An incident of what is not configured any more is about to be ended as such ([`Stop`]), and by nothing else.
        if in_trouble && (self.spec.is_some() || self.watch.incident.is_none()) {
            self.look_again(context);
        }
    }

    /// Runs also while a panic unwinds: that is how the registry learns of it.
    fn stopped(&mut self, _: &mut Context<Self>) {
        if !self.asked_to_end {
            self.links.ended.do_send(Ended { slot: self.slot.clone() });
        }
    }
}

impl Handler<Order> for TargetActor {
    type Result = ();

    fn handle(&mut self, order: Order, context: &mut Context<Self>) {
        let Order { errand, correlation, answer } = order;
        match errand {
            Errand::Report(command) => self.report(command, &correlation, answer, context),
            Errand::Control(control) => self.control(control, &correlation, answer, context),
            Errand::Acknowledge(which, by) => self.acknowledge(which, by, &correlation, answer, context),
            Errand::Beat(beat) => self.beat(beat, correlation, answer, context),
            errand @ Errand::Attempt { .. } => self.attempt(Waiting { errand, correlation, answer }, context),
        }
    }
}

impl Handler<Landed> for TargetActor {
    type Result = ();

    fn handle(&mut self, landed: Landed, context: &mut Context<Self>) {
        let committed = landed.0;
        let passive = self.spec.is_none();
        if let Some(watch) = committed.get().watches.first() {
            self.slot.live(|live| {
                live.committed(watch, passive);
                for (_, change) in &committed.get().transitions {
                    live.numbers.state_changed(change.from, change.to);
                }
            });
        }
        self.publish_breaker(&committed);
        if let Some(trouble) = self.watch.trouble.as_mut()
            && trouble.began_by.is_none()
            && committed.get().events.first().is_some_and(|first| first.correlation == trouble.correlation)
        {
            trouble.began_by = Some(committed.sequence(0));
        }
        self.arm_breaker(context);
    }
}

impl Handler<Resettle> for TargetActor {
    type Result = ();

    fn handle(&mut self, resettle: Resettle, context: &mut Context<Self>) {
        let Resettle { spec, slot, at } = resettle;
        self.probe = prepare(&self.links.prober, &spec);
        let breaker = spec.breaker.clone();
        let before = self.spec.replace(spec);
        self.slot = slot;
        self.forget_another_kind(before.as_deref());
        self.first_probe_at = at.max(self.not_before);
        self.arm_first_probe(context);
        self.await_beats(context);
        self.seek_opinion(at, context);
        self.resettle_breaker(breaker, context);
        self.sample();
        self.open_account(context);
        self.look_again(context);
    }
}

impl Handler<Reconsider> for TargetActor {
    type Result = ();

    fn handle(&mut self, _: Reconsider, context: &mut Context<Self>) {
        let wants = |spec: &config::Target| spec.policy.alert.on.contains(Condition::DeadLetters);
        if self.spec.as_deref().is_some_and(wants) {
            self.look_again(context);
        }
    }
}

impl Handler<LookAgain> for TargetActor {
    type Result = ();

    fn handle(&mut self, _: LookAgain, context: &mut Context<Self>) {
        if self.look_again_at.is_some() {
            self.look_again(context);
        }
    }
}

impl Handler<Stop> for TargetActor {
    type Result = ();

    fn handle(&mut self, stop: Stop, context: &mut Context<Self>) {
        self.asked_to_end = true;
        if stop.resolve {
            self.spec = None;
            self.driver = None;
            let correlation = correlation::fresh();
            let mut turn = Turn::default();
            self.decide(&correlation, |watch, with| turn.retire(watch, with));
            if !turn.is_empty() {
                self.commit(turn, &correlation, Then::default(), context);
            }
        }
        context.stop();
    }
}

impl Handler<Look> for TargetActor {
    type Result = ();

    fn handle(&mut self, look: Look, _: &mut Context<Self>) {
        let now = self.links.clock.moment();
        // The one who asked may be gone.
        drop(look.0.send(ObservableTarget {
            id: self.watch.status.id,
            state: self.watch.status.state,
            failures_in_row: self.watch.failures_in_row,
            breaker: self.driver.as_ref().map(|driver| driver.view(now).state),
            probing: self.probing_since.is_some(),
            incident: self.watch.incident.is_some(),
        }));
    }
}

#[cfg(test)]
impl Handler<super::messages::Panic> for TargetActor {
    type Result = ();

    #[expect(clippy::panic, reason = "it is what the message is for")]
    fn handle(&mut self, _: super::messages::Panic, _: &mut Context<Self>) {
        panic!("asked to by a test");
    }
}
