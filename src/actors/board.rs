//! What is known of each target at this moment, for everybody who only looks: pages, queries, metrics, the saver.
//!
//! A target's actor writes its slot: what is committed when it is committed, what a probe found at once. Nothing is
//! decided by it but whether people are told of a target that needs another one. Removed targets leave; passive ones
//! have a slot without a configuration. What people make of it all is in `sight`, beside this.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::channels::Channels;
use super::connectivity::Connectivity;
use super::quiet::Quiets;
use crate::breaker::Gate;
use crate::config;
use crate::domain::breaker::Rates;
use crate::domain::id::{StatusId, Target};
use crate::domain::observation::{Observation, ProviderStatus, Reason};
use crate::domain::rollup::{Observed, Rollup};
use crate::domain::slo::Budget;
use crate::domain::status::IntegrationStatus;
use crate::domain::time::Timestamp;
use crate::domain::watch::Watch;
use crate::metrics::{TargetNumbers, Traffic};

/// All slots.
#[derive(Debug, Default)]
pub struct Board {
    slots: RwLock<Slots>,
    connectivity: Connectivity,
    quiets: Arc<Quiets>,
    channels: Arc<Channels>,
    version: AtomicU64,
}

#[derive(Debug, Default)]
struct Slots {
    by_id: BTreeMap<StatusId, Arc<Slot>>,
    by_target: BTreeMap<Target, Arc<Slot>>,
}

/// One target.
#[derive(Debug)]
pub struct Slot {
    /// Its status's id.
    pub id: StatusId,
    /// Its name.
    pub name: Arc<str>,
    /// Where it is.
    pub endpoint: Arc<str>,
    /// How it is configured; `None` for a passive target.
    pub spec: Option<Arc<config::Target>>,
    /// Its breaker, for callers; `None` for a passive target.
    pub gate: Option<Gate>,
    /// The real calls to it.
    pub traffic: Arc<Traffic>,
    live: Arc<Mutex<Live>>,
}

/// What changes.
#[derive(Debug)]
pub struct Live {
    /// As committed, with the times of the latest attempts.
    pub watch: Watch,
    /// Counted since the process began.
    pub numbers: TargetNumbers,
    /// The latest probe.
    pub last: Option<Observation>,
    /// Probes since the last save, by the minute in which they began.
    pub minutes: Vec<(Timestamp, Rollup)>,
    /// The store knew it when the process began: its breaker has been in its state since before.
    pub(crate) stored: bool,
    /// What is not so of most targets.
    aside: Option<Box<Aside>>,
}

/// What is not so of most targets: made when the first of it is, gone when none is left.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Aside {
    /// What the provider's own page said, and when it was read.
    pub provider: Option<(ProviderStatus, Timestamp)>,
    /// The score of a target that flaps, in percent.
    pub flapping: Option<u8>,
    /// What the breaker's window held when calls opened it, until it is closed.
    pub opened: Option<Rates>,
    /// What its objective says of it.
    pub budget: Option<Budget>,
}

impl Slot {
    /// A slot that begins with what the store knows.
    #[must_use]
    pub fn new(watch: Watch, spec: Option<Arc<config::Target>>, gate: Option<Gate>) -> Self {
        let id = watch.status.id;
        let Target { system_name: name, endpoint } = watch.status.target.clone();
        let live = Live {
            watch,
            numbers: TargetNumbers::default(),
            last: None,
            minutes: Vec::new(),
            stored: false,
            aside: None,
        };
        Self { id, name, endpoint, spec, gate, traffic: Arc::default(), live: Arc::new(Mutex::new(live)) }
    }

    /// The same target with another configuration or breaker; what is known of it is shared by both.
    #[must_use]
    pub fn with(&self, spec: Option<Arc<config::Target>>, gate: Option<Gate>) -> Self {
        let (name, endpoint) = (self.name.clone(), self.endpoint.clone());
        Self { id: self.id, name, endpoint, spec, gate, traffic: self.traffic.clone(), live: self.live.clone() }
    }

    /// The same target, configured, at another endpoint; what is known of it is shared by both, and its breaker stays until
    /// there is another.
    #[must_use]
    pub(crate) fn moved_to(&self, endpoint: &Arc<str>, spec: Option<Arc<config::Target>>) -> Self {
        Self { endpoint: endpoint.clone(), ..self.with(spec, self.gate.clone()) }
    }

    /// Which target it is.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { system_name: self.name.clone(), endpoint: self.endpoint.clone() }
    }

    /// Looks at it, or writes it, for a moment.
    pub fn live<R>(&self, look: impl FnOnce(&mut Live) -> R) -> R {
        look(&mut self.live.lock())
    }
}

impl Live {
    /// What is committed now; attempts that were newer than the decision stay known.
    /// A passive target knows only what it is told, in the order in which it is told.
    pub(crate) fn committed(&mut self, watch: &Watch, passive: bool) {
        let before = std::mem::replace(&mut self.watch, watch.clone());
        if !passive {
            keep_newer(&mut self.watch.status, &before.status);
        }
    }
}

