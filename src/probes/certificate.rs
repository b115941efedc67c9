//! The TLS probe: a handshake, and a look at the chain that it showed.
//!
//! The chain must be valid for the name, by the machine's trust or the target's own CA. Nothing is offered beyond TLS
//! itself (no ALPN), since nothing is asked for after it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::probe::TlsProbe;
use crate::domain::observation::{Failure, Observation};

use super::dial::{self, Endpoint};
use super::error::Error;
use super::failure;
use super::stream::Stream;
use super::tls::{self, Handshake, Protocols, Trust};
use super::trace::Trace;

/// A prepared TLS probe.
#[derive(Debug)]
pub(super) struct CertificateTarget {
    clock: Clock,
    probe: Arc<TlsProbe>,
    endpoint: Endpoint,
    handshake: Handshake,
}

impl CertificateTarget {
    pub(super) fn prepare(clock: Clock, trust: &Trust, probe: &Arc<TlsProbe>) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&probe.host, probe.port);
        let handshake = Handshake::new(trust, &probe.tls, Protocols::None, endpoint.host())?;
        Ok(Self { clock, probe: Arc::clone(probe), endpoint, handshake })
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = Trace::begin(self.clock, deadline).warning(self.probe.warn_before);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::timed_out(&trace, &self.endpoint)),
        };
        trace.finish(outcome, self.probe.max_latency)
    }

    async fn run(&self, trace: &mut Trace) -> Result<(), Failure> {
        let tcp = dial::connect(&self.endpoint, trace).await?;
        let stream = tls::handshake(tcp, &self.handshake, &self.endpoint, trace).await?;
        Stream::Tls(stream).close().await;
        Ok(())
    }
}
