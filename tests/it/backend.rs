//! Targets of the proxy: one that speaks HTTP and remembers what it was asked, and one that says what a test says, byte
//! for byte.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::sync::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Only a broken proxy takes this long.
const LIMIT: Duration = Duration::from_secs(20);

/// What a target was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) version: hyper::Version,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    /// Every value of a header, joined.
    pub(crate) fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join("|")
    }
}

/// A target that speaks HTTP.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

type Answering = Box<dyn Fn(&Seen, usize) -> Response<Full<Bytes>> + Send + Sync>;

struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    answer: Answering,
}

impl Backend {
    /// Answers each request as `answer` says, which hears how many there were before.
    pub(crate) async fn start(answer: impl Fn(&Seen, usize) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer).await
    }

    /// The same with TLS.
    pub(crate) async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        answer: impl Fn(&Seen, usize) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
        let address = listener.local_addr().expect("it is bound");
        let state = State { seen: Mutex::default(), connections: AtomicUsize::new(0), answer: Box::new(answer) };
        let backend = Self { address, state: Arc::new(state) };
        let accepting = backend.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (backend, tls) = (accepting.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => backend.serve(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                backend.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        backend
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let first = Arc::new(AtomicUsize::new(0));
        let service = service_fn(move |request: Request<Incoming>| {
            if first.fetch_add(1, Ordering::SeqCst) == 0 {
                self.state.connections.fetch_add(1, Ordering::SeqCst);
            }
            let state = self.state.clone();
            async move { Ok::<_, Infallible>(answer(&state, request).await) }
        });
        drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
    }

    /// What it was asked, the first first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("nobody panics with it").clone()
    }

    /// Connections on which something was asked.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// It as a target that is looked at once, by TCP.
    pub(crate) fn target(&self, name: &str, breaker: &str) -> String {
        target_at(name, &format!("http://{}", self.address), breaker)
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Response::new(Full::default()) };
    let seen = Seen {
        method: parts.method.to_string(),
        version: parts.version,
        uri: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    };
    let before = {
        let mut all = state.seen.lock().expect("nobody panics with it");
        all.push(seen.clone());
        all.len() - 1
    };
    (state.answer)(&seen, before)
}

/// A target that is looked at once, by TCP.
pub(crate) fn target_at(name: &str, endpoint: &str, breaker: &str) -> String {
    format!(
        "[[target]]\nname = \"{name}\"\nendpoint = \"{endpoint}\"\ninterval = \"1h\"\nprobe = {{ kind = \"tcp\" }}\n\
         [target.breaker]\n{breaker}\n"
    )
}

/// An answer with a status and a body.
pub(crate) fn says(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.into()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    response
}

/// The same, as JSON.
pub(crate) fn says_json(status: u16, body: serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = says(status, body.to_string());
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

/// A target of bytes: a test accepts its connections.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Raw {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 can be had");
        Self { address: listener.local_addr().expect("it is bound"), listener }
    }

    /// The next connection on which something is said, up to where `text` was said.
    pub(crate) async fn hears(&self, text: &str) -> Wire {
        loop {
            let (stream, _) = tokio::time::timeout(LIMIT, self.listener.accept()).await.expect("in time").expect("one");
            let mut wire = Wire { stream, heard: String::new() };
            // A probe by TCP says nothing and goes.
            if wire.try_until(text).await {
                return wire;
            }
        }
    }
}

/// A connection of bytes.
pub(crate) struct Wire {
    stream: TcpStream,
    pub(crate) heard: String,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("somebody listens"), heard: String::new() }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("somebody reads");
    }

    /// Listens until `text` was said.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            assert!(self.try_until(text).await, "closed before {text:?}, at {place}; heard {:?}", self.heard);
        }
    }

    async fn try_until(&mut self, text: &str) -> bool {
        let listening = async {
            while !self.heard.contains(text) {
                let mut bytes = [0; 4096];
                match self.stream.read(&mut bytes).await {
                    Ok(0) | Err(_) => return false,
                    Ok(count) => self.heard.push_str(&String::from_utf8_lossy(&bytes[..count])),
                }
            }
            true
        };
        let heard = tokio::time::timeout(LIMIT, listening).await;
        heard.unwrap_or_else(|_| panic!("waited for {text:?} in vain, heard {:?}", self.heard))
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        // A reset ends it as well.
        drop(tokio::time::timeout(LIMIT, self.stream.read_to_end(&mut bytes)).await.expect("it ends"));
        self.heard + &String::from_utf8_lossy(&bytes)
    }
}
