//! The guarded proxy: when a target is asked, how often, and what is answered in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use crate::backend::{Backend, Raw, Wire, says, says_json, target_at};
use crate::node::{Answer, Api, Gateway, Node, until};

/// A breaker that judges three calls, and stays open for as long as a test may take.
const THREE: &str = "count = 3\nminimum_calls = 3\nopen_time = \"1h\"\nopen_time_max = \"1h\"\nbackoff = \"1ms\"\n\
                     retry_budget = \"100%\"\nretry_minimum = 100";
/// The same, and a call is attempted once.
const ONCE: &str = "count = 3\nminimum_calls = 3\nopen_time = \"1h\"\nopen_time_max = \"1h\"\nattempts = 1";
const OWN: &str = "[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n";
/// The result code for "the gateway failed", which comes with status 200.
const TABLE: &str = "[[proxy.route.operation]]\nname = \"authorize\"\nmethod = \"POST\"\npath = \"/v1/payments\"\n\
                     outcome = [{ json = \"$.resultCode\", in = [\"2159\"], outcome = \"failure\" },\n\
                     { status = 500, outcome = \"failure\", not_processed = true }]\n";

#[track_caller]
fn refused(answer: &Answer, status: u16, kind: &str) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/problem+json"), "{}", answer.text);
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:breakwater:problem:{kind}"));
    assert_eq!(problem["status"], status);
    problem
}

