//! The TCP probe.

use super::*;
use crate::config::probe::{TcpExpect, TcpProbe};

fn probing(address: SocketAddr) -> TcpProbe {
    TcpProbe {
        host: address.ip().to_string().into(),
        port: address.port(),
        send: bytes::Bytes::new(),
        expect: None,
        tls: None,
        max_latency: None,
        warn_before: None,
    }
}

fn contains(bytes: &'static [u8]) -> Option<TcpExpect> {
    Some(TcpExpect::Contains(bytes::Bytes::from_static(bytes)))
}

fn matches(pattern: &str) -> Option<TcpExpect> {
    Some(TcpExpect::Matches(regex::bytes::Regex::new(pattern).unwrap()))
}

async fn observe(probe: TcpProbe, deadline: Duration) -> Observation {
    prober().prepare(&Probe::Tcp(Arc::new(probe))).unwrap().probe(deadline).await
}

/// Says `greeting` in pieces, answers a line, and holds or closes the connection.
async fn greeting(greeting: &'static [&'static str], holds: bool) -> Server {
    Server::start(move |_, mut connection, requests| async move {
        for piece in greeting {
            connection.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut line = [0; 64];
        let count = if holds { connection.read(&mut line).await.unwrap_or(0) } else { 0 };
        requests.lock().push(String::from_utf8_lossy(&line[..count]).into_owned());
        if count > 0 {
            connection.write_all(b"+PONG\r\n").await.unwrap();
            std::future::pending().await
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_is_enough_where_nothing_is_expected() {
    let server = greeting(&[], true).await;
    let observation = observe(probing(server.address), LONG).await;
    good(&observation);
    assert!(observation.phases.connect.is_some());
    assert_eq!((observation.phases.processing, observation.status_code, observation.bytes), (None, None, 0));
}

#[tokio::test]
async fn what_is_sent_is_answered() {
    let server = greeting(&[], true).await;
    let mut probe = probing(server.address);
    probe.send = "PING\r\n".into();
    probe.expect = contains(b"PONG");
    let observation = observe(probe, LONG).await;
    good(&observation);
    assert_eq!(server.requests(), ["PING\r\n"]);
    assert!(observation.phases.processing.is_some() && observation.phases.transfer.is_some());
}

#[tokio::test]
async fn a_banner_that_comes_in_pieces_is_put_together() {
    let server = greeting(&["22", "0 mail.exam", "ple ESMTP\r\n"], true).await;
    let mut probe = probing(server.address);
    probe.expect = matches(r"^220 \S+ ESMTP");
    good(&observe(probe, LONG).await);
}

#[tokio::test]
async fn another_banner_is_an_assertion_whether_the_connection_ends_or_not() {
    for holds in [true, false] {
        let server = greeting(&["SSH-2.0\r\n"], holds).await;
        let mut probe = probing(server.address);
        probe.expect = contains(b"220");
        let message = failed(&observe(probe, SHORT).await, Reason::Assertion, "N/A");
        assert!(message.contains("9 bytes"), "{message}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = greeting(&[], true).await;
    let mut probe = probing(server.address);
    probe.expect = contains(b"220");
    let message = failed(&observe(probe, SHORT).await, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(server.address, &message), @"no answer had come after 1s (HOST)");
}

#[tokio::test]
async fn only_the_first_64_kib_are_looked_at() {
    let server = Server::start(|_, mut connection, _| async move {
        let _ = connection.write_all(&[b'x'; 70_000]).await;
        let _ = connection.write_all(b"220").await;
        std::future::pending().await
    })
    .await;
    let mut probe = probing(server.address);
    probe.expect = contains(b"220");
    let observation = observe(probe, LONG).await;
    let message = failed(&observation, Reason::Assertion, "N/A");
    insta::assert_snapshot!(without(server.address, &message), @"the first 65536 bytes of the answer of HOST are not what is expected");
    assert_eq!(observation.bytes, 64 * 1024);
}

#[tokio::test]
async fn a_closed_port_and_a_wrong_name_are_told_apart() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    failed(&observe(probing(address), LONG).await, Reason::Connect, "ECONNREFUSED");
    let mut probe = probing(address);
    probe.host = format!("{}.invalid", "a".repeat(64)).into();
    failed(&observe(probe, LONG).await, Reason::Dns, "N/A");
}

#[tokio::test]
async fn with_tls_the_certificate_is_seen_and_what_is_sent_is_hidden() {
    let ca = secure::Ca::new();
    let server = ca.scripted("localhost", "+OK ready\r\n").await;
    let mut probe = probing(server.address);
    probe.send = "QUIT\r\n\r\n".into();
    probe.expect = contains(b"+OK");
    probe.tls = Some(Tls { ca_pem: Some(ca.pem()), server_name: Some("localhost".into()), ..Tls::default() });
    let observation = observe(probe.clone(), LONG).await;
    good(&observation);
    assert!(observation.phases.tls.is_some() && observation.certificate_expires_at.is_some());
    probe.tls =
        Some(Tls { ca_pem: Some(secure::Ca::new().pem()), server_name: Some("localhost".into()), ..Tls::default() });
    failed(&observe(probe, LONG).await, Reason::Tls, "unknown_ca");
}

#[tokio::test]
async fn a_slow_connection_is_degraded() {
    let server = greeting(&[], true).await;
    let mut probe = probing(server.address);
    probe.max_latency = Some(Duration::from_nanos(1));
    let observation = observe(probe, LONG).await;
    good(&observation);
    assert!(observation.degraded);
}
