//! What the tests set up: a gateway, a receiver, a client that hides nothing.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;

use super::super::receiver::{Arrival, Receiver, ReceiverHandle, ReceiverOptions};
use super::super::{Options, Simulator, SimulatorHandle};
use crate::clock::{self, Clock};

pub(super) const PAYMENTS: &str = "/api/v1/payments";
pub(super) const CARD: &str = "1234-5678-9814-1451";

/// Half past midnight of the 16th in Seoul.
pub(super) fn clock() -> Clock {
    Clock::simulated(clock::parse("2025-08-15T15:30:00Z").unwrap())
}

/// No waiting and no bad luck, then the test's own settings.
pub(super) fn options(pairs: &[(&str, &str)]) -> Options {
    let calm = [
        ("latency_ms", "0"),
        ("process_ms", "0"),
        ("reject_rate", "0"),
        ("limit_rate", "0"),
        ("invalid_rate", "0"),
        ("seed", "1"),
    ];
    Options::from_pairs(calm.iter().chain(pairs).copied()).unwrap()
}

pub(super) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) handle: SimulatorHandle,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Gateway {
    pub(super) fn start(pairs: &[(&str, &str)]) -> Self {
        let simulator = Simulator::bind(any_port(), options(pairs), clock()).unwrap();
        let (address, handle) = (simulator.local_addr(), simulator.handle());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(simulator.run(async {
            let _ = stopped.await;
        }));
        Self { address, handle, stop, ended }
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }

    pub(super) async fn get(&self, path: &str) -> Answered {
        ask(self.address, Method::GET, path, &[("x-user-id", "user-1")], "").await.unwrap()
    }

    pub(super) async fn pay(&self, body: &Value) -> Answered {
        self.try_pay(body, &[("x-user-id", "user-1")]).await.unwrap()
    }

    pub(super) async fn try_pay(&self, body: &Value, headers: &[(&str, &str)]) -> io::Result<Answered> {
        ask(self.address, Method::POST, PAYMENTS, headers, &body.to_string()).await
    }
}

pub(super) struct Shop {
    pub(super) address: SocketAddr,
    pub(super) handle: ReceiverHandle,
    pub(super) arrivals: broadcast::Receiver<Arc<Arrival>>,
    _stop: oneshot::Sender<()>,
}

impl Shop {
    pub(super) fn start(options: ReceiverOptions) -> Self {
        let receiver = Receiver::bind(any_port(), options, clock()).unwrap();
        let (address, handle) = (receiver.local_addr(), receiver.handle());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(receiver.run(async {
            let _ = stopped.await;
        }));
        Self { address, arrivals: handle.subscribe(), handle, _stop: stop }
    }

    pub(super) fn purchase(&self, order_id: &str) -> Value {
        purchase(order_id, &format!("http://{}/callback", self.address))
    }

    pub(super) async fn next(&mut self) -> Value {
        serde_json::from_slice(&self.arrivals.recv().await.unwrap().body).unwrap()
    }
}

pub(super) fn purchase(order_id: &str, callback_url: &str) -> Value {
    json!({"orderId": order_id, "cardType": "SAMSUNG", "cardNo": CARD, "amount": 5000, "callbackUrl": callback_url})
}

/// Nobody listens on port 1.
pub(super) fn purchase_for_nobody(order_id: &str) -> Value {
    purchase(order_id, "http://127.0.0.1:1/callback")
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answered {
    pub(super) fn key(&self) -> String {
        self.body["data"]["transactionKey"].as_str().unwrap().to_owned()
    }

    pub(super) fn message(&self) -> &str {
        self.body["meta"]["message"].as_str().unwrap()
    }
}

/// One request on a connection of its own. An error of the socket is the error.
pub(super) async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answered> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => return Err(socket_error(&error)),
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Ok(Answered { status: parts.status, headers: parts.headers, body })
}

fn socket_error(error: &hyper::Error) -> io::Error {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return cause.kind().into();
        }
        source = cause.source();
    }
    io::Error::other(error.to_string())
}
