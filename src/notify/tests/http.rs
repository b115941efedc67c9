//! What comes of an attempt over HTTP.

use std::time::Duration;

use super::super::examples::{delivery, firing};
use super::*;
use crate::domain::delivery::Outcome;

/// A webhook whose attempts end after `timeout`.
fn webhook(base: &str, timeout: &str) -> Sender {
    let url = format!("{base}/hooks/T0123456789ABCDEF");
    sender(&format!("kind = \"webhook\"\nurl = \"{url}\"\nsecret = \"the key of today\"\ntimeout = \"{timeout}\""))
}

async fn outcome_of(thing: Then, timeout: &str) -> Outcome {
    let (base, served) = receiver(vec![thing]).await;
    let outcome = webhook(&base, timeout).deliver(&delivery(firing())).await;
    drop(served);
    outcome
}

/// Long enough for any answer on this machine; only the test of silence waits for its own, shorter one.
const TIMEOUT: &str = "20s";

#[tokio::test]
async fn a_receiver_that_takes_it_gets_it_signed_and_whole() {
    let (base, served) = receiver(vec![answer("200 OK", "", "ok")]).await;

    let outcome = webhook(&base, TIMEOUT).deliver(&delivery(firing())).await;

    assert_eq!(outcome, Outcome::Delivered);
    let request = served.await.unwrap().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks/T0123456789ABCDEF HTTP/1.1\r\n"), "{head}");
    assert_eq!(head.matches("content-type: application/cloudevents+json\r\n").count(), 1, "{head}");
    assert_eq!(head.matches("webhook-id: n-41.1-1717236003000\r\n").count(), 1, "{head}");
    assert_eq!(head.matches("webhook-signature: v1,").count(), 1, "{head}");
    let event: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(event["id"], "n-41.1-1717236003000");
}

