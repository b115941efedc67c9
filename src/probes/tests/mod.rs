//! Probes against real listeners on loopback, scripted by hand where they are to misbehave.

mod answers;
mod certificate;
mod dns;
mod grpc;
mod icmp;
mod kept;
mod proxies;
mod redirects;
mod secure;
mod status_page;
mod tcp;
mod tokens;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Prepared, Prober};
use crate::clock::Clock;
use crate::config::probe::{Auth, Connection, HttpProbe, HttpVersion, Probe, Tls};
use crate::domain::observation::{Observation, Reason};

/// For probes that are to end by themselves.
const LONG: Duration = Duration::from_secs(30);
/// For probes that are to end by it.
const SHORT: Duration = Duration::from_secs(1);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

/// A listener whose connections go to a script.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// `script` gets each connection with its number.
    async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(usize, TcpStream, Arc<Mutex<Vec<String>>>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let accepting = tokio::spawn(async move {
            let mut scripts = tokio::task::JoinSet::new();
            for number in 0.. {
                let (connection, _) = listener.accept().await.unwrap();
                scripts.spawn(script(number, connection, Arc::clone(&seen)));
            }
        });
        Self { address, requests, accepting }
    }

    /// Answers the first request of connection n with `answers[n]` (the last one if there are no more) and closes.
    async fn answering<A: Into<Vec<u8>>>(answers: impl IntoIterator<Item = A>) -> Self {
        let answers: Vec<Vec<u8>> = answers.into_iter().map(Into::into).collect();
        Self::start(move |number, mut connection, requests| {
            let answer = answers[number.min(answers.len() - 1)].clone();
            async move {
                let request = read_request(&mut connection).await;
                requests.lock().push(request);
                let _ = connection.write_all(&answer).await;
            }
        })
        .await
    }

    /// Answers all requests of each connection with 200.
    async fn keeping() -> Self {
        Self::start(|_, mut connection, requests| async move {
            loop {
                let request = read_request(&mut connection).await;
                if request.is_empty() {
                    return;
                }
                requests.lock().push(request);
                connection.write_all(OK.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A request's head and as much of a body as it announces; empty when the connection has ended.
async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = connection.read(&mut piece).await.unwrap_or(0);
        request.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return text.into_owned();
            }
            continue;
        };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        if body.len() >= length || count == 0 {
            return text.into_owned();
        }
    }
}

/// A GET that wants 200-299.
fn get(url: &str) -> HttpProbe {
    HttpProbe {
        method: http::Method::GET,
        url: url.parse().unwrap(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        expect_status: vec![200..=299],
        expect_header: Vec::new(),
        expect_body: Vec::new(),
        max_latency: None,
        max_body_bytes: 1024 * 1024,
        follow_redirects: false,
        version: HttpVersion::Auto,
        connection: Connection::Fresh,
        proxy: None,
        auth: Auth::None,
        tls: Tls::default(),
        warn_before: None,
    }
}

fn prober() -> Prober {
    Prober::new(Clock::system(), "node-1").unwrap()
}

fn prepare(probe: HttpProbe) -> Prepared {
    prober().prepare(&Probe::Http(Arc::new(probe))).unwrap()
}

async fn observe(probe: HttpProbe) -> Observation {
    prepare(probe).probe(LONG).await
}

/// The observation is a failure of this class with this code; its message.
#[track_caller]
fn failed(observation: &Observation, reason: Reason, code: &str) -> String {
    let failure = observation.failure.as_ref().expect("it should have failed");
    assert_eq!((failure.reason, &*failure.code), (reason, code), "{}", failure.message);
    assert!(failure.message.chars().count() <= 300);
    failure.message.to_string()
}

#[track_caller]
fn good(observation: &Observation) {
    assert_eq!(observation.failure, None);
}

/// The message with this address as "HOST", since its port is another each time.
fn without(address: SocketAddr, message: &str) -> String {
    message.replace(&address.to_string(), "HOST")
}
