//! TLS towards a target: whom to trust, who we are, and which protocols we offer.

use std::error::Error as StdError;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::config::probe::{HttpVersion, Tls};

type Error = Box<dyn StdError + Send + Sync>;

/// How to shake hands with one target. Sessions are resumed, which saves the target most of the work.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Trust {
    /// `host` is asked for, unless the settings name another.
    pub(super) fn new(tls: &Tls, version: HttpVersion, host: &str) -> Result<Self, Error> {
        let name = tls.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(tls.ca_pem.as_deref())?);
        let mut config = match &tls.identity_pem {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(&identity.chain_pem).collect::<Result<Vec<_>, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(identity.key_pem.expose())?)?
            }
        };
        config.alpn_protocols = match version {
            HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

/// The target's own authorities if it has some, else the machine's.
fn roots(own: Option<&[u8]>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(own) = own else {
        let machine = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(machine.certs);
        if roots.is_empty() {
            return Err("this machine has no certificates that could be trusted".into());
        }
        return Ok(roots);
    };
    for certificate in CertificateDer::pem_slice_iter(own) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}
