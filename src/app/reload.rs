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
use crate::proxy::Proxy;

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, with the environment that it was read with.
    File {
        /// The main one.
        path: PathBuf,
        /// For `${VAR}` and `BREAKWATER_...`.
        environment: BTreeMap<String, String>,
        /// Every file that was read, and every folder in which a new one may belong to it.
        watched: Vec<PathBuf>,
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
    proxy: Proxy,
    metrics: Arc<NodeMetrics>,
    clock: Clock,
}

/// What a [`Reloader`] is made of.
pub(super) struct Parts {
    pub(super) source: Source,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) targets: TargetsHandle,
    pub(super) proxy: Proxy,
    pub(super) metrics: Arc<NodeMetrics>,
    pub(super) clock: Clock,
}

struct Watched {
    source: Source,
    seen: Vec<Stamp>,
}

/// What shows that a file changed: its size and its time of change; `None` while it is not there.
type Stamp = Option<(u64, std::time::SystemTime)>;

impl Reloader {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { source, config, targets, proxy, metrics, clock } = parts;
        let seen = stamps(&source);
        let source = Arc::new(Mutex::new(Watched { source, seen }));
        Self { source, one_at_a_time: Arc::default(), config, targets, proxy, metrics, clock }
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
        // What changes from here on is seen by the next look.
        self.look_again();
        let read = tokio::task::spawn_blocking(move || Config::load(&again, &known));
        match read.await {
            Ok(Ok(loaded)) => Ok(self.adopt(loaded, path, environment).await),
            Ok(Err(problems)) => {
                self.metrics.config_refused();
                tracing::warn!("the configuration is wrong, the old one stays in force:\n{problems}");
                Err(problems)
            }
            Err(interrupted) => std::panic::resume_unwind(interrupted.into_panic()),
        }
    }

    async fn adopt(&self, loaded: Loaded, path: PathBuf, environment: BTreeMap<String, String>) -> Reloaded {
        let Loaded { mut config, warnings, files, folders } = loaded;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let watched = files.into_iter().chain(folders).collect();
        self.watch(Source::File { path, environment, watched });
        let before = self.config.load_full();
        let change = config::change(&before, &config);
        keep_what_needs_a_restart(&before, &mut config);
        let config = Arc::new(config);
        if config != before
            && let Err(refused) = self.targets.reconfigure(config.clone()).await
        {
            tracing::error!(%refused, "the actors did not take the new configuration in time");
        }
        self.proxy.reconfigure(&config);
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

    fn look_again(&self) {
        let mut watched = self.source.lock();
        watched.seen = stamps(&watched.source);
    }

    /// Files that are watched from now on; one that was watched before is as it was seen before it was read.
    fn watch(&self, source: Source) {
        let mut watched = self.source.lock();
        if paths(&watched.source) != paths(&source) {
            watched.seen = stamps(&source);
        }
        watched.source = source;
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

/// A running node has one name, one folder and its sockets: what the new file says of them waits for a restart.
fn keep_what_needs_a_restart(before: &Config, config: &mut Config) {
    config.node = before.node.clone();
    config.http.listen = before.http.listen;
    config.http.max_connections = before.http.max_connections;
    config.store.cache_bytes = before.store.cache_bytes;
    config.proxy.threads = before.proxy.threads;
    config.proxy.max_connections = before.proxy.max_connections;
}

fn paths(source: &Source) -> &[PathBuf] {
    match source {
        Source::File { watched, .. } => watched,
        Source::Fixed => &[],
    }
}

fn stamps(source: &Source) -> Vec<Stamp> {
    paths(source)
        .iter()
        .map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        })
        .collect()
}