/// The closed or open window of a target's breaker.
async fn breaker(node: &Node, name: &str) -> Value {
    node.api.read(&format!("/targets/{name}/breaker")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_a_200_opens_the_breaker_and_a_declined_card_does_not() {
    let code = Arc::new(AtomicU16::new(3011));
    let says_code = code.clone();
    let backend = Backend::start(move |_, _| {
        says_json(200, json!({"resultCode": says_code.load(Ordering::SeqCst).to_string(), "resultMsg": "..."}))
    })
    .await;
    let node = Node::start(&format!("{}{OWN}{TABLE}", backend.target("PG", ONCE))).await;
    let own = Api::new(node.proxy[0]);
    let pay = async || own.post("/v1/payments", json!({"amount": 1})).await;
    for _ in 0..6 {
        let declined = pay().await;
        assert_eq!((declined.status, declined.json()["resultCode"].clone()), (200, json!("3011")));
    }
    assert_eq!(breaker(&node, "PG").await["state"], "closed");
    code.store(2159, Ordering::SeqCst);
    // Two of the last three calls are more than half of them.
    for _ in 0..2 {
        assert_eq!(pay().await.json()["resultCode"], "2159", "the gateway's own words are passed on");
    }
    let asked = backend.seen().len();
    let answer = pay().await;
    let problem = refused(&answer, 503, "breaker-open");
    assert_eq!((&problem["target"], &problem["reason"]), (&json!("PG"), &json!("open")));
    let words = problem["detail"].as_str().unwrap();
    assert!(words.starts_with("PG is not answering; its circuit breaker is open; come back in "), "{words}");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    let millis = problem["retryAfterMs"].as_u64().unwrap();
    assert_eq!(seconds, millis.div_ceil(1000));
    assert_eq!(backend.seen().len(), asked, "nobody was asked");
    assert_eq!(breaker(&node, "PG").await["state"], "open");
    assert!(backend.seen().iter().all(|seen| seen.header("accept-encoding").is_empty()), "an answer in the clear");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_safe_is_repeated() {
    let backend = Backend::start(|_, before| if before % 2 == 0 { says(503, "no") } else { says(200, "yes") }).await;
    let table = "[[proxy.route.operation]]\nname = \"again\"\npath = \"/again\"\nidempotent = true\n\
                 [[proxy.route.operation]]\nname = \"declared\"\npath = \"/declared\"\n\
                 outcome = [{ status = 503, outcome = \"failure\", not_processed = true }]\n\
                 [[proxy.route.operation]]\nname = \"once\"\npath = \"/once\"\nattempts = 1\n";
    let breaker = "mode = \"dry_run\"\nbackoff = \"1ms\"\nretry_budget = \"100%\"";
    let node = Node::start(&format!("{}{OWN}{table}", backend.target("PG", breaker))).await;
    let own = Api::new(node.proxy[0]);
    let mut asked = 0;
    let mut check = async |method: Method, path: &str, headers: &[(&str, &str)], status: u16, times: usize| {
        let answer = own.send(method.clone(), path, headers, "the body".into()).await;
        assert_eq!(answer.status, status, "{method} {path} {headers:?}");
        let seen = backend.seen();
        assert_eq!(seen.len() - asked, times, "{method} {path} {headers:?}");
        assert!(seen[asked..].iter().all(|seen| seen.body == "the body"), "the body is sent each time");
        asked = seen.len();
        // The next one begins with a failure again.
        if times == 1 {
            own.send(Method::POST, "/", &[], String::new()).await;
            asked += 1;
        }
    };
    check(Method::POST, "/", &[], 503, 1).await;
    check(Method::PUT, "/", &[], 200, 2).await;
    check(Method::POST, "/", &[("idempotency-key", "7")], 200, 2).await;
    check(Method::POST, "/again", &[], 200, 2).await;
    check(Method::POST, "/declared", &[], 200, 2).await;
    check(Method::PUT, "/once", &[], 503, 1).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulators_500s_are_repeated_since_they_are_declared_to_have_done_nothing() {
    let gateway = Gateway::start();
    gateway.handle.change([("latency_ms", "0..0")]).expect("the simulator knows it");
    let breaker = "retry_budget = \"100%\"\nbackoff = \"1ms\"\nattempts = 4";
    let endpoint = format!("http://{}", gateway.address);
    let table = "[[proxy.route.operation]]\nname = \"pay\"\nmethod = \"POST\"\npath = \"/api/v1/payments\"\n\
                 outcome = [{ status = 500, outcome = \"failure\", not_processed = true }]\n";
    let node = Node::start(&format!("{}{OWN}{table}", target_at("PG", &endpoint, breaker))).await;
    let own = Api::new(node.proxy[0]);
    let order = json!({
        "orderId": "000042", "cardType": "SAMSUNG", "cardNo": "1234-5678-9814-1451", "amount": 5000,
        "callbackUrl": "http://localhost:8080/api/v1/payments/callback",
    });
    let headers = [("content-type", "application/json"), ("x-user-id", "7")];
    let mut accepted = 0;
    for _ in 0..50 {
        let answer = own.send(Method::POST, "/api/v1/payments", &headers, order.to_string()).await;
        accepted += usize::from(answer.status == 200);
    }
    // Of attempts that fail for 2 in 5, four in a row do so for 1 in 39 calls.
    assert!(accepted >= 40, "{accepted} of 50");
    assert_eq!(breaker_state(&node).await, "closed");
    node.stop().await;
}

async fn breaker_state(node: &Node) -> String {
    breaker(node, "PG").await["state"].as_str().expect("a word").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_answer_is_waited_for_so_long_and_asked_again_only_if_that_is_safe() {
    let raw = Raw::start().await;
    let breaker = format!("{THREE}\nattempt_timeout = \"100ms\"\nattempts = 2");
    let node = Node::start(&format!("{}{OWN}", target_at("PG", &format!("http://{}", raw.address), &breaker))).await;
    let own = Api::new(node.proxy[0]);
    let answer = tokio::join!(own.send(Method::POST, "/", &[], "pay".into()), raw.hears("pay"));
    let problem = refused(&answer.0, 504, "target-timeout");
    assert!(problem["detail"].as_str().unwrap().contains("is not known"), "{problem}");
    let (answer, _, _) =
        tokio::join!(own.send(Method::PUT, "/", &[], "put".into()), raw.hears("put"), async { raw.hears("put").await });
    refused(&answer, 504, "target-timeout");
    let window = self::breaker(&node, "PG").await;
    assert_eq!(window["window"]["failed"], json!(2), "each call counts once: {window}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_connections_failed_and_was_not_asked() {
    let raw = Raw::start().await;
    let endpoint = format!("http://{}", raw.address);
    drop(raw);
    let node = Node::start(&format!("{}{OWN}", target_at("PG", &endpoint, THREE))).await;
    let own = Api::new(node.proxy[0]);
    for _ in 0..3 {
        let answer = own.send(Method::POST, "/", &[], "x".repeat(100_000)).await;
        let problem = refused(&answer, 502, "unreachable");
        assert!(problem["detail"].as_str().unwrap().contains("nothing was sent"), "{problem}");
    }
    refused(&own.get("/").await, 503, "breaker-open");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_target_closed_costs_nobody_anything() {
    let raw = Raw::start().await;
    let node = Node::start(&format!("{}{OWN}", target_at("PG", &format!("http://{}", raw.address), ONCE))).await;
    let own = Api::new(node.proxy[0]);
    for number in 0..5 {
        // Not even one that may be sent once only.
        let body = format!("body {number}");
        let (answer, ()) = tokio::join!(own.send(Method::POST, "/", &[], body.clone()), async {
            let mut asked = raw.hears(&body).await;
            asked.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        });
        assert_eq!(answer.text, "ok");
    }
    let window = breaker(&node, "PG").await;
    assert_eq!((&window["window"]["failed"], &window["state"]), (&json!(0), &json!("closed")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_counts_against_the_target_though_it_began_well() {
    let raw = Raw::start().await;
    let node = Node::start(&format!("{}{OWN}", target_at("PG", &format!("http://{}", raw.address), ONCE))).await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut asked = raw.hears("\r\n\r\n").await;
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await;
    client.until("first").await;
    drop(asked);
    assert!(client.rest().await.ends_with("first"), "the client sees that it is cut");
    until("the failure", async || (breaker(&node, "PG").await["window"]["failed"] == 1).then_some(())).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_rate_are_refused_with_429_and_those_beyond_the_bulkhead_with_503() {
    let raw = Raw::start().await;
    let slow = target_at("PG", &format!("http://{}", raw.address), "bulkhead = 1\nbulkhead_queue = 0");
    let backend = Backend::start(|_, _| says(200, "ok")).await;
    let rated = backend.target("RATED", "rate_limit = \"1/m\"\nrate_burst = 2");
    let routes = "[[proxy.route]]\nprefix = \"/gw\"\ntarget = \"RATED\"\n";
    let node = Node::start(&format!("{slow}{rated}{OWN}{routes}")).await;
    let mut first = Wire::connect(node.proxy[0]).await;
    first.say("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut asked = raw.hears("\r\n\r\n").await;
    let answer = Api::new(node.proxy[0]).get("/").await;
    let problem = refused(&answer, 503, "bulkhead-full");
    assert_eq!(problem["reason"], "bulkhead_full");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    first.until("ok").await;

    for _ in 0..2 {
        assert_eq!(node.api.get("/gw/x").await.status, 200);
    }
    let answer = node.api.get("/gw/x").await;
    let problem = refused(&answer, 429, "rate-limited");
    assert_eq!(problem["reason"], "rate_limited");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_or_a_ready_answer_stands_in_where_that_is_safe() {
    let down = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(|_, _| says(503, "no")).await;
    let second = Backend::start({
        let down = down.clone();
        move |seen, _| says(200, format!("second {} {}", seen.body, down.load(Ordering::SeqCst)))
    })
    .await;
    let routes = "[[proxy.route]]\nprefix = \"/a\"\ntarget = \"PG\"\nset_headers = { authorization = \"for PG\" }\n\
                  fallback = { target = \"TOSS\", set_headers = { x-key = \"for TOSS\" } }\n\
                  [[proxy.route]]\nprefix = \"/b\"\ntarget = \"PG\"\n\
                  fallback = { status = 202, content_type = \"text/plain\", body = \"later\" }\n";
    let breaker = "count = 4\nminimum_calls = 4\nopen_time = \"1h\"\nopen_time_max = \"1h\"\nattempts = 1";
    let targets = format!("{}{}", backend.target("PG", breaker), second.target("TOSS", ""));
    let node = Node::start(&format!("{targets}{routes}")).await;
    let send = async |method, path| node.api.send(method, path, &[], "body".into()).await;
    let answer = send(Method::GET, "/a/x").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "second body 0"));
    let seen = &second.seen()[0];
    assert_eq!(
        (seen.uri.as_str(), seen.header("authorization"), seen.header("x-key")),
        ("/x", String::new(), "for TOSS".into())
    );
    // A payment that may have been made is not made elsewhere.
    assert_eq!(send(Method::POST, "/a/x").await.text, "no");
    let answer = send(Method::GET, "/b/x").await;
    assert_eq!((answer.status, answer.header("content-type"), answer.text.as_str()), (202, "text/plain", "later"));
    assert_eq!(send(Method::POST, "/b/x").await.text, "no");
    // The breaker is open now: it was not asked, so anything may be.
    assert_eq!(send(Method::POST, "/a/x").await.text, "second body 0");
    assert_eq!(send(Method::POST, "/b/x").await.text, "later");
    assert_eq!(backend.seen().len(), 4);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_about_the_target_is_not_counted() {
    let backend = Backend::start(|seen, _| says(seen.uri[1..].parse().expect("a status"), "")).await;
    let node = Node::start(&format!("{}{OWN}", backend.target("PG", ONCE))).await;
    let own = Api::new(node.proxy[0]);
    for status in [401, 403, 407, 429, 501, 401] {
        assert_eq!(own.post(&format!("/{status}"), json!({})).await.status, status);
    }
    let window = breaker(&node, "PG").await;
    assert_eq!((&window["window"]["failed"], &window["state"]), (&json!(0), &json!("closed")), "{window}");
    for status in [404, 400, 200] {
        own.post(&format!("/{status}"), json!({})).await;
    }
    assert_eq!(breaker_state(&node).await, "closed");
    for _ in 0..3 {
        own.post("/500", json!({})).await;
    }
    assert_eq!(breaker_state(&node).await, "open");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_another_policy_into_force_for_the_next_call() {
    let backend = Backend::start(|_, _| says(200, "ok")).await;
    let config = |breaker: &str| format!("{}{OWN}", backend.target("PG", breaker));
    let node = Node::start(&config("")).await;
    let own = Api::new(node.proxy[0]);
    assert_eq!(own.get("/").await.status, 200);
    node.place.configure(&config("rate_limit = \"1/m\"\nrate_burst = 1"));
    node.api.send(Method::POST, "/-/reload", &[], String::new()).await.ok();
    assert_eq!(own.get("/").await.status, 200);
    assert_eq!(own.get("/").await.status, 429);
    node.stop().await;
}
