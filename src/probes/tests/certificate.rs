//! The TLS probe, and the warning of certificates that end soon.

use super::*;
use crate::config::probe::{TcpProbe, TlsProbe, WARN_BEFORE};

const DAY: Duration = Duration::from_secs(86_400);

fn looking_at(server: &Server, ca: &secure::Ca) -> TlsProbe {
    TlsProbe {
        host: "127.0.0.1".into(),
        port: server.address.port(),
        tls: Tls { ca_pem: Some(ca.pem()), server_name: Some("localhost".into()), ..Tls::default() },
        warn_before: Some(WARN_BEFORE),
        max_latency: None,
    }
}

async fn observe(probe: TlsProbe, deadline: Duration) -> Observation {
    prober().prepare(&Probe::Tls(Arc::new(probe))).unwrap().probe(deadline).await
}

#[tokio::test]
async fn a_valid_chain_is_good_and_says_when_it_ends() {
    let ca = secure::Ca::new();
    let server = ca.scripted_until("localhost", 2050, "").await;
    let observation = observe(looking_at(&server, &ca), LONG).await;
    good(&observation);
    assert_eq!(observation.certificate_expires_at.map(crate::clock::format).as_deref(), Some("2050-01-01T00:00:00Z"));
    assert!(observation.phases.tls.is_some() && observation.phases.processing.is_none());
    assert_eq!((observation.warning, observation.degraded, observation.bytes), (None, false, 0));
}

#[tokio::test]
async fn a_chain_that_ends_soon_is_a_warning_and_nothing_else() {
    let ca = secure::Ca::new();
    let server = ca.scripted_until("localhost", 2050, "").await;
    let mut probe = looking_at(&server, &ca);
    probe.warn_before = Some(DAY * 20_000);
    let observation = observe(probe, LONG).await;
    good(&observation);
    assert!(!observation.degraded);
    let warning = observation.warning.unwrap();
    assert!(warning.starts_with("a certificate of the chain ends in "), "{warning}");
    assert!(warning.ends_with(" days, on 2050-01-01T00:00:00Z"), "{warning}");
}

#[tokio::test]
async fn the_same_warning_comes_from_http_and_tcp_probes_and_can_be_turned_off() {
    let ca = secure::Ca::new();
    let server = ca.server("localhost", secure::Clients::Anyone, &[b"http/1.1"]).await;
    let mut http = get(&server.https("localhost"));
    http.tls.ca_pem = Some(ca.pem());
    http.warn_before = Some(DAY * 20_000);
    assert!(super::observe(http.clone()).await.warning.is_some());
    http.warn_before = None;
    assert_eq!(super::observe(http).await.warning, None);
    let TlsProbe { host, port, tls, .. } = looking_at(&server, &ca);
    let tcp = TcpProbe {
        host,
        port,
        send: bytes::Bytes::new(),
        expect: None,
        tls: Some(tls),
        max_latency: None,
        warn_before: Some(DAY * 20_000),
    };
    let observation = prober().prepare(&Probe::Tcp(Arc::new(tcp))).unwrap().probe(LONG).await;
    good(&observation);
    assert!(observation.warning.is_some());
}

#[tokio::test]
async fn an_expired_and_an_untrusted_chain_are_failures_and_no_warning() {
    let ca = secure::Ca::new();
    let server = ca.scripted_until("localhost", 2020, "").await;
    let observation = observe(looking_at(&server, &ca), LONG).await;
    let message = failed(&observation, Reason::Tls, "certificate_expired");
    insta::assert_snapshot!(without(server.address, &message), @"the certificate of HOST expired on 2020-01-01T00:00:00Z");
    assert_eq!(observation.warning, None);

    let server = ca.scripted_until("localhost", 2050, "").await;
    let message = failed(&observe(looking_at(&server, &secure::Ca::new()), LONG).await, Reason::Tls, "unknown_ca");
    insta::assert_snapshot!(without(server.address, &message), @"the certificate of HOST was signed by none of the certificates that are trusted here");

    let server = ca.scripted_until("elsewhere.example", 2050, "").await;
    let message = failed(&observe(looking_at(&server, &ca), LONG).await, Reason::Tls, "bad_certificate");
    insta::assert_snapshot!(without(server.address, &message), @"the certificate of HOST is for elsewhere.example, not for localhost");
}

#[tokio::test]
async fn what_speaks_no_tls_and_what_says_nothing_are_told_apart() {
    let ca = secure::Ca::new();
    let talking = Server::start(|_, mut connection, _| async move {
        connection.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        std::future::pending().await
    })
    .await;
    let message = failed(&observe(looking_at(&talking, &ca), LONG).await, Reason::Tls, "N/A");
    insta::assert_snapshot!(without(talking.address, &message), @"no TLS handshake with HOST: what answers there does not speak TLS");
    let silent = Server::start(|_, connection, _| async move {
        let _open = connection;
        std::future::pending().await
    })
    .await;
    let message = failed(&observe(looking_at(&silent, &ca), SHORT).await, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(silent.address, &message), @"the TLS handshake was not done after 1s (HOST)");
}
