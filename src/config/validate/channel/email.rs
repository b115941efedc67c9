//! `kind = "email"`.

use std::sync::Arc;

use super::keys;
use crate::config::channel::{Email, Encryption, Mailbox};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::validate::attachments::Attachments;

/// More people than this have a mailing list.
const MAX_RECIPIENTS: usize = 50;

pub(super) fn read(section: &mut Section<'_>, attachments: &Attachments) -> Option<Email> {
    let host = section.require("host", "Write host = \"smtp.example.com\"").and_then(|field| host(&field));
    let encryption = encryption(section);
    let port = section.take("port").and_then(|field| field.whole(1..=65_535));
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(match encryption {
        // RFC 6409 and RFC 8314.
        Encryption::StartTls => 587,
        Encryption::Tls => 465,
        Encryption::None => 25,
    });
    let ca_pem = section.take("ca_file").and_then(|field| attachments.authorities(&field));
    let login = keys::user(section, attachments);
    if login.is_some() && encryption == Encryption::None {
        section.warn("the password goes over the network as anybody can read it", "Leave out encryption = \"none\"");
    }
    let from = section.require("from", "Write from = \"Breakwater <breakwater@example.com>\"");
    let from = from.and_then(|field| mailbox(&field));
    let to = section.require("to", "Write to = [\"ops@example.com\"]");
    let to = to.and_then(|field| recipients(&field));
    Some(Email { host: host?, port, encryption, ca_pem, login, from: from?, to: to? })
}

fn encryption(section: &mut Section<'_>) -> Encryption {
    let words = [("starttls", Encryption::StartTls), ("tls", Encryption::Tls), ("none", Encryption::None)];
    section.take("encryption").and_then(|field| field.word(&words)).unwrap_or(Encryption::StartTls)
}

fn host(field: &Field<'_>) -> Option<Arc<str>> {
    let text = keys::line_of(field)?;
    if rustls::pki_types::ServerName::try_from(&*text).is_err() {
        field.fail(&format!("{} is not a server's name", field.shown()), "Write a name in ASCII or an IP address");
        return None;
    }
    Some(text)
}

fn recipients(field: &Field<'_>) -> Option<Vec<Mailbox>> {
    let elements = field.one_or_more();
    if elements.is_empty() || elements.len() > MAX_RECIPIENTS {
        let detail = format!("{} recipients, and there must be 1 to {MAX_RECIPIENTS}", elements.len());
        field.fail(&detail, "Write to = [\"ops@example.com\"]");
        return None;
    }
    elements.iter().map(mailbox).collect()
}

/// `ops@example.com`, or with a name before it. It is checked here so far that no sign of it can end a header.
fn mailbox(field: &Field<'_>) -> Option<Mailbox> {
    let text = keys::line_of(field)?;
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
        None => ("", &*text),
    };
    let good = |part: &str, extra: &[char]| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && part.chars().all(|sign| sign.is_ascii_alphanumeric() || extra.contains(&sign))
    };
    // The signs of an atom (RFC 5322, 3.2.3); quoted local parts are not taken.
    let local = "!#$%&'*+-/=?^_`{|}~.".chars().collect::<Vec<_>>();
    let is_address = address.rsplit_once('@').is_some_and(|(user, host)| {
        user.len() <= 64 && host.len() <= 253 && good(user, &local) && good(host, &['-', '.'])
    });
    if !is_address {
        let hint = "Write \"ops@example.com\" or \"Operations <ops@example.com>\"";
        field.fail(&format!("{} is not a mail address", field.shown()), hint);
        return None;
    }
    Some(Mailbox { name: name.into(), address: address.into() })
}
