//! The actors' thread: starts them in order, hands out their handles, ends them in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::Addr;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::answer::PATIENCE;
use super::board::Board;
use super::failure_history::{FailureHistory, Outage, TellOfLetters};
use super::histories::HistoriesHandle;
use super::journal::{Journal, JournalHandle, Wire};
use super::links::Signer;
use super::notifier::{self, Drain, Notifier};
use super::outbox::OutboxHandle;
use super::quiet::{self, Keeper, QuietsHandle, Tell};
use super::registry::{self, Registry, Settled, StopAll};
use super::targets::TargetsHandle;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::Ids;
use crate::domain::quiet::Quiet;
use crate::domain::time::Moment;
use crate::domain::watch::Watch;
use crate::metrics::NodeMetrics;
use crate::probes::Prober;
use crate::store::{Reader, Writer};

/// How often the arbiter shows that it lives.
const TICK: Duration = Duration::from_secs(1);

/// What the actors are made of.
pub struct Parts {
    /// Tells the time.
    pub clock: Clock,
    /// What is watched, and how.
    pub config: Arc<Config>,
    /// What the actors write for those who look.
    pub board: Arc<Board>,
    /// The store's one writer.
    pub writer: Writer,
    /// The store, to look.
    pub reader: Reader,
    /// The targets as the store knows them.
    pub watches: Vec<Watch>,
    /// The silences and maintenance windows as the store knows them.
    pub quiets: Vec<Quiet>,
    /// Signs links.
    pub signer: Signer,
    /// Where things are counted.
    pub metrics: Arc<NodeMetrics>,
    /// Runs probes.
    pub prober: Arc<Prober>,
    /// The multi-threaded runtime for probes and deliveries.
    pub io: tokio::runtime::Handle,
}

/// The running actors.
#[derive(Debug)]
pub struct System {
    /// Speaks to the targets.
    pub targets: TargetsHandle,
    /// Speaks to the failure histories.
    pub histories: HistoriesHandle,
    /// Speaks to those who keep silences and maintenance windows.
    pub quiets: QuietsHandle,
    /// Speaks to those who deliver.
    pub outbox: OutboxHandle,
    /// Looks at the journal.
    pub journal: JournalHandle,
    /// When the arbiter last ticked.
    pub pulse: Pulse,
    registry: Addr<Registry>,
    actors: Singletons,
    died: CancellationToken,
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Shows whether the actors' arbiter goes on.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// When it last ticked; it does so every second.
    #[must_use]
    pub fn last(&self) -> Moment {
        Moment::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// The actors' thread could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine gave no thread.
    #[error("the actors' thread could not be started")]
    Thread(#[source] std::io::Error),
    /// It ended before it said that it was ready.
    #[error("the actors ended while they were starting; the log says why")]
    Ended,
}

#[derive(Debug)]
struct Singletons {
    histories: Addr<FailureHistory>,
    notifier: Addr<Notifier>,
}

struct Started {
    targets: TargetsHandle,
    histories: HistoriesHandle,
    quiets: QuietsHandle,
    outbox: OutboxHandle,
    journal: JournalHandle,
    registry: Addr<Registry>,
    actors: Singletons,
}

impl System {
    /// Starts every actor on a thread of its own; returns when the targets are in their places.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let (ready, started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let pulse = Pulse(Arc::new(AtomicU64::new(parts.clock.moment().as_nanos())));
        let beating = pulse.clone();
        let died = CancellationToken::new();
        let dying = died.clone();
        let thread = std::thread::Builder::new()
            .name("actors".into())
            .spawn(move || {
                actix::System::new().block_on(async move {
                    let clock = parts.clock;
                    let started = start(parts, &dying);
                    actix::spawn(beat(beating, clock));
                    if ready.send(started).is_ok() {
                        // An error is the owner's end, which ends the actors as well.
                        drop(ended.await);
                    }
                });
            })
            .map_err(Error::Thread)?;
        let Started { targets, histories, quiets, outbox, journal, registry, actors } =
            started.await.map_err(|_| Error::Ended)?;
        registry.send(Settled).await.map_err(|_| Error::Ended)?;
        Ok(Self { targets, histories, quiets, outbox, journal, pulse, registry, actors, died, end, thread })
    }

    /// Cancelled when an actor of which there is only one has died: nobody can go on for it, so the process must end.
    #[must_use]
    pub fn died(&self) -> CancellationToken {
        self.died.clone()
    }

    /// Ends every target, waits until all that was sent is on disk, and ends the thread.
    pub async fn stop(self) {
        // What does not answer in time ends with its thread.
        let _ = self.registry.send(StopAll).timeout(PATIENCE).await;
        let (drained, nothing_under_way) = oneshot::channel();
        self.actors.notifier.do_send(Drain(drained));
        let _ = tokio::time::timeout(PATIENCE, nothing_under_way).await;
        let (answer, landed) = oneshot::channel();
        self.actors.histories.do_send(Outage::barrier(answer));
        let _ = tokio::time::timeout(PATIENCE, landed).await;
        let _ = self.end.send(());
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

fn start(parts: Parts, died: &CancellationToken) -> Started {
    let Parts { clock, config, board, writer, reader, watches, quiets, signer, metrics, prober, io } = parts;
    let ids = Arc::new(Ids::after(reader.id_marks()));
    let (journal, journal_handle) =
        Journal::start(writer, ids.clone(), clock, metrics.clone(), reader.last_sequence(), died.clone());
    let histories =
        FailureHistory::start(reader.clone(), ids.clone(), clock, config.clone(), journal.clone(), died.clone());
    let (keeper, quiets) = Keeper::start(quiet::Wiring {
        clock,
        config: config.clone(),
        stored: quiets,
        quiets: board.quiets().clone(),
        histories: histories.clone(),
        died: died.clone(),
    });
    let notifier = Notifier::start(notifier::Wiring {
        reader: reader.clone(),
        clock,
        ids: ids.clone(),
        journal: journal.clone(),
        histories: histories.clone(),
        metrics: metrics.clone(),
        io: io.clone(),
        config: config.clone(),
        board: board.clone(),
        signer,
        watches: &watches,
        died: died.clone(),
    });
    let actors = Singletons { histories: histories.clone(), notifier: notifier.clone() };
    journal.do_send(Wire(notifier.clone().recipient()));
    let registry = Registry::start(registry::Wiring {
        clock,
        ids,
        config,
        board,
        reader: reader.clone(),
        watches,
        journal: journal.clone(),
        journal_handle: journal_handle.clone(),
        histories: histories.clone(),
        notifier: notifier.clone(),
        keeper: keeper.clone(),
        metrics,
        prober,
        io,
        died: died.clone(),
    });
    histories.do_send(TellOfLetters(registry.clone().recipient()));
    keeper.do_send(Tell(vec![registry.clone().recipient(), notifier.clone().recipient()]));
    let targets = TargetsHandle::new(registry.clone());
    let outbox = OutboxHandle::new(histories.clone(), notifier, reader.clone());
    let histories = HistoriesHandle::new(histories, targets.clone(), reader, journal_handle.clone());
    Started { targets, histories, quiets, outbox, journal: journal_handle, registry, actors }
}

async fn beat(pulse: Pulse, clock: Clock) {
    loop {
        pulse.0.store(clock.moment().as_nanos(), Ordering::Relaxed);
        tokio::time::sleep(TICK).await;
    }
}
