//! TLS settings, made once for all targets that share them.
//!
//! The machine's trusted certificates are read when the first target needs them. Sessions are not resumed: a resumed one
//! would skip the certificate, and that is what a probe comes to see.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use crate::config::probe::{Identity, Tls};
use crate::probes::error::Error;

/// What is offered in the handshake (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::probes) enum Protocols {
    /// Nothing: it is no HTTP.
    None,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/2, else 1.1.
    Http2Or1,
}

impl Protocols {
    const fn names(self) -> &'static [&'static [u8]] {
        match self {
            Self::None => &[],
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Http2Or1 => &[b"h2", b"http/1.1"],
        }
    }
}

/// Whom to trust besides a target's own CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roots {
    /// The target's own CA, if it has one, else the machine's.
    OwnElseMachine,
    /// Both.
    OwnAndMachine,
}

/// The TLS settings of all targets, each kept for as long as a target uses it.
#[derive(Debug, Default)]
pub(in crate::probes) struct Trust {
    machine: OnceLock<Result<Arc<RootCertStore>, Box<str>>>,
    configs: Mutex<BTreeMap<[u8; 32], Weak<ClientConfig>>>,
}

impl Trust {
    /// The settings for calling a target.
    pub(in crate::probes) fn config(&self, tls: &Tls, protocols: Protocols) -> Result<Arc<ClientConfig>, Error> {
        let fingerprint = fingerprint(tls, protocols);
        if let Some(known) = self.configs.lock().get(&fingerprint).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let config = Arc::new(self.build(tls, Roots::OwnElseMachine, protocols)?);
        let mut configs = self.configs.lock();
        configs.retain(|_, config| config.strong_count() > 0);
        configs.insert(fingerprint, Arc::downgrade(&config));
        Ok(config)
    }

    /// The settings for calling a target's token endpoint, which may be within its own PKI or anywhere.
    pub(in crate::probes) fn token_config(&self, tls: &Tls) -> Result<ClientConfig, Error> {
        self.build(tls, Roots::OwnAndMachine, Protocols::Http2Or1)
    }

    fn build(&self, tls: &Tls, roots: Roots, protocols: Protocols) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_root_certificates(self.roots(tls.ca_pem.as_deref(), roots)?);
        let mut config = match &tls.identity_pem {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = read_identity(identity)?;
                builder.with_client_auth_cert(chain, key).map_err(Error::Identity)?
            }
        };
        config.alpn_protocols = protocols.names().iter().map(|name| name.to_vec()).collect();
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn roots(&self, own: Option<&[u8]>, roots: Roots) -> Result<Arc<RootCertStore>, Error> {
        let Some(own) = own else {
            return self.machine().map_err(|problem| Error::NoMachineRoots(problem.into()));
        };
        let mut store = match (roots, self.machine()) {
            (Roots::OwnAndMachine, Ok(machine)) => RootCertStore::clone(&machine),
            (Roots::OwnElseMachine, _) | (Roots::OwnAndMachine, Err(_)) => RootCertStore::empty(),
        };
        for certificate in certificates(own).map_err(Error::CaPem)? {
            store.add(certificate).map_err(Error::CaRoot)?;
        }
        Ok(Arc::new(store))
    }

    fn machine(&self) -> Result<Arc<RootCertStore>, &str> {
        self.machine.get_or_init(read_machine_roots).as_ref().map(Arc::clone).map_err(|problem| &**problem)
    }
}

fn read_machine_roots() -> Result<Arc<RootCertStore>, Box<str>> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (usable, unusable) = store.add_parsable_certificates(found.certs);
    tracing::debug!(usable, unusable, "read the machine's trusted certificates");
    if usable > 0 {
        return Ok(Arc::new(store));
    }
    Err(found.errors.first().map_or_else(|| "none was found".into(), |error| error.to_string().into()))
}

fn read_identity(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = certificates(&identity.chain_pem).map_err(Error::ChainPem)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.expose()).map_err(|_| Error::KeyPem)?;
    Ok((chain, key))
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Option<rustls::pki_types::pem::Error>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(Some)?;
    if found.is_empty() { Err(None) } else { Ok(found) }
}

/// Two settings are the same if these are: the private key takes part, but cannot be read back.
pub(in crate::probes) fn fingerprint(tls: &Tls, protocols: Protocols) -> [u8; 32] {
    let identity = tls.identity_pem.as_ref();
    let parts = [
        tls.ca_pem.as_deref(),
        identity.map(|identity| &*identity.chain_pem),
        identity.map(|identity| identity.key_pem.expose()),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    hash.update([protocols as u8]);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn with_own_ca() -> Tls {
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        Tls { ca_pem: Some(certificate.cert.pem().into_bytes().into()), ..Tls::default() }
    }

    #[test]
    fn targets_with_the_same_settings_share_one_config() {
        let trust = Trust::default();
        let tls = with_own_ca();
        let first = trust.config(&tls, Protocols::Http1).unwrap();
        assert!(Arc::ptr_eq(&first, &trust.config(&tls.clone(), Protocols::Http1).unwrap()));
        assert!(!Arc::ptr_eq(&first, &trust.config(&tls, Protocols::Http2).unwrap()));
        assert!(!Arc::ptr_eq(&first, &trust.config(&with_own_ca(), Protocols::Http1).unwrap()));
    }

    #[test]
    fn settings_that_nobody_uses_are_forgotten() {
        let trust = Trust::default();
        drop(trust.config(&with_own_ca(), Protocols::Http1).unwrap());
        let kept = trust.config(&with_own_ca(), Protocols::Http1).unwrap();
        assert_eq!(trust.configs.lock().len(), 1);
        drop(kept);
    }

    #[test]
    fn a_broken_ca_a_broken_key_and_a_pair_that_does_not_match_are_told_apart() {
        let trust = Trust::default();
        let ca = with_own_ca();
        let broken = Tls { ca_pem: Some(b"no pem".as_slice().into()), ..Tls::default() };
        assert!(matches!(trust.config(&broken, Protocols::None), Err(Error::CaPem(None))));

        let ours = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let with_key = |key: &str| Tls {
            identity_pem: Some(Identity {
                chain_pem: ours.cert.pem().into_bytes().into(),
                key_pem: Secret::new(key.as_bytes()),
            }),
            ..ca.clone()
        };
        assert!(matches!(trust.config(&with_key("no key"), Protocols::None), Err(Error::KeyPem)));
        let foreign = with_key(&other.signing_key.serialize_pem());
        assert!(matches!(trust.config(&foreign, Protocols::None), Err(Error::Identity(_))));
        assert!(trust.config(&with_key(&ours.signing_key.serialize_pem()), Protocols::None).is_ok());
    }
}
