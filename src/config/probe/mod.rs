//! How a target is probed, checked.

mod kind;

mod http;
mod tcp;
mod tls;

mod dns;
mod grpc;
mod icmp;

mod heartbeat;
mod status_page;

pub use dns::{DnsExpect, DnsProbe, DnsRecord};
pub use grpc::GrpcProbe;
pub use heartbeat::HeartbeatProbe;
pub use http::{Auth, BodyCheck, Connection, HttpProbe, HttpVersion};
pub use icmp::IcmpProbe;
pub use kind::Probe;
pub use status_page::StatusPageProbe;
pub use tcp::{TcpExpect, TcpProbe};
pub use tls::{Identity, Tls, TlsProbe, WARN_BEFORE};
