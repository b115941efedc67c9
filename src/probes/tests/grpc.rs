//! The gRPC probe against tonic's own health service, and against servers that are none.

use super::*;
use crate::config::probe::GrpcProbe;
use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::codegen::Service;
use tonic_health::ServingStatus;

fn asking(server: &Server, service: &str) -> GrpcProbe {
    GrpcProbe {
        host: "127.0.0.1".into(),
        port: server.address.port(),
        service: service.into(),
        tls: None,
        warn_before: None,
        max_latency: None,
    }
}

async fn observe(probe: GrpcProbe, deadline: Duration) -> Observation {
    prober().prepare(&Probe::Grpc(Arc::new(probe))).unwrap().probe(deadline).await
}

/// Speaks HTTP/2 on a connection, and answers by `service`.
async fn serve<S, T>(stream: T, service: S)
where
    S: Service<http::Request<Incoming>, Response = http::Response<tonic::body::Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    T: AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let answer = hyper::service::service_fn(move |request| service.clone().call(request));
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
}

/// tonic's health service: "up" serves, "down" does not, "lost" does not know, and nothing else is known.
async fn health()
-> impl Service<http::Request<Incoming>, Response = http::Response<tonic::body::Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("up", ServingStatus::Serving).await;
    reporter.set_service_status("down", ServingStatus::NotServing).await;
    reporter.set_service_status("lost", ServingStatus::Unknown).await;
    service
}

async fn server() -> Server {
    let health = health().await;
    Server::start(move |_, connection, _| serve(connection, health.clone())).await
}

/// Answers every call with this head and body, without looking.
async fn scripted(status: u16, headers: &'static [(&str, &str)], body: &'static [u8]) -> Server {
    Server::start(move |_, connection, requests| {
        let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
            requests.lock().push(format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
            let mut answer = http::Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(*name, *value);
            }
            let answer = answer.body(Full::new(bytes::Bytes::from_static(body))).unwrap();
            async { Ok::<_, Infallible>(answer) }
        });
        async move {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(connection), service).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_server_and_a_service_that_serve_are_good() {
    let server = server().await;
    for service in ["", "up"] {
        let observation = observe(asking(&server, service), LONG).await;
        good(&observation);
        assert_eq!((observation.status_code, observation.bytes), (Some(200), 7));
        assert!(observation.phases.processing.is_some());
    }
}

#[tokio::test]
async fn a_service_that_does_not_serve_or_is_not_known_is_told() {
    let server = server().await;
    let told = async |service: &str, code: &str| {
        let observation = observe(asking(&server, service), LONG).await;
        without(server.address, &failed(&observation, Reason::Assertion, code))
    };
    insta::assert_snapshot!(told("down", "NOT_SERVING").await, @"the service down does not serve (NOT_SERVING)");
    insta::assert_snapshot!(told("lost", "UNKNOWN").await, @"the service lost does not know how it is (UNKNOWN)");
    insta::assert_snapshot!(told("nobody", "NOT_FOUND").await, @"HOST has no service nobody (NOT_FOUND): service not registered");
}

#[tokio::test]
async fn health_is_asked_over_tls_too() {
    let ca = secure::Ca::new();
    let acceptor = ca.acceptor("localhost", 2050, secure::Clients::Anyone, &[b"h2"]);
    let health = health().await;
    let server = Server::start(move |_, connection, _| {
        let (acceptor, health) = (acceptor.clone(), health.clone());
        async move {
            let Ok(stream) = acceptor.accept(connection).await else { return };
            serve(stream, health).await;
        }
    })
    .await;
    let mut probe = asking(&server, "up");
    let tls = Tls { ca_pem: Some(ca.pem()), server_name: Some("localhost".into()), ..Tls::default() };
    probe.tls = Some(tls);
    probe.warn_before = Some(Duration::from_secs(86_400 * 20_000));
    let observation = observe(probe.clone(), LONG).await;
    good(&observation);
    assert!(observation.phases.tls.is_some() && observation.warning.is_some());
    probe.tls = Some(Tls { ca_pem: Some(secure::Ca::new().pem()), ..probe.tls.unwrap() });
    failed(&observe(probe, LONG).await, Reason::Tls, "unknown_ca");
}

#[tokio::test]
async fn the_call_is_what_grpc_wants() {
    let server = scripted(200, &[("content-type", "application/grpc"), ("grpc-status", "12")], b"").await;
    observe(asking(&server, "x"), LONG).await;
    let request = server.requests().remove(0);
    let head = format!("POST http://{}/grpc.health.v1.Health/Check ", server.address);
    assert!(request.starts_with(&head), "{request}");
    for header in ["\"content-type\": \"application/grpc\"", "\"te\": \"trailers\"", "\"grpc-timeout\": \""] {
        assert!(request.contains(header), "{header} in {request}");
    }
}

#[tokio::test]
async fn what_a_server_refuses_with_has_its_reason() {
    const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");
    let told = async |headers: &'static [(&str, &str)], reason: Reason, code: &str| {
        let server = scripted(200, headers, b"").await;
        without(server.address, &failed(&observe(asking(&server, ""), LONG).await, reason, code))
    };
    let unimplemented = told(&[GRPC, ("grpc-status", "12")], Reason::Protocol, "UNIMPLEMENTED").await;
    insta::assert_snapshot!(unimplemented, @"HOST has no grpc.health.v1 (UNIMPLEMENTED)");
    let refused = told(&[GRPC, ("grpc-status", "16"), ("grpc-message", "no%20token")], Reason::Auth, "UNAUTHENTICATED");
    insta::assert_snapshot!(refused.await, @"HOST refuses us (UNAUTHENTICATED): no token");
    let busy = told(&[GRPC, ("grpc-status", "8")], Reason::RateLimited, "RESOURCE_EXHAUSTED").await;
    insta::assert_snapshot!(busy, @"HOST asks to be called less often (RESOURCE_EXHAUSTED)");
    let unavailable = told(&[GRPC, ("grpc-status", "14")], Reason::Assertion, "UNAVAILABLE").await;
    insta::assert_snapshot!(unavailable, @"HOST did not tell its health (UNAVAILABLE)");
    let late = told(&[GRPC, ("grpc-status", "4")], Reason::Timeout, "DEADLINE_EXCEEDED").await;
    insta::assert_snapshot!(late, @"HOST did not answer in the time that it had (DEADLINE_EXCEEDED)");
    let new = told(&[GRPC, ("grpc-status", "99")], Reason::Assertion, "code 99").await;
    insta::assert_snapshot!(new, @"HOST did not tell its health (code 99)");
}

