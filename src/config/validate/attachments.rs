//! Files that values name: secrets and certificates, each read and checked once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};

use crate::config::raw::field::Field;
use crate::config::raw::files;

/// A bundle of all public authorities has 250 KiB.
const MAX_BYTES: u64 = 1 << 20;

type Content = Arc<[u8]>;
type Verdict = Result<(), String>;

/// What was read, so that ten thousand targets that inherit a file read it once.
#[derive(Debug, Default)]
pub(crate) struct Attachments {
    contents: RefCell<BTreeMap<PathBuf, Result<Content, String>>>,
    authorities: RefCell<BTreeMap<PathBuf, Verdict>>,
    identities: RefCell<BTreeMap<(PathBuf, PathBuf), Verdict>>,
}

impl Attachments {
    /// The content of the file that a value names.
    pub(crate) fn read(&self, field: &Field<'_>) -> Option<Content> {
        let path = path(field)?;
        let mut contents = self.contents.borrow_mut();
        let content = contents.entry(path).or_insert_with_key(|path| files::read_bytes(path, MAX_BYTES).map(Arc::from));
        match content {
            Ok(bytes) => Some(Arc::clone(bytes)),
            Err(reason) => {
                field.fail(&format!("the file {} cannot be read: {reason}", field.shown()), BESIDE);
                None
            }
        }
    }

    /// A file of certificates to trust.
    pub(crate) fn authorities(&self, field: &Field<'_>) -> Option<Content> {
        let pem = self.read(field)?;
        let mut checked = self.authorities.borrow_mut();
        let verdict = checked.entry(path(field)?).or_insert_with(|| check_authorities(&pem));
        told(field, verdict).then_some(pem)
    }

    /// A certificate chain and the key that belongs to it.
    pub(crate) fn identity(&self, chain: &Field<'_>, key: &Field<'_>) -> Option<(Content, Content)> {
        let (chain_pem, key_pem) = (self.read(chain), self.read(key));
        let (chain_pem, key_pem) = (chain_pem?, key_pem?);
        let mut checked = self.identities.borrow_mut();
        let both = (path(chain)?, path(key)?);
        let verdict = checked.entry(both).or_insert_with(|| check_identity(&chain_pem, &key_pem));
        told(chain, verdict).then_some((chain_pem, key_pem))
    }

    /// The files that were asked for, also those that could not be read.
    pub(crate) fn into_paths(self) -> impl Iterator<Item = PathBuf> {
        self.contents.into_inner().into_keys()
    }
}

const BESIDE: &str = "A relative path starts in the folder of the file that names it";

fn path(field: &Field<'_>) -> Option<PathBuf> {
    Some(field.folder().join(field.filled_text()?))
}

fn told(field: &Field<'_>, verdict: &Verdict) -> bool {
    if let Err(reason) = verdict {
        field.fail(&format!("the file {} cannot be used: {reason}", field.shown()), "");
    }
    verdict.is_ok()
}

fn check_authorities(pem: &[u8]) -> Verdict {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it is damaged ({error})"))?;
    }
    Ok(())
}

fn check_identity(chain_pem: &[u8], key_pem: &[u8]) -> Verdict {
    let chain = certificates(chain_pem)?;
    // The parser's own words may repeat what stands in the file, and this is a key.
    let key =
        PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| "`key_file` holds no private key in PEM form".to_owned())?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map(|_| ()).map_err(|error| {
        if matches!(error, Error::InconsistentKeys(_)) {
            "the key in `key_file` belongs to another certificate".to_owned()
        } else {
            format!("it cannot be used with the key in `key_file` ({error})")
        }
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("it holds no certificate in PEM form".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("a certificate in it is damaged".to_owned()),
    }
}
