//! `tls`: whom a probe trusts, and how it shows who it is.

use super::attachments::Attachments;
use crate::config::probe::{Identity, Tls};
use crate::config::raw::section::Section;
use crate::config::raw::tree::Kind;
use crate::config::secret::Secret;

/// `tls` of a probe that has TLS anyway: a table, or nothing. `true`, which a TCP probe may have left in the defaults, says
/// nothing new.
pub(crate) fn of_probe(section: &mut Section<'_>, attachments: &Attachments) -> Option<Tls> {
    let field = section.take("tls")?;
    if let Kind::Boolean(_) = field.value().kind {
        return None;
    }
    Some(tls(section.section("tls"), attachments))
}

/// Reads and finishes the table.
pub(crate) fn tls(mut section: Section<'_>, attachments: &Attachments) -> Tls {
    let ca_pem = section.take("ca_file").and_then(|field| attachments.authorities(&field));
    let (chain, key) = (section.take("cert_file"), section.take("key_file"));
    let identity_pem = match (&chain, &key) {
        (Some(chain), Some(key)) => attachments
            .identity(chain, key)
            .map(|(chain_pem, key_pem)| Identity { chain_pem, key_pem: Secret::new(&key_pem) }),
        (Some(alone), None) | (None, Some(alone)) => {
            alone.fail("a certificate and its key go together", "Write both `cert_file` and `key_file`");
            None
        }
        (None, None) => None,
    };
    let server_name = section.take("server_name").and_then(|field| {
        let name = field.filled_text()?;
        if rustls::pki_types::ServerName::try_from(name).is_err() {
            field.fail(&format!("{} is not a server's name", field.shown()), "Write a name in ASCII or an IP address");
            return None;
        }
        Some(name.into())
    });
    section.not_in_this_version(&["insecure_skip_verify", "insecure", "min_version"]);
    section.finish();
    Tls { ca_pem, identity_pem, server_name }
}