#[tokio::test]
async fn what_is_no_grpc_is_told_by_what_it_is() {
    const GRPC: (&str, &str) = ("content-type", "application/grpc");
    let told = async |status, headers: &'static [(&str, &str)], body: &'static [u8], reason: Reason, code: &str| {
        let server = scripted(status, headers, body).await;
        without(server.address, &failed(&observe(asking(&server, ""), LONG).await, reason, code))
    };
    let gateway = told(502, &[("content-type", "text/html")], b"<html>", Reason::HttpStatus, "502").await;
    insta::assert_snapshot!(gateway, @"502 Bad Gateway, expected an answer of gRPC");
    let page = told(200, &[("content-type", "text/html")], b"<html>", Reason::Protocol, "N/A").await;
    insta::assert_snapshot!(page, @"the answer of HOST is not gRPC: its content-type is another");
    let unsaid = told(200, &[GRPC], b"", Reason::Protocol, "N/A").await;
    insta::assert_snapshot!(unsaid, @"the answer of HOST has no grpc-status");
    let garbage = told(200, &[GRPC, ("grpc-status", "0")], b"garbage", Reason::Protocol, "N/A").await;
    insta::assert_snapshot!(garbage, @"HOST sent no grpc.health.v1 answer");
    let endless = told(200, &[GRPC, ("grpc-status", "0")], &[0; 5_000], Reason::Protocol, "N/A").await;
    insta::assert_snapshot!(endless, @"the answer of HOST is longer than 4096 bytes, and health is not");
    let later = told(200, &[GRPC, ("grpc-status", "0")], &[0, 0, 0, 0, 2, 8, 9], Reason::Protocol, "N/A").await;
    insta::assert_snapshot!(later, @"the server has the health 9, which grpc.health.v1 does not know");
}

#[tokio::test]
async fn who_asks_to_be_called_later_is_called_later() {
    for (status, reason, seconds) in
        [(429, Reason::RateLimited, Some(20)), (503, Reason::HttpStatus, Some(20)), (502, Reason::HttpStatus, None)]
    {
        let server = scripted(status, &[("content-type", "text/html"), ("retry-after", "20")], b"").await;
        let observation = observe(asking(&server, ""), LONG).await;
        failed(&observation, reason, &status.to_string());
        assert_eq!(observation.retry_after.map(|wait| wait.as_secs()), seconds, "{status}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_http_1_or_nothing_is_told() {
    let old = Server::start(|_, mut connection, _| async move {
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        std::future::pending().await
    })
    .await;
    let message = failed(&observe(asking(&old, ""), LONG).await, Reason::Protocol, "N/A");
    assert!(message.starts_with("no HTTP/2 answer from "), "{message}");
    let silent = Server::start(|_, connection, _| async move {
        let _open = connection;
        std::future::pending().await
    })
    .await;
    let message = failed(&observe(asking(&silent, ""), SHORT).await, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(silent.address, &message), @"no answer had come after 1s (HOST)");
}
