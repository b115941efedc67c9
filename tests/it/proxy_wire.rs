//! What the proxy does not pass on: ambiguous, oversized and stray requests.

use std::net::SocketAddr;

use serde_json::json;

use crate::backend::{Backend, Wire, says};
use crate::node::{Answer, Api, Node};

async fn start(keys: &str) -> (Backend, Node) {
    let backend = Backend::start(|_, _| says(200, "passed on")).await;
    let routes = format!(
        "[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n{keys}\n\
         [[proxy.route]]\nprefix = \"/gw/pg\"\ntarget = \"PG\"\n"
    );
    let node = Node::start(&format!("{}{routes}", backend.target("PG", ""))).await;
    (backend, node)
}

/// What comes back for these bytes, up to the end of the connection.
async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut wire = Wire::connect(address).await;
    wire.say(bytes).await;
    wire.rest().await
}

fn reason(answered: &str) -> String {
    let body = answered.split("\r\n\r\n").nth(1).expect("a body");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answered}"));
    assert_eq!(problem["target"], "PG");
    problem["reason"].as_str().expect("a reason").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_could_be_read_in_two_ways_reaches_nobody() {
    let (backend, node) = start("").await;
    let hidden = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";
    let api = node.base().replace("http://", "").parse().unwrap();
    for address in [node.proxy[0], api] {
        for headers in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "Content-Length: 4\r\nContent-Length: 5",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding : chunked",
            "X-A: b\r\n Transfer-Encoding: chunked",
            "X-A: b\nTransfer-Encoding: chunked",
            "X-A: \0",
        ] {
            let request = format!("POST /gw/pg HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n0\r\n\r\n{hidden}");
            let answered = raw(address, &request).await;
            assert!(answered.starts_with("HTTP/1.1 400"), "{headers:?}: {answered}");
            assert_eq!(answered.matches("HTTP/1.1").count(), 1, "{headers:?}: {answered}");
        }
    }
    assert_eq!(backend.seen().len(), 0);
    // Chunks that are none break the request off.
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in ["z\r\n", "4\r\nabcde\r\n0\r\n\r\n", "4\nabcd\r\n0\r\n\r\n"] {
        let answered = raw(node.proxy[0], &format!("{chunked}{body}{hidden}")).await;
        assert!(!answered.contains("passed on"), "{body:?}: {answered}");
    }
    assert!(backend.seen().iter().all(|seen| seen.uri != "/hidden"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_says_so() {
    let (backend, node) = start("body_limit = \"1KiB\"").await;
    let address = node.proxy[0];
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    let declared = raw(address, &format!("{head}content-length: 1025\r\n\r\n")).await;
    assert!(declared.starts_with("HTTP/1.1 413"), "{declared}");
    assert_eq!(reason(&declared), "body_too_large");
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let chunked = raw(address, &format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n")).await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    assert!(
        raw(address, &format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")).await.contains("passed on")
    );
    let many: String = (0..101).map(|number| format!("x-{number}: y\r\n")).collect();
    let large = format!("x-large: {}\r\n", "y".repeat(70 << 10));
    for headers in [many, large] {
        let answered = raw(address, &format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n")).await;
        assert!(answered.starts_with("HTTP/1.1 431"), "{}", &answered[..answered.len().min(200)]);
    }
    let breaker = node.api.read("/targets/PG/breaker").await;
    assert_eq!(breaker["window"]["failed"], json!(0), "what a client does is not the target's: {breaker}");
    assert!(backend.seen().iter().all(|seen| seen.body.len() <= 1024));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_round_elsewhere_or_up_is_refused() {
    let (backend, node) = start("").await;
    let address = node.proxy[0];
    for (request, status, why) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 x, 1.1 NODE-1\r\n", 508, "loop"),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n", 501, "upgrade"),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n", 501, "method"),
        ("GET / HTTP/1.1\r\n", 400, "host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400, "host"),
        ("GET /a/../../b HTTP/1.1\r\nhost: a\r\n", 400, "path"),
        ("GET /a/..%2fb HTTP/1.1\r\nhost: a\r\n", 400, "path"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n", 400, "path"),
    ] {
        let answered = raw(address, &format!("{request}connection: close\r\n\r\n")).await;
        assert!(answered.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answered}");
        assert_eq!(reason(&answered), why);
    }
    let escapes = raw(
        node.base().replace("http://", "").parse().unwrap(),
        "GET /gw/pg/../../livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(reason(&escapes.await), "path");
    assert_eq!(backend.seen().len(), 0);
    // Who would like HTTP/2 goes on with 1.1.
    let upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n";
    assert!(raw(address, upgrade).await.contains("passed on"));
    assert_eq!(backend.seen()[0].header("upgrade"), "");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_100_continue_comes_before_the_body_and_stays_with_the_client() {
    let (backend, node) = start("").await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n").await;
    client.until("100 Continue").await;
    client.say("hi").await;
    client.until("passed on").await;
    assert_eq!((backend.seen()[0].header("expect").as_str(), backend.seen()[0].body.as_str()), ("", "hi"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_row_are_answered_in_their_order() {
    let backend = Backend::start(|seen, _| says(200, seen.uri.clone())).await;
    let node = Node::start(&format!(
        "{}[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n",
        backend.target("PG", "")
    ))
    .await;
    let requests: String = (0..5).map(|number| format!("GET /{number}- HTTP/1.1\r\nhost: a\r\n\r\n")).collect();
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(&requests).await;
    client.until("/4-").await;
    let places: Vec<_> = (0..5).map(|number| client.heard.find(&format!("/{number}-")).expect("it is there")).collect();
    assert!(places.is_sorted(), "{places:?}");
    let answer: Answer = Api::new(node.proxy[0]).get("/x").await;
    assert_eq!(answer.text, "/x");
    node.stop().await;
}
