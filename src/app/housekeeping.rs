//! What has to be done again and again while a node runs: saving what is not an event, tidying, looking after itself and at
//! the network.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use crate::actors::board::Board;
use crate::actors::system::Pulse;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::rollup::Observed;
use crate::http::Vitals;
use crate::metrics::NodeMetrics;
use crate::proxy::Proxy;
use crate::store::Writer;

/// How often what the probes found is saved: so much of it a crash may lose.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// How often rollups are summed up and what is too old is deleted.
const TIDY_EVERY: Duration = Duration::from_secs(10 * 60);
/// How often the metrics' histograms are drained.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often the vital signs are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often connections to targets that rested for too long are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How often the configuration's files are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// What needs care.
pub(super) struct Care {
    pub(super) clock: Clock,
    pub(super) board: Arc<Board>,
    pub(super) writer: Writer,
    pub(super) metrics: Arc<NodeMetrics>,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) pulse: Pulse,
    pub(super) vitals: Arc<Vitals>,
    pub(super) reloader: Reloader,
    pub(super) proxy: Proxy,
    pub(super) end: CancellationToken,
}

/// The tasks that do it.
pub(super) struct Tasks(JoinSet<()>);

impl Tasks {
    /// Waits until all have ended; they do when [`Care::end`] is cancelled.
    pub(super) async fn wait(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Starts them.
pub(super) fn spawn(care: &Care) -> Tasks {
    let mut tasks = JoinSet::new();
    let (board, writer, clock) = (care.board.clone(), care.writer.clone(), care.clock);
    every(&mut tasks, SAVE_EVERY, &care.end, move || {
        let (board, writer) = (board.clone(), writer.clone());
        async move { save(&board, &writer, clock).await }
    });
    let (writer, config) = (care.writer.clone(), care.config.clone());
    every(&mut tasks, TIDY_EVERY, &care.end, move || tidy(writer.clone(), config.load().store.retention, clock));
    let metrics = care.metrics.clone();
    every(&mut tasks, UPKEEP_EVERY, &care.end, move || {
        metrics.run_upkeep();
        std::future::ready(())
    });
    let proxy = care.proxy.clone();
    every(&mut tasks, SWEEP_EVERY, &care.end, move || {
        proxy.sweep();
        std::future::ready(())
    });
    let (pulse, vitals, writer) = (care.pulse.clone(), care.vitals.clone(), care.writer.clone());
    every(&mut tasks, LOOK_EVERY, &care.end, move || {
        vitals.arbiter_ticked(pulse.last());
        if !writer.is_alive() {
            vitals.journal_ended();
        }
        std::future::ready(())
    });
    let reloader = care.reloader.clone();
    every(&mut tasks, WATCH_EVERY, &care.end, move || reloader.clone().reload_if_changed());
    tasks.spawn(care.reloader.clone().reload_on_hangup(care.end.clone()));
    let (board, config, metrics) = (care.board.clone(), care.config.clone(), care.metrics.clone());
    let (clock, end) = (care.clock, care.end.clone());
    tasks.spawn(async move { board.connectivity().watch_over(&config, &metrics, clock, &end).await });
    Tasks(tasks)
}

fn every<F, W>(tasks: &mut JoinSet<()>, pause: Duration, end: &CancellationToken, mut work: F)
where
    F: FnMut() -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let end = end.clone();
    tasks.spawn(async move {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once; nothing has happened yet.
        ticks.tick().await;
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = ticks.tick() => work().await,
            }
        }
    });
}

/// Saves what moved in the targets' memory without being an event; returns when it is on disk.
pub(super) async fn save(board: &Board, writer: &Writer, clock: Clock) {
    let observed: Vec<Observed> =
        board.all().iter().filter_map(|slot| slot.live(crate::actors::board::Live::take_observed)).collect();
    if observed.is_empty() {
        return;
    }
    let (writer, now) = (writer.clone(), clock.now());
    let (done, saved) = tokio::sync::oneshot::channel();
    let handed_over = tokio::task::spawn_blocking(move || {
        // The one who waits may have gone; it is saved all the same.
        writer.save_observed(
            observed,
            now,
            Box::new(move || {
                let _ = done.send(());
            }),
        )
    });
    match handed_over.await {
        Ok(Ok(())) => drop(saved.await),
        Ok(Err(error)) => tracing::error!(%error, "what the probes found could not be saved"),
        Err(error) => tracing::error!(%error, "what the probes found could not be handed over"),
    }
}

async fn tidy(writer: Writer, retention: Duration, clock: Clock) {
    let now = clock.now();
    match tokio::task::spawn_blocking(move || writer.tidy(now, retention)).await {
        Ok(Ok(tidied)) => {
            tracing::debug!(?tidied, "tidied the store");
            if tidied.letters_too_many > 0 {
                let letters = tidied.letters_too_many;
                tracing::warn!(letters, "the oldest dead letters were deleted: there were more than are kept");
            }
        }
        Ok(Err(error)) => tracing::error!(error = &error as &dyn std::error::Error, "the store could not be tidied"),
        Err(error) => tracing::error!(%error, "tidying the store was interrupted"),
    }
}
