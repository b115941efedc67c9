//! What a TLS failure means, in words, with the alert's name from RFC 8446 (6.2) as its code.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::clock;
use crate::domain::observation::{Failure, Reason};
use crate::domain::time::Timestamp;
use crate::probes::failure::{NO_CODE, coded};

/// The TLS library's error within `error`, if it is one.
pub(in crate::probes) fn fault(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    if let Some(fault) = inner.downcast_ref::<rustls::Error>() {
        return Some(fault);
    }
    let mut cause = inner.source();
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<rustls::Error>() {
            return Some(fault);
        }
        cause = error.source();
    }
    None
}

/// `fault` in words.
pub(in crate::probes) fn failure(fault: &rustls::Error, peer: &impl Display) -> Failure {
    if let rustls::Error::InvalidCertificate(certificate) = fault {
        let (code, what) = certificate_words(certificate);
        return coded(Reason::Tls, code, format!("the certificate of {peer} {what}"));
    }
    if let rustls::Error::AlertReceived(alert) = fault {
        let code = snake_case(&format!("{alert:?}"));
        let message = format!("{peer} refused our side of the TLS handshake: {}", code.replace('_', " "));
        return coded(Reason::Tls, code, message);
    }
    let code = if matches!(fault, rustls::Error::NoApplicationProtocol) { "no_application_protocol" } else { NO_CODE };
    let speaks_tls = !matches!(fault, rustls::Error::InvalidMessage(_));
    let what = if speaks_tls { fault.to_string() } else { "what answers there does not speak TLS".to_owned() };
    coded(Reason::Tls, code, format!("no TLS handshake with {peer}: {what}"))
}

/// When a certificate that was refused for it ended.
pub(super) fn expiry_of_refused(fault: &rustls::Error) -> Option<Timestamp> {
    let rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) = fault else {
        return None;
    };
    Some(timestamp(*not_after))
}

/// How webpki names it; rustls passes it on as it is.
const AN_AUTHORITY: &str = "CaUsedAsEndEntity";

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of rustls', which is never exhausted")]
fn certificate_words(error: &CertificateError) -> (&'static str, String) {
    match error {
        CertificateError::Expired => ("certificate_expired", "has expired".to_owned()),
        CertificateError::ExpiredContext { not_after, .. } => {
            ("certificate_expired", format!("expired on {}", clock::format(timestamp(*not_after))))
        }
        CertificateError::NotValidYet => ("certificate_expired", "is not valid yet".to_owned()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            ("certificate_expired", format!("is not valid before {}", clock::format(timestamp(*not_before))))
        }
        CertificateError::Revoked => ("certificate_revoked", "was revoked".to_owned()),
        CertificateError::UnknownIssuer => {
            ("unknown_ca", "was signed by none of the certificates that are trusted here".to_owned())
        }
        CertificateError::NotValidForName => ("bad_certificate", "is for another name".to_owned()),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // They come as `DnsName("shop.example")`.
            let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            ("bad_certificate", format!("is for {names}, not for {}", expected.to_str()))
        }
        CertificateError::BadSignature => ("decrypt_error", "has a signature that is wrong".to_owned()),
        // What whoever makes a certificate with one line of openssl gets.
        CertificateError::Other(error) if error.to_string() == AN_AUTHORITY => {
            ("bad_certificate", "is an authority's (CA:TRUE) and not a server's".to_owned())
        }
        CertificateError::Other(error) => ("bad_certificate", format!("cannot be accepted: {error}")),
        other => ("bad_certificate", format!("cannot be accepted: {other}")),
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp::default().plus(Duration::from_secs(time.as_secs()))
}

/// `UnknownCA` as `unknown_ca`.
fn snake_case(camel: &str) -> String {
    let mut snake = String::new();
    let mut after_small = false;
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && after_small {
            snake.push('_');
        }
        after_small = letter.is_ascii_lowercase();
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::AlertDescription;

    #[test]
    fn what_is_not_rustls_own_is_told_without_its_wrapping() {
        let words = |said| {
            let error = rustls::OtherError(std::sync::Arc::new(std::io::Error::other(said)));
            certificate_words(&CertificateError::Other(error)).1
        };
        assert_eq!(words("CaUsedAsEndEntity"), "is an authority's (CA:TRUE) and not a server's");
        assert_eq!(words("BadDer"), "cannot be accepted: BadDer");
    }

    #[test]
    fn an_alerts_name_is_written_as_in_the_rfc() {
        for (alert, name) in [
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::CertificateRequired, "certificate_required"),
            (AlertDescription::HandshakeFailure, "handshake_failure"),
        ] {
            assert_eq!(&*failure(&rustls::Error::AlertReceived(alert), &"example:443").code, name);
        }
    }
}
