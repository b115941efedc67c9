//! ICMP echoes to loopback. Where this machine does not let us, the probe must say so, and how to change it.

use super::*;
use crate::config::probe::IcmpProbe;
use crate::probes::icmp::NOT_ALLOWED;

async fn observe(host: &str, payload_bytes: usize) -> Observation {
    let probe = IcmpProbe { host: host.into(), payload_bytes, max_latency: None };
    prober().prepare(&Probe::Icmp(Arc::new(probe))).unwrap().probe(LONG).await
}

/// Asked of the system itself, by the sockets that `ping` uses.
fn allowed(is_v6: bool) -> bool {
    use socket2::{Domain, Protocol, Socket, Type};
    let (domain, protocol) = if is_v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
    [Type::DGRAM, Type::RAW].into_iter().any(|kind| Socket::new(domain, kind, Some(protocol)).is_ok())
}

#[track_caller]
fn answered_or_not_allowed(observation: &Observation, is_v6: bool, bytes: u64) {
    let version = if is_v6 { "IPv6" } else { "IPv4" };
    if !allowed(is_v6) {
        eprintln!("ICMP over {version}: no echo was sent, since this machine does not allow it; its refusal is tested");
        assert_eq!(failed(observation, Reason::Internal, "N/A"), NOT_ALLOWED);
        return;
    }
    eprintln!("ICMP over {version}: this machine allows it, and an echo was sent");
    good(observation);
    assert_eq!(observation.bytes, bytes);
    assert!(observation.phases.processing.is_some() && observation.phases.resolve.is_none());
}

#[tokio::test]
async fn an_echo_comes_back_over_ipv4_or_it_is_said_what_to_allow() {
    answered_or_not_allowed(&observe("127.0.0.1", 56).await, false, 56);
    answered_or_not_allowed(&observe("127.0.0.1", 0).await, false, 0);
    answered_or_not_allowed(&observe("127.0.0.1", 1_472).await, false, 1_472);
}

#[tokio::test]
async fn an_echo_comes_back_over_ipv6_or_it_is_said_what_to_allow() {
    // A machine may have no IPv6 at all; then the loopback address cannot be had.
    if TcpListener::bind("[::1]:0").await.is_err() {
        let message = failed(&observe("::1", 56).await, Reason::Internal, "N/A");
        eprintln!("ICMP over IPv6: no echo was sent, since this machine has no IPv6");
        assert!(message.starts_with("this node "), "{message}");
        return;
    }
    answered_or_not_allowed(&observe("::1", 56).await, true, 56);
}

#[tokio::test]
async fn many_targets_share_a_socket_and_none_takes_anothers_answer() {
    let prober = prober();
    let probe = Arc::new(IcmpProbe { host: "127.0.0.1".into(), payload_bytes: 8, max_latency: None });
    let probes = (0..64).map(|_| prober.prepare(&Probe::Icmp(probe.clone())).unwrap().probe(LONG));
    for observation in futures_util::future::join_all(probes).await {
        answered_or_not_allowed(&observation, false, 8);
    }
}

#[tokio::test]
async fn a_name_that_there_is_not_is_told() {
    let observation = observe(&format!("{}.invalid", "a".repeat(64)), 56).await;
    failed(&observation, Reason::Dns, "N/A");
}
