//! Request smuggling, one case a test: what two parties could read in two ways reaches nobody, on the proxy's own socket
//! and on the one it shares with the API, and costs nobody else anything.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::backend::{Backend, Wire, says};
use crate::node::{Api, Node, program, until};

/// The request that an attacker hides in another one's body.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";

/// Sends a POST with these headers and this body, and the hidden request behind it. One 400 comes back, and nothing is
/// passed on; then an honest request passes, and nothing counts against the target.
async fn refused(headers: &str, body: &str) {
    let (backend, node) = start().await;
    for address in sockets(&node) {
        let request = format!("POST /gw/pg HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{body}{HIDDEN}");
        let answered = raw(address, &request).await;
        assert!(answered.starts_with("HTTP/1.1 400"), "{answered}");
        assert_eq!(answered.matches("HTTP/1.1").count(), 1, "{answered}");
        assert_eq!(backend.seen().len(), 0, "{:?}", backend.seen()[0].uri);
    }
    is_harmless(&backend, &node).await;
    node.stop().await;
}

/// As [`refused`] for a message whose head was good: what comes back is a 400 or the end, and never the hidden answer.
async fn broken_off(headers: &str, body: &str) {
    let (backend, node) = start().await;
    for address in sockets(&node) {
        let request = format!("POST /gw/pg HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{body}{HIDDEN}");
        let answered = raw(address, &request).await;
        assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 400"), "{answered}");
        assert!(answered.matches("HTTP/1.1").count() <= 1, "{answered}");
        assert_eq!(backend.seen().iter().filter(|seen| seen.uri.contains("hidden")).count(), 0);
    }
    is_harmless(&backend, &node).await;
    node.stop().await;
}

async fn start() -> (Backend, Node) {
    let backend = Backend::start(|_, _| says(200, "passed on")).await;
    let routes = "[[proxy.route]]\nlisten = \"127.0.0.1:0\"\ntarget = \"PG\"\n\
                  [[proxy.route]]\nprefix = \"/gw/pg\"\ntarget = \"PG\"\n";
    let node = Node::start(&format!("{}{routes}", backend.target("PG", ""))).await;
    (backend, node)
}

fn sockets(node: &Node) -> [SocketAddr; 2] {
    [node.proxy[0], node.base().replace("http://", "").parse().expect("an address")]
}

async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut wire = Wire::connect(address).await;
    wire.say(bytes).await;
    wire.rest().await
}

async fn is_harmless(backend: &Backend, node: &Node) {
    let before = backend.seen().len();
    for address in sockets(node) {
        let honest = "POST /gw/pg HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
        assert!(raw(address, honest).await.contains("passed on"));
    }
    assert_eq!(backend.seen().len(), before + 2);
    let breaker = node.api.read("/targets/PG/breaker").await;
    assert_eq!(breaker["window"]["failed"], json!(0), "{breaker}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lengths_that_differ_are_refused() {
    refused("Content-Length: 4\r\nContent-Length: 5", "abcd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lengths_in_one_line_that_differ_are_refused() {
    refused("Content-Length: 4, 5", "abcd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_no_number_is_refused() {
    refused("Content-Length: +4", "abcd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_before_chunking_is_refused() {
    refused("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_after_chunking_is_refused() {
    refused("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_that_is_not_chunked_is_refused() {
    refused("Transfer-Encoding: xchunked", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunking_that_is_not_the_last_encoding_is_refused() {
    refused("Transfer-Encoding: chunked, identity", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_before_the_colon_is_refused() {
    refused("Transfer-Encoding : chunked", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folded_header_is_refused() {
    refused("X-A: b\r\n Transfer-Encoding: chunked", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_line_feed_in_a_head_is_refused() {
    refused("X-A: b\nTransfer-Encoding: chunked", "0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_byte_in_a_header_is_refused() {
    refused("X-A: \0", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_whose_size_is_no_number_breaks_the_request_off() {
    broken_off("Transfer-Encoding: chunked", "z\r\nabcd\r\n0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_longer_than_its_size_breaks_the_request_off() {
    broken_off("Transfer-Encoding: chunked", "4\r\nabcde\r\n0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_whose_line_ends_with_a_bare_line_feed_breaks_the_request_off() {
    broken_off("Transfer-Encoding: chunked", "4\nabcd\r\n0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_length_twice_is_forwarded_in_one_unambiguous_form() {
    let (backend, node) = start().await;
    let head = "POST /gw/pg HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    for address in sockets(&node) {
        let answered = raw(address, &format!("{head}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi")).await;
        let passed_on = answered.contains("passed on");
        assert!(passed_on || answered.starts_with("HTTP/1.1 400"), "{answered}");
    }
    for seen in backend.seen() {
        assert_eq!((seen.body.as_str(), seen.headers.get_all("content-length").iter().count()), ("hi", 1));
    }
    is_harmless(&backend, &node).await;
    node.stop().await;
}

/// A hundred of them in a row are one line of the log, or a few where the machine is slow, and never a hundred.
#[tokio::test(flavor = "multi_thread")]
async fn an_attack_is_logged_once_and_not_once_for_each_request() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("node.toml");
    let config =
        format!("[node]\ndata_dir = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n", folder.path().join("data").display());
    std::fs::write(&file, config).expect("it can be written");
    let mut command = program();
    command.args(["serve", "--log", "json", "--config"]).arg(&file);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program is built");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    let fields = |line: &str| serde_json::from_str::<Value>(line).map_or(Value::Null, |entry| entry["fields"].clone());
    let serving = log.find(|line| fields(line)["message"] == "serving").expect("it serves");
    let address: SocketAddr = fields(&serving)["address"].as_str().and_then(|text| text.parse().ok()).expect("where");
    let api = Api::new(address);
    until("the node to be ready", async || (api.get("/readyz").await.status == 200).then_some(())).await;
    let attack = "POST /a HTTP/1.1\r\nhost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for _ in 0..100 {
        assert!(raw(address, attack).await.starts_with("HTTP/1.1 400"));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let lines = log.filter(|line| line.contains("could be read in two ways")).count();
    assert!((1..=50).contains(&lines), "{lines} lines");
}
