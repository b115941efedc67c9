//! `GET` and `PUT /_simulator`.

use std::net::SocketAddr;

use http::{Method, StatusCode};
use serde_json::json;

use super::super::routing::routes;
use super::bench::{Gateway, Shop, ask, clock, options, purchase_for_nobody};
use super::timing::simulation;
use crate::listener::Peer;

#[tokio::test]
async fn settings_change_while_it_runs() {
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.pay(&purchase_for_nobody("000042")).await.status, StatusCode::OK);
    let body = r#"{"reject_rate": 1, "callback": "off", "latency-ms": "0..1", "cancelEndpoint": true}"#;
    let changed = ask(gateway.address, Method::PUT, "/_simulator", &[], body).await.unwrap();
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!((&changed.body["reject_rate"], &changed.body["cancel_endpoint"]), (&json!("1"), &json!("on")));
    assert_eq!(gateway.pay(&purchase_for_nobody("000042")).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    gateway.stop().await;
}

#[tokio::test]
async fn bad_input_changes_nothing_and_all_of_it_is_listed() {
    let gateway = Gateway::start(&[]);
    let before = gateway.handle.settings();
    let body = r#"{"reject_rate": 1, "callback": "dup", "hang_rate": -1, "speed": 3, "latency_ms": [1, 2]}"#;
    let refused = ask(gateway.address, Method::PUT, "/_simulator", &[], body).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    insta::assert_json_snapshot!(refused.body, @r#"
    {
      "problems": [
        {
          "at": "latency_ms",
          "what": "is a text, a number, true or false"
        },
        {
          "at": "callback",
          "what": "\"dup\" is not one of on, off, drop(0.1), dup(2), delay(500), reorder"
        },
        {
          "at": "hang_rate",
          "what": "\"-1\" is not a rate; write a number from 0 to 1, such as 0.4, or 40%"
        },
        {
          "at": "speed",
          "what": "there is no such setting; there are latency_ms, process_ms, reject_rate, limit_rate, invalid_rate, callback, callback_signature, workers, fail_after_commit_rate, fail_after_commit_with, hang_rate, reset_rate, idempotency, cancel_endpoint, outage, weather"
        }
      ],
      "status": 400,
      "title": "nothing was changed"
    }
    "#);
    for body in ["", "[]", "{", "null"] {
        let refused = ask(gateway.address, Method::PUT, "/_simulator", &[], body).await.unwrap();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body:?}");
    }
    assert_eq!(gateway.handle.settings(), before);
    gateway.stop().await;
}

#[tokio::test]
async fn only_this_machine_changes_settings() {
    let simulation = simulation(options(&[]));
    let put = |peer: Option<&str>| {
        let request = warp::test::request().method("PUT").path("/_simulator").body(r#"{"reject_rate": 1}"#);
        match peer {
            Some(peer) => request.extension(Peer(peer.parse::<SocketAddr>().unwrap())),
            None => request,
        }
    };
    for peer in [None, Some("10.0.0.1:5000"), Some("[2001:db8::1]:5000")] {
        assert_eq!(put(peer).reply(&routes(&simulation)).await.status(), StatusCode::FORBIDDEN, "{peer:?}");
    }
    for peer in ["127.0.0.1:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
        assert_eq!(put(Some(peer)).reply(&routes(&simulation)).await.status(), StatusCode::OK, "{peer}");
    }
}

#[tokio::test]
async fn it_tells_what_it_did() {
    let gateway = Gateway::start(&[]);
    let mut shop = Shop::start(Default::default());
    for order in ["order-1", "order-1", "order-2"] {
        gateway.pay(&shop.purchase(order)).await;
        shop.next().await;
    }
    while gateway.handle.report().callbacks.delivered < 3 {
        tokio::task::yield_now().await;
    }
    gateway.get("/health").await;
    let mut told = gateway.get("/_simulator").await.body;
    told["settings"] = json!("(shown elsewhere)");
    insta::assert_json_snapshot!(told, @r#"
    {
      "answers": {
        "200": 4
      },
      "callbacks": {
        "delivered": 3,
        "failed": 0,
        "refused": 0,
        "sent": 3,
        "withheld": 0
      },
      "charges": {
        "amount": 15000,
        "count": 3,
        "orders": [
          {
            "amount": 5000,
            "charges": 1,
            "orderId": "order-2",
            "transactions": 1,
            "userId": "user-1"
          },
          {
            "amount": 10000,
            "charges": 2,
            "orderId": "order-1",
            "transactions": 2,
            "userId": "user-1"
          }
        ],
        "ordersChargedMoreThanOnce": 1,
        "refunded": 0
      },
      "dialect": "pg-simulator",
      "phase": "steady",
      "requests": {
        "health": 1,
        "payment": 3
      },
      "seed": 1,
      "settings": "(shown elsewhere)",
      "transactions": {
        "canceled": 0,
        "failed": 0,
        "forgotten": 0,
        "pending": 0,
        "stored": 3,
        "success": 3
      }
    }
    "#);
    let of_order = gateway.get("/_simulator?orderId=order-1").await.body;
    assert_eq!(of_order["charges"]["orders"].as_array().unwrap().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_told_before_anything_runs() {
    let gateway = Gateway::start(&[]);
    let Err(error) = super::super::Simulator::bind(gateway.address, options(&[]), clock()) else {
        panic!("two simulators on one port")
    };
    assert!(error.to_string().contains(&gateway.address.to_string()), "{error}");
    gateway.stop().await;
}
