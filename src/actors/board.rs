//! What is known of each target at this moment, for everybody who only looks: pages, queries, metrics, the saver.
//!
//! A target's actor writes its slot: what is committed when it is committed, what a probe found at once. Nobody
//! decides anything by it. Removed targets leave; passive ones have a slot without a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::breaker::Gate;
use crate::config;
use crate::domain::id::StatusId;
use crate::domain::observation::{Observation, Reason};
use crate::domain::rollup::{Observed, Rollup};
use crate::domain::status::IntegrationStatus;
use crate::domain::time::Timestamp;
use crate::domain::watch::Watch;
use crate::metrics::TargetNumbers;

/// All slots.
#[derive(Debug, Default)]
pub struct Board {
    slots: RwLock<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_id: BTreeMap<StatusId, Arc<Slot>>,
    by_name: BTreeMap<Arc<str>, Arc<Slot>>,
}

/// One target.
#[derive(Debug)]
pub struct Slot {
    /// Its status's id.
    pub id: StatusId,
    /// Its name.
    pub name: Arc<str>,
    /// How it is configured; `None` for a passive target.
    pub spec: Option<Arc<config::Target>>,
    /// Its breaker, for callers; `None` for a passive target.
    pub gate: Option<Gate>,
    live: Mutex<Live>,
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
}

impl Slot {
    /// A slot that begins with what the store knows.
    #[must_use]
    pub fn new(watch: Watch, spec: Option<Arc<config::Target>>, gate: Option<Gate>) -> Self {
        let (id, name) = (watch.status.id, watch.status.target.system_name.clone());
        let live = Live { watch, numbers: TargetNumbers::default(), last: None, minutes: Vec::new() };
        Self { id, name, spec, gate, live: Mutex::new(live) }
    }

    /// The same target with another configuration or breaker: what was counted stays.
    #[must_use]
    pub fn with(&self, spec: Option<Arc<config::Target>>, gate: Option<Gate>) -> Self {
        let live = self.live.lock();
        let Live { watch, numbers, last, minutes } = &*live;
        let live = Live { watch: watch.clone(), numbers: *numbers, last: last.clone(), minutes: minutes.clone() };
        Self { id: self.id, name: self.name.clone(), spec, gate, live: Mutex::new(live) }
    }

    /// Looks at it, or writes it, for a moment.
    pub fn live<R>(&self, look: impl FnOnce(&mut Live) -> R) -> R {
        look(&mut self.live.lock())
    }
}

impl Live {
    /// What is committed now; attempts that were newer than the decision stay known.
    pub(crate) fn committed(&mut self, watch: &Watch) {
        let before = std::mem::replace(&mut self.watch, watch.clone());
        keep_newer(&mut self.watch.status, &before.status);
    }
}

impl Live {
    /// A probe came back. What it found is known at once; only what it changes waits for the disk.
    pub(crate) fn found(&mut self, observation: Observation, decided: &IntegrationStatus) {
        self.numbers.observe(&observation);
        if observation.failure.as_ref().is_none_or(|failure| failure.reason != Reason::Internal) {
            self.roll_up(&observation);
        }
        keep_newer(&mut self.watch.status, decided);
        if self.watch.status.state == decided.state {
            self.watch.status.retry_count = decided.retry_count;
        }
        self.last = Some(observation);
    }

    fn roll_up(&mut self, observation: &Observation) {
        let minute = minute_of(observation.at);
        match self.minutes.last_mut() {
            Some((last, rollup)) if *last == minute => rollup.add(observation.is_ok(), observation.took),
            Some(_) | None => {
                let mut rollup = Rollup::default();
                rollup.add(observation.is_ok(), observation.took);
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
    /// A target by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Slot>> {
        self.slots.read().by_name.get(name).cloned()
    }

    /// A target by its status's id.
    #[must_use]
    pub fn numbered(&self, id: StatusId) -> Option<Arc<Slot>> {
        self.slots.read().by_id.get(&id).cloned()
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
        slots.by_name.insert(slot.name.clone(), slot.clone());
        slots.by_id.insert(slot.id, slot);
    }
}