#[tokio::test]
async fn a_retry_has_the_same_body_on_the_same_connection() {
    let (base, served) =
        receiver(vec![answer("503 Service Unavailable", "", "later"), answer("204 No Content", "", "")]).await;
    let sender = webhook(&base, TIMEOUT);

    let first = sender.deliver(&delivery(firing())).await;
    let second = sender.deliver(&delivery(firing())).await;

    assert_eq!(first, Outcome::Transient { error: "503 Service Unavailable: later".into(), retry_after: None });
    assert_eq!(second, Outcome::Delivered);
    let requests = served.await.unwrap();
    let bodies: Vec<&str> = requests.iter().filter_map(|text| text.split_once("\r\n\r\n")).map(|r| r.1).collect();
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_is_heard_also_by_the_messages_after() {
    let (base, served) =
        receiver(vec![answer("429 Too Many Requests", "retry-after: 17\r\n", "{\"message\":\"slow down\"}")]).await;
    let sender = webhook(&base, TIMEOUT);

    let first = sender.deliver(&delivery(firing())).await;
    let (turn, second) = (sender.turn_in(), sender.test().await);

    let error = "429 Too Many Requests: {\"message\":\"slow down\"}".into();
    assert_eq!(first, Outcome::Transient { error, retry_after: Some(Duration::from_secs(17)) });
    let Outcome::Transient { error, retry_after: Some(pause) } = second else { panic!("{second:?}") };
    assert!(error.starts_with("held back"), "{error}");
    assert!(pause <= turn && turn <= Duration::from_secs(17), "{pause:?} {turn:?}");
    assert_eq!(served.await.unwrap().len(), 1, "the second was not sent");
    assert!(webhook(&base, TIMEOUT).taking_over(&sender).turn_in() > Duration::from_secs(10), "a reload ends no pause");
    sender.end_pause();
    assert_eq!(sender.turn_in(), Duration::ZERO);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_receivers_words_without_our_secrets() {
    let refused = answer("400 Bad Request", "", "no hook\r\nT0123456789ABCDEF, key dGhlIGtleSBvZiB0b2RheQ==");
    let error = "400 Bad Request: no hook [hidden], key [hidden]".into();
    assert_eq!(outcome_of(refused, TIMEOUT).await, Outcome::Permanent { error });
}

#[tokio::test]
async fn a_long_refusal_is_cut() {
    let refused = answer("404 Not Found", "", &"x".repeat(100_000));
    let outcome = outcome_of(refused, TIMEOUT).await;
    let Outcome::Permanent { error } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.chars().count(), "404 Not Found: ".len() + 300);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let moved = answer("302 Found", "location: /elsewhere\r\n", "");
    assert!(matches!(outcome_of(moved, TIMEOUT).await, Outcome::Permanent { .. }));
}

#[tokio::test]
async fn a_connection_that_breaks_may_work_later() {
    let outcome = outcome_of(Then::Reset, TIMEOUT).await;
    let Outcome::Transient { error, retry_after: None } = outcome else { panic!("{outcome:?}") };
    assert!(error.starts_with("the request failed: "), "{error}");
    assert!(!error.contains("T0123456789ABCDEF"), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_says_yes_by_its_status_or_is_asked_for_again() {
    let broken = || Then::Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no".to_owned());
    assert_eq!(outcome_of(broken(), TIMEOUT).await, Outcome::Delivered);
    let (base, _) = receiver(vec![broken()]).await;
    let outcome = sender(&format!("kind = \"slack\"\nurl = \"{base}\"")).deliver(&delivery(firing())).await;
    assert_eq!(outcome, Outcome::Transient { error: "200 OK: o".into(), retry_after: None });
}

#[tokio::test]
async fn a_receiver_that_is_silent_is_given_up_after_the_timeout() {
    let outcome = outcome_of(Then::Silence, "100ms").await;
    assert_eq!(outcome, Outcome::Transient { error: "no answer within 100ms".into(), retry_after: None });
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_may_work_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = webhook(&base, TIMEOUT).deliver(&delivery(firing())).await;
    let Outcome::Transient { error, .. } = outcome else { panic!("{outcome:?}") };
    assert!(error.starts_with("no connection: "), "{error}");
}

#[tokio::test]
async fn the_log_takes_everything() {
    assert_eq!(sender("kind = \"log\"").deliver(&delivery(firing())).await, Outcome::Delivered);
    assert_eq!(sender("kind = \"log\"").test().await, Outcome::Delivered);
}

#[tokio::test]
async fn a_test_of_a_pager_closes_what_it_opened() {
    let taken = answer("202 Accepted", "", "{}");
    let (base, served) = receiver(vec![taken.clone(), taken]).await;
    let outcome = sender(&format!("kind = \"pagerduty\"\nurl = \"{base}\"\nrouting_key = \"R0UTING\"")).test().await;
    assert_eq!(outcome, Outcome::Delivered);
    let events: Vec<serde_json::Value> = served
        .await
        .unwrap()
        .iter()
        .map(|request| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
        .collect();
    assert_eq!((&events[0]["event_action"], &events[1]["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
}

#[tokio::test]
async fn one_replica_that_takes_it_is_enough_and_none_that_does_is_told() {
    let channel = |urls: &[&String]| {
        let urls = urls.iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
        sender(&format!("kind = \"alertmanager\"\nurls = [{urls}]"))
    };
    let (good, served) = receiver(vec![answer("200 OK", "", "")]).await;
    let (bad, _) = receiver(vec![answer("503 Service Unavailable", "", "")]).await;
    assert_eq!(channel(&[&bad, &good]).deliver(&delivery(firing())).await, Outcome::Delivered);
    assert!(served.await.unwrap()[0].starts_with("POST /api/v2/alerts HTTP/1.1"));

    let (later, _) = receiver(vec![answer("503 Service Unavailable", "", "")]).await;
    let (never, _) = receiver(vec![answer("400 Bad Request", "", "bad label")]).await;
    let outcome = channel(&[&never, &later]).deliver(&delivery(firing())).await;
    assert_eq!(outcome, Outcome::Transient { error: "503 Service Unavailable".into(), retry_after: None });
    let (never, _) = receiver(vec![answer("400 Bad Request", "", "bad label")]).await;
    let outcome = channel(&[&never]).deliver(&delivery(firing())).await;
    assert_eq!(outcome, Outcome::Permanent { error: "400 Bad Request: bad label".into() });
}

#[test]
fn an_attempt_can_run_on_any_thread() {
    fn is_send(_: &impl Send) {}
    let sender = sender("kind = \"log\"");
    let delivery = delivery(firing());
    is_send(&sender.deliver(&delivery));
}
