//! The listener seen from its clients' side, over loopback.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{ConnectionControl, Error, Limits, Listener, Peer};

/// Short where a test waits for the end of something, and nothing depends on how short.
const SOON: Duration = Duration::from_millis(50);

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Served {
    fn start(limits: Limits) -> Self {
        Self::start_on(Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap(), limits)
    }

    fn start_on(listener: Listener, limits: Limits) -> Self {
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(listener.serve(service_fn(handle), limits, shutdown));
        Self { address, stop, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, path: &str) -> io::Result<String> {
        let mut client = self.connect().await;
        client.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        let mut answered = String::new();
        client.read_to_string(&mut answered).await?;
        Ok(answered)
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

type TestBody = Either<Full<Bytes>, StreamBody<stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;

async fn handle(request: Request<Incoming>) -> Result<Response<TestBody>, Infallible> {
    let peer = *request.extensions().get::<Peer>().unwrap();
    let text = match request.uri().path() {
        "/panic" => panic!("a handler's fault"),
        "/reset" => {
            request.extensions().get::<ConnectionControl>().unwrap().reset();
            std::future::pending().await
        }
        "/stream" => {
            let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"data: first\n\n")))]);
            return Ok(Response::new(Either::Right(StreamBody::new(first.chain(stream::pending()).boxed()))));
        }
        "/endless" => {
            let endless = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 64 << 10]))));
            return Ok(Response::new(Either::Right(StreamBody::new(endless.boxed()))));
        }
        "/peer" => peer.0.ip().to_string(),
        _ => format!("{:?}", request.version()),
    };
    Ok(Response::new(Either::Left(Full::from(text))))
}

async fn read_until(client: &mut TcpStream, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0, "closed before {text:?} was seen");
    }
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let served = Served::start(Limits::default());
    assert!(served.ask("/peer").await.unwrap().ends_with("127.0.0.1"));
    served.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_by_its_deadline_though_a_stream_is_open() {
    let served = Served::start(Limits { graceful: SOON, ..Limits::default() });
    let mut client = served.connect().await;
    client.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "data: first").await;
    served.stop().await;
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_connections_that_rest() {
    let served = Served::start(Limits { graceful: Duration::from_secs(3600), ..Limits::default() });
    let mut resting = served.connect().await;
    resting.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut resting, "HTTP/1.1").await;
    let silent = served.connect().await;
    served.ask("/").await.unwrap();
    served.stop().await;
    drop(silent);
}

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_cut_off() {
    let served = Served::start(Limits { head_read: SOON, ..Limits::default() });
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut client = served.connect().await;
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answered = Vec::new();
        let _ = client.read_to_end(&mut answered).await;
        assert!(answered.is_empty(), "{sent:?} was answered");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_later_head_that_dribbles_is_cut_off_too() {
    let served = Served::start(Limits { head_read: SOON * 20, ..Limits::default() });
    let mut client = served.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "HTTP/1.1").await;
    client.write_all(b"GET / HT").await.unwrap();
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    served.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_a_sentence_that_names_it() {
    let first = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = first.local_addr();
    let Err(error) = Listener::bind(address) else { panic!("two listeners on one port") };
    assert!(matches!(error, Error::PortTaken { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: another program already does; stop that program, or choose another address or port"
        )
    );
}

#[tokio::test]
async fn an_address_of_another_machine_is_a_sentence_too() {
    let address = SocketAddr::from(([192, 0, 2, 1], 0));
    assert!(matches!(Listener::bind(address), Err(Error::NoSuchAddress { address: named }) if named == address));
}

#[tokio::test]
async fn a_panic_costs_its_client_an_answer_and_nobody_else_anything() {
    let served = Served::start(Limits::default());
    assert!(served.ask("/panic").await.unwrap().starts_with("HTTP/1.1 500"));
    assert!(served.ask("/").await.unwrap().starts_with("HTTP/1.1 200"));
    served.stop().await;
}

#[tokio::test]
async fn a_handler_can_reset_its_connection() {
    let served = Served::start(Limits::default());
    let error = served.ask("/reset").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(served.ask("/").await.unwrap().starts_with("HTTP/1.1 200"));
    served.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_is_gone() {
    let served = Served::start(Limits { max_connections: 1, ..Limits::default() });
    let mut first = served.connect().await;
    first.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut first, "data: first").await;
    let mut second = served.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answered = String::new();
    assert!(futures_util::FutureExt::now_or_never(second.read_to_string(&mut answered)).is_none());
    drop(first);
    second.read_to_string(&mut answered).await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 200"));
    served.stop().await;
}

async fn ask_http2<IO>(io: IO) -> String
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://x/").body(Full::<Bytes>::default()).unwrap();
    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn http_2_is_told_by_its_first_bytes() {
    let served = Served::start(Limits::default());
    assert_eq!(ask_http2(served.connect().await).await, "HTTP/2.0");
    served.stop().await;
}

#[tokio::test]
async fn tls_is_spoken_with_both_versions() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().with_tls(Arc::new(server));
    let served = Served::start_on(listener, Limits { head_read: Duration::from_secs(5), ..Limits::default() });

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connect = |protocol: &str| {
        let mut config = client.clone();
        config.alpn_protocols = vec![protocol.into()];
        TlsConnector::from(Arc::new(config))
    };
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let encrypted = connect("h2").connect(name.clone(), served.connect().await).await.unwrap();
    assert_eq!(ask_http2(encrypted).await, "HTTP/2.0");
    let mut encrypted = connect("http/1.1").connect(name, served.connect().await).await.unwrap();
    encrypted.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answered = String::new();
    encrypted.read_to_string(&mut answered).await.unwrap();
    assert!(answered.ends_with("HTTP/1.1"));
    // Plain text on a TLS port is nobody's business but that client's.
    let mut plain = served.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut refused = Vec::new();
    let _ = plain.read_to_end(&mut refused).await;
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let served = Served::start(Limits { unread: SOON, max_connections: 1, ..Limits::default() });
    let mut deaf = served.connect().await;
    deaf.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut deaf, "HTTP/1.1 200").await;
    // There is room for one connection, and the first is still open at its end.
    let answered = tokio::time::timeout(Duration::from_secs(20), served.ask("/")).await;
    assert!(answered.expect("its place is free again").unwrap().starts_with("HTTP/1.1 200"));
    drop(deaf);
    served.stop().await;
}

#[tokio::test]
async fn two_hands_on_one_socket_have_one_limit_on_connections() {
    let reserved = super::Reserved::new(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let second_hand = Served::start_on(Listener::on(reserved.another().unwrap()).unwrap(), limits);
    let served = Served::start_on(Listener::on(reserved).unwrap(), limits);
    let mut first = served.connect().await;
    first.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut first, "data: first").await;
    let mut second = Box::pin(served.ask("/"));
    assert!(tokio::time::timeout(SOON * 4, &mut second).await.is_err(), "neither hand has room for it");
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200"));
    second_hand.stop().await;
    served.stop().await;
}

#[tokio::test]
async fn a_connection_of_http_2_that_rests_is_closed() {
    let served = Served::start(Limits { idle: SOON, ..Limits::default() });
    let io = TokioIo::new(served.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..2 {
        let request = Request::get("http://x/").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), connection).await;
    ended.expect("it is closed").unwrap().unwrap();
    drop(sender);
    served.stop().await;
}
