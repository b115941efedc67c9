//! The DNS probe: looks a name up, and compares what it finds.
//!
//! Nothing is remembered from one probe to the next, and neither the hosts file nor a search list is looked at: a probe
//! wants to know what the resolver says now. Names under `localhost`, `invalid` and `onion` are never asked for
//! (RFC 6761); a name's CNAMEs are followed.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::probe::{DnsExpect, DnsProbe, DnsRecord};
use crate::domain::observation::{Failure, Observation, Reason};

use super::error::Error;
use super::failure::{self, coded, plain};
use super::trace::{Stage, Trace};

/// Where a machine's resolvers stand, and how many of them count (resolv.conf(5)).
const MACHINE: &str = "/etc/resolv.conf";
const MACHINE_RESOLVERS_MAX: usize = 3;
const PORT: u16 = 53;
/// Values of an answer that are told where they are not the expected ones.
const VALUES_TOLD: usize = 5;

/// A prepared DNS probe.
#[derive(Debug)]
pub(super) struct DnsTarget {
    clock: Clock,
    probe: Arc<DnsProbe>,
    name: Name,
}

impl DnsTarget {
    pub(super) fn prepare(clock: Clock, probe: &Arc<DnsProbe>) -> Result<Self, Error> {
        let name = Name::from_ascii(format!("{}.", probe.name)).map_err(|_| Error::Name(probe.name.clone()))?;
        Ok(Self { clock, probe: Arc::clone(probe), name })
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = Trace::begin(self.clock, deadline);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::timed_out(&trace, &self.asked())),
        };
        trace.finish(outcome, self.probe.max_latency)
    }

    async fn run(&self, trace: &mut Trace) -> Result<(), Failure> {
        let servers = match self.probe.resolver {
            Some(address) => vec![address],
            None => machine_resolvers().map_err(|error| {
                plain(Reason::Internal, format!("{MACHINE} cannot be used: {}", failure::words(&error)))
            })?,
        };
        self.ask(&servers, trace).await
    }

    /// Asks one after the other, as the machine does: the first that has an answer decides, also where it says that
    /// there is no such name. Who cannot tell, or is silent for his part of the time, passes the question on.
    pub(super) async fn ask(&self, servers: &[SocketAddr], trace: &mut Trace) -> Result<(), Failure> {
        trace.enter(Stage::Resolving);
        let mut found = Err(NetError::NoConnections);
        for (place, address) in servers.iter().enumerate() {
            let resolver = resolver(*address, trace.deadline())?;
            let answered = resolver.lookup(self.name.clone(), record_type(self.probe.record));
            let left = u32::try_from(servers.len() - place).unwrap_or(u32::MAX);
            found = if left == 1 {
                answered.await
            } else {
                timeout(trace.left() / left, answered).await.unwrap_or(Err(NetError::Timeout))
            };
            if !found.as_ref().is_err_and(passes_on) {
                break;
            }
        }
        trace.enter(Stage::Between);
        let found = found.map_err(|error| self.not_found(&error))?;
        let values = found.answers().iter().filter_map(|answer| written(self.probe.record, &answer.data));
        self.judge(&values.collect::<Vec<_>>())
    }

    fn asked(&self) -> Asked {
        Asked(self.probe.resolver)
    }

    fn not_found(&self, error: &NetError) -> Failure {
        let (name, asked) = (&self.probe.name, self.asked());
        let Some(number) = response_code(error) else { return self.unanswered(error) };
        let code = code(number);
        let message = match number {
            0 => format!("the name {name} has no record {} according to {asked}", self.probe.record.as_str()),
            3 => format!("the name {name} does not exist according to {asked} (NXDOMAIN)"),
            _ => format!("the name {name} was not resolved by {asked} ({code})"),
        };
        coded(Reason::Dns, code, message)
    }

    fn unanswered(&self, error: &NetError) -> Failure {
        let asked = self.asked();
        if let NetError::Io(error) = error {
            return failure::connecting(error, &asked);
        }
        if matches!(error, NetError::Timeout) {
            return plain(Reason::Timeout, format!("{asked} did not answer"));
        }
        if matches!(error, NetError::NoConnections) {
            return plain(Reason::Connect, format!("no connection to {asked}"));
        }
        if matches!(error, NetError::Busy) {
            return plain(Reason::Internal, "this node asks too much at once");
        }
        plain(Reason::Protocol, format!("the answer of {asked} cannot be used: {error}"))
    }

    fn judge(&self, values: &[String]) -> Result<(), Failure> {
        let is_there = |value: &str| values.iter().any(|found| same(self.probe.record, found, value));
        let (name, record) = (&self.probe.name, self.probe.record.as_str());
        let should = match &self.probe.expect {
            DnsExpect::Something if values.is_empty() => {
                let message = format!("the name {name} has no record {record} according to {}", self.asked());
                return Err(coded(Reason::Dns, code(0), message));
            }
            DnsExpect::Something => return Ok(()),
            DnsExpect::All(expected) => {
                let missing: Vec<&str> =
                    expected.iter().map(|value| &**value).filter(|value| !is_there(value)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                missing.join(" and ")
            }
            DnsExpect::Any(expected) => {
                if expected.iter().any(|value| is_there(value)) {
                    return Ok(());
                }
                expected.iter().map(|value| &**value).collect::<Vec<_>>().join(" or ")
            }
        };
        let message = format!("the records {record} of {name} should hold {should}, and hold {}", told(values));
        Err(plain(Reason::Assertion, message))
    }
}

