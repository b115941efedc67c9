//! The ICMP probe: an echo, and its answer.
//!
//! One socket for each IP version serves all targets, so that an answer wakes one waiter and not a thousand sockets. It is
//! a datagram socket, which needs no privilege where `net.ipv4.ping_group_range` names one of the process's groups, else a
//! raw one, which needs CAP_NET_RAW.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::probe::IcmpProbe;
use crate::domain::observation::{Failure, Observation, Reason};

use super::dial::{self, Endpoint};
use super::failure::{self, coded, plain};
use super::trace::{Stage, Trace};

/// Echo Reply in ICMP (RFC 792) and in ICMPv6 (RFC 4443).
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REPLY_V6: u8 = 129;

/// The sockets of all ICMP probes, made when one is first needed.
pub(super) struct Echoes {
    v4: Mutex<Option<Client>>,
    v6: Mutex<Option<Client>>,
    /// Tells our answers on a raw socket from those to other programs.
    identifier: PingIdentifier,
    /// Tells an answer from those to other probes of the same host.
    next: AtomicU16,
}

impl std::fmt::Debug for Echoes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Echoes").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

impl Echoes {
    pub(super) fn new(clock: Clock) -> Self {
        let seed = u64::from(std::process::id()) ^ clock.moment().as_nanos() ^ clock.now().as_nanos().cast_unsigned();
        let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
        let identifier = PingIdentifier(u16::from_le_bytes([a ^ c ^ e ^ g, b ^ d ^ f ^ h]));
        Self { v4: Mutex::new(None), v6: Mutex::new(None), identifier, next: AtomicU16::new(0) }
    }

    /// A refusal is not kept: what it lacked may be given while the node runs.
    fn client(&self, address: IpAddr) -> io::Result<Client> {
        let (place, kind) = match address {
            IpAddr::V4(_) => (&self.v4, ICMP::V4),
            IpAddr::V6(_) => (&self.v6, ICMP::V6),
        };
        let mut client = place.lock();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = Client::new(&Config::builder().kind(kind).build())?;
        Ok(client.insert(made).clone())
    }
}

/// A prepared ICMP probe.
#[derive(Debug)]
pub(super) struct IcmpTarget {
    clock: Clock,
    echoes: Arc<Echoes>,
    probe: Arc<IcmpProbe>,
    endpoint: Endpoint,
}

impl IcmpTarget {
    pub(super) fn prepare(clock: Clock, echoes: &Arc<Echoes>, probe: &Arc<IcmpProbe>) -> Self {
        let endpoint = Endpoint::new(&probe.host, 0);
        Self { clock, echoes: Arc::clone(echoes), probe: Arc::clone(probe), endpoint }
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = Trace::begin(self.clock, deadline);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::timed_out(&trace, &self.endpoint.host())),
        };
        trace.finish(outcome, self.probe.max_latency)
    }

    async fn run(&self, trace: &mut Trace) -> Result<(), Failure> {
        let address = dial::resolve(&self.endpoint, trace).await?.ip();
        let client = self.echoes.client(address).map_err(|error| no_socket(&error, address))?;
        let payload = vec![b'.'; self.probe.payload_bytes];
        let sequence = PingSequence(self.echoes.next.fetch_add(1, Ordering::Relaxed));
        let mut pinger = client.pinger(address, self.echoes.identifier).await;
        // Ours ends first, and says so.
        pinger.timeout(trace.deadline().saturating_mul(2));
        trace.enter(Stage::Processing);
        let answered = pinger.ping(sequence, &payload).await;
        trace.enter(Stage::Between);
        let (packet, _) = answered.map_err(|error| self.unanswered(&error, address))?;
        trace.bytes = payload.len() as u64;
        judge(&packet, address)
    }

    fn unanswered(&self, error: &SurgeError, address: IpAddr) -> Failure {
        match error {
            SurgeError::IOError(error) if error.kind() == io::ErrorKind::PermissionDenied => no_socket(error, address),
            SurgeError::IOError(error) => failure::connecting(error, &address),
            SurgeError::Timeout { .. } => plain(Reason::Timeout, format!("{address} did not answer")),
            SurgeError::MalformedPacket(_) | SurgeError::EchoRequestPacket => {
                plain(Reason::Protocol, format!("{address} sent something that is no echo: {error}"))
            }
            SurgeError::IncorrectBufferSize
            | SurgeError::NetworkError
            | SurgeError::IdenticalRequests { .. }
            | SurgeError::ClientDestroyed => {
                plain(Reason::Internal, format!("this node could not send an echo to {address}: {error}"))
            }
        }
    }
}

/// An answer may also be a router's, which says that there is no way.
fn judge(packet: &IcmpPacket, address: IpAddr) -> Result<(), Failure> {
    let (kind, code, from, reply) = match packet {
        IcmpPacket::V4(packet) => {
            (packet.get_icmp_type().0, packet.get_icmp_code().0, IpAddr::V4(packet.get_source()), ECHO_REPLY_V4)
        }
        IcmpPacket::V6(packet) => {
            (packet.get_icmpv6_type().0, packet.get_icmpv6_code().0, IpAddr::V6(packet.get_source()), ECHO_REPLY_V6)
        }
    };
    if kind == reply {
        return Ok(());
    }
    let message = format!("no way to {address}, says {from} (ICMP type {kind}, code {code})");
    Err(coded(Reason::Connect, format!("ICMP {kind}/{code}"), message))
}

fn no_socket(error: &io::Error, address: IpAddr) -> Failure {
    if error.kind() != io::ErrorKind::PermissionDenied {
        let message = format!("this node could not open a socket for ICMP to {address}: {}", failure::words(error));
        return coded(Reason::Internal, failure::code(error), message);
    }
    plain(Reason::Internal, NOT_ALLOWED)
}

/// What to do about it.
pub(super) const NOT_ALLOWED: &str = "this node may not send ICMP echoes: put one of its groups into the sysctl \
                                      net.ipv4.ping_group_range, or give it the capability CAP_NET_RAW";
