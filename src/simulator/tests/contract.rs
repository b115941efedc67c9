//! The wire contract of the original, row by row.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::bench::{CARD, Gateway, PAYMENTS, Shop, ask, purchase_for_nobody};

#[tokio::test]
async fn every_payment_route_needs_a_user() {
    let gateway = Gateway::start(&[]);
    let key = "/api/v1/payments/20250816:TR:000000";
    for (method, path) in [(Method::POST, PAYMENTS), (Method::GET, key), (Method::GET, PAYMENTS)] {
        // The body is unreadable and the order is missing too, but the header comes first.
        let answered = ask(gateway.address, method, path, &[], "{").await.unwrap();
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{path}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(answered.body, @r#"{"meta":{"errorCode":"Bad Request","message":"유저 ID 헤더는 필수입니다.","result":"FAIL"}}"#);
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_payment_is_pending_and_then_settled() {
    let gateway = Gateway::start(&[]);
    let mut shop = Shop::start(Default::default());
    let answered = gateway.pay(&shop.purchase("000042")).await;
    assert_eq!(answered.status, StatusCode::OK);
    let key = answered.key();
    assert!(key.starts_with("20250816:TR:") && key.len() == 18, "{key}");
    assert_eq!(
        answered.body,
        json!({"meta": {"result": "SUCCESS"}, "data": {"transactionKey": key, "status": "PENDING"}})
    );

    // The callback is the bare transaction, with the whole card number; who then asks sees the final state.
    let transaction = json!({"transactionKey": key, "orderId": "000042", "cardType": "SAMSUNG", "cardNo": CARD,
        "amount": 5000, "status": "SUCCESS", "reason": "정상 승인되었습니다."});
    assert_eq!(shop.next().await, transaction);
    let read = gateway.get(&format!("{PAYMENTS}/{key}")).await;
    assert_eq!(read.body, json!({"meta": {"result": "SUCCESS"}, "data": transaction}));
    let encoded = gateway.get(&format!("{PAYMENTS}/{}", key.replace(':', "%3A"))).await;
    assert_eq!(encoded.body, read.body);

    let listed = gateway.get(&format!("{PAYMENTS}?orderId=000042")).await;
    assert_eq!(
        listed.body,
        json!({"meta": {"result": "SUCCESS"}, "data": {"orderId": "000042", "transactions":
            [{"transactionKey": key, "status": "SUCCESS", "reason": "정상 승인되었습니다."}]}})
    );
    gateway.stop().await;
}

#[tokio::test]
async fn declines_are_told_by_their_texts_only() {
    for (rate, text) in [
        ("limit_rate", "한도초과입니다. 다른 카드를 선택해주세요."),
        ("invalid_rate", "잘못된 카드입니다. 다른 카드를 선택해주세요."),
    ] {
        let gateway = Gateway::start(&[(rate, "1")]);
        let mut shop = Shop::start(Default::default());
        gateway.pay(&shop.purchase("000042")).await;
        let callback = shop.next().await;
        assert_eq!((&callback["status"], &callback["reason"]), (&json!("FAILED"), &json!(text)));
        gateway.stop().await;
    }
}

#[tokio::test]
async fn what_is_pending_has_no_reason_on_the_wire() {
    let gateway = Gateway::start(&[("process_ms", "3600000")]);
    let key = gateway.pay(&purchase_for_nobody("000042")).await.key();
    let read = gateway.get(&format!("{PAYMENTS}/{key}")).await;
    assert_eq!(read.body["data"]["status"], "PENDING");
    assert_eq!(read.body["data"].get("reason"), None);
    gateway.stop().await;
}

#[tokio::test]
async fn a_bad_request_says_what_is_wrong() {
    let gateway = Gateway::start(&[("reject_rate", "1")]);
    let mut body = purchase_for_nobody("000042");
    body["cardNo"] = json!("1234567898141451");
    let answered = gateway.pay(&body).await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST, "validation comes before chance");
    insta::assert_snapshot!(answered.body, @r#"{"meta":{"errorCode":"Bad Request","message":"카드 번호는 xxxx-xxxx-xxxx-xxxx 형식이어야 합니다.","result":"FAIL"}}"#);
    body["cardType"] = json!("VISA");
    let answered = gateway.pay(&body).await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    assert!(answered.message().contains("cardType"), "reading comes before validation");
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_payment_is_not_stored() {
    let gateway = Gateway::start(&[("reject_rate", "1")]);
    let answered = gateway.pay(&purchase_for_nobody("000042")).await;
    assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR);
    insta::assert_snapshot!(answered.body, @r#"{"meta":{"errorCode":"Internal Server Error","message":"현재 서버가 불안정합니다. 잠시 후 다시 시도해주세요.","result":"FAIL"}}"#);
    assert_eq!(gateway.get(&format!("{PAYMENTS}?orderId=000042")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.handle.report().transactions.stored, 0);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_never_an_empty_list() {
    let gateway = Gateway::start(&[]);
    let order = gateway.get(&format!("{PAYMENTS}?orderId=000042")).await;
    assert_eq!(order.status, StatusCode::NOT_FOUND);
    insta::assert_snapshot!(order.body, @r#"{"meta":{"errorCode":"Not Found","message":"(orderId: 000042) 에 해당하는 결제건이 존재하지 않습니다.","result":"FAIL"}}"#);
    let one = gateway.get(&format!("{PAYMENTS}/20250816:TR:9577c5")).await;
    assert_eq!(one.status, StatusCode::NOT_FOUND);
    insta::assert_snapshot!(one.body, @r#"{"meta":{"errorCode":"Not Found","message":"(transactionKey: 20250816:TR:9577c5) 결제건이 존재하지 않습니다.","result":"FAIL"}}"#);
    gateway.stop().await;
}

#[tokio::test]
async fn a_list_without_an_order_is_500() {
    let gateway = Gateway::start(&[]);
    let answered = gateway.get(PAYMENTS).await;
    assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR);
    insta::assert_snapshot!(answered.body, @r#"{"meta":{"errorCode":"Internal Server Error","message":"일시적인 오류가 발생했습니다.","result":"FAIL"}}"#);
    gateway.stop().await;
}

#[tokio::test]
async fn a_user_sees_nobody_elses_payments() {
    let gateway = Gateway::start(&[]);
    let key = gateway.pay(&purchase_for_nobody("000042")).await.key();
    for path in [format!("{PAYMENTS}/{key}"), format!("{PAYMENTS}?orderId=000042")] {
        assert_eq!(gateway.get(&path).await.status, StatusCode::OK);
        let other = ask(gateway.address, Method::GET, &path, &[("X-USER-ID", "user-2")], "").await.unwrap();
        assert_eq!(other.status, StatusCode::NOT_FOUND);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_same_order_posted_twice_is_charged_twice() {
    let gateway = Gateway::start(&[]);
    let mut shop = Shop::start(Default::default());
    let first = gateway.pay(&shop.purchase("000042")).await.key();
    let second = gateway.pay(&shop.purchase("000042")).await.key();
    assert_ne!(first, second);
    shop.next().await;
    shop.next().await;
    let listed = gateway.get(&format!("{PAYMENTS}?orderId=000042")).await;
    let keys: Vec<&Value> = listed.body["data"]["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transaction| &transaction["transactionKey"])
        .collect();
    assert_eq!(keys, [&json!(second), &json!(first)], "newest first");
    let charges = gateway.handle.report().charges;
    assert_eq!((charges.count, charges.amount, charges.orders_charged_more_than_once), (2, 10_000, 1));
    assert_eq!(charges.orders[0].charges, 2);
    gateway.stop().await;
}

#[tokio::test]
async fn other_paths_methods_and_sizes_have_the_envelope_too() {
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.get("/api/v2").await.body["meta"]["errorCode"], "Not Found");
    let put = ask(gateway.address, Method::PUT, PAYMENTS, &[], "").await.unwrap();
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(put.body["meta"]["result"], "FAIL");
    let mut large = purchase_for_nobody("000042");
    large["padding"] = json!("x".repeat(64 * 1024));
    assert_eq!(gateway.pay(&large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    gateway.stop().await;
}
