//! The `email` channel: a mail in plain text.
//!
//! All mails of an incident are one conversation: the first has an id that follows from the incident, the later ones
//! answer to it, whether it arrived or not. A mail that is tried again is the same mail, so that one that arrives twice
//! is shown once. `Auto-Submitted` (RFC 3834) keeps machines from answering. The form is that of RFC 5322, its words in
//! other scripts than ASCII's that of RFC 2047; lines that begin with a dot are doubled where it is sent (RFC 5321, 4.5.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::quote::one_line;
use super::told::{Kind, Told};
use crate::clock;
use crate::config::channel::{Email, Mailbox};
use crate::domain::alert::Severity;

/// Letters of a subject.
const SUBJECT_MAX: usize = 200;
/// Bytes of an encoded word before it is encoded: a line with one, `Subject: ` included, may then have 76 signs
/// (RFC 2047, 2).
const WORD_BYTES: usize = 39;
/// Signs of a message's id before its `@`, so that three of them fit into lines of [`TEXT_LINE_MAX`].
const ID_MAX: usize = 400;
/// Bytes of a hash that stand for the rest.
const ID_HASH: usize = 16;
/// Signs of a line of a body in Base64 (RFC 2045, 6.8), and of a line of plain text (RFC 5322, 2.1.1).
const BASE64_LINE: usize = 76;
const TEXT_LINE_MAX: usize = 998;

/// The whole mail, headers and all.
pub(super) fn render(told: &Told<'_>, email: &Email) -> Vec<u8> {
    let conversation = message_id(&told.key, told.node);
    let is_first = told.group.is_some() || matches!(told.kind, Kind::Firing | Kind::Recorded | Kind::Test);
    let own = if is_first { conversation.clone() } else { message_id(&format!("{}/{}", told.key, told.id), told.node) };
    let to: Vec<String> = email.to.iter().map(mailbox).collect();
    let mut headers = vec![
        ("Date", clock::format_mail_date(told.at)),
        ("From", mailbox(&email.from)),
        ("To", to.join(",\r\n ")),
        ("Subject", words(&one_line(&told.title, SUBJECT_MAX))),
        ("Message-ID", own),
    ];
    if !is_first {
        headers.extend([("In-Reply-To", conversation.clone()), ("References", conversation)]);
    }
    headers.push(("Auto-Submitted", "auto-generated".to_owned()));
    headers.push(("X-Auto-Response-Suppress", "All".to_owned()));
    if told.severity == Severity::Critical && !told.kind.is_over() {
        headers.push(("X-Priority", "1".to_owned()));
    }
    let (encoding, body) = encoded_body(&text(told));
    headers.push(("MIME-Version", "1.0".to_owned()));
    headers.push(("Content-Type", "text/plain; charset=utf-8".to_owned()));
    headers.push(("Content-Transfer-Encoding", encoding.to_owned()));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{headers}\r\n{body}").into_bytes()
}

/// Text as a header can carry it: as it is in ASCII, else as encoded words (RFC 2047), as is what looks like one. No
/// control character gets here.
fn words(text: &str) -> String {
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut part = String::new();
    for letter in text.chars() {
        if part.len() + letter.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut part));
        }
        part.push(letter);
    }
    words.push(part);
    words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect::<Vec<_>>().join("\r\n ")
}

fn mailbox(mailbox: &Mailbox) -> String {
    let Mailbox { name, address } = mailbox;
    if name.is_empty() {
        return address.to_string();
    }
    if name.is_ascii() {
        return format!("\"{}\" <{address}>", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    format!("{}\r\n <{address}>", words(name))
}

/// The body and how it is encoded: as it is where every server takes it, else in Base64.
fn encoded_body(text: &str) -> (&'static str, String) {
    if text.is_ascii() && text.split("\r\n").all(|line| line.len() <= TEXT_LINE_MAX) {
        return ("7bit", text.to_owned());
    }
    let encoded = STANDARD.encode(text);
    let lines: String =
        encoded.as_bytes().chunks(BASE64_LINE).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect();
    ("base64", lines)
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
    if let Some(line) = told.acknowledge_line() {
        text.push_str("\n\n");
        text.push_str(&line);
    }
    text.push_str("\n\n-- \n");
    text.push_str(&told.key);
    text.push('\n');
    let lines = text.lines().map(|line| line.replace(char::is_control, " "));
    lines.map(|line| format!("{line}\r\n")).collect()
}

/// A key as a message's id (RFC 5322, 3.6.4): signs that an atom has not are written by their numbers. One that grows too
/// long by that ends in its hash.
fn message_id(key: &str, node: &str) -> String {
    let mut left = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => left.push(char::from(byte)),
            // Two dots in a row are no atom.
            b'.' | b'/' if !left.ends_with('.') => left.push('.'),
            _ => left.push_str(&format!("={byte:02X}")),
        }
    }
    if left.len() > ID_MAX {
        let hash = Sha256::digest(key);
        left.truncate(ID_MAX - 2 * ID_HASH - 1);
        left.push('-');
        left.extend(hash.iter().take(ID_HASH).map(|byte| format!("{byte:02x}")));
    }
    format!("<{left}@{}>", node.trim_end_matches('.'))
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
        let mail = String::from_utf8(render(told, &email())).unwrap();
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "{mail}");
        mail.replace("\r\n", "\n")
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
    fn a_long_subject_in_korean_is_cut_into_words_that_are_whole_letters() {
        let folded = words(&"결제".repeat(40));
        let decoded: String = folded
            .split("\r\n ")
            .map(|word| {
                assert!(word.len() <= 76 - "Subject: ".len(), "{word}");
                let inner = word.strip_prefix("=?utf-8?B?").and_then(|word| word.strip_suffix("?=")).unwrap();
                String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(decoded, "결제".repeat(40));
    }

    #[test]
    fn what_looks_like_an_encoded_word_is_read_as_it_is_written() {
        assert_eq!(words("=?utf-8?Q?evil?="), format!("=?utf-8?B?{}?=", STANDARD.encode("=?utf-8?Q?evil?=")));
    }

    #[test]
    fn a_name_of_any_script_makes_an_id_that_mail_can_carry() {
        assert_eq!(message_id("breakwater/날씨/7.1", "n"), "<breakwater.=EB=82=A0=EC=94=A8.7.1@n>");
        assert_eq!(message_id("breakwater/a..b./7.1", "n"), "<breakwater.a.=2Eb.=2F7.1@n>");
        let long = |number: u8| message_id(&format!("breakwater/{}/{number}.1", "날".repeat(64)), "n");
        assert_eq!(long(7).len(), ID_MAX + "<@n>".len());
        assert_ne!(long(7), long(8));
    }
}
