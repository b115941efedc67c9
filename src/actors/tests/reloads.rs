//! Configurations that follow upon each other before a target has its next actor.

use super::*;
use crate::config;

/// The same configuration with this target elsewhere.
fn moved(config: &Config, name: &str, to: &Service) -> Arc<Config> {
    let mut config = config.clone();
    let before = config.targets.remove(name).unwrap();
    let url = format!("http://{}/", to.address);
    let mut target = config::Target { endpoint: url.as_str().into(), ..(*before).clone() };
    let config::probe::Probe::Http(http) = &mut target.probe else { panic!("it is probed over HTTP") };
    let moved = config::probe::HttpProbe { url: url.parse().unwrap(), ..(**http).clone() };
    *http = Arc::new(moved);
    config.targets.insert(name.into(), Arc::new(target));
    Arc::new(config)
}

fn without(config: &Config, name: &str) -> Arc<Config> {
    let mut config = config.clone();
    config.targets.remove(name).unwrap();
    Arc::new(config)
}

fn count(names: &[&'static str], name: &str) -> usize {
    names.iter().filter(|found| **found == name).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_leaves_and_comes_back_elsewhere_at_once_ends_each_incident_once() {
    install_crypto();
    let (folder, service, other) = (tempfile::tempdir().unwrap(), Service::start().await, Service::start().await);
    service.answer(503);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Failed && pg.incident).await;
    node.names_with("AlertFired").await;
    let (gone, back) = (without(&node.config, "PG"), moved(&node.config, "PG", &other));
    let (first, second) = tokio::join!(node.system.targets.reconfigure(gone), node.system.targets.reconfigure(back));
    assert!(first.is_ok() && second.is_ok());
    node.until("PG", |pg| pg.state == IntegrationState::Connected && !pg.incident).await;
    // A second actor would be heard of by now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let names = node.names_with("AlertResolved").await;
    // It is down until it was tried there, so there may be an incident of its own.
    assert_eq!(count(&names, "AlertResolved"), count(&names, "AlertFired"), "{names:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_moves_twice_at_once_has_one_actor() {
    install_crypto();
    let (folder, service, other) = (tempfile::tempdir().unwrap(), Service::start().await, Service::start().await);
    let third = Service::start().await;
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    let (first, second) = (moved(&node.config, "PG", &other), moved(&node.config, "PG", &third));
    let (first, second) = tokio::join!(node.system.targets.reconfigure(first), node.system.targets.reconfigure(second));
    assert!(first.is_ok() && second.is_ok());
    node.until("PG", |_| true).await;
    third.answer(503);
    node.until("PG", |pg| pg.state == IntegrationState::Failed && pg.incident).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let names = node.names_with("AlertFired").await;
    assert_eq!(count(&names, "AlertFired"), 1, "{names:?}");
    assert_eq!(count(&names, "IntegrationFailureRecorded"), 1, "{names:?}");
    node.system.targets.reconfigure(node.config.clone()).await.unwrap();
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    let endpoint = node.config.targets["PG"].endpoint.clone();
    let target = Target { system_name: "PG".into(), endpoint };
    let reported = node.system.targets.connect(target, Some(node.clock.now()), fresh()).await;
    assert!(reported.is_ok(), "who moved away and back is there: {reported:?}");
    node.stop().await;
}
