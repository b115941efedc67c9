//! Scenarios as they are played, by tokio's paused time and without sockets.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::super::control::change_settings;
use super::super::simulation::Simulation;
use super::super::{Options, Scenario};
use super::bench::{PAYMENTS, Shop, options, purchase_for_nobody};
use super::timing::{get, pay, simulation};

const THREE: &str = r#"
    repeat = true
    [[phase]]
    name = "healthy"
    duration = "20s"
    [[phase]]
    name = "errors"
    duration = "15s"
    reject_rate = 1
    outage = "errors(0)"
    [[phase]]
    name = "gone"
    duration = "10s"
    outage = "unavailable"
"#;

fn played(text: &str) -> Arc<Simulation> {
    let scenario = Some(Scenario::parse(text).unwrap());
    let simulation = simulation(Options { scenario, ..options(&[("callback", "off")]) });
    let player = Arc::clone(&simulation);
    simulation.spawn(async move { player.stage.play().await });
    simulation
}

/// What a payment and a probe are answered, and the phase.
async fn seen(simulation: &Arc<Simulation>) -> (u16, u16, String) {
    let payment = pay(simulation, &purchase_for_nobody("000042")).await.status().as_u16();
    let health = get(simulation, "/health").await.status().as_u16();
    (payment, health, simulation.report(None).phase)
}

#[tokio::test(start_paused = true)]
async fn each_phase_behaves_as_it_says_and_the_first_follows_the_last() {
    let simulation = played(THREE);
    let mut seconds = 1;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (at, expected) in
        [(1, (200, 200, "healthy")), (21, (500, 200, "errors")), (36, (503, 503, "gone")), (46, (200, 200, "healthy"))]
    {
        tokio::time::sleep(Duration::from_secs(at - seconds)).await;
        seconds = at;
        let (payment, health, phase) = expected;
        assert_eq!(seen(&simulation).await, (payment, health, phase.to_owned()), "after {at} s");
    }
}

#[tokio::test(start_paused = true)]
async fn who_watches_sees_each_phase_begin() {
    let simulation = played(THREE);
    let mut phases = simulation.stage.phases();
    let mut names = vec![phases.borrow_and_update().name.to_string()];
    for _ in 0..4 {
        phases.changed().await.unwrap();
        let entered = phases.borrow_and_update().clone();
        assert_eq!(entered.sequence, u64::try_from(names.len()).unwrap());
        names.push(entered.name.to_string());
    }
    assert_eq!(names, ["healthy", "errors", "gone", "healthy", "errors"]);
}

#[tokio::test(start_paused = true)]
async fn a_phase_can_be_entered_by_hand_and_the_timeline_goes_on_from_there() {
    let simulation = played(THREE);
    tokio::time::sleep(Duration::from_secs(19)).await;
    simulation.stage.enter("gone").unwrap();
    assert_eq!(seen(&simulation).await, (503, 503, "gone".to_owned()));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(simulation.report(None).phase, "gone", "it has its whole time");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(simulation.report(None).phase, "healthy");
    insta::assert_snapshot!(simulation.stage.enter("storm").unwrap_err(), @r#"there is no phase "storm"; the scenario has: healthy, errors, gone"#);
}

#[tokio::test(start_paused = true)]
async fn the_last_phase_of_a_scenario_that_ends_stays() {
    let simulation = played(
        "[[phase]]\nname = \"a\"\nduration = \"1s\"\n[[phase]]\nname = \"b\"\nduration = \"1s\"\noutage = \"unavailable\"",
    );
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(seen(&simulation).await, (503, 503, "b".to_owned()));
    assert_eq!(simulation.stage.phases().borrow().sequence, 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_hand_holds_until_a_phase_that_names_the_setting() {
    let simulation = played(THREE);
    let change = |name: &str, text: &str| change_settings(&simulation, &[(name.into(), text.into())]);
    change("outage", "unavailable").unwrap();
    change("hang_rate", "0.5").unwrap();
    assert_eq!(get(&simulation, "/health").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert_eq!(get(&simulation, "/health").await.status(), StatusCode::OK);
    assert_eq!(simulation.settings().texts()["hang_rate"], "0.5");
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(simulation.report(None).phase, "healthy");
    assert_eq!(get(&simulation, "/health").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_later_phase_cannot_stand_is_refused_now() {
    let simulation = played("[[phase]]\nname = \"a\"\nduration = \"1s\"\n[[phase]]\nname = \"b\"\ninvalid_rate = 0.7");
    let refused = change_settings(&simulation, &[("limit_rate".into(), "0.5".into())]).unwrap_err();
    insta::assert_snapshot!(refused, @r#"limit_rate in the phase "b": limit_rate (0.5) and invalid_rate (0.7) are parts of one draw; make them 1 or less together"#);
    assert_eq!(simulation.settings().texts()["limit_rate"], "0");
}

#[tokio::test]
async fn the_demos_scenario_brings_its_own_seed() {
    let scenario = Scenario::parse(include_str!("../../../config/scenarios/demo.toml")).unwrap();
    let simulation = simulation(Options { scenario: Some(scenario), seed: None, ..Options::default() });
    assert_eq!(simulation.report(None).seed, 7);
    let shop = Shop::start(Default::default());
    assert_eq!(pay(&simulation, &shop.purchase("000042")).await.status(), StatusCode::OK);
    assert_eq!(get(&simulation, &format!("{PAYMENTS}?orderId=000042")).await.status(), StatusCode::OK);
}
