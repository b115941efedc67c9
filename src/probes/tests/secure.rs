//! TLS and HTTP/2, and the authority and servers that other tests use too.

use super::*;
use std::convert::Infallible;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::config::Secret;
use crate::config::probe::Identity;

/// Whom a server lets in.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Clients {
    Anyone,
    Certified,
}

/// A certificate authority of our own.
pub(super) struct Ca {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(super) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.not_after = rcgen::date_time_ymd(2060, 1, 1);
        let key = KeyPair::generate().unwrap();
        // Two authorities with one name would be told apart by their signatures only.
        let name = format!("{:?}", &key.public_key_raw()[..16]);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    pub(super) fn pem(&self) -> Arc<[u8]> {
        self.certificate.pem().into_bytes().into()
    }

    fn issue(&self, name: &str, ends_in: i32) -> (rcgen::Certificate, KeyPair) {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(ends_in, 1, 1);
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    pub(super) fn acceptor(&self, name: &str, ends_in: i32, clients: Clients, protocols: &[&[u8]]) -> TlsAcceptor {
        let (certificate, key) = self.issue(name, ends_in);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Clients::Anyone => builder.with_no_client_auth(),
            Clients::Certified => {
                let mut roots = RootCertStore::empty();
                roots.add(self.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain = vec![certificate.der().clone(), self.certificate.der().clone()];
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Answers every request with 200, by the protocol that was agreed on.
    pub(super) async fn server(&self, name: &str, clients: Clients, protocols: &[&[u8]]) -> Server {
        let acceptor = self.acceptor(name, 2050, clients, protocols);
        Server::start(move |_, connection, requests| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(connection).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return serve_http2(stream, requests).await;
                }
                let request = read_request(&mut stream).await;
                requests.lock().push(request);
                stream.write_all(OK.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// Answers with `answer` and hangs up without TLS's goodbye.
    pub(super) async fn scripted(&self, name: &str, answer: &str) -> Server {
        self.scripted_until(name, 2050, answer).await
    }

    pub(super) async fn scripted_until(&self, name: &str, ends_in: i32, answer: &str) -> Server {
        let acceptor = self.acceptor(name, ends_in, Clients::Anyone, &[]);
        let answer = answer.to_owned();
        Server::start(move |_, connection, _| {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            async move {
                let Ok(mut stream) = acceptor.accept(connection).await else { return };
                read_request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
        .await
    }
}

impl Server {
    pub(super) fn https(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.address.port())
    }
}

/// HTTP/2 without TLS.
pub(super) async fn http2_server() -> Server {
    Server::start(|_, connection, requests| serve_http2(connection, requests)).await
}

async fn serve_http2<S>(stream: S, requests: Arc<Mutex<Vec<String>>>)
where
    S: AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let headers = request.headers();
        requests.lock().push(format!("{} {} {headers:?}", request.method(), request.uri()));
        let answer = hyper::Response::builder().header("x-kind", "test");
        let answer = answer.body(http_body_util::Full::new(bytes::Bytes::from_static(b"OK"))).unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

fn trusting(ca: &Ca, url: &str) -> HttpProbe {
    let mut probe = get(url);
    probe.tls.ca_pem = Some(ca.pem());
    probe
}

#[tokio::test]
async fn a_secure_target_shows_its_handshake_and_when_its_certificate_ends() {
    let ca = Ca::new();
    let server = ca.server("localhost", Clients::Anyone, &[]).await;
    let observation = observe(trusting(&ca, &server.https("localhost"))).await;
    good(&observation);
    assert!(observation.phases.tls.is_some());
    assert_eq!(observation.certificate_expires_at.map(clock::format).as_deref(), Some("2050-01-01T00:00:00Z"));
}

#[tokio::test]
async fn http2_is_spoken_where_both_sides_want_it() {
    let ca = Ca::new();
    let both: &[&[u8]] = &[b"h2", b"http/1.1"];
    for (version, offered, is_http2) in [
        (HttpVersion::Auto, both, true),
        (HttpVersion::Auto, &both[1..], false),
        (HttpVersion::Http1, both, false),
        (HttpVersion::Http2, both, true),
    ] {
        let server = ca.server("localhost", Clients::Anyone, offered).await;
        let mut probe = trusting(&ca, &server.https("localhost"));
        probe.version = version;
        probe.expect_body = vec![crate::config::probe::BodyCheck::Contains("OK".into())];
        probe.headers.insert("x-mine", http::HeaderValue::from_static("1"));
        let observation = observe(probe).await;
        good(&observation);
        assert_eq!((observation.status_code, observation.bytes), (Some(200), 2));
        let request = &server.requests()[0];
        assert_eq!(request.starts_with("GET https://localhost:"), is_http2, "{request}");
        assert!(request.contains("x-mine"), "{request}");
    }
}

#[tokio::test]
async fn http2_answers_are_checked_like_any_other() {
    let server = http2_server().await;
    let mut probe = get(&server.url("/"));
    probe.version = HttpVersion::Http2;
    probe.expect_header = vec![(http::HeaderName::from_static("x-kind"), "TEST".into())];
    good(&observe(probe.clone()).await);
    probe.max_body_bytes = 1;
    let observation = observe(probe.clone()).await;
    good(&observation);
    assert_eq!(observation.bytes, 1);
    probe.expect_status = vec![404..=404];
    failed(&observe(probe).await, Reason::HttpStatus, "200");
}

#[tokio::test]
async fn a_target_that_does_not_speak_http2_is_protocol() {
    let server = Server::answering(["HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"]).await;
    let mut probe = get(&server.url("/"));
    probe.version = HttpVersion::Http2;
    let observation = observe(probe).await;
    assert_eq!(observation.failure.map(|failure| failure.reason), Some(Reason::Protocol));
}

#[tokio::test]
async fn an_http2_target_that_never_answers_is_a_timeout() {
    let server = Server::start(|_, connection, _| async move {
        let _held = connection;
        std::future::pending().await
    })
    .await;
    let mut probe = get(&server.url("/"));
    probe.version = HttpVersion::Http2;
    failed(&prepare(probe).probe(SHORT).await, Reason::Timeout, "N/A");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_refused() {
    let ca = Ca::new();
    let server = Ca::new().server("localhost", Clients::Anyone, &[]).await;
    let observation = observe(trusting(&ca, &server.https("localhost"))).await;
    let message = failed(&observation, Reason::Tls, "unknown_ca");
    insta::assert_snapshot!(message.replace(&server.address.port().to_string(), "PORT"), @"the certificate of localhost:PORT was signed by none of the certificates that are trusted here");
    assert!(observation.phases.tls.is_some());
}

#[tokio::test]
async fn an_expired_certificate_is_told_with_its_end() {
    let ca = Ca::new();
    let server = ca.scripted_until("localhost", 2020, OK).await;
    let observation = observe(trusting(&ca, &server.https("localhost"))).await;
    let message = failed(&observation, Reason::Tls, "certificate_expired");
    insta::assert_snapshot!(message.replace(&server.address.port().to_string(), "PORT"), @"the certificate of localhost:PORT expired on 2020-01-01T00:00:00Z");
    assert_eq!(observation.certificate_expires_at.map(clock::format).as_deref(), Some("2020-01-01T00:00:00Z"));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_that_name_is_asked_for() {
    let ca = Ca::new();
    let server = ca.server("shop.example", Clients::Anyone, &[]).await;
    let mut probe = trusting(&ca, &server.https("localhost"));
    let message = failed(&observe(probe.clone()).await, Reason::Tls, "bad_certificate");
    insta::assert_snapshot!(message.replace(&server.address.port().to_string(), "PORT"), @"the certificate of localhost:PORT is for shop.example, not for localhost");
    probe.tls.server_name = Some("shop.example".into());
    good(&observe(probe).await);
}

#[tokio::test]
async fn a_target_that_wants_our_certificate_gets_it() {
    let ca = Ca::new();
    let server = ca.server("localhost", Clients::Certified, &[]).await;
    let mut probe = trusting(&ca, &server.https("localhost"));
    let message = failed(&observe(probe.clone()).await, Reason::Tls, "certificate_required");
    insta::assert_snapshot!(message.replace(&server.address.port().to_string(), "PORT"), @"localhost:PORT refused our side of the TLS handshake: certificate required");
    let (certificate, key) = ca.issue("client", 2050);
    probe.tls.identity_pem = Some(Identity {
        chain_pem: certificate.pem().into_bytes().into(),
        key_pem: Secret::new(key.serialize_pem().as_bytes()),
    });
    good(&observe(probe).await);
}

#[tokio::test]
async fn what_speaks_no_tls_is_told() {
    let ca = Ca::new();
    for (answer, words) in [("HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"), ("", "closed the connection")] {
        let server = Server::start(move |_, mut connection, _| async move {
            // All of what the other side said is read, so that this is a close and no reset.
            let _ = connection.read(&mut [0; 4096]).await;
            connection.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let message = failed(&observe(trusting(&ca, &server.https("localhost"))).await, Reason::Tls, "N/A");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_body_until_close_ends_without_tls_saying_goodbye() {
    let ca = Ca::new();
    let server = ca.scripted("localhost", "HTTP/1.1 200 OK\r\n\r\nall of it").await;
    let observation = observe(trusting(&ca, &server.https("localhost"))).await;
    good(&observation);
    assert_eq!(observation.bytes, 9);
    let server = ca.scripted("localhost", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    failed(&observe(trusting(&ca, &server.https("localhost"))).await, Reason::Protocol, "N/A");
}

#[tokio::test]
async fn a_kept_secure_connection_still_knows_its_certificate() {
    let ca = Ca::new();
    let server = ca.server("localhost", Clients::Anyone, &[b"h2"]).await;
    let mut probe = trusting(&ca, &server.https("localhost"));
    probe.connection = Connection::Kept;
    let prepared = prepare(probe);
    good(&prepared.probe(LONG).await);
    let observation = prepared.probe(LONG).await;
    good(&observation);
    assert_eq!((observation.phases.connect, observation.phases.tls), (None, None));
    assert_eq!(observation.certificate_expires_at.map(clock::format).as_deref(), Some("2050-01-01T00:00:00Z"));
}
