//! Another configuration while the node runs: read and checked first, then put in force; a broken one changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::actors::targets::TargetsHandle;
use crate::clock::Clock;
use crate::config::{self, Config, Loaded, Problems};
use crate::http::Reloaded;
use crate::metrics::NodeMetrics;

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, with the environment that it was read with.
    File {
        /// The main one.
        path: PathBuf,
        /// For `${VAR}` and `BREAKWATER_...`.
        environment: BTreeMap<String, String>,
        /// What shows that it changed: every file that was read, and the folders where one may be added.
        files: Vec<PathBuf>,
    },
    /// Nowhere that could be read again.
    Fixed,
}

/// Reads the configuration again, when asked or when its files change.
#[derive(Clone)]
pub(super) struct Reloader {
    source: Arc<Mutex<Watched>>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    config: Arc<ArcSwap<Config>>,
    targets: TargetsHandle,
    metrics: Arc<NodeMetrics>,
    clock: Clock,
}

struct Watched {
    source: Source,
    seen: Vec<Stamp>,
}

/// What shows that a file or a folder changed: its size and its time of change; `None` while it is not there.
type Stamp = Option<(u64, std::time::SystemTime)>;

impl Reloader {
    pub(super) fn new(
        source: Source,
        config: Arc<ArcSwap<Config>>,
        targets: TargetsHandle,
        metrics: Arc<NodeMetrics>,
        clock: Clock,
    ) -> Self {
        let seen = stamps(&source);
        let source = Arc::new(Mutex::new(Watched { source, seen }));
        Self { source, one_at_a_time: Arc::default(), config, targets, metrics, clock }
    }

    /// Reads it again and puts it in force.
    pub(super) async fn reload(self) -> Result<Reloaded, Problems> {
        let _turn = self.one_at_a_time.lock().await;
        let source = self.source.lock().source.clone();
        let Source::File { path, environment, .. } = source else {
            let targets = self.config.load().targets.len();
            return Ok(Reloaded { targets, needs_restart: Vec::new() });
        };
        let again = path.clone();
        let known = environment.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(&again, &known));
        match read.await {
            Ok(Ok(loaded)) => Ok(self.adopt(loaded, path, environment).await),
            Ok(Err(problems)) => {
                self.metrics.config_refused();
                self.look_again(None);
                tracing::warn!("the configuration is wrong, the old one stays in force:\n{problems}");
                Err(problems)
            }
            Err(interrupted) => std::panic::resume_unwind(interrupted.into_panic()),
        }
    }

    async fn adopt(&self, loaded: Loaded, path: PathBuf, environment: BTreeMap<String, String>) -> Reloaded {
        let Loaded { config, warnings, mut files, folders } = loaded;
        files.extend(folders);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        self.look_again(Some(Source::File { path, environment, files }));
        let change = config::change(&self.config.load(), &config);
        let config = Arc::new(config);
        if !change.is_empty()
            && let Err(refused) = self.targets.reconfigure(config.clone()).await
        {
            tracing::error!(%refused, "the actors did not take the new configuration in time");
        }
        self.metrics.channels_configured(config.channels.keys());
        self.metrics.config_loaded(self.clock.now());
        tracing::info!(
            added = change.added.len(),
            removed = change.removed.len(),
            altered = change.altered.len(),
            "the configuration was read again"
        );
        let targets = config.targets.len();
        self.config.store(config);
        Reloaded { targets, needs_restart: change.needs_restart }
    }

    fn look_again(&self, source: Option<Source>) {
        let mut watched = self.source.lock();
        if let Some(source) = source {
            watched.source = source;
        }
        watched.seen = stamps(&watched.source);
    }

    /// Reads it again if one of its files changed since the last time.
    pub(super) async fn reload_if_changed(self) {
        let changed = {
            let watched = self.source.lock();
            stamps(&watched.source) != watched.seen
        };
        if changed {
            // What is wrong was logged, and is counted.
            drop(self.reload().await);
        }
    }

    /// Reads it again on SIGHUP, until `end`.
    pub(super) async fn reload_on_hangup(self, end: CancellationToken) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return tracing::warn!(%error, "SIGHUP cannot be heard; use POST /-/reload"),
        };
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                // What is wrong was logged, and is counted.
                _ = hangups.recv() => drop(self.clone().reload().await),
            }
        }
    }
}

fn stamps(source: &Source) -> Vec<Stamp> {
    let Source::File { files, .. } = source else { return Vec::new() };
    files
        .iter()
        .map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        })
        .collect()
}