impl Live {
    /// A probe came back. What it found is known at once; only what it changes waits for the disk. In `maintenance` it
    /// counts neither as uptime nor as downtime.
    pub(crate) fn found(&mut self, mut observation: Observation, decided: &IntegrationStatus, maintenance: bool) {
        self.numbers.observe(&observation);
        if observation.failure.as_ref().is_none_or(|failure| failure.reason != Reason::Internal) {
            self.roll_up(&observation, !maintenance);
        }
        // What it warned of holds until a probe that got as far says something else.
        if let Some(last) = self.last.as_mut().filter(|_| !observation.is_ok()) {
            // A page that was read says all that it has to say.
            let unread = observation.provider.is_none();
            observation.warning = observation.warning.or_else(|| last.warning.take().filter(|_| unread));
            observation.provider = observation.provider.or(last.provider);
        }
        keep_newer(&mut self.watch.status, decided);
        if self.watch.status.state == decided.state {
            self.watch.status.retry_count = decided.retry_count;
        }
        self.last = Some(observation);
    }

    /// What is not so of most targets.
    #[must_use]
    pub fn aside(&self) -> Aside {
        self.aside.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn set_aside(&mut self, set: impl FnOnce(&mut Aside)) {
        let mut aside = self.aside();
        set(&mut aside);
        match self.aside.as_deref_mut() {
            _ if aside == Aside::default() => self.aside = None,
            Some(before) => *before = aside,
            None => self.aside = Some(Box::new(aside)),
        }
    }

    /// A probe that does not count leaves an empty minute all the same: with it the times of the attempt are saved.
    fn roll_up(&mut self, observation: &Observation, counts: bool) {
        let minute = minute_of(observation.at);
        let add = |rollup: &mut Rollup| {
            if counts {
                rollup.add(observation.is_ok(), observation.took);
            }
        };
        match self.minutes.last_mut() {
            Some((last, rollup)) if *last == minute => add(rollup),
            Some(_) | None => {
                let mut rollup = Rollup::default();
                add(&mut rollup);
                // Between two saves there is one minute or two; a Vec by itself would take room for four.
                self.minutes.reserve_exact(1);
                self.minutes.push((minute, rollup));
            }
        }
    }

    /// What moved since the last save; `None` where nothing did.
    pub(crate) fn take_observed(&mut self) -> Option<Observed> {
        if self.minutes.is_empty() {
            return None;
        }
        let status = &self.watch.status;
        Some(Observed {
            id: status.id,
            last_attempted_at: status.last_attempted_at,
            last_succeeded_at: status.last_succeeded_at,
            last_failed_at: status.last_failed_at,
            retry_count: status.retry_count,
            minutes: std::mem::take(&mut self.minutes),
        })
    }
}

const MINUTE: i64 = 60_000_000_000;

const fn minute_of(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos() - at.as_nanos().rem_euclid(MINUTE))
}

fn keep_newer(status: &mut IntegrationStatus, before: &IntegrationStatus) {
    status.last_attempted_at = status.last_attempted_at.max(before.last_attempted_at);
    status.last_succeeded_at = status.last_succeeded_at.max(before.last_succeeded_at);
    status.last_failed_at = status.last_failed_at.max(before.last_failed_at);
}

impl Board {
    /// Whether this node sees the world.
    #[must_use]
    pub const fn connectivity(&self) -> &Connectivity {
        &self.connectivity
    }

    /// The silences and maintenance windows that are in force.
    #[must_use]
    pub const fn quiets(&self) -> &Arc<Quiets> {
        &self.quiets
    }

    /// How the channels do.
    #[must_use]
    pub const fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// Whether this node is cut off: then it knows nothing of any target.
    #[must_use]
    pub fn blind(&self) -> bool {
        self.connectivity.is_blind()
    }

    /// A target by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Slot>> {
        let first = Target { system_name: name.into(), endpoint: "".into() };
        let slots = self.slots.read();
        let mut named = slots.by_target.range(first..).map(|(_, slot)| slot).take_while(|slot| &*slot.name == name);
        // Several systems may report under one name as long as nobody configured it.
        let any = named.next()?;
        Some(named.find(|slot| slot.spec.is_some()).filter(|_| any.spec.is_none()).unwrap_or(any).clone())
    }

    /// A target by its name and endpoint.
    #[must_use]
    pub fn at(&self, target: &Target) -> Option<Arc<Slot>> {
        self.slots.read().by_target.get(target).cloned()
    }

    /// A target by its status's id.
    #[must_use]
    pub fn numbered(&self, id: StatusId) -> Option<Arc<Slot>> {
        self.slots.read().by_id.get(&id).cloned()
    }

    /// Another one each time a slot was put in its place: who keeps a slot for many calls looks whether to get it anew.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Every target, by id, the newest last.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Slot>> {
        self.slots.read().by_id.values().cloned().collect()
    }

    /// How many targets nobody configured.
    #[must_use]
    pub fn passive(&self) -> usize {
        self.slots.read().by_id.values().filter(|slot| slot.spec.is_none()).count()
    }

    /// Puts a slot in its place.
    pub(crate) fn put(&self, slot: Arc<Slot>) {
        let mut slots = self.slots.write();
        slots.by_target.insert(slot.target(), slot.clone());
        if let Some(before) = slots.by_id.insert(slot.id, slot.clone())
            && before.endpoint != slot.endpoint
        {
            slots.by_target.remove(&before.target());
        }
        self.version.fetch_add(1, Ordering::Release);
    }
}
