//! The registry and supervisor: which actor serves which target, and a new actor for one that died.
//!
//! It owns the map from names to addresses. A target's actor that ends unasked (it panicked) is rebuilt from the store
//! within a second, after everything that it had sent is on disk. Senders: the edge, by way of
//! [`super::targets::TargetsHandle`]; targets that end. Nothing here survives a restart or needs to.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult};
use tokio::sync::oneshot;

use super::answer::{Answer, Refused};
use super::board::{Board, Slot};
use super::failure_history::{Adopt, FailureHistory};
use super::journal::{Commit, Journal, JournalHandle};
use super::notifier::{AdoptChannels, Notifier};
use super::target::{Errand, Hint, Links, Look, Order, Resettle, Stop, TargetActor, breaker_for};
use super::targets::ObservableTarget;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::alert::{self, Conditions, Severity};
use crate::domain::breaker::Mode;
use crate::domain::change::Change;
use crate::domain::failure_history::FailureType;
use crate::domain::id::{CorrelationId, Ids, StatusId, Target};
use crate::domain::schedule::first_probe;
use crate::domain::status::IntegrationStatus;
use crate::domain::time::Moment;
use crate::domain::watch::{Policy, Watch};
use crate::metrics::{Actor as ActorKind, NodeMetrics};
use crate::probes::Prober;
use crate::store::Reader;

/// The pause before a dead actor is rebuilt; it doubles with each death up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// An actor that dies again and again is rebuilt this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An actor that lived this long begins with the first pause again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// Targets whose first records are committed together.
const START_BATCH: usize = 200;

/// Of which target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// By name and endpoint; one that nobody configured becomes a passive target.
    System(Target),
    /// By the name of a configured one.
    Named(Arc<str>),
}

/// An errand for a target.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver {
    pub(crate) whose: Whose,
    pub(crate) errand: Errand,
    pub(crate) correlation: CorrelationId,
    pub(crate) answer: Answer,
}

/// Asks what a target's actor knows.
#[derive(Debug, Message)]
#[rtype(result = "Result<oneshot::Receiver<ObservableTarget>, Refused>")]
pub(crate) struct Observe {
    pub(crate) name: Arc<str>,
}

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Reconfigure {
    pub(crate) config: Arc<Config>,
}

/// A target's actor ended unasked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Ended {
    pub(crate) slot: Arc<Slot>,
}

/// Ends every actor; answered when all have ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StopAll;

/// What the registry is connected to.
pub(crate) struct Wiring {
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) config: Arc<Config>,
    pub(crate) board: Arc<Board>,
    pub(crate) reader: Reader,
    /// The targets as the store knows them.
    pub(crate) watches: Vec<Watch>,
    pub(crate) journal: Addr<Journal>,
    pub(crate) journal_handle: JournalHandle,
    pub(crate) histories: Addr<FailureHistory>,
    pub(crate) notifier: Addr<Notifier>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) prober: Arc<Prober>,
    pub(crate) io: tokio::runtime::Handle,
}

struct Entry {
    actor: Addr<TargetActor>,
    deaths: u32,
    started: Moment,
}

/// The actor.
pub(crate) struct Registry {
    wiring: Wiring,
    entries: BTreeMap<Arc<str>, Entry>,
    /// What a passive target is decided by: it fails when it is said to, and nobody is told.
    passive: Arc<Policy>,
}

impl Registry {
    pub(crate) fn start(wiring: Wiring) -> Addr<Self> {
        Self::create(move |context| {
            context.set_mailbox_capacity(super::journal::CROWDED);
            let passive = Arc::new(passive_policy(wiring.config.monitor.max_retries));
            Self { wiring, entries: BTreeMap::new(), passive }
        })
    }

    fn links(&self, context: &Context<Self>) -> Links {
        Links {
            clock: self.wiring.clock,
            ids: self.wiring.ids.clone(),
            histories: self.wiring.histories.clone(),
            metrics: self.wiring.metrics.clone(),
            prober: self.wiring.prober.clone(),
            io: self.wiring.io.clone(),
            ended: context.address().recipient(),
            passive: self.passive.clone(),
        }
    }

