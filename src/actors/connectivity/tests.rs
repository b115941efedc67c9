//! Real sockets on this machine: one that listens answers, a port that nobody listens on does not.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::net::TcpListener;

use super::*;
use crate::domain::observation::Phases;
use crate::metrics::{Build, Format, Page, PassiveSample};

struct Watched {
    config: Arc<ArcSwap<Config>>,
    connectivity: Arc<Connectivity>,
    metrics: Arc<NodeMetrics>,
    clock: Clock,
    end: CancellationToken,
}

fn configured(addresses: &[String]) -> Config {
    let text = format!("[monitor.connectivity]\naddresses = {addresses:?}\ninterval = \"1h\"\n");
    let text = if addresses.is_empty() { String::new() } else { text };
    Config::parse(&text, "test.toml", Path::new(""), &BTreeMap::new()).unwrap().config
}

/// Checks these addresses once an hour, and whenever it is asked.
fn watched(addresses: &[String]) -> Watched {
    let config = configured(addresses);
    let config = Arc::new(ArcSwap::from_pointee(config));
    let metrics = Arc::new(NodeMetrics::new(Build { version: "0", revision: "" }));
    let (connectivity, clock, end) = (Arc::new(Connectivity::default()), Clock::system(), CancellationToken::new());
    connectivity.will_be_checked();
    let watched = Watched { config: config.clone(), connectivity, metrics, clock, end };
    let (connectivity, metrics, end) = (watched.connectivity.clone(), watched.metrics.clone(), watched.end.clone());
    tokio::spawn(async move { connectivity.watch_over(&config, &metrics, clock, &end).await });
    watched
}

impl Watched {
    async fn judged(&self, reason: Reason) -> Observation {
        self.connectivity.judge(failed(reason), self.clock).await
    }

    fn page(&self) -> String {
        let passive = PassiveSample::default();
        Page { node: &self.metrics, process: None, targets: &[], passive }.render(Format::Text)
    }
}

fn failed(reason: Reason) -> Observation {
    let failure = Failure { reason, message: "connection refused".into(), code: "ECONNREFUSED".into() };
    Observation {
        at: crate::domain::time::Timestamp::default(),
        took: Duration::ZERO,
        failure: Some(failure),
        degraded: false,
        phases: Phases::default(),
        status_code: None,
        bytes: 0,
        certificate_expires_at: None,
        retry_after: None,
        warning: None,
        provider: None,
    }
}

async fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn reason(observation: &Observation) -> Option<Reason> {
    observation.failure.as_ref().map(|failure| failure.reason)
}

#[tokio::test]
async fn one_address_that_answers_is_enough() {
    let (_listener, there) = listening().await;
    let (gone, nowhere) = listening().await;
    drop(gone);
    let node = watched(&[nowhere, there]);
    assert_eq!(reason(&node.judged(Reason::Connect).await), Some(Reason::Connect));
    assert!(!node.connectivity.is_blind());
}

#[tokio::test]
async fn a_failure_is_the_nodes_own_if_a_check_that_began_after_it_finds_nobody() {
    let (listener, address) = listening().await;
    let node = watched(std::slice::from_ref(&address));
    assert_eq!(reason(&node.judged(Reason::Timeout).await), Some(Reason::Timeout));
    // The last check was good, and the next is an hour away.
    drop(listener);
    let observation = node.judged(Reason::Timeout).await;
    let failure = observation.failure.unwrap();
    assert_eq!(failure.reason, Reason::Internal);
    assert_eq!(&*failure.message, "this node is cut off, so this says nothing about the target: connection refused");
    assert!(node.page().contains("breakwater_node_blind 1"));
    // And back, by the next that fails.
    let _listener = TcpListener::bind(&address).await.unwrap();
    assert_eq!(reason(&node.judged(Reason::Connect).await), Some(Reason::Connect));
    assert!(node.page().contains("breakwater_node_blind 0"));
}

#[tokio::test]
async fn who_was_answered_waits_for_no_check() {
    let node = watched(&[]);
    assert_eq!(reason(&node.judged(Reason::HttpStatus).await), Some(Reason::HttpStatus));
    let good = Observation { failure: None, ..failed(Reason::Connect) };
    assert_eq!(node.connectivity.judge(good.clone(), node.clock).await, good);
}

#[tokio::test]
async fn many_failures_share_one_check() {
    let (listener, address) = listening().await;
    let node = watched(&[address]);
    node.judged(Reason::Dns).await;
    let judged = (0..1_000).map(|_| node.judged(Reason::Dns));
    let judged = futures_util::future::join_all(judged).await;
    assert!(judged.iter().all(|observation| reason(observation) == Some(Reason::Dns)));
    node.end.cancel();
    // They all failed within one check's time or two; whoever came is in the listener's queue.
    let mut connections = 0;
    while futures_util::FutureExt::now_or_never(listener.accept()).is_some() {
        connections += 1;
    }
    assert!(connections < 100, "{connections} connections for 1,001 failures");
}

#[tokio::test]
async fn where_nobody_checks_nobody_waits() {
    let node = watched(&[]);
    assert_eq!(reason(&node.judged(Reason::Timeout).await), Some(Reason::Timeout));
    let unwatched = Connectivity::default();
    let judged = unwatched.judge(failed(Reason::Timeout), node.clock).await;
    assert_eq!(reason(&judged), Some(Reason::Timeout));
}

#[tokio::test]
async fn while_it_is_cut_off_who_was_answered_is_still_believed() {
    let (gone, nowhere) = listening().await;
    drop(gone);
    let node = watched(&[nowhere]);
    node.judged(Reason::Connect).await;
    assert!(node.connectivity.is_blind());
    for told in Reason::ALL {
        let own = matches!(told, Reason::Dns | Reason::Connect | Reason::Timeout | Reason::Tls | Reason::Internal);
        let expected = if own { Reason::Internal } else { told };
        assert_eq!(reason(&node.judged(told).await), Some(expected));
    }
}

#[tokio::test]
async fn a_node_that_ends_while_it_is_cut_off_blames_no_target_for_its_last_failures() {
    let (gone, nowhere) = listening().await;
    drop(gone);
    let node = watched(&[nowhere]);
    node.judged(Reason::Connect).await;
    // It waits for a check that nobody makes any more.
    let waiting = node.connectivity.judge(failed(Reason::Timeout), node.clock);
    node.end.cancel();
    assert_eq!(reason(&waiting.await), Some(Reason::Internal));
    assert!(node.connectivity.is_blind());
    assert_eq!(reason(&node.judged(Reason::Timeout).await), Some(Reason::Internal));
}

#[tokio::test]
async fn who_waits_while_the_checks_are_configured_away_is_told_what_the_last_one_found() {
    let (gone, nowhere) = listening().await;
    drop(gone);
    let node = watched(&[nowhere]);
    node.judged(Reason::Connect).await;
    assert_eq!(node.connectivity.seeing_since(), None);
    node.config.store(Arc::new(configured(&[])));
    assert_eq!(reason(&node.judged(Reason::Timeout).await), Some(Reason::Internal));
    while node.connectivity.is_blind() {
        tokio::task::yield_now().await;
    }
    assert!(node.connectivity.seeing_since().is_some());
    assert_eq!(reason(&node.judged(Reason::Timeout).await), Some(Reason::Timeout));
}
