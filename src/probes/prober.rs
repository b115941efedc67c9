//! What all targets share, and a probe of one target.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::probe::Probe;
use crate::domain::observation::Observation;

use super::certificate::CertificateTarget;
use super::dns::DnsTarget;
use super::error::Error;
use super::grpc::GrpcTarget;
use super::http::{HttpTarget, Shared};
use super::icmp::{Echoes, IcmpTarget};
use super::status_page::StatusPageTarget;
use super::tcp::TcpTarget;

/// What all targets share: trusted certificates, TLS settings, tokens. One for the program.
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    echoes: Arc<Echoes>,
}

impl Prober {
    /// `node_name` goes into the user agent, `breakwater/<version> (<node name>)`, so that a target's people can tell who
    /// calls.
    ///
    /// # Errors
    /// [`Error::Credentials`] if the name cannot be put into a header.
    pub fn new(clock: Clock, node_name: &str) -> Result<Self, Error> {
        Ok(Self { shared: Arc::new(Shared::new(clock, node_name)?), echoes: Arc::new(Echoes::new(clock)) })
    }

    /// Does all that need not be done again for each probe. Reads the machine's trusted certificates when it is first
    /// needed, and touches no network.
    ///
    /// # Errors
    /// [`Error`], which says what is wrong in the probe's configuration or on this machine. A heartbeat cannot be
    /// prepared, since it is no call: [`Error::ReportsIn`].
    pub fn prepare(&self, probe: &Probe) -> Result<Prepared, Error> {
        let Shared { clock, trust, .. } = &*self.shared;
        let target = match probe {
            Probe::Http(probe) => Target::Http(Arc::new(HttpTarget::prepare(&self.shared, probe)?)),
            Probe::Tcp(probe) => Target::Tcp(Arc::new(TcpTarget::prepare(*clock, trust, probe)?)),
            Probe::Tls(probe) => Target::Tls(Arc::new(CertificateTarget::prepare(*clock, trust, probe)?)),
            Probe::Dns(probe) => Target::Dns(Arc::new(DnsTarget::prepare(*clock, probe)?)),
            Probe::Grpc(probe) => Target::Grpc(Arc::new(GrpcTarget::prepare(&self.shared, probe)?)),
            Probe::Icmp(probe) => Target::Icmp(Arc::new(IcmpTarget::prepare(*clock, &self.echoes, probe))),
            Probe::Heartbeat(_) => return Err(Error::ReportsIn),
            Probe::StatusPage(page) => Target::StatusPage(Arc::new(StatusPageTarget::prepare(&self.shared, page)?)),
        };
        Ok(Prepared { target })
    }
}

/// A probe of one target, ready to be made again and again. Cheap to clone; clones share kept connections.
#[derive(Debug, Clone)]
pub struct Prepared {
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    Http(Arc<HttpTarget>),
    Tcp(Arc<TcpTarget>),
    Tls(Arc<CertificateTarget>),
    Dns(Arc<DnsTarget>),
    Grpc(Arc<GrpcTarget>),
    Icmp(Arc<IcmpTarget>),
    StatusPage(Arc<StatusPageTarget>),
}

impl Prepared {
    /// Calls the target once. `deadline` covers all of it; a probe that is dropped closes its connection.
    pub fn probe(&self, deadline: Duration) -> impl Future<Output = Observation> + Send + use<> {
        let target = self.target.clone();
        async move {
            match target {
                Target::Http(target) => target.probe(deadline).await,
                Target::Tcp(target) => target.probe(deadline).await,
                // Boxed: the future of every probe is as large as the largest of them, and these are the rare ones.
                Target::Tls(target) => Box::pin(target.probe(deadline)).await,
                Target::Dns(target) => Box::pin(target.probe(deadline)).await,
                Target::Grpc(target) => Box::pin(target.probe(deadline)).await,
                Target::Icmp(target) => Box::pin(target.probe(deadline)).await,
                Target::StatusPage(target) => Box::pin(target.probe(deadline)).await,
            }
        }
    }
}