    /// Puts every target in its place: those of the store, then those that are configured for the first time.
    fn settle(&mut self, context: &mut Context<Self>) {
        let mut known: BTreeMap<Arc<str>, Watch> = BTreeMap::new();
        for watch in std::mem::take(&mut self.wiring.watches) {
            known.insert(watch.status.target.system_name.clone(), watch);
        }
        let (config, start) = (self.wiring.config.clone(), self.wiring.clock.moment());
        let mut fresh = Vec::new();
        for (index, (name, spec)) in config.targets.iter().enumerate() {
            let watch = self.watch_for(known.remove(name), spec, &mut fresh);
            let at = first_probe(start, spec.interval, index, config.targets.len());
            self.begin(watch, Some(spec.clone()), at, context);
        }
        for watch in known.into_values() {
            self.wiring.board.put(Arc::new(Slot::new(watch, None, None)));
        }
        self.keep(fresh);
    }

    /// The target as it was, or a new one; what must be stored of it goes to `fresh`.
    fn watch_for(&self, known: Option<Watch>, spec: &config::Target, fresh: &mut Vec<Watch>) -> Watch {
        let now = self.wiring.clock.now();
        let target = Target { system_name: spec.name.clone(), endpoint: spec.endpoint.clone() };
        let is_new = known.is_none();
        let mut watch =
            known.unwrap_or_else(|| Watch::new(self.wiring.ids.status(), target.clone(), spec.breaker.mode, now));
        let moved = watch.status.target != target;
        watch.status.target = target;
        if watch.breaker.forced.is_none() && !matches!(watch.breaker.mode, Mode::ForcedOpen | Mode::ForcedClosed) {
            watch.breaker.mode = spec.breaker.mode;
        }
        if is_new || moved {
            fresh.push(watch.clone());
        }
        watch
    }

    fn keep(&self, fresh: Vec<Watch>) {
        let mut fresh = fresh.into_iter().peekable();
        while fresh.peek().is_some() {
            let watches = fresh.by_ref().take(START_BATCH).collect();
            let change = Change { watches, ..Change::default() };
            self.wiring.journal.do_send(Commit { change, landed: Vec::new(), answer: None });
        }
    }

    fn begin(&mut self, watch: Watch, spec: Option<Arc<config::Target>>, at: Moment, context: &Context<Self>) {
        let slot = Slot::new(watch, spec, None);
        self.begin_in(slot, at, 0, context);
    }

    fn begin_in(&mut self, slot: Slot, at: Moment, deaths: u32, context: &Context<Self>) {
        let hint: Hint = Arc::new(OnceLock::new());
        let (now, moment) = (self.wiring.clock.now(), self.wiring.clock.moment());
        let built = slot.spec.as_ref().map(|spec| {
            slot.live(|live| breaker_for(slot.id, &spec.breaker, &live.watch.breaker, (now, moment), hint.clone()))
        });
        let (driver, gate) = built.unzip();
        let slot = Arc::new(slot.with(slot.spec.clone(), gate));
        self.wiring.board.put(slot.clone());
        let name = slot.name.clone();
        let actor = TargetActor::start_for(slot, driver, at, self.links(context));
        // Nobody else sets it.
        drop(hint.set(actor.clone().recipient()));
        self.entries.insert(name, Entry { actor, deaths, started: moment });
    }

    fn find(&mut self, whose: &Whose, errand: &Errand, context: &Context<Self>) -> Result<Addr<TargetActor>, Refused> {
        match whose {
            Whose::Named(name) => {
                let configured = self.wiring.config.targets.contains_key(name);
                let entry = self.entries.get(name).filter(|_| configured);
                entry.map(|entry| entry.actor.clone()).ok_or_else(|| self.not_watched(name, errand))
            }
            Whose::System(target) => self.find_system(target, errand, context),
        }
    }

    fn not_watched(&self, name: &Arc<str>, errand: &Errand) -> Refused {
        let name = name.clone();
        match errand {
            Errand::Attempt { .. } if self.wiring.board.named(&name).is_some() => Refused::NotConfigured { name },
            Errand::Attempt { .. } | Errand::Report(_) | Errand::Control(_) => Refused::NoSuchTarget { name },
        }
    }

