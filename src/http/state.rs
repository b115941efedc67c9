//! What the handlers are given: handles to ask, things to read, and what this node says of itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::actors::board::Board;
use crate::actors::callers::Callers;
use crate::actors::histories::HistoriesHandle;
use crate::actors::journal::JournalHandle;
use crate::actors::links::Signer;
use crate::actors::outbox::OutboxHandle;
use crate::actors::quiet::QuietsHandle;
use crate::actors::targets::TargetsHandle;
use crate::clock::Clock;
use crate::config::{Config, Problems};
use crate::domain::time::Moment;
use crate::metrics::NodeMetrics;
use crate::store::Reader;

/// The actors' arbiter is taken for stuck when it has not ticked for this long.
pub const TICK_MAX: Duration = Duration::from_secs(10);

/// Everything that the surface is connected to.
pub struct Http {
    /// Carries out what concerns targets.
    pub targets: TargetsHandle,
    /// Carries out what concerns failure histories.
    pub histories: HistoriesHandle,
    /// Carries out what concerns silences and maintenance windows.
    pub quiets: QuietsHandle,
    /// Carries out what concerns messages.
    pub outbox: OutboxHandle,
    /// Checks the links of messages.
    pub signer: Signer,
    /// How the targets are.
    pub board: Arc<Board>,
    /// What is lent to callers and reported by them.
    pub callers: Arc<Callers>,
    /// What is stored.
    pub reader: Reader,
    /// Says when an event was added.
    pub journal: JournalHandle,
    /// The node's numbers.
    pub metrics: Arc<NodeMetrics>,
    /// The time.
    pub clock: Clock,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Whether the node takes requests.
    pub readiness: watch::Receiver<Readiness>,
    /// Whether its parts are alive.
    pub vitals: Arc<Vitals>,
    /// Reads the configuration again.
    pub reload: Reload,
}

/// Whether the node takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It restores what it knew.
    Restoring,
    /// It does.
    Ready,
    /// It finishes what it has begun; streams of events end.
    Draining,
}

/// Signs of life, written by those whose life they are a sign of.
#[derive(Debug)]
pub struct Vitals {
    arbiter_ticked_at: AtomicU64,
    journal_ended: AtomicBool,
}

impl Vitals {
    /// All is alive at `now`.
    #[must_use]
    pub const fn new(now: Moment) -> Self {
        Self { arbiter_ticked_at: AtomicU64::new(now.as_nanos()), journal_ended: AtomicBool::new(false) }
    }

    /// The actors' arbiter got round to its tick; due every second.
    pub fn arbiter_ticked(&self, now: Moment) {
        self.arbiter_ticked_at.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The thread that writes the store has ended.
    pub fn journal_ended(&self) {
        self.journal_ended.store(true, Ordering::Relaxed);
    }

    /// How long ago the arbiter ticked.
    #[must_use]
    pub fn since_tick(&self, now: Moment) -> Duration {
        now.since(Moment::from_nanos(self.arbiter_ticked_at.load(Ordering::Relaxed)))
    }

    /// Whether the thread that writes the store works.
    #[must_use]
    pub fn journal_is_alive(&self) -> bool {
        !self.journal_ended.load(Ordering::Relaxed)
    }
}

/// Reads the configuration again and puts it in force, or says what is wrong with it.
#[derive(Clone)]
pub struct Reload(Arc<dyn Fn() -> Reloading + Send + Sync>);

/// A reload under way.
pub type Reloading = Pin<Box<dyn Future<Output = Result<Reloaded, Problems>> + Send>>;

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Targets in force.
    pub targets: usize,
    /// What needs a restart to come into force, a sentence each.
    pub needs_restart: Vec<String>,
}

impl Reload {
    /// From what the root does.
    #[must_use]
    pub fn new(reload: impl Fn() -> Reloading + Send + Sync + 'static) -> Self {
        Self(Arc::new(reload))
    }

    /// Does it.
    ///
    /// # Errors
    /// Everything that is wrong with the new configuration; the old one stays in force.
    pub async fn now(&self) -> Result<Reloaded, Problems> {
        (self.0)().await
    }
}
