//! The webhook receiver on the wire.

use std::io;

use http::{Method, StatusCode};
use serde_json::json;

use super::super::receiver::{Answer, ReceiverOptions, Script, SignatureCheck};
use super::bench::{Answered, CARD, Shop, ask};
use crate::config::Secret;

async fn post(shop: &Shop, headers: &[(&str, &str)], body: &str) -> io::Result<Answered> {
    ask(shop.address, Method::POST, "/hook", headers, body).await
}

#[tokio::test]
async fn it_answers_as_the_script_says() {
    let shop = Shop::start(ReceiverOptions::default());
    let script = r#"{"script": ["500", "429(3)", "reset", "lie", 204]}"#;
    let told = ask(shop.address, Method::PUT, "/_receiver", &[], script).await.unwrap();
    assert_eq!(told.body, json!({"nextAnswers": ["500", "429(3)", "reset", "lie", "204"]}));
    assert_eq!(post(&shop, &[], "{}").await.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR);
    let limited = post(&shop, &[], "{}").await.unwrap();
    assert_eq!(
        (limited.status, &limited.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"3".parse().unwrap())
    );
    assert_eq!(post(&shop, &[], "{}").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let lie = post(&shop, &[], "{}").await.unwrap();
    assert_eq!((lie.status, &lie.body["ok"]), (StatusCode::OK, &json!(false)));
    assert_eq!(post(&shop, &[], "{}").await.unwrap().status, StatusCode::NO_CONTENT);
    let taken = json!({"ok": true, "id": "6", "result": "taken", "result_code": 0});
    assert_eq!(post(&shop, &[], "{}").await.unwrap().body, taken);
    let answers: Vec<String> = shop.handle.arrivals().iter().map(|arrival| arrival.answer.to_string()).collect();
    assert_eq!(answers, ["500", "429(3)", "reset", "lie", "204", "200"]);
}

#[tokio::test]
async fn a_request_that_hangs_has_arrived_all_the_same() {
    let mut shop = Shop::start(ReceiverOptions { script: Script::new([Answer::Hang], true), ..Default::default() });
    let address = shop.address;
    tokio::select! {
        answered = ask(address, Method::POST, "/hook", &[], "{}") => panic!("{answered:?}"),
        arrived = shop.arrivals.recv() => assert_eq!(arrived.unwrap().answer, Answer::Hang),
    }
}

#[tokio::test]
async fn it_lists_what_arrived_without_secrets() {
    let shop = Shop::start(ReceiverOptions { secrets: vec![Secret::new(b"hush")], ..Default::default() });
    let body = json!({"type": "breakwater.alert.firing", "cardNo": CARD}).to_string();
    let headers = [("webhook-id", "msg_1"), ("webhook-signature", "v1,AAAA"), ("authorization", "Bearer abc")];
    post(&shop, &headers, &body).await.unwrap();
    post(&shop, &[], "not json").await.unwrap();
    let mut listed = ask(shop.address, Method::GET, "/_receiver", &[], "").await.unwrap().body;
    for request in listed["requests"].as_array_mut().unwrap() {
        request["headers"]["host"] = json!("(changes)");
        request["at"] = json!("(changes)");
    }
    insta::assert_json_snapshot!(listed, @r#"
    {
      "nextAnswers": [],
      "received": 2,
      "requests": [
        {
          "answered": "200",
          "at": "(changes)",
          "body": "not json",
          "headers": {
            "content-length": [
              "8"
            ],
            "host": "(changes)"
          },
          "method": "POST",
          "number": 2,
          "path": "/hook",
          "signature": "absent"
        },
        {
          "answered": "200",
          "at": "(changes)",
          "body": "{\"cardNo\":\"1234-56**-****-1451\",\"type\":\"breakwater.alert.firing\"}",
          "headers": {
            "authorization": [
              "(hidden)"
            ],
            "content-length": [
              "65"
            ],
            "host": "(changes)",
            "webhook-id": [
              "msg_1"
            ],
            "webhook-signature": [
              "v1,AAAA"
            ]
          },
          "method": "POST",
          "number": 1,
          "path": "/hook",
          "signature": "invalid",
          "webhookId": "msg_1"
        }
      ]
    }
    "#);
    let signatures: Vec<SignatureCheck> = shop.handle.arrivals().iter().map(|arrival| arrival.signature).collect();
    assert_eq!(signatures, [SignatureCheck::Invalid, SignatureCheck::Absent]);
}

#[tokio::test]
async fn a_wrong_script_changes_nothing_and_all_of_it_is_listed() {
    let shop = Shop::start(ReceiverOptions { script: Script::new([Answer::Lie], false), ..Default::default() });
    let wrong = r#"{"script": ["maybe", 99, "200"], "repeat": "no", "color": "red"}"#;
    let refused = ask(shop.address, Method::PUT, "/_receiver", &[], wrong).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.body["problems"].as_array().unwrap().len(), 4);
    assert_eq!(post(&shop, &[], "{}").await.unwrap().body["ok"], json!(false));
}

#[tokio::test]
async fn one_request_too_many_makes_the_oldest_be_forgotten() {
    let shop = Shop::start(ReceiverOptions::default());
    for _ in 0..1_001 {
        post(&shop, &[], "{}").await.unwrap();
    }
    let kept = shop.handle.arrivals();
    assert_eq!((kept.len(), kept[0].number), (1_000, 2));
}
