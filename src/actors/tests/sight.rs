//! What real calls and flapping do to what people see and are told, in a node without its surface.

use super::*;
use crate::actors::targets::{Act, Control};
use crate::domain::alert::Hold;
use crate::domain::breaker::{Mode, Outcome};
use crate::domain::slo::Objective;
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
async fn what_half_of_the_calls_said_gives_way_to_trials_that_all_fail() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    for number in 0..10 {
        call(&node, "PG", if number % 2 == 0 { Outcome::Success } else { Outcome::Failure });
    }
    sees(&node, "PG", |(health, cause, _)| *health == Health::Degraded && cause.contains("50 % of observed calls"))
        .await;
    // Probes pass and end each open time at once; whoever gets a trial fails.
    sees(&node, "PG", |(health, cause, _)| {
        call(&node, "PG", Outcome::Failure);
        *health == Health::Down && cause.contains("every observed call fails")
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_hang_are_remembered_after_they_opened_the_breaker() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    let gate = node.board.named("PG").unwrap().gate.clone().unwrap();
    let _hung: Vec<_> = (0..10).map(|_| gate.acquire_owned(node.clock.moment()).unwrap()).collect();
    let slow = |(_, cause, _): &(Health, String, Option<Hold>)| cause.contains("100 % of observed calls are slow");
    sees(&node, "PG", |seen| slow(seen) && seen.1.contains("the circuit breaker")).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_knows_a_target_from_its_second_start_on() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    for stored in [false, true] {
        let node = start(folder.path(), &[("PG", &service)]).await;
        node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
        assert_eq!(node.board.named("PG").unwrap().live(|live| live.stored), stored);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_that_is_rebuilt_goes_on_counting_and_one_that_is_reset_is_stored_without_its_level() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start(folder.path(), &[("PG", &service)]).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    for _ in 0..10 {
        call(&node, "PG", Outcome::Failure);
    }
    let view = || node.board.named("PG").unwrap().gate.as_ref().unwrap().view(node.clock.moment());
    let level = || node.board.named("PG").unwrap().live(|live| live.watch.breaker.level);
    until(|| {
        call(&node, "PG", Outcome::Success);
        view().state == State::Closed && level() == 1
    })
    .await;
    let reset = Control { act: Act::Reset, who: "kim".into(), reason: "it is well".into(), until: None };
    node.system.targets.control("PG", reset, fresh()).await.unwrap();
    until(|| level() == 0).await;

    let before = view();
    assert_eq!(before.lifetime.failure, 10);
    call(&node, "PG", Outcome::Failure);
    node.system.targets.panic("PG").await;
    until(|| view().window.calls == 0).await;
    let after = view();
    assert_eq!((after.lifetime.failure, after.lifetime.success), (11, before.lifetime.success));
    assert_eq!(after.refused.open, before.refused.open);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_of_a_target_that_is_well_is_reckoned_with_each_probe() {
    install_crypto();
    let (folder, service) = (tempfile::tempdir().unwrap(), Service::start().await);
    let node = start_with(folder.path(), &[("PG", &service)], |config| {
        for target in config.targets.values_mut() {
            let every = target.interval;
            Arc::make_mut(target).slo = Some(Objective { ratio: 0.999, days: 30, tickets: false, every });
        }
    })
    .await;
    let slot = node.board.named("PG").unwrap();
    let budget = || slot.live(|live| live.aside().budget);
    until(|| budget().is_some_and(|budget| budget.left == 1.0)).await;
    node.until("PG", |pg| pg.state == IntegrationState::Connected).await;
    // What was shown before is not shown for ever: nothing happens to this target but probes that pass.
    slot.live(|live| live.set_aside(|aside| aside.budget = None));
    until(|| budget().is_some()).await;
    node.stop().await;
}