/// Made for each question: it holds no connection.
fn resolver(address: SocketAddr, deadline: Duration) -> Result<TokioResolver, Failure> {
    let config = ResolverConfig::from_name_servers(vec![server(address)]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    // Ours ends first, and says so; within it a datagram that got lost is sent again.
    options.timeout = deadline.saturating_mul(2);
    options.attempts = 0;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|error| plain(Reason::Internal, format!("no resolver could be made: {error}")))
}

/// What a resolver answered with (RFC 1035, 4.1.1), if it answered.
fn response_code(error: &NetError) -> Option<u16> {
    if let NetError::Dns(DnsError::NoRecordsFound(none)) = error {
        return Some(none.response_code.into());
    }
    if let NetError::Dns(DnsError::ResponseCode(code)) = error { Some((*code).into()) } else { None }
}

/// Whether another resolver may know better: this one did not answer, or with something else than that there is no such
/// record or name.
fn passes_on(error: &NetError) -> bool {
    !matches!(response_code(error), Some(0 | 3))
}

/// Who is asked, for people.
#[derive(Debug, Clone, Copy)]
struct Asked(Option<SocketAddr>);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "the resolver {address}"),
            None => f.write_str("this machine's resolvers"),
        }
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(on_port);
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// Read for each probe: they may be others by now.
fn machine_resolvers() -> io::Result<Vec<SocketAddr>> {
    let servers = named_in(&std::fs::read_to_string(MACHINE)?);
    if servers.is_empty() {
        return Err(io::Error::other("it names no resolver"));
    }
    Ok(servers)
}

/// The addresses after `nameserver`; a zone (`%eth0`) is cut off, as there is no way to ask through one.
fn named_in(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("nameserver")?;
        let address = rest.split_whitespace().next().filter(|_| rest.starts_with(char::is_whitespace))?;
        address.split('%').next()?.parse::<IpAddr>().ok()
    });
    addresses.take(MACHINE_RESOLVERS_MAX).map(|address| SocketAddr::new(address, PORT)).collect()
}

const fn record_type(record: DnsRecord) -> RecordType {
    match record {
        DnsRecord::A => RecordType::A,
        DnsRecord::Aaaa => RecordType::AAAA,
        DnsRecord::Cname => RecordType::CNAME,
        DnsRecord::Mx => RecordType::MX,
        DnsRecord::Txt => RecordType::TXT,
        DnsRecord::Ns => RecordType::NS,
        DnsRecord::Srv => RecordType::SRV,
        DnsRecord::Caa => RecordType::CAA,
        DnsRecord::Soa => RecordType::SOA,
    }
}

/// As the configuration has it; `None` for a record of another kind, such as the CNAMEs on the way.
fn written(record: DnsRecord, value: &RData) -> Option<String> {
    Some(match (record, value) {
        (DnsRecord::A, RData::A(address)) => address.0.to_string(),
        (DnsRecord::Aaaa, RData::AAAA(address)) => address.0.to_string(),
        (DnsRecord::Cname, RData::CNAME(name)) => normal(&name.0),
        (DnsRecord::Ns, RData::NS(name)) => normal(&name.0),
        (DnsRecord::Mx, RData::MX(mx)) => format!("{} {}", mx.preference, normal(&mx.exchange)),
        (DnsRecord::Txt, RData::TXT(txt)) => String::from_utf8_lossy(&txt.txt_data.concat()).into_owned(),
        (DnsRecord::Srv, RData::SRV(srv)) => {
            format!("{} {} {} {}", srv.priority, srv.weight, srv.port, normal(&srv.target))
        }
        (DnsRecord::Caa, RData::CAA(caa)) => {
            let value = String::from_utf8_lossy(&caa.value);
            format!("{} {} {value}", caa.flags(), caa.tag.to_ascii_lowercase())
        }
        (DnsRecord::Soa, RData::SOA(soa)) => {
            let names = format!("{} {}", normal(&soa.mname), normal(&soa.rname));
            format!("{names} {} {} {} {} {}", soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum)
        }
        _ => return None,
    })
}

/// In lower case and without the dot at its end.
fn normal(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').map(str::to_owned).unwrap_or(text)
}

fn same(record: DnsRecord, found: &str, expected: &str) -> bool {
    match record {
        DnsRecord::Txt => found == expected,
        DnsRecord::A
        | DnsRecord::Aaaa
        | DnsRecord::Cname
        | DnsRecord::Mx
        | DnsRecord::Ns
        | DnsRecord::Srv
        | DnsRecord::Caa
        | DnsRecord::Soa => found.eq_ignore_ascii_case(expected),
    }
}

fn told(values: &[String]) -> String {
    if values.is_empty() {
        return "nothing".to_owned();
    }
    let more = values.len().saturating_sub(VALUES_TOLD);
    let first = values.iter().take(VALUES_TOLD).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// The names of RFC 1035, 4.1.1; NODATA (RFC 2308) where the name is there and the record is not.
fn code(number: u16) -> String {
    let name = ["NODATA", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"].get(usize::from(number));
    name.map_or_else(|| format!("RCODE {number}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_resolvers_are_read_as_the_machine_reads_them() {
        let text = "# nameserver 9.9.9.9\nsearch lan\nnameserver 10.0.0.1\n  nameserver\tfe80::1%eth0\nnameservers 1.1.1.1\n\
                    nameserver x\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        let addresses: Vec<String> = named_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.1:53", "[fe80::1]:53", "10.0.0.3:53"]);
    }
}
