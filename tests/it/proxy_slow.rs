//! The guarded proxy: who is slow, silent or too long keeps nobody else out.

use reqwest::Method;
use serde_json::json;

use crate::backend::{Backend, Raw, Wire, says, target_at};
use crate::node::{Api, Node, until};

const OWN: &str = "[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// Heads whose bodies do not come: a short one, a long one, and one of unknown length.
const BODILESS: [&str; 3] = [
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
];

async fn raw_node(breaker: &str, route: &str) -> (Raw, Node) {
    let raw = Raw::start().await;
    let node =
        Node::start(&format!("{}{OWN}{route}", target_at("PG", &format!("http://{}", raw.address), breaker))).await;
    (raw, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_holds_no_place_at_the_target() {
    let backend = Backend::start(|_, _| says(200, "ok")).await;
    let breaker = "bulkhead = 1\nbulkhead_queue = 0";
    let node = Node::start(&format!("{}{OWN}", backend.target("PG", breaker))).await;
    let mut slow = Vec::new();
    for head in BODILESS {
        let mut client = Wire::connect(node.proxy[0]).await;
        client.say(head).await;
        slow.push(client);
        // Ten of them, so that the head before has arrived at the latest with one of these.
        for _ in 0..10 {
            assert_eq!(Api::new(node.proxy[0]).get("/").await.status, 200, "{head:?}");
        }
    }
    slow[0].say("the body!").await;
    slow[0].until("ok").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_in_time_is_answered_408_and_nothing_is_counted() {
    let backend = Backend::start(|_, _| says(200, "ok")).await;
    let breaker = "attempt_timeout = \"100ms\"\ncall_budget = \"200ms\"";
    let node = Node::start(&format!("{}{OWN}", backend.target("PG", breaker))).await;
    for head in BODILESS {
        let mut client = Wire::connect(node.proxy[0]).await;
        client.say(head).await;
        client.until("HTTP/1.1 408").await;
        client.until("body_too_slow").await;
    }
    let seen = node.api.read("/targets/PG/breaker").await;
    assert_eq!((&seen["window"]["calls"], backend.seen().len()), (&json!(0), 0), "{seen}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_refuses_before_the_body_is_read() {
    let backend = Backend::start(|_, _| says(500, "no")).await;
    let breaker = "count = 3\nminimum_calls = 3\nopen_time = \"1h\"\nopen_time_max = \"1h\"\nattempts = 1";
    let node = Node::start(&format!("{}{OWN}", backend.target("PG", breaker))).await;
    for _ in 0..3 {
        Api::new(node.proxy[0]).get("/").await;
    }
    for head in BODILESS {
        let mut client = Wire::connect(node.proxy[0]).await;
        client.say(head).await;
        client.until("HTTP/1.1 503").await;
        client.until("breaker-open").await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_judged_by_its_head_however_long_its_body_takes() {
    let breaker = "count = 3\nminimum_calls = 3\nopen_time = \"1s\"\ntrials = 1\nattempts = 1\nramp = \"off\"";
    let (raw, node) = raw_node(breaker, "").await;
    for _ in 0..3 {
        let mut client = Wire::connect(node.proxy[0]).await;
        client.say(GET).await;
        drop(raw.hears("\r\n\r\n").await);
        client.until("HTTP/1.1 502").await;
    }
    let state = async || node.api.read("/targets/PG/breaker").await["state"].clone();
    until("half-open", async || (state().await == "half_open").then_some(())).await;
    // What is shown may be ahead of what is committed, and only then a trial is let in.
    let (mut client, mut asked) = loop {
        let mut client = Wire::connect(node.proxy[0]).await;
        client.say(GET).await;
        tokio::select! {
            asked = raw.hears("\r\n\r\n") => break (client, asked),
            () = client.until("\"status\":503") => {}
        }
    };
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nfirst").await;
    client.until("first").await;
    until("closed, while the body is under way", async || (state().await == "closed").then_some(())).await;
    drop((client, asked));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_sent_on_a_kept_connection_is_sent_again_as_an_attempt_only() {
    let (raw, node) = raw_node("attempts = 1\nattempt_timeout = \"10s\"\ncall_budget = \"15s\"", "").await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(&GET.replace("/ H", "/one H")).await;
    let mut asked = raw.hears("/one").await;
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none").await;
    client.until("one").await;
    client.say(&GET.replace("/ H", "/two H")).await;
    asked.until("/two").await;
    asked.until("x-forwarded-for").await;
    drop(asked);
    // A second attempt would wait for somebody to accept its connection.
    client.until("HTTP/1.1 502").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_refused_or_cut() {
    let (raw, node) = raw_node("", "response_limit = \"1KiB\"\n").await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(GET).await;
    raw.hears("\r\n\r\n").await.say("HTTP/1.1 200 OK\r\ncontent-length: 1025\r\n\r\n").await;
    client.until("HTTP/1.1 502").await;
    client.until("answer_too_large").await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(GET).await;
    let mut asked = raw.hears("\r\n\r\n").await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    asked.say(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")).await;
    client.until("xxx").await;
    asked.say(&chunk).await;
    let heard = client.rest().await;
    assert!(!heard.ends_with("0\r\n\r\n") && heard.matches('x').count() < 0x800, "it is cut");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stops_within_its_answer_is_cut_off_and_has_failed() {
    let (raw, node) = raw_node("attempts = 1\nattempt_timeout = \"100ms\"", "").await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(GET).await;
    let mut asked = raw.hears("\r\n\r\n").await;
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await;
    assert!(client.rest().await.ends_with("first"));
    until("the failure", async || (node.api.read("/targets/PG/breaker").await["window"]["failed"] == 1).then_some(()))
        .await;
    drop(asked);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_budget_is_over_is_answered_504_with_when_to_come_back() {
    let breaker = "attempts = 3\nattempt_timeout = \"100ms\"\ncall_budget = \"100ms\"";
    let (raw, node) = raw_node(breaker, "").await;
    let own = Api::new(node.proxy[0]);
    let (answer, asked) = tokio::join!(own.send(Method::PUT, "/", &[], "put".into()), raw.hears("put"));
    assert_eq!((answer.status, answer.header("retry-after")), (504, "1"));
    let problem = answer.json();
    assert_eq!(problem["reason"], "timeout", "something was sent: {problem}");
    drop(asked);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_threads_serve_two_sockets() {
    let backend = Backend::start(|_, _| says(200, "ok")).await;
    let second = OWN.replace("127.0.0.1", "127.0.0.2");
    let node = Node::start(&format!("{}[proxy]\nthreads = 2\n{OWN}{second}", backend.target("PG", ""))).await;
    for round in 0..8 {
        for address in &node.proxy {
            assert_eq!(Api::new(*address).get("/").await.text, "ok", "{round} at {address}");
        }
    }
    node.stop().await;
}
