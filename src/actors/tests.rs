//! The actors with a real store, a real target and a real receiver, from start to restart.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::board::Board;
use super::system::{Parts, System};
use super::targets::ObservableTarget;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::breaker::State;
use crate::domain::event::Event;
use crate::domain::id::{CorrelationId, Sequence, StatusId, Target};
use crate::domain::status::IntegrationState;
use crate::metrics::{Build, NodeMetrics};
use crate::probes::Prober;
use crate::store::{Options, Store};

/// Answers every request with the status that is set.
struct Service {
    address: SocketAddr,
    status: Arc<AtomicU16>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let now = status.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let status = now.load(Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = socket.read(&mut request).await;
                    let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { address, status }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

mod letters;
mod reloads;
mod sight;

struct Node {
    clock: Clock,
    system: System,
    store: Store,
    board: Arc<Board>,
    metrics: Arc<NodeMetrics>,
    config: Arc<Config>,
}

fn open(folder: &Path, clock: Clock) -> Store {
    Store::open(Options {
        folder: folder.join("data"),
        cache_bytes: 16 * 1024 * 1024,
        clock,
        on_batch: Box::new(|_| {}),
        on_failure: Box::new(|error| panic!("{error}")),
    })
    .unwrap()
}

async fn start(folder: &Path, services: &[(&str, &Service)]) -> Node {
    start_with(folder, services, |_| {}).await
}

async fn start_with(folder: &Path, services: &[(&str, &Service)], change: impl FnOnce(&mut Config)) -> Node {
    let targets: String = services
        .iter()
        .map(|(name, service)| {
            format!(
                "[[target]]\nname = \"{name}\"\nendpoint = \"http://{}\"\ninterval = \"100ms\"\ntimeout = \"2s\"\n\
                 [target.breaker]\nopen_time = \"30s\"\n",
                service.address
            )
        })
        .collect();
    let text = format!("[node]\nname = \"test\"\ndata_dir = \"unused\"\n{targets}");
    let mut config = Config::parse(&text, "test.toml", folder, &std::collections::BTreeMap::new()).unwrap().config;
    change(&mut config);
    let config = Arc::new(config);
    let clock = Clock::system();
    let store = open(folder, clock);
    let metrics = Arc::new(NodeMetrics::new(Build { version: "0", revision: "" }));
    let board = Arc::new(Board::default());
    let system = System::start(Parts {
        clock,
        config: config.clone(),
        board: board.clone(),
        writer: store.writer(),
        reader: store.reader(),
        watches: store.reader().watches().unwrap(),
        quiets: store.reader().quiets().unwrap(),
        signer: super::links::Signer::new(&store.reader().secret().unwrap()),
        metrics: metrics.clone(),
        prober: Arc::new(Prober::new(clock, "test").unwrap()),
        io: tokio::runtime::Handle::current(),
    })
    .await
    .unwrap();
    Node { clock, system, store, board, metrics, config }
}

impl Node {
    async fn until(&self, name: &str, is: impl Fn(&ObservableTarget) -> bool) -> ObservableTarget {
        for _ in 0..600 {
            if let Ok(found) = self.system.targets.observe(name).await
                && is(&found)
            {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited in vain: {:?}", self.system.targets.observe(name).await);
    }

    fn names(&self) -> Vec<&'static str> {
        let events = self.store.reader().events_after(Sequence(0), 1_000).unwrap();
        events.iter().map(|logged| logged.event.name()).collect()
    }

    /// The same once this is among them: what an actor shows may not be on disk yet.
    async fn names_with(&self, last: &str) -> Vec<&'static str> {
        for _ in 0..600 {
            let names = self.names();
            if names.contains(&last) {
                return names;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited in vain for {last}: {:?}", self.names());
    }

    /// Its own numbers, as Prometheus sees them.
    fn page(&self) -> String {
        let passive = crate::metrics::PassiveSample::default();
        let page = crate::metrics::Page { node: &self.metrics, process: None, targets: &[], passive };
        page.render(crate::metrics::Format::Text)
    }

    async fn stop(self) {
        self.system.stop().await;
        self.store.close().unwrap();
    }
}

const ONE_RESTART: &str = "breakwater_actor_restarts_total{actor=\"target\"} 1";

fn fresh() -> CorrelationId {
    CorrelationId::new("test")
}

fn install_crypto() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_found_told_recovered_and_remembered() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    service.answer(503);
    let down = node.until("PG", |pg| pg.state == IntegrationState::Failed && pg.incident).await;
    assert_eq!(down.breaker, Some(State::Open));
    service.answer(200);
    let up = node.until("PG", |pg| pg.breaker == Some(State::Closed)).await;
    assert_eq!((up.state, up.incident), (IntegrationState::Connected, false));
    let names = node.names_with("AlertResolved").await;
    for name in ["IntegrationFailureRecorded", "AlertFired", "IntegrationFailureRecovered", "AlertResolved"] {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name} in {names:?}");
    }
    node.stop().await;

    let node = start(folder.path(), &[("PG", &service)]).await;
    let again = node.until("PG", |_| true).await;
    assert_eq!(again.id, up.id, "a target keeps its id");
    assert_eq!(again.state, IntegrationState::Connected, "and its state");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_an_outage_goes_on_with_it() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    service.answer(503);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Failed && pg.incident).await;
    node.stop().await;

    let node = start(folder.path(), &[("PG", &service)]).await;
    let found = node.until("PG", |_| true).await;
    assert_eq!((found.state, found.breaker, found.incident), (IntegrationState::Failed, Some(State::Open), true));
    service.answer(200);
    node.until("PG", |pg| pg.state == IntegrationState::Connected && !pg.incident).await;
    let fired = node.names().iter().filter(|name| **name == "AlertFired").count();
    assert_eq!(fired, 1, "people are told once");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_one_target_is_survived_and_the_others_notice_nothing() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("BROKEN", &service), ("OTHER", &service)]).await;
    node.until("BROKEN", |target| target.state == IntegrationState::Connected).await;
    let other = node.until("OTHER", |target| target.state == IntegrationState::Connected).await;
    service.answer(503);
    let before = node.until("BROKEN", |target| target.state == IntegrationState::Failed).await;
    node.system.targets.panic("BROKEN").await;
    let after = node.until("BROKEN", |_| true).await;
    assert_eq!((after.id, after.state, after.incident), (before.id, IntegrationState::Failed, true));
    service.answer(200);
    node.until("BROKEN", |target| target.state == IntegrationState::Connected).await;
    assert_eq!(node.until("OTHER", |_| true).await.id, other.id);
    assert!(node.page().contains(ONE_RESTART), "{}", node.page());
    let recorded = node.names().iter().filter(|name| **name == "IntegrationFailureRecorded").count();
    assert_eq!(recorded, 2, "one outage each, also for the one that died in it");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_told_of_a_target_that_leaves_the_configuration_while_it_has_no_actor() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    service.answer(503);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Failed && pg.incident).await;
    node.names_with("AlertFired").await;
    node.system.targets.panic("PG").await;
    while !node.page().contains(ONE_RESTART) {
        tokio::task::yield_now().await;
    }
    let without = Config { targets: std::collections::BTreeMap::new(), ..(*node.config).clone() };
    node.system.targets.reconfigure(Arc::new(without)).await.unwrap();
    let names = node.names_with("AlertResolved").await;
    assert_eq!(names.iter().filter(|name| **name == "AlertResolved").count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_about_a_system_that_nobody_configured_makes_a_passive_target() {
    install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), &[]).await;
    let target = Target::new("PG_KCP", "https://api.kcp.com");
    let at = crate::clock::parse("2024-06-02T09:05:00Z").unwrap();
    let outcome = node.system.targets.fail(target.clone(), "API", at, fresh()).await.unwrap();
    let names: Vec<_> = outcome.logged().iter().map(|logged| logged.event.name()).collect();
    assert_eq!(names, ["PaymentGatewayConnectionFailed", "IntegrationFailureRecorded"]);
    let outcome = node.system.targets.connect(target, Some(at), fresh()).await.unwrap();
    let names: Vec<_> = outcome.logged().iter().map(|logged| logged.event.name()).collect();
    assert_eq!(names, ["PaymentGatewayConnected", "IntegrationFailureRecovered"]);
    let Event::Status { id, .. } = outcome.logged()[0].event else { panic!("a status event comes first") };
    assert_eq!(id, StatusId(1));
    assert!(node.board.numbered(id).is_some());
    node.stop().await;
}
