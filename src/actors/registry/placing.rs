//! Where targets get their actors: at the start, with a first report, after a death, with another configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Addr, AsyncContext, Context};
use tokio::sync::oneshot;

use super::actor::{A_MOMENT, Deliver, Entry, Registry, Whose, passive_policy};
use super::unheard;
use crate::actors::answer::Refused;
use crate::actors::board::Slot;
use crate::actors::failure_history::{Adopt, Outage};
use crate::actors::journal::Commit;
use crate::actors::notifier::AdoptChannels;
use crate::actors::quiet;
use crate::actors::target::{Errand, Hint, Resettle, Stop, TargetActor, breaker_for};
use crate::config::{self, Config};
use crate::domain::breaker::Mode;
use crate::domain::change::Change;
use crate::domain::id::{StatusId, Target};
use crate::domain::schedule::first_probe;
use crate::domain::status::IntegrationStatus;
use crate::domain::time::Moment;
use crate::domain::watch::Watch;
use crate::metrics::Actor as ActorKind;

/// The pause before a dead actor is rebuilt; it doubles with each death up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// An actor that dies again and again is rebuilt this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An actor that lived this long begins with the first pause again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// Targets whose first records are committed together.
const START_BATCH: usize = 200;

impl Registry {
    /// Puts every target in its place: those of the store, then those that are configured for the first time.
    pub(super) fn settle(&mut self, context: &mut Context<Self>) {
        let mut known: BTreeMap<Target, Watch> = BTreeMap::new();
        for watch in std::mem::take(&mut self.wiring.watches) {
            known.insert(watch.status.target.clone(), watch);
        }
        let (config, start) = (self.wiring.config.clone(), self.wiring.clock.moment());
        let mut fresh = Vec::new();
        for (index, (name, spec)) in config.targets.iter().enumerate() {
            let before = take_known(&mut known, name, &spec.endpoint);
            let stored = before.is_some();
            let watch = self.watch_for(before, spec, &mut fresh);
            let at = first_probe(start, spec.interval, index, config.targets.len());
            let slot = Slot::new(watch, Some(spec.clone()), None);
            slot.live(|live| live.stored = stored);
            self.begin_in(slot, at, 0, context);
        }
        for watch in known.into_values() {
            self.settle_unconfigured(watch, context);
        }
        self.keep(fresh);
        unheard::warn(&self.wiring.board, &self.wiring.config);
    }

    /// A target that nobody configures any more, or never did. If people think that it is in trouble, they are told
    /// that it is over.
    fn settle_unconfigured(&mut self, watch: Watch, context: &mut Context<Self>) {
        let (target, in_trouble) = (watch.status.target.clone(), watch.incident.is_some());
        let slot = Slot::new(watch, None, None);
        slot.live(|live| live.stored = true);
        if !in_trouble {
            return self.wiring.board.put(Arc::new(slot));
        }
        self.begin_in(slot, self.wiring.clock.moment(), 0, context);
        self.end(&target, true, context);
    }

