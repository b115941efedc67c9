//! The guarded proxy: which way requests go, and what of them arrives.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use serde_json::json;

use crate::backend::{Backend, Raw, Wire, says, target_at};
use crate::node::{Api, Node, until};

fn route(keys: &str) -> String {
    format!("[[proxy.route]]\n{keys}\n")
}

const OWN: &str = "listen = \"127.0.0.1:0\"\ntarget = \"PG\"";
const GET: &str = "GET / HTTP/1.1\r\nhost: shop\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_arrives_without_its_prefix_with_our_key_and_with_who_sent_it() {
    let backend = Backend::start(|seen, _| {
        let mut response = says(200, format!("{} {}", seen.method, seen.uri));
        response.headers_mut().insert("keep-alive", "timeout=7".parse().expect("a value"));
        response
    })
    .await;
    let keys = "prefix = \"/gw/pg\"\ntarget = \"PG\"\nset_headers = { authorization = \"Bearer hunter2\" }\n\
                remove_headers = [\"cookie\"]";
    let node = Node::start(&format!("{}{}", backend.target("PG", ""), route(keys))).await;
    let headers = [("cookie", "a=b"), ("authorization", "mine"), ("x-forwarded-for", "6.6.6.6"), ("x-own", "1")];
    let answer = node.api.send(Method::POST, "/gw/pg/v1/./x?y=%2F&z", &headers, "the body".into()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "POST /v1/x?y=%2F&z"));
    assert_eq!(answer.header("via"), "1.1 node-1");
    assert_eq!(answer.header("keep-alive"), "");
    let seen = &backend.seen()[0];
    assert_eq!(seen.body, "the body");
    assert_eq!(seen.header("host"), backend.address.to_string());
    assert_eq!(seen.header("authorization"), "Bearer hunter2");
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("x-forwarded-host"), node.base().trim_start_matches("http://"));
    assert_eq!(seen.header("via"), "1.1 node-1");
    assert_eq!((seen.header("cookie"), seen.header("x-own")), (String::new(), "1".to_owned()));
    // The API is where it was.
    assert_eq!(node.api.get("/livez").await.status, 200);
    assert_eq!(node.api.get("/gw/pgx").await.status, 404);
    let place = node.stop().await;
    assert!(!place.holds(b"hunter2"), "a key is nowhere on disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_find_their_route_by_socket_by_host_and_by_prefix() {
    let (one, two) = (Backend::start(|_, _| says(200, "one")).await, Backend::start(|_, _| says(200, "two")).await);
    let routes = [
        route("listen = \"127.0.0.1:0\"\ntarget = \"ONE\""),
        route("host = \"two.shop\"\ntarget = \"TWO\"\npreserve_host = true"),
        route("prefix = \"/gw\"\ntarget = \"ONE\""),
    ];
    let node = Node::start(&format!("{}{}{}", one.target("ONE", ""), two.target("TWO", ""), routes.concat())).await;
    let own = Api::new(node.proxy[0]);
    assert_eq!(own.get("/livez").await.text, "one", "all of that socket is the route's");
    let headers = [("host", "Two.Shop:81")];
    assert_eq!(node.api.send(Method::GET, "/gw/x", &headers, String::new()).await.text, "two");
    assert_eq!(two.seen()[0].header("host"), "Two.Shop:81");
    assert_eq!(two.seen()[0].uri, "/gw/x", "a host takes nothing of the path");
    assert_eq!(node.api.get("/gw/x").await.text, "one");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_target_are_used_again() {
    let backend = Backend::start(|_, count| says(200, format!("{count}"))).await;
    let node = Node::start(&format!("{}{}", backend.target("PG", ""), route(OWN))).await;
    let own = Api::new(node.proxy[0]);
    for count in 0..20 {
        assert_eq!(own.get("/").await.text, count.to_string());
    }
    // Another client finds the same connection.
    assert_eq!(Api::new(node.proxy[0]).get("/").await.text, "20");
    assert_eq!(backend.connections(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_in_both_directions_at_the_same_time() {
    let raw = Raw::start().await;
    let target = target_at("PG", &format!("http://{}", raw.address), "");
    let node = Node::start(&format!("{target}{}{}", route(OWN), route("prefix = \"/gw\"\ntarget = \"PG\""))).await;
    for (address, path) in [(node.proxy[0], "/"), (node.base().replace("http://", "").parse().unwrap(), "/gw/")] {
        let mut client = Wire::connect(address).await;
        client
            .say(&format!("POST {path} HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"))
            .await;
        let mut target = raw.hears("one").await;
        assert!(target.heard.contains("transfer-encoding: chunked"), "{}", target.heard);
        target.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nfirst\r\n").await;
        client.until("first").await;
        client.say("3\r\ntwo\r\n0\r\n\r\n").await;
        target.until("two").await;
        target.until("0\r\n\r\n").await;
        target.say("6\r\nsecond\r\n0\r\nx-sum: 7\r\n\r\n").await;
        client.until("second").await;
        client.until("0\r\n").await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_longer_than_any_buffer_arrives_whole() {
    let long = "x".repeat(3 << 20);
    let answer = long.clone();
    let backend = Backend::start(move |seen, _| says(200, format!("{}{answer}", seen.body.len()))).await;
    let keys = format!("{OWN}\nbody_limit = \"4MiB\"");
    let node = Node::start(&format!("{}{}", backend.target("PG", ""), route(&keys))).await;
    let own = Api::new(node.proxy[0]);
    for _ in 0..2 {
        let answer = own.send(Method::PUT, "/", &[], long.clone()).await;
        assert!(answer.text == format!("{}{long}", long.len()), "{} bytes", answer.text.len());
    }
    assert_eq!(
        own.send(Method::HEAD, "/", &[], String::new()).await.header("content-length"),
        (long.len() + 1).to_string()
    );
    assert_eq!(backend.connections(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_may_speak_http_2() {
    let backend = Backend::start(|seen, _| says(200, format!("{:?} {}", seen.version, seen.body))).await;
    let node = Node::start(&format!("{}{}", backend.target("PG", ""), route(OWN))).await;
    let stream = tokio::net::TcpStream::connect(node.proxy[0]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let asked = (0..8).map(|number| {
        let uri = format!("http://shop.example/{number}");
        sender.send_request(hyper::Request::put(uri).body(Full::<Bytes>::from(format!("body {number}"))).unwrap())
    });
    for (number, answer) in futures_util::future::join_all(asked).await.into_iter().enumerate() {
        let answer = answer.unwrap();
        assert_eq!(answer.headers()["via"], "1.1 node-1");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, Bytes::from(format!("HTTP/1.1 body {number}")));
    }
    let seen = backend.seen();
    assert!(
        seen.iter().all(|seen| seen.header("x-forwarded-host") == "shop.example" && seen.header("via") == "2 node-1")
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_speak_http_2_where_their_tls_offers_it() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let place = crate::node::Place::new();
    std::fs::write(place.path().join("ca.pem"), certified.cert.pem()).unwrap();
    let start = async |protocols: &[&[u8]]| {
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let chain = vec![certified.cert.der().clone()];
        let mut tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        Backend::start_with(Some(acceptor), |seen, _| says(200, format!("{:?} {}", seen.version, seen.body))).await
    };
    let (both, old) = (start(&[b"h2", b"http/1.1"]).await, start(&[b"http/1.1"]).await);
    let target =
        |name, backend: &Backend| target_at(name, &format!("https://localhost:{}", backend.address.port()), "");
    let routes = ["BOTH", "OLD"]
        .map(|name| route(&format!("prefix = \"/gw/{name}\"\ntarget = \"{name}\"\ntls = {{ ca_file = \"ca.pem\" }}")));
    place.configure(&format!("{}{}{}", target("BOTH", &both), target("OLD", &old), routes.concat()));
    let node = Node::start_in(place).await;
    for _ in 0..3 {
        let ask = async |path| node.api.send(Method::POST, path, &[], "hi".into()).await.text;
        assert_eq!(ask("/gw/BOTH").await, "HTTP/2.0 hi");
        assert_eq!(ask("/gw/OLD").await, "HTTP/1.1 hi");
    }
    assert_eq!((both.connections(), old.connections()), (1, 1));
    assert!(both.seen()[0].uri.starts_with("https://localhost:"), "{}", both.seen()[0].uri);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_request_with_it_and_nothing_is_counted() {
    let raw = Raw::start().await;
    let target = target_at("PG", &format!("http://{}", raw.address), "");
    let node = Node::start(&format!("{target}{}", route(OWN))).await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(GET).await;
    let asked = raw.hears("\r\n\r\n").await;
    drop(client);
    asked.rest().await;
    let breaker = node.api.read("/targets/PG/breaker").await;
    assert_eq!(breaker["window"]["calls"], json!(0), "{breaker}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_takes_the_routes_over_and_cuts_nothing() {
    let raw = Raw::start().await;
    let backend = Backend::start(|_, _| says(200, "new")).await;
    let old = target_at("OLD", &format!("http://{}", raw.address), "");
    let targets = format!("{old}{}", backend.target("NEW", ""));
    let to = |target| route(&format!("prefix = \"/gw\"\ntarget = \"{target}\""));
    let node =
        Node::start(&format!("{targets}{}{}", to("OLD"), route("listen = \"127.0.0.1:0\"\ntarget = \"OLD\""))).await;
    let mut client = Wire::connect(node.base().replace("http://", "").parse().unwrap()).await;
    client.say(&GET.replace("GET /", "GET /gw/a")).await;
    let mut asked = raw.hears("\r\n\r\n").await;
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await;
    client.until("first").await;
    node.place.configure(&format!("{targets}{}", to("NEW")));
    let said = node.api.send(Method::POST, "/-/reload", &[], String::new()).await.ok();
    assert!(said["needsRestart"].to_string().contains("answered 404"), "{said}");
    assert_eq!(node.api.get("/gw/a").await.text, "new");
    asked.say("later").await;
    client.until("firstlater").await;
    let gone = Api::new(node.proxy[0]).get("/").await;
    assert_eq!((gone.status, gone.json()["reason"].clone()), (404, json!("no_route")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_lets_calls_through_the_proxy_end_first() {
    let raw = Raw::start().await;
    let target = target_at("PG", &format!("http://{}", raw.address), "");
    let node = Node::start(&format!("{target}{}", route(OWN))).await;
    let mut client = Wire::connect(node.proxy[0]).await;
    client.say(GET).await;
    let mut asked = raw.hears("\r\n\r\n").await;
    let address = node.proxy[0];
    let ending = tokio::spawn(node.stop());
    until("nobody to be accepted", async || tokio::net::TcpStream::connect(address).await.err()).await;
    asked.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
    assert!(client.rest().await.ends_with("done"));
    ending.await.unwrap();
}
