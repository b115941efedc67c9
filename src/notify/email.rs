//! The `email` channel: a mail in plain text.
//!
//! All mails of an incident are one conversation: the first has an id that follows from the incident, the later ones
//! answer to it, whether it arrived or not. A mail that is tried again is the same mail, so that one that arrives twice
//! is shown once. `Auto-Submitted` (RFC 3834) keeps machines from answering.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as MailMailbox, Message};

use super::quote::one_line;
use super::told::{Kind, Told};
use crate::config::channel::{Email, Mailbox};
use crate::domain::time::Timestamp;

/// Letters of a subject.
const SUBJECT_MAX: usize = 200;

/// The whole mail, headers and all.
pub(super) fn render(told: &Told<'_>, email: &Email) -> Result<Vec<u8>, String> {
    let conversation = message_id(&told.key, told.node);
    let is_first = matches!(told.kind, Kind::Firing | Kind::Recorded | Kind::Test);
    let own = if is_first { conversation.clone() } else { message_id(&format!("{}/{}", told.key, told.id), told.node) };
    let mut mail = Message::builder()
        .from(mailbox(&email.from)?)
        .subject(one_line(&told.title, SUBJECT_MAX))
        .date(UNIX_EPOCH + since_epoch(told.at))
        .message_id(Some(own))
        .user_agent(concat!("breakwater/", env!("CARGO_PKG_VERSION")).to_owned())
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"));
    for recipient in &email.to {
        mail = mail.to(mailbox(recipient)?);
    }
    if !is_first {
        mail = mail.in_reply_to(conversation.clone()).references(conversation);
    }
    if told.severity == crate::domain::alert::Severity::Critical && !told.kind.is_over() {
        mail = mail.raw_header(header("X-Priority", "1"));
    }
    let mail = mail.header(ContentType::TEXT_PLAIN).body(text(told)).map_err(|error| error.to_string())?;
    Ok(mail.formatted())
}

/// The words, with the link and the key at their end.
fn text(told: &Told<'_>) -> String {
    let mut text = match &told.custom {
        Some(custom) => custom.clone(),
        None => format!("{}\n\n{}", told.title, told.text()),
    };
    if let (Some(link), None) = (&told.link, &told.custom) {
        text.push_str("\n\n");
        text.push_str(link);
    }
    text.push_str("\n\n-- \n");
    text.push_str(&told.key);
    text.push('\n');
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// A key as a message's id (RFC 5322, 3.6.4): signs that an atom has not are written by their numbers.
fn message_id(key: &str, node: &str) -> String {
    let mut left = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => left.push(char::from(byte)),
            b'/' => left.push('.'),
            _ => left.push_str(&format!("={byte:02X}")),
        }
    }
    format!("<{left}@{node}>")
}

fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_nanos().div_euclid(1_000_000_000)).unwrap_or_default())
}

pub(super) fn mailbox(mailbox: &Mailbox) -> Result<MailMailbox, String> {
    let address = mailbox.address.parse().map_err(|_| format!("{} is not a mail address", mailbox.address))?;
    Ok(MailMailbox::new(Some(mailbox.name.to_string()).filter(|name| !name.is_empty()), address))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii(name.to_owned()).expect("these names are in ASCII");
    HeaderValue::new(name, value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::examples::{delivery, every, firing, hostile, reminder, resolved, teller};
    use super::*;
    use crate::config::Language;
    use crate::config::channel::Encryption;

    fn email() -> Email {
        Email {
            host: "smtp.example.com".into(),
            port: 587,
            encryption: Encryption::StartTls,
            ca_pem: None,
            login: None,
            from: Mailbox { name: "Breakwater".into(), address: "breakwater@example.com".into() },
            to: vec![
                Mailbox { name: "운영".into(), address: "ops@example.com".into() },
                Mailbox { name: "".into(), address: "boss@example.com".into() },
            ],
        }
    }

    fn mail(told: &Told<'_>) -> String {
        let mail = String::from_utf8(render(told, &email()).unwrap()).unwrap();
        mail.replace("\r\n", "\n").replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }

    fn header_of<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
        mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[test]
    fn every_mail_as_it_is_sent() {
        insta::assert_snapshot!(every(Language::English, mail));
    }

    #[test]
    fn every_mail_in_korean() {
        insta::assert_snapshot!(every(Language::Korean, mail));
    }

    #[test]
    fn an_incident_is_one_conversation_and_a_retry_is_the_same_mail() {
        let teller = teller(Language::English);
        let (first, second, last) = (delivery(firing()), delivery(reminder()), delivery(resolved()));
        let mails = [&first, &second, &last].map(|delivery| mail(&teller.tell(delivery)));
        let root = header_of(&mails[0], "Message-ID").unwrap();
        assert_eq!(header_of(&mails[0], "In-Reply-To"), None);
        for answer in &mails[1..] {
            assert_eq!(header_of(answer, "In-Reply-To"), Some(root));
            assert_eq!(header_of(answer, "References"), Some(root));
            assert_ne!(header_of(answer, "Message-ID"), Some(root));
        }
        let mut retry = second;
        retry.attempts = 7;
        assert_eq!(mail(&teller.tell(&retry)), mails[1]);
    }

    #[test]
    fn words_cannot_become_headers_or_end_the_mail() {
        let hostile = hostile();
        let mut teller = teller(Language::English);
        teller.template = None;
        let mail = mail(&teller.tell(&hostile));
        let (head, body) = mail.split_once("\n\n").unwrap();
        assert!(!head.to_lowercase().contains("bcc:"), "{head}");
        assert!(!body.lines().any(|line| line == "."), "{body}");
    }

    #[test]
    fn a_name_of_any_script_makes_an_id_that_mail_can_carry() {
        assert_eq!(message_id("breakwater/날씨/7.1", "n"), "<breakwater.=EB=82=A0=EC=94=A8.7.1@n>");
    }
}