    fn find_system(
        &mut self,
        target: &Target,
        errand: &Errand,
        context: &Context<Self>,
    ) -> Result<Addr<TargetActor>, Refused> {
        let name = &target.system_name;
        let slot = self.wiring.board.named(name);
        let endpoint = slot.as_ref().map(|slot| slot.live(|live| live.watch.status.target.endpoint.clone()));
        if let Some(configured) = endpoint.filter(|endpoint| *endpoint != target.endpoint) {
            return Err(Refused::OtherEndpoint { name: name.clone(), configured });
        }
        if let Some(entry) = self.entries.get(name) {
            return Ok(entry.actor.clone());
        }
        let now = self.wiring.clock.moment();
        match slot {
            Some(slot) => self.begin_in(slot.with(None, None), now, 0, context),
            None => {
                let watch = self.new_passive(target, errand)?;
                self.begin(watch, None, now, context);
            }
        }
        let entry = self.entries.get(name).ok_or_else(|| Refused::NoSuchTarget { name: name.clone() })?;
        Ok(entry.actor.clone())
    }

    /// A target for its first report. What that target would refuse makes none.
    fn new_passive(&self, target: &Target, errand: &Errand) -> Result<Watch, Refused> {
        let now = self.wiring.clock.now();
        let Errand::Report(command) = errand else {
            return Err(Refused::NotConfigured { name: target.system_name.clone() });
        };
        IntegrationStatus::new(StatusId::default(), target.clone())
            .admit_first(command, now)
            .map_err(Refused::Status)?;
        let limit = self.wiring.config.monitor.max_passive_targets;
        if self.wiring.board.passive() >= limit {
            return Err(Refused::TooManyPassive { limit });
        }
        let id = self.wiring.ids.status();
        Ok(Watch::new(id, target.clone(), Mode::Disabled, now))
    }

    fn rebuild(&mut self, dead: &Arc<Slot>, context: &mut Context<Self>) {
        let Some(entry) = self.entries.remove(&dead.name) else { return };
        let now = self.wiring.clock.moment();
        let deaths = if now.since(entry.started) > FORGIVEN_AFTER { 0 } else { entry.deaths };
        let pause = FIRST_PAUSE.saturating_mul(1 << deaths.min(16)).min(LONGEST_PAUSE);
        self.wiring.metrics.actor_restarted(ActorKind::Target);
        tracing::error!(target = %dead.name, pause_ms = pause.as_millis(), "the target's actor died; it is rebuilt from the store");
        let dead = dead.clone();
        context.run_later(pause, move |registry, context| registry.read_again(dead, deaths + 1, context));
    }

    /// Everything that the dead actor had sent is on disk once a commit behind it is.
    fn read_again(&mut self, dead: Arc<Slot>, deaths: u32, context: &mut Context<Self>) {
        let (answer, landed) = oneshot::channel();
        self.wiring.journal.do_send(Commit { change: Change::default(), landed: Vec::new(), answer: Some(answer) });
        let (reader, id) = (self.wiring.reader.clone(), dead.id);
        let read = async move {
            // If the journal is gone too, the process is about to end.
            landed.await.ok()?;
            reader.watch(id).inspect_err(|error| tracing::error!(%error, "the target could not be read")).ok()?
        };
        let read = actix::fut::wrap_future::<_, Self>(read);
        context.spawn(actix::ActorFutureExt::map(read, move |watch, registry: &mut Self, context| {
            if let Some(watch) = watch {
                dead.live(|live| live.committed(&watch));
            }
            if registry.entries.contains_key(&dead.name) {
                return;
            }
            let spec = registry.wiring.config.targets.get(&dead.name).cloned();
            let now = registry.wiring.clock.moment();
            registry.begin_in(dead.with(spec, None), now, deaths, context);
        }));
    }

