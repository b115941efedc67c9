//! What real calls and flapping do to what people see and are told, in a node without its surface.

use super::*;
use crate::domain::alert::Hold;
use crate::domain::breaker::{Mode, Outcome};
use crate::domain::verdict::{Health, verdict};
use crate::domain::watch::Origin;

fn seen(node: &Node, name: &str) -> (Health, String, Option<Hold>) {
    let slot = node.board.named(name).unwrap();
    node.board.seen(&slot, node.clock, |_, inputs| {
        let verdict = verdict(inputs);
        (verdict.health, verdict.cause.into_owned(), inputs.hold())
    })
}

/// An actor knows of a decision before the log does.
async fn until(is: impl Fn() -> bool) {
    for _ in 0..600 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain");
}

async fn sees(node: &Node, name: &str, is: impl Fn(&(Health, String, Option<Hold>)) -> bool) {
    for _ in 0..600 {
        if is(&seen(node, name)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {:?}", seen(node, name));
}

fn call(node: &Node, name: &str, outcome: Outcome) {
    let gate = node.board.named(name).unwrap().gate.clone().unwrap();
    if let Ok(permit) = gate.acquire(node.clock.moment()) {
        permit.done(outcome, node.clock.moment());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_probe_does_not_hide_failing_traffic() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("PG", &service)]).await;
    sees(&node, "PG", |(health, ..)| *health == Health::Healthy).await;
    // 4 of 10 fail: the breaker lets them pass, and people see it.
    for number in 0..10 {
        call(&node, "PG", if number % 5 < 2 { Outcome::Failure } else { Outcome::Success });
    }
    let (health, cause, _) = seen(&node, "PG");
    assert_eq!((health, &*cause), (Health::Degraded, "probe ok, 40 % of observed calls fail"));
    for _ in 0..10 {
        call(&node, "PG", Outcome::Failure);
    }
    let open = node.until("PG", |pg| pg.breaker == Some(State::Open) && pg.incident).await;
    assert_eq!(open.state, IntegrationState::Connected, "calls alone fail nothing");
    sees(&node, "PG", |(health, cause, _)| {
        *health == Health::Degraded && cause.starts_with("probe ok, ") && cause.contains("of observed calls fail")
    })
    .await;
    assert!(!node.names().contains(&"IntegrationFailureRecorded"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_call_fails_it_is_down_whatever_the_probe_says() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    for _ in 0..10 {
        call(&node, "PG", Outcome::Failure);
    }
    node.until("PG", |pg| pg.breaker == Some(State::Open)).await;
    let down = |(health, cause, _): &(Health, String, Option<Hold>)| {
        *health == Health::Down && cause.contains("every observed call fails")
    };
    sees(&node, "PG", down).await;
    // A probe that fails too makes it an outage that calls confirmed: passing probes alone do not end it.
    service.answer(503);
    node.until("PG", |pg| pg.state == IntegrationState::Failed).await;
    let origin = |node: &Node| {
        let slot = node.board.named("PG").unwrap();
        slot.live(|live| live.watch.trouble.as_ref().map(|trouble| trouble.origin))
    };
    sees(&node, "PG", |_| origin(&node) == Some(Origin::Traffic)).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_flaps_is_not_told_of_until_it_stands_still() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    // Samples are taken as ever, and fifty times as often as a file can ask for.
    let node = start_with(folder.path(), &[("PG", &service)], |config| {
        for target in config.targets.values_mut() {
            let target = Arc::make_mut(target);
            target.policy.flapping.every = Duration::from_millis(200);
            target.policy.failure_threshold = 1;
            target.breaker.mode = Mode::Disabled;
        }
    })
    .await;
    let flaps = |(_, cause, hold): &(Health, String, Option<Hold>)| {
        *hold == Some(Hold::Flapping) && cause.contains("it flaps (score ")
    };
    // Down and up again until it is noticed; each state lasts for longer than samples are apart.
    let mut rounds = 0;
    while !flaps(&seen(&node, "PG")) {
        rounds += 1;
        assert!(rounds < 60, "it was never noticed");
        for (status, state) in [(503, IntegrationState::Failed), (200, IntegrationState::Connected)] {
            service.answer(status);
            node.until("PG", |pg| pg.state == state).await;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    let logged = |which: &str| node.names().iter().filter(|name| **name == which).count();
    let fired = || logged("AlertFired");
    until(|| fired() == logged("AlertResolved")).await;
    let before = fired();
    // Down for good: held back while it flaps, told when the changes are forgotten.
    service.answer(503);
    node.until("PG", |pg| pg.state == IntegrationState::Failed).await;
    if flaps(&seen(&node, "PG")) {
        assert_eq!(fired(), before, "it is held back");
    }
    until(|| fired() == before + 1).await;
    sees(&node, "PG", |(health, _, hold)| *health == Health::Down && hold.is_none()).await;
    node.stop().await;
}
