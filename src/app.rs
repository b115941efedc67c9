//! The only place that constructs and connects: a configuration goes in, a running node comes out.
//!
//! [`App::build`] binds the sockets, opens the store and starts the actors, in this order, so that what cannot work says
//! so before anything is promised. [`App::run`] serves until it is told to stop, then drains: the web first, then the
//! actors, then what is still unsaved.

mod housekeeping;
mod reload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::actors::board::Board;
use crate::actors::callers::Callers;
use crate::actors::links::Signer;
use crate::actors::system::{self, Parts, System};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{self, Http, Readiness, Reload, Vitals};
use crate::listener::{self, Limits, Listener};
use crate::metrics::{Build, NodeMetrics};
use crate::probes::{self, Prober};
use crate::proxy::{self, DataPlane, Proxy, Sockets};
use crate::store::{self, Reader, Store};

pub use reload::Source;

/// How long the node may take to answer what it has begun once it shall end.
const DRAIN: Duration = Duration::from_secs(10);

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address.
    #[error(transparent)]
    Listen(#[from] listener::Error),
    /// Its proxy.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// Its store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What probes need.
    #[error("probes cannot be made on this machine")]
    Probes(#[source] probes::Error),
    /// Its actors.
    #[error(transparent)]
    Actors(#[from] system::Error),
}

/// A node that is ready to run.
pub struct App {
    clock: Clock,
    listener: Listener,
    proxy: Proxy,
    plane: DataPlane,
    proxy_addresses: Vec<SocketAddr>,
    system: System,
    board: Arc<Board>,
    store: Store,
    metrics: Arc<NodeMetrics>,
    config: Arc<ArcSwap<Config>>,
    source: Source,
    vitals: Arc<Vitals>,
    signer: Signer,
    store_failed: CancellationToken,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it was told to.
    AsAsked,
    /// Its store could not write any more. Nothing was acknowledged after that.
    StoreFailed,
    /// An actor died of which there is only one, or a listener of the proxy. What was acknowledged is on disk; the next start goes on.
    ActorDied,
}

impl Ended {
    fn after(store_failed: &CancellationToken, died: &[&CancellationToken]) -> Self {
        if store_failed.is_cancelled() {
            Self::StoreFailed
        } else if died.iter().any(|died| died.is_cancelled()) {
            Self::ActorDied
        } else {
            Self::AsAsked
        }
    }
}

impl App {
    /// Makes a node of a configuration; `source` is where the configuration can be read again.
    ///
    /// # Errors
    /// See [`Error`]. Nothing was changed then but what opening the store changes.
    pub async fn build(config: Config, source: Source, clock: Clock) -> Result<Self, Error> {
        // There may be one already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = Listener::bind(config.http.listen)?;
        let sockets = Sockets::bind(&config.proxy)?;
        let metrics = Arc::new(NodeMetrics::new(Build { version: env!("CARGO_PKG_VERSION"), revision: "" }));
        metrics.channels_configured(config.channels.keys());
        metrics.config_loaded(clock.now());
        let store_failed = CancellationToken::new();
        let store = open_store(&config, clock, store_failed.clone()).await?;
        let watches = store.reader().watches()?;
        let signer = Signer::new(&store.reader().secret()?);
        let prober = Prober::new(clock, &config.node.name).map_err(Error::Probes)?;
        let (board, config) = (Arc::new(Board::default()), Arc::new(config));
        if config.monitor.connectivity.is_some() {
            board.connectivity().will_be_checked();
        }
        let system = System::start(Parts {
            clock,
            config: config.clone(),
            board: board.clone(),
            writer: store.writer(),
            reader: store.reader(),
            watches,
            quiets: store.reader().quiets()?,
            signer: signer.clone(),
            metrics: metrics.clone(),
            prober: Arc::new(prober),
            io: tokio::runtime::Handle::current(),
        })
        .await?;
        let vitals = Arc::new(Vitals::new(clock.moment()));
        let proxy_addresses = sockets.addresses().collect();
        let proxy = Proxy::new(&config, sockets.threads(), board.clone(), clock);
        let plane = DataPlane::start(sockets, &proxy, limits(config.proxy.max_connections))?;
        let config = Arc::new(ArcSwap::new(config));
        Ok(Self {
            clock,
            listener,
            proxy,
            plane,
            proxy_addresses,
            system,
            board,
            store,
            metrics,
            config,
            source,
            vitals,
            signer,
            store_failed,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Where routes of the proxy have sockets of their own, in their order.
    #[must_use]
    pub fn proxy_addrs(&self) -> &[SocketAddr] {
        &self.proxy_addresses
    }

    /// Reads what is stored, also while it runs.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Speaks to the targets.
    #[must_use]
    pub fn targets(&self) -> crate::actors::targets::TargetsHandle {
        self.system.targets.clone()
    }

    /// Tells when an event was added.
    #[must_use]
    pub fn journal(&self) -> crate::actors::journal::JournalHandle {
        self.system.journal.clone()
    }

    /// Runs until `shutdown` is ready, then ends in order.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Ended {
        let Self { clock, listener, proxy, plane, system, board, store, metrics, config, source, vitals, .. } = self;
        let (signer, store_failed) = (self.signer, self.store_failed);
        let (end, died, plane_died) = (CancellationToken::new(), system.died(), plane.died());
        let (readiness, ready) = watch::channel(Readiness::Ready);
        let reloader = reload::Reloader::new(reload::Parts {
            source,
            config: config.clone(),
            targets: system.targets.clone(),
            proxy: proxy.clone(),
            metrics: metrics.clone(),
            clock,
        });
        let tasks = housekeeping::spawn(&housekeeping::Care {
            clock,
            board: board.clone(),
            writer: store.writer(),
            metrics: metrics.clone(),
            config: config.clone(),
            pulse: system.pulse.clone(),
            vitals: vitals.clone(),
            reloader: reloader.clone(),
            proxy: proxy.clone(),
            end: end.clone(),
        });
        let service = proxy.before(http::service(Http {
            targets: system.targets.clone(),
            histories: system.histories.clone(),
            quiets: system.quiets.clone(),
            outbox: system.outbox.clone(),
            signer,
            board: board.clone(),
            callers: Arc::new(Callers::new(clock)),
            reader: store.reader(),
            journal: system.journal.clone(),
            metrics,
            clock,
            config: config.clone(),
            readiness: ready,
            vitals,
            reload: Reload::new(move || Box::pin(reloader.clone().reload())),
        }));
        let limits = limits(config.load().http.max_connections);
        tracing::info!(address = %listener.local_addr(), targets = config.load().targets.len(), "serving");
        let ended = {
            let told = async {
                tokio::select! {
                    () = shutdown => {}
                    () = store_failed.cancelled() => {}
                    () = died.cancelled() => tracing::error!("an actor died that nobody can go on for; the node ends"),
                    () = plane_died.cancelled() => tracing::error!("the proxy serves no more; the node ends"),
                }
                readiness.send_replace(Readiness::Draining);
                plane.end();
            };
            listener.serve(service, limits, told).await;
            plane.ended().await;
            Ended::after(&store_failed, &[&died, &plane_died])
        };
        end.cancel();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!("tidying the store goes on; it is finished after the next start");
        }
        system.stop().await;
        if ended == Ended::AsAsked {
            housekeeping::save(&board, &store.writer(), clock).await;
        }
        close(store).await;
        ended
    }
}

fn limits(max_connections: usize) -> Limits {
    Limits { max_connections, graceful: DRAIN, ..Limits::default() }
}

async fn open_store(config: &Config, clock: Clock, failed: CancellationToken) -> Result<Store, Error> {
    let options = store::Options {
        folder: config.node.data_dir.clone(),
        cache_bytes: config.store.cache_bytes,
        clock,
        on_batch: Box::new(|_| {}),
        on_failure: Box::new(move |_| failed.cancel()),
    };
    let opened = tokio::task::spawn_blocking(move || Store::open(options));
    Ok(opened.await.map_err(|_| store::Error::Stopped)??)
}

async fn close(store: Store) {
    // A store that was not closed in order is found whole by its next opening, or says that it is not.
    match tokio::task::spawn_blocking(move || store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the store was not closed in order"),
        Err(error) => tracing::error!(%error, "the store's closing was interrupted"),
    }
}