    fn reconfigure(&mut self, config: Arc<Config>, context: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.wiring.config, config.clone());
        self.passive = Arc::new(passive_policy(config.monitor.max_retries));
        self.wiring.histories.do_send(Adopt(config.clone()));
        self.wiring.notifier.do_send(AdoptChannels(config.clone()));
        for name in before.targets.keys().filter(|name| !config.targets.contains_key(*name)) {
            self.remove(name);
        }
        let (mut fresh, start) = (Vec::new(), self.wiring.clock.moment());
        let changed: Vec<_> =
            config.targets.iter().filter(|(name, spec)| before.targets.get(*name) != Some(*spec)).collect();
        for (index, (name, spec)) in changed.iter().enumerate() {
            let at = first_probe(start, spec.interval, index, changed.len());
            self.change_one(name, spec, before.targets.get(*name), at, &mut fresh, context);
        }
        self.keep(fresh);
    }

    fn change_one(
        &mut self,
        name: &Arc<str>,
        spec: &Arc<config::Target>,
        before: Option<&Arc<config::Target>>,
        at: Moment,
        fresh: &mut Vec<Watch>,
        context: &Context<Self>,
    ) {
        let slot = self.wiring.board.named(name);
        let same_place = before.is_some_and(|before| before.endpoint == spec.endpoint);
        if let (true, Some(slot), Some(entry)) = (same_place, &slot, self.entries.get(name)) {
            let slot = Arc::new(slot.with(Some(spec.clone()), slot.gate.clone()));
            self.wiring.board.put(slot.clone());
            return entry.actor.do_send(Resettle { spec: spec.clone(), slot });
        }
        if let Some(entry) = self.entries.remove(name) {
            entry.actor.do_send(Stop { removed: None });
        }
        let known = slot.as_ref().map(|slot| slot.live(|live| live.watch.clone()));
        let watch = self.watch_for(known, spec, fresh);
        match slot {
            Some(slot) => {
                let slot = slot.with(Some(spec.clone()), None);
                slot.live(|live| live.watch = watch);
                self.begin_in(slot, at, 0, context);
            }
            None => self.begin(watch, Some(spec.clone()), at, context),
        }
    }

    /// The target keeps its history and its id; people who were told of an incident are told that it is over.
    fn remove(&mut self, name: &Arc<str>) {
        let Some(slot) = self.wiring.board.named(name) else { return };
        let slot = Arc::new(slot.with(None, None));
        self.wiring.board.put(slot.clone());
        if let Some(entry) = self.entries.remove(name) {
            entry.actor.do_send(Stop { removed: Some(slot) });
        }
    }
}

fn passive_policy(max_retries: u32) -> Policy {
    let nobody =
        alert::Policy { on: Conditions::NONE, channels: Arc::default(), severity: Severity::Warning, reminder: None };
    Policy { failure_threshold: 1, success_threshold: 1, max_retries, failure_type: FailureType::Other, alert: nobody }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.settle(context);
    }
}

impl Handler<Deliver> for Registry {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, context: &mut Context<Self>) {
        let Deliver { whose, errand, correlation, answer } = deliver;
        if self.wiring.journal_handle.is_crowded() {
            return drop(answer.send(Err(Refused::Busy { retry_after: Duration::from_secs(1) })));
        }
        match self.find(&whose, &errand, context) {
            Ok(actor) => actor.do_send(Order { errand, correlation, answer }),
            Err(refused) => drop(answer.send(Err(refused))),
        }
    }
}

impl Handler<Observe> for Registry {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, observe: Observe, _: &mut Context<Self>) -> Self::Result {
        let Observe { name } = observe;
        MessageResult(match self.entries.get(&name) {
            Some(entry) => {
                let (answer, known) = oneshot::channel();
                entry.actor.do_send(Look(answer));
                Ok(known)
            }
            None => Err(Refused::NoSuchTarget { name }),
        })
    }
}

impl Handler<Reconfigure> for Registry {
    type Result = ();

    fn handle(&mut self, reconfigure: Reconfigure, context: &mut Context<Self>) {
        self.reconfigure(reconfigure.config, context);
    }
}

impl Handler<Ended> for Registry {
    type Result = ();

    fn handle(&mut self, ended: Ended, context: &mut Context<Self>) {
        self.rebuild(&ended.slot, context);
    }
}

impl Handler<StopAll> for Registry {
    type Result = ();

    fn handle(&mut self, _: StopAll, _: &mut Context<Self>) {
        for entry in std::mem::take(&mut self.entries).into_values() {
            entry.actor.do_send(Stop { removed: None });
        }
    }
}

/// Makes a target's actor panic: only tests may.
#[cfg(test)]
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct PanicIn {
    pub(crate) name: Arc<str>,
}

#[cfg(test)]
impl Handler<PanicIn> for Registry {
    type Result = ();

    fn handle(&mut self, panic: PanicIn, _: &mut Context<Self>) {
        if let Some(entry) = self.entries.get(&panic.name) {
            entry.actor.do_send(super::target::Panic);
        }
    }
}
