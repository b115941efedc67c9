//! What goes beyond the original: faults on purpose, idempotency, cancellation, the weather.

use std::io;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::bench::{Gateway, PAYMENTS, Shop, ask, purchase_for_nobody};

const USER: (&str, &str) = ("x-user-id", "user-1");

#[tokio::test]
async fn a_reset_is_seen_as_a_reset() {
    let gateway = Gateway::start(&[("reset_rate", "1")]);
    let error = gateway.try_pay(&purchase_for_nobody("000042"), &[USER]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let report = gateway.handle.report();
    assert_eq!((report.transactions.stored, report.answers["reset"]), (0, 1));
    assert_eq!(gateway.get("/health").await.status, StatusCode::OK, "the rate is of payment requests only");
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_may_fail_after_its_payment_was_stored() {
    let gateway = Gateway::start(&[("fail_after_commit_rate", "1"), ("fail_after_commit_with", "500")]);
    let mut shop = Shop::start(Default::default());
    let answered = gateway.pay(&shop.purchase("order-500")).await;
    assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(shop.next().await["status"], "SUCCESS");

    gateway.handle.change([("fail_after_commit_with", "reset")]).unwrap();
    let error = gateway.try_pay(&shop.purchase("order-reset"), &[USER]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(shop.next().await["orderId"], "order-reset");

    gateway.handle.change([("fail_after_commit_with", "hang")]).unwrap();
    let hanging_purchase = shop.purchase("order-hang");
    tokio::select! {
        answered = gateway.try_pay(&hanging_purchase, &[USER]) => panic!("{answered:?}"),
        callback = shop.next() => assert_eq!(callback["orderId"], "order-hang"),
    }
    for order in ["order-500", "order-reset", "order-hang"] {
        assert_eq!(gateway.get(&format!("{PAYMENTS}?orderId={order}")).await.status, StatusCode::OK, "{order}");
    }
    assert_eq!(gateway.handle.report().charges.count, 3);
    gateway.stop().await;
}

#[tokio::test]
async fn a_shutdown_cuts_a_request_that_hangs() {
    let gateway = Gateway::start(&[("hang_rate", "1")]);
    let (address, body) = (gateway.address, purchase_for_nobody("000042").to_string());
    let asked = tokio::spawn(async move { ask(address, Method::POST, PAYMENTS, &[USER], &body).await });
    while gateway.handle.report().answers.is_empty() {
        tokio::task::yield_now().await;
    }
    gateway.stop().await;
    // At the listener's deadline it would be closed, and not reset.
    assert_eq!(asked.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_same_seed_has_the_same_results() {
    let mut runs: Vec<Vec<Value>> = Vec::new();
    for seed in ["7", "7", "8"] {
        let gateway = Gateway::start(&[
            ("seed", seed),
            ("reject_rate", "0.4"),
            ("limit_rate", "0.2"),
            ("invalid_rate", "0.1"),
            ("workers", "1"),
        ]);
        let mut shop = Shop::start(Default::default());
        let mut run = Vec::new();
        for number in 0..20 {
            let answered = gateway.pay(&shop.purchase(&format!("order-{number}"))).await;
            run.push(json!(answered.status.as_u16()));
            run.push(answered.body);
            if answered.status == StatusCode::OK {
                run.push(shop.next().await);
            }
        }
        gateway.stop().await;
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn an_idempotency_key_answers_what_it_answered() {
    let gateway = Gateway::start(&[("idempotency", "header")]);
    let body = purchase_for_nobody("000042");
    let first = gateway.try_pay(&body, &[USER, ("idempotency-key", "key-1")]).await.unwrap();
    let again = gateway.try_pay(&body, &[USER, ("Idempotency-Key", "\"key-1\"")]).await.unwrap();
    assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let mut other_body = body.clone();
    other_body["amount"] = json!(1);
    let reused = gateway.try_pay(&other_body, &[USER, ("idempotency-key", "key-1")]).await.unwrap();
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let other_user = gateway.try_pay(&body, &[("x-user-id", "user-2"), ("idempotency-key", "key-1")]).await.unwrap();
    assert_ne!(other_user.key(), first.key());
    assert_eq!(gateway.handle.report().transactions.stored, 2);
    // Off, the header means nothing.
    gateway.handle.change([("idempotency", "off")]).unwrap();
    assert_ne!(gateway.try_pay(&body, &[USER, ("idempotency-key", "key-1")]).await.unwrap().key(), first.key());
    gateway.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_survives_an_answer_that_was_lost() {
    let gateway = Gateway::start(&[
        ("idempotency", "header"),
        ("fail_after_commit_rate", "1"),
        ("fail_after_commit_with", "reset"),
    ]);
    let body = purchase_for_nobody("000042");
    let headers = [USER, ("idempotency-key", "key-1")];
    gateway.try_pay(&body, &headers).await.unwrap_err();
    assert_eq!(gateway.try_pay(&body, &headers).await.unwrap().status, StatusCode::OK);
    assert_eq!(gateway.handle.report().transactions.stored, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn the_cancel_endpoint_is_there_when_it_is_on() {
    let gateway = Gateway::start(&[]);
    let mut shop = Shop::start(Default::default());
    let key = gateway.pay(&shop.purchase("000042")).await.key();
    shop.next().await;
    let path = format!("{PAYMENTS}/{key}/cancel");
    let cancel = |headers: &'static [(&str, &str)]| ask(gateway.address, Method::POST, &path, headers, "{}");
    assert_eq!(cancel(&[USER]).await.unwrap().status, StatusCode::NOT_FOUND);
    gateway.handle.change([("cancel-endpoint", "on")]).unwrap();
    assert_eq!(cancel(&[]).await.unwrap().status, StatusCode::BAD_REQUEST);
    assert_eq!(cancel(&[("x-user-id", "user-2")]).await.unwrap().status, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        let canceled = cancel(&[USER]).await.unwrap();
        assert_eq!((canceled.status, &canceled.body["data"]["status"]), (StatusCode::OK, &json!("CANCELED")));
    }
    let charges = gateway.handle.report().charges;
    assert_eq!((charges.count, charges.refunded, charges.amount), (1, 1, 0));

    gateway.handle.change([("limit_rate", "1")]).unwrap();
    let failed = gateway.pay(&shop.purchase("000043")).await.key();
    shop.next().await;
    let path = format!("{PAYMENTS}/{failed}/cancel");
    assert_eq!(ask(gateway.address, Method::POST, &path, &[USER], "").await.unwrap().status, StatusCode::CONFLICT);
    gateway.stop().await;
}

#[tokio::test]
async fn an_outage_strikes_health_and_reads_too() {
    let gateway = Gateway::start(&[("outage", "unavailable")]);
    for path in ["/health", "/api/v1/payments?orderId=000042"] {
        assert_eq!(gateway.get(path).await.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    gateway.handle.change([("outage", "rate-limited")]).unwrap();
    let limited = gateway.pay(&purchase_for_nobody("000042")).await;
    assert_eq!(
        (limited.status, &limited.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
    );
    gateway.handle.change([("outage", "errors")]).unwrap();
    let health = gateway.get("/health").await;
    assert_eq!((health.status, health.body), (StatusCode::INTERNAL_SERVER_ERROR, json!({"status": "DOWN"})));
    gateway.handle.change([("outage", "down")]).unwrap();
    let error = ask(gateway.address, Method::GET, "/health", &[], "").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    gateway.handle.change([("outage", "none")]).unwrap();
    assert_eq!(gateway.get("/health").await.body, json!({"status": "UP"}));
    gateway.stop().await;
}

#[tokio::test]
async fn the_weather_has_troubles_of_its_own() {
    let gateway = Gateway::start(&[("outage", "down")]);
    let path = "/api/v1/weather?location=%EC%84%9C%EC%9A%B8";
    let first = gateway.get(path).await;
    assert_eq!((first.status, &first.body["location"]), (StatusCode::OK, &json!("서울")));
    for member in ["temperature", "humidity", "weatherStatus", "providedAt"] {
        assert!(first.body.get(member).is_some(), "{member}");
    }
    let again = gateway.get(path).await;
    assert_eq!(first.body["temperature"], again.body["temperature"]);
    for nowhere in ["/api/v1/weather", "/api/v1/weather?location=%20"] {
        assert_eq!(gateway.get(nowhere).await.status, StatusCode::BAD_REQUEST);
    }
    for (trouble, status) in [("no-location", 404), ("rate-limited", 429), ("errors", 500), ("unavailable", 503)] {
        gateway.handle.change([("weather", trouble)]).unwrap();
        assert_eq!(gateway.get(path).await.status.as_u16(), status);
    }
    gateway.stop().await;
}
