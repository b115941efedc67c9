//! What the proxy does not pass on: ambiguous, oversized and stray requests.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

use crate::backend::{Backend, Raw, Wire, says, target_at};
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
    // What is behind a good body is a request, so it would have been heard.
    let next = "GET /seen HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let good = raw(node.proxy[0], &format!("{chunked}4\r\nabcd\r\n0\r\n\r\n{next}")).await;
    assert_eq!(good.matches("passed on").count(), 2);
    let seen = backend.seen();
    let whole: Vec<_> = seen.iter().map(|seen| (seen.uri.as_str(), seen.body.as_str())).collect();
    assert_eq!(whole, [("/", "abcd"), ("/seen", "")]);
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
        ("GET /..;/..;/admin HTTP/1.1\r\nhost: a\r\n", 400, "path"),
        ("GET /a/%zz HTTP/1.1\r\nhost: a\r\n", 400, "path"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n", 400, "path"),
        ("GET / HTTP/1.1\r\nhost: \r\n", 400, "host"),
        ("GET / HTTP/1.1\r\nhost: me@a\r\n", 400, "host"),
        ("GET / HTTP/1.1\r\nhost: a/b c\r\n", 400, "host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 x (\u{e9}), 1.1 node-1\r\n", 508, "loop"),
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

type Streaming =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::convert::Infallible>>>>;

/// A body of two parts, which does not say how long it is.
fn of_no_length() -> Streaming {
    let parts: Vec<_> = ["the ", "body"].map(|part| Ok(Frame::data(Bytes::from(part)))).into();
    StreamBody::new(futures_util::stream::iter(parts))
}

async fn http2<B>(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<B>
where
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = tokio::net::TcpStream::connect(address).await.expect("somebody listens");
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_arrives_with_every_method() {
    let (backend, node) = start("").await;
    let address = node.proxy[0];
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST"] {
        let head = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
        let answered = raw(address, &format!("{head}8\r\nthe body\r\n0\r\n\r\n")).await;
        assert!(answered.starts_with("HTTP/1.1 200"), "{method}: {answered}");
        let mut sender = http2(address).await;
        let request =
            hyper::Request::builder().method(method).uri("http://shop.example/").body(of_no_length()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200, "{method}");
    }
    let seen = backend.seen();
    assert_eq!(seen.len(), 10);
    for seen in seen {
        assert_eq!(
            (seen.body.as_str(), seen.header("transfer-encoding").as_str()),
            ("the body", "chunked"),
            "{seen:?}"
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_a_body_has_one_length_and_a_cookie_arrives_whole() {
    let (backend, node) = start("").await;
    let request = |headers: &[(&'static str, &'static str)]| {
        let mut request = hyper::Request::post("http://shop.example/").body(Full::<Bytes>::from("four")).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    };
    for lengths in [["4", "5"], ["5", "4"]] {
        let mut sender = http2(node.proxy[0]).await;
        let sent = sender.send_request(request(&lengths.map(|length| ("content-length", length)))).await;
        // Refused by us, or by who reads the frames before us.
        assert!(sent.as_ref().is_ok_and(|answer| answer.status() == 400) || sent.is_err(), "{lengths:?}: {sent:?}");
    }
    assert_eq!(backend.seen().len(), 0);
    let mut sender = http2(node.proxy[0]).await;
    let answer =
        sender.send_request(request(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")])).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "passed on");
    assert_eq!(
        (backend.seen()[0].header("cookie").as_str(), backend.seen()[0].body.as_str()),
        ("a=1; b=2; c=3", "four")
    );
    let window = &node.api.read("/targets/PG/breaker").await["window"];
    assert_eq!(window["failed"], json!(0), "{window}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_cannot_be_got_round_by_writing_its_path_in_another_way() {
    let backend = Backend::start(|_, _| says(503, "no")).await;
    let table = "[[proxy.route.operation]]\nname = \"pay\"\nmethod = \"POST\"\npath = \"/v1/payments\"\n\
                 outcome = [{ status = 503, outcome = \"ignored\" }]\n";
    let target = backend.target("PG", "attempts = 1");
    let node =
        Node::start(&format!("{target}[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n{table}")).await;
    for (path, sent) in [
        ("/v1/p%61yments?a=%61", "/v1/payments?a=%61"),
        ("//v1/payments", "//v1/payments"),
        ("/v1//payments", "/v1//payments"),
    ] {
        raw(
            node.proxy[0],
            &format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        )
        .await;
        assert_eq!(backend.seen().last().expect("it was asked").uri, sent);
    }
    let window = &node.api.read("/targets/PG/breaker").await["window"];
    assert_eq!(window["failed"], json!(0), "the table says that it is ignored: {window}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_back_under_another_name_goes_round_once() {
    let middle = Raw::start().await;
    let target = target_at("PG", &format!("http://{}", middle.address), "attempts = 1");
    let node = Node::start(&format!("{target}[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n")).await;
    let own = Api::new(node.proxy[0]);
    let (answer, ()) = tokio::join!(own.get("/round"), async {
        // What the node says to its target is said to the node, and what that answers is answered.
        let mut outward = middle.hears("\r\n\r\n").await;
        let mut inward = Wire::connect(node.proxy[0]).await;
        inward.say(&outward.heard).await;
        inward.until("}").await;
        outward.say(&inward.heard).await;
    });
    assert_eq!((answer.status, &answer.json()["reason"]), (508, &json!("loop")));
    node.stop().await;
}
