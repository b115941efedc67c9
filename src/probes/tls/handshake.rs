//! The handshake, and when the certificates it showed end.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::probe::Tls;
use crate::domain::observation::{Failure, Reason};
use crate::domain::time::Timestamp;
use crate::probes::error::Error;
use crate::probes::failure as words;
use crate::probes::trace::{Stage, Trace};

use super::faults::{expiry_of_refused, failure, fault};
use super::trust::{Protocols, Trust};

/// How to shake hands with one target.
#[derive(Debug, Clone)]
pub(in crate::probes) struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Handshake {
    /// `host` is asked for, unless the settings name another.
    pub(in crate::probes) fn new(trust: &Trust, tls: &Tls, protocols: Protocols, host: &str) -> Result<Self, Error> {
        let name = tls.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Error::ServerName(name.into()))?;
        Ok(Self { config: trust.config(tls, protocols)?, name })
    }
}

/// Turns a connection into one with TLS.
pub(in crate::probes) async fn handshake(
    tcp: TcpStream,
    how: &Handshake,
    peer: &impl Display,
    trace: &mut Trace,
) -> Result<Box<TlsStream<TcpStream>>, Failure> {
    trace.enter(Stage::Handshaking);
    // The request follows our last message of the handshake: without this it would wait for that one's acknowledgement.
    tcp.set_nodelay(true).map_err(|error| words::connecting(&error, peer))?;
    let connector = TlsConnector::from(Arc::clone(&how.config));
    let shaken = Box::pin(connector.connect(how.name.clone(), tcp)).await;
    trace.enter(Stage::Between);
    match shaken {
        Ok(stream) => {
            trace.certificate_expires_at = stream.get_ref().1.peer_certificates().and_then(earliest_expiry);
            Ok(Box::new(stream))
        }
        Err(error) => {
            trace.certificate_expires_at = fault(&error).and_then(expiry_of_refused);
            Err(refused(&error, peer))
        }
    }
}

fn refused(error: &io::Error, peer: &impl Display) -> Failure {
    if let Some(fault) = fault(error) {
        return failure(fault, peer);
    }
    let reason = if words::is_ours(error) { Reason::Internal } else { Reason::Tls };
    let what = if error.kind() == io::ErrorKind::UnexpectedEof {
        "the target closed the connection".to_owned()
    } else {
        words::words(error)
    };
    words::coded(reason, words::code(error), format!("no TLS handshake with {peer}: {what}"))
}

/// When the first certificate of a chain ends.
fn earliest_expiry(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    chain.iter().filter_map(|certificate| expiry(certificate)).min()
}

fn expiry(certificate: &[u8]) -> Option<Timestamp> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(Timestamp::from_nanos(parsed.validity().not_after.timestamp().saturating_mul(1_000_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_first_certificate_to_end_decides_and_the_end_of_time_is_no_overflow() {
        let ending_in = |year| {
            let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
            parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
        };
        let first = earliest_expiry(&[ending_in(2040), ending_in(2031), ending_in(2050)]);
        assert_eq!(first.map(clock::format).as_deref(), Some("2031-01-01T00:00:00Z"));
        assert_eq!(earliest_expiry(&[ending_in(9999)]), Some(Timestamp::MAX));
        assert_eq!(earliest_expiry(&[]), None);
    }
}
