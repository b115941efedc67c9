//! How long things take, by tokio's paused time and without sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::super::Options;
use super::super::routing::routes;
use super::super::simulation::Simulation;
use super::bench::{PAYMENTS, clock, options, purchase_for_nobody};

pub(super) fn simulation(options: Options) -> Arc<Simulation> {
    Simulation::new(options, clock()).unwrap()
}

pub(super) async fn get(simulation: &Arc<Simulation>, path: &str) -> Response<Bytes> {
    warp::test::request().path(path).header("x-user-id", "user-1").reply(&routes(simulation)).await
}

pub(super) async fn pay(simulation: &Arc<Simulation>, body: &Value) -> Response<Bytes> {
    let request = warp::test::request().method("POST").path(PAYMENTS).header("x-user-id", "user-1");
    request.json(body).reply(&routes(simulation)).await
}

fn key_of(response: &Response<Bytes>) -> String {
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    body["data"]["transactionKey"].as_str().unwrap().to_owned()
}

async fn status_of(simulation: &Arc<Simulation>, key: &str) -> String {
    let body: Value = serde_json::from_slice(get(simulation, &format!("{PAYMENTS}/{key}")).await.body()).unwrap();
    body["data"]["status"].as_str().unwrap().to_owned()
}

fn with_the_originals_times(pairs: &[(&str, &str)]) -> Options {
    let times = [("latency_ms", "100..500"), ("process_ms", "1000..5000"), ("callback", "off")];
    options(&times.iter().chain(pairs).copied().collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn only_a_valid_payment_request_waits() {
    let simulation = simulation(with_the_originals_times(&[]));
    let start = Instant::now();
    for wrong in [json!({}), json!([]), json!({"orderId": "1"})] {
        assert_eq!(pay(&simulation, &wrong).await.status(), StatusCode::BAD_REQUEST);
    }
    let mut bad_amount = purchase_for_nobody("000042");
    bad_amount["amount"] = json!(0);
    assert_eq!(pay(&simulation, &bad_amount).await.status(), StatusCode::BAD_REQUEST);
    for path in [PAYMENTS, "/api/v1/payments?orderId=000042", "/api/v1/payments/x", "/health", "/_simulator"] {
        get(&simulation, path).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(pay(&simulation, &purchase_for_nobody("000042")).await.status(), StatusCode::OK);
        assert!((100..=501).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_payment_waits_before_it_is_refused() {
    let simulation = simulation(with_the_originals_times(&[("reject_rate", "1"), ("latency_ms", "300")]));
    let start = Instant::now();
    assert_eq!(pay(&simulation, &purchase_for_nobody("000042")).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_settled_within_one_to_five_seconds() {
    let simulation = simulation(with_the_originals_times(&[]));
    let key = key_of(&pay(&simulation, &purchase_for_nobody("000042")).await);
    tokio::time::sleep(Duration::from_millis(990)).await;
    assert_eq!(status_of(&simulation, &key).await, "PENDING");
    tokio::time::sleep(Duration::from_millis(4020)).await;
    assert_eq!(status_of(&simulation, &key).await, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn payments_wait_for_a_worker_and_a_new_worker_takes_them_up() {
    let simulation = simulation(options(&[("process_ms", "1000"), ("workers", "1"), ("callback", "off")]));
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(key_of(&pay(&simulation, &purchase_for_nobody("000042")).await));
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let pending = || simulation.report(None).transactions.pending;
    assert_eq!(pending(), 3);
    assert_eq!(status_of(&simulation, &keys[0]).await, "SUCCESS", "the oldest comes first");
    super::super::control::change_settings(&simulation, &[("workers".into(), "unlimited".into())]).unwrap();
    tokio::time::sleep(Duration::from_millis(1010)).await;
    assert_eq!(pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_is_charged_all_the_same() {
    let simulation = simulation(options(&[("latency_ms", "300"), ("callback", "off")]));
    let gone = timeout(Duration::from_millis(50), pay(&simulation, &purchase_for_nobody("000042"))).await;
    assert!(gone.is_err());
    assert_eq!(simulation.report(None).transactions.stored, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(simulation.report(None).charges.count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_never_answered_and_nothing_is_stored() {
    let simulation = simulation(options(&[("hang_rate", "1")]));
    let asked = timeout(Duration::from_secs(86_400), pay(&simulation, &purchase_for_nobody("000042"))).await;
    assert!(asked.is_err());
    let report = simulation.report(None);
    assert_eq!((report.transactions.stored, report.answers["hang"]), (0, 1));
    assert_eq!(get(&simulation, "/health").await.status(), StatusCode::OK, "the rate is of payment requests only");
}

#[tokio::test(start_paused = true)]
async fn a_slow_gateway_is_slow_on_every_route() {
    let simulation = simulation(options(&[("outage", "slow(1500..1500)")]));
    for path in ["/health", "/api/v1/payments?orderId=000042"] {
        let start = Instant::now();
        get(&simulation, path).await;
        assert!(start.elapsed() >= Duration::from_millis(1500), "{path}");
    }
    let start = Instant::now();
    get(&simulation, "/api/v1/weather?location=Seoul").await;
    assert_eq!(start.elapsed(), Duration::ZERO, "the weather has an outage of its own");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_nothing_overtakes_is_not_kept_back_for_ever() {
    let simulation = simulation(options(&[("callback", "reorder")]));
    pay(&simulation, &purchase_for_nobody("000042")).await;
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert_eq!(simulation.report(None).callbacks.sent, 0);
    // Refused by the port where nobody listens, or over its time limit if the paused clock is quicker: it was tried.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(simulation.report(None).callbacks.failed, 1);
}