    /// The target as it was, or a new one; what must be stored of it goes to `fresh`.
    fn watch_for(&self, known: Option<Watch>, spec: &config::Target, fresh: &mut Vec<Watch>) -> Watch {
        let now = self.wiring.clock.now();
        let target = target_of(spec);
        let is_new = known.is_none();
        let mut watch =
            known.unwrap_or_else(|| Watch::new(self.wiring.ids.status(), target.clone(), spec.breaker.mode, now));
        let moved = watch.status.target != target;
        watch.status.target = target;
        if watch.breaker.forced.is_none() {
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

    fn begin_in(&mut self, slot: Slot, at: Moment, deaths: u32, context: &Context<Self>) {
        let hint: Hint = Arc::new(OnceLock::new());
        let (now, moment) = (self.wiring.clock.now(), self.wiring.clock.moment());
        let built = slot.spec.as_ref().map(|spec| {
            slot.live(|live| breaker_for(slot.id, &spec.breaker, &live.watch.breaker, (now, moment), hint.clone()))
        });
        let (mut driver, gate) = built.unzip();
        // What was counted before goes on, so that the counters on the page do not fall.
        if let (Some(driver), Some(before)) = (&mut driver, &slot.gate) {
            driver.go_on_counting(&before.view(moment));
        }
        let slot = Arc::new(slot.with(slot.spec.clone(), gate));
        self.wiring.board.put(slot.clone());
        let target = slot.target();
        let actor = TargetActor::start_for(slot, driver, at, self.links(context));
        // Nobody else sets it.
        drop(hint.set(actor.clone().recipient()));
        self.entries.insert(target, Entry { actor, deaths, started: moment });
    }

    pub(super) fn find(&mut self, deliver: &Deliver, context: &Context<Self>) -> Result<Addr<TargetActor>, Refused> {
        let target = match &deliver.whose {
            Whose::Named(name) => match self.wiring.config.targets.get(name) {
                Some(spec) => target_of(spec),
                None if self.wiring.board.named(name).is_some() => {
                    return Err(Refused::NotConfigured { name: name.clone() });
                }
                None => return Err(Refused::NoSuchTarget { name: name.clone() }),
            },
            Whose::System(target) => target.clone(),
        };
        let name = &target.system_name;
        if let Some(spec) = self.wiring.config.targets.get(name).filter(|spec| spec.endpoint != target.endpoint) {
            return Err(Refused::OtherEndpoint { name: name.clone(), configured: spec.endpoint.clone() });
        }
        if self.reviving.contains(&target) {
            return Err(Refused::Busy { retry_after: A_MOMENT });
        }
        if !self.entries.contains_key(&target) {
            self.admit_passive(&target, &deliver.errand, context)?;
        }
        let entry = self.entries.get(&target).ok_or_else(|| Refused::NoSuchTarget { name: name.clone() })?;
        Ok(entry.actor.clone())
    }

    /// A report about a system that nobody configured makes it a passive target, if the report would be taken.
    fn admit_passive(&mut self, target: &Target, errand: &Errand, context: &Context<Self>) -> Result<(), Refused> {
        let Errand::Report(command) = errand else {
            return Err(Refused::NotConfigured { name: target.system_name.clone() });
        };
        let now = self.wiring.clock.now();
        let slot = match self.wiring.board.at(target) {
            Some(slot) => slot.with(None, None),
            None => {
                let limit = self.wiring.config.monitor.max_passive_targets;
                if self.wiring.board.passive() >= limit {
                    return Err(Refused::TooManyPassive { limit });
                }
                let nobody = IntegrationStatus::new(StatusId::default(), target.clone());
                let admitted = nobody.admit_report(command.at(), now, true);
                admitted.and_then(|()| nobody.decide(command.clone())).map_err(Refused::Status)?;
                Slot::new(Watch::new(self.wiring.ids.status(), target.clone(), Mode::Disabled, now), None, None)
            }
        };
        self.begin_in(slot, self.wiring.clock.moment(), 0, context);
        Ok(())
    }

    pub(super) fn rebuild(&mut self, dead: &Arc<Slot>, context: &mut Context<Self>) {
        let target = dead.target();
        let Some(entry) = self.entries.remove(&target) else { return };
        let now = self.wiring.clock.moment();
        let deaths = if now.since(entry.started) > FORGIVEN_AFTER { 0 } else { entry.deaths };
        let pause = FIRST_PAUSE.saturating_mul(1 << deaths.min(16)).min(LONGEST_PAUSE);
        self.wiring.metrics.actor_restarted(ActorKind::Target);
        tracing::error!(target = %dead.name, pause_ms = pause.as_millis(), "the target's actor died; it is rebuilt from the store");
        self.reviving.insert(target.clone());
        context.run_later(pause, move |registry, context| registry.begin_from_store(target, deaths + 1, context));
    }

    /// Begins a target that had an actor before: everything that one had sent is on disk once a commit that went the
    /// same way is.
    fn begin_from_store(&mut self, target: Target, deaths: u32, context: &mut Context<Self>) {
        let Some(slot) = self.wiring.board.at(&target) else {
            self.reviving.remove(&target);
            return;
        };
        let (answer, landed) = oneshot::channel();
        self.wiring.histories.do_send(Outage::barrier(answer));
        let (reader, id) = (self.wiring.reader.clone(), slot.id);
        let read = async move {
            // If the journal is gone too, the process is about to end.
            landed.await.ok()?;
            reader.watch(id).inspect_err(|error| tracing::error!(%error, "the target could not be read")).ok()?
        };
        let read = actix::fut::wrap_future::<_, Self>(read);
        context.spawn(actix::ActorFutureExt::map(read, move |watch, registry: &mut Self, context| {
            registry.reviving.remove(&target);
            registry.revive(&slot, watch, deaths, context);
        }));
    }

    /// What is configured now decides what the target becomes.
    fn revive(&mut self, slot: &Slot, watch: Option<Watch>, deaths: u32, context: &mut Context<Self>) {
        if let Some(watch) = watch {
            slot.live(|live| live.committed(&watch, false));
        }
        let spec = self.wiring.config.targets.get(&slot.name).cloned();
        let now = self.wiring.clock.moment();
        let Some(spec) = spec else {
            // It left the configuration while it had no actor: people still hear that it is over.
            if deaths > 0 && slot.live(|live| live.watch.incident.is_some()) {
                self.begin_in(slot.with(None, None), now, deaths, context);
                return self.end(&slot.target(), true, context);
            }
            return self.wiring.board.put(Arc::new(slot.with(None, None)));
        };
        let mut fresh = Vec::new();
        let watch = self.watch_for(Some(slot.live(|live| live.watch.clone())), &spec, &mut fresh);
        slot.live(|live| live.watch = watch);
        self.keep(fresh);
        self.begin_in(slot.moved_to(&spec.endpoint, Some(spec.clone())), now, deaths, context);
    }

    /// Ends a target's actor; its place is taken again from the store.
    fn end(&mut self, target: &Target, resolve: bool, context: &mut Context<Self>) {
        if let Some(entry) = self.entries.remove(target) {
            entry.actor.do_send(Stop { resolve });
            // Asked after the stop, it answers when all that it had to send is sent.
            let ended = actix::fut::wrap_future::<_, Self>(entry.actor.send(Stop { resolve: false }));
            self.reviving.insert(target.clone());
            let target = target.clone();
            context.spawn(actix::ActorFutureExt::map(ended, move |_, registry: &mut Self, context| {
                registry.begin_from_store(target, 0, context);
            }));
        }
    }

    pub(super) fn reconfigure(&mut self, config: Arc<Config>, context: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.wiring.config, config.clone());
        self.passive = Arc::new(passive_policy(config.monitor.max_retries));
        unheard::warn(&self.wiring.board, &config);
        self.wiring.histories.do_send(Adopt(config.clone()));
        self.wiring.notifier.do_send(AdoptChannels(config.clone()));
        self.wiring.keeper.do_send(quiet::Adopt(config.clone()));
        for (_, gone) in before.targets.iter().filter(|(name, _)| !config.targets.contains_key(*name)) {
            self.end(&target_of(gone), true, context);
        }
        let (mut fresh, start) = (Vec::new(), self.wiring.clock.moment());
        let changed: Vec<_> =
            config.targets.iter().filter(|(name, spec)| before.targets.get(*name) != Some(*spec)).collect();
        for (index, (name, spec)) in changed.iter().enumerate() {
            let at = first_probe(start, spec.interval, index, changed.len());
            self.change_one(spec, before.targets.get(*name), at, &mut fresh, context);
        }
        self.keep(fresh);
    }

    fn change_one(
        &mut self,
        spec: &Arc<config::Target>,
        before: Option<&Arc<config::Target>>,
        at: Moment,
        fresh: &mut Vec<Watch>,
        context: &mut Context<Self>,
    ) {
        let old = before.map_or_else(|| target_of(spec), |before| target_of(before));
        let slot = self.wiring.board.at(&old).or_else(|| self.wiring.board.named(&spec.name));
        // It may still be where it was before the configuration that was in force until now.
        let is_reviving = |target: &Target| self.reviving.contains(target);
        if is_reviving(&old) || slot.as_ref().is_some_and(|slot| is_reviving(&slot.target())) {
            // It will begin by the new configuration.
            return;
        }
        match slot {
            None => {
                let watch = self.watch_for(None, spec, fresh);
                self.begin_in(Slot::new(watch, Some(spec.clone()), None), at, 0, context);
            }
            Some(slot) if before.is_some() && slot.endpoint == spec.endpoint && self.entries.contains_key(&old) => {
                let slot = Arc::new(slot.with(Some(spec.clone()), slot.gate.clone()));
                self.wiring.board.put(slot.clone());
                if let Some(entry) = self.entries.get(&old) {
                    entry.actor.do_send(Resettle { spec: spec.clone(), slot, at });
                }
            }
            Some(slot) if self.entries.contains_key(&slot.target()) => self.end(&slot.target(), false, context),
            Some(slot) => self.revive(&slot, None, 0, context),
        }
    }
}

/// The target that a configured one was before: the same, or the first of its name.
fn take_known(known: &mut BTreeMap<Target, Watch>, name: &Arc<str>, endpoint: &Arc<str>) -> Option<Watch> {
    let same = Target { system_name: name.clone(), endpoint: endpoint.clone() };
    if let Some(watch) = known.remove(&same) {
        return Some(watch);
    }
    let from = Target { system_name: name.clone(), endpoint: "".into() };
    let of_name = known.range(from..).next().map(|(target, _)| target.clone());
    of_name.filter(|target| target.system_name == *name).and_then(|target| known.remove(&target))
}

fn target_of(spec: &config::Target) -> Target {
    Target { system_name: spec.name.clone(), endpoint: spec.endpoint.clone() }
}
