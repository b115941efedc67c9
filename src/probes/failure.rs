//! How failures are put into words, and which errors of the system mean what.
//!
//! Messages are sentences for people, at most 300 characters, and carry no secret: no URL beyond host and port, no value
//! of a header, nothing of what was sent.

use std::fmt::Display;
use std::io;

use crate::domain::observation::{Failure, Reason};

use super::tls;
use super::trace::{Stage, Trace};

/// Where there is no code to look up.
pub(super) const NO_CODE: &str = "N/A";

const MESSAGE_CHARACTERS_MAX: usize = 300;

/// A failure with its code.
pub(super) fn coded(reason: Reason, code: impl Into<Box<str>>, message: impl Into<String>) -> Failure {
    Failure { reason, message: at_most(message.into(), MESSAGE_CHARACTERS_MAX).into(), code: code.into() }
}

/// A sentence for people that is no failure, as short as a failure's.
pub(super) fn sentence(text: String) -> Box<str> {
    at_most(text, MESSAGE_CHARACTERS_MAX).into()
}

/// A failure without a code.
pub(super) fn plain(reason: Reason, message: impl Into<String>) -> Failure {
    coded(reason, NO_CODE, message)
}

/// The deadline passed in `trace`'s stage.
pub(super) fn timed_out(trace: &Trace, peer: &impl Display) -> Failure {
    let deadline = trace.deadline();
    let doing = match trace.stage() {
        Stage::Between => "the probe was not done",
        Stage::FetchingToken => "the token endpoint had not answered",
        Stage::Resolving => "the name was not resolved",
        Stage::Connecting => "there was no connection",
        Stage::Tunnelling => "the proxy had not answered",
        Stage::Handshaking => "the TLS handshake was not done",
        Stage::Sending => "the request was not taken",
        Stage::Processing => "no answer had come",
        Stage::Transferring => "the answer was not whole",
    };
    plain(Reason::Timeout, format!("{doing} after {deadline:?} ({peer})"))
}

/// `error` came while connecting to `peer`.
pub(super) fn connecting(error: &io::Error, peer: &impl Display) -> Failure {
    let code = code(error);
    if is_ours(error) {
        return coded(Reason::Internal, code, format!("this node could not connect to {peer}: {}", words(error)));
    }
    coded(Reason::Connect, code, format!("no connection to {peer}: {}", words(error)))
}

/// `error` came on a connection to `peer`.
pub(super) fn talking(error: &io::Error, peer: &impl Display) -> Failure {
    if let Some(fault) = tls::fault(error) {
        return tls::failure(fault, peer);
    }
    let reason = if is_ours(error) { Reason::Internal } else { Reason::Protocol };
    coded(reason, code(error), format!("the connection to {peer} broke before the answer was whole: {}", words(error)))
}

/// The system's name of `error`.
pub(super) fn code(error: &io::Error) -> &'static str {
    let Some(number) = error.raw_os_error() else { return NO_CODE };
    NAMES.iter().find(|(known, _)| *known == number).map_or(NO_CODE, |(_, name)| name)
}

/// Whether `error` is this machine's: it says nothing of the target.
pub fn is_ours(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| OURS.contains(&number))
}

/// `text`, cut with an ellipsis to `characters`, control characters made blanks.
pub(super) fn at_most(text: String, characters: usize) -> String {
    let harmless = !text.contains(char::is_control);
    if harmless && text.len() <= characters {
        return text;
    }
    let blank = |character: char| if character.is_control() { ' ' } else { character };
    if text.chars().count() <= characters {
        return text.chars().map(blank).collect();
    }
    text.chars().take(characters - 1).map(blank).chain(['…']).collect()
}

/// The system's words for `error`, or those of whoever made it.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// Descriptors, memory, local ports, and this machine's own packet filter.
const OURS: [i32; 7] =
    [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EADDRNOTAVAIL, libc::EPERM, libc::EACCES];

const NAMES: [(i32, &str); 18] = [
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ECONNRESET, "ECONNRESET"),
    (libc::ECONNABORTED, "ECONNABORTED"),
    (libc::ENOTCONN, "ENOTCONN"),
    (libc::EPIPE, "EPIPE"),
    (libc::ETIMEDOUT, "ETIMEDOUT"),
    (libc::EHOSTUNREACH, "EHOSTUNREACH"),
    (libc::EHOSTDOWN, "EHOSTDOWN"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ENETDOWN, "ENETDOWN"),
    (libc::EINVAL, "EINVAL"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENFILE, "ENFILE"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::EPERM, "EPERM"),
    (libc::EACCES, "EACCES"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_the_targets_and_a_lack_of_descriptors_is_ours() {
        for (number, reason, code) in [
            (libc::ECONNREFUSED, Reason::Connect, "ECONNREFUSED"),
            (libc::EHOSTUNREACH, Reason::Connect, "EHOSTUNREACH"),
            (libc::EMFILE, Reason::Internal, "EMFILE"),
            (libc::ENFILE, Reason::Internal, "ENFILE"),
            (libc::ENOMEM, Reason::Internal, "ENOMEM"),
            (libc::EADDRNOTAVAIL, Reason::Internal, "EADDRNOTAVAIL"),
        ] {
            let failure = connecting(&io::Error::from_raw_os_error(number), &"example:80");
            assert_eq!((failure.reason, &*failure.code), (reason, code));
        }
    }

    #[test]
    fn a_message_has_at_most_300_characters_and_none_that_controls_a_terminal() {
        let failure = plain(Reason::Protocol, "\u{1b}[31mé".repeat(200));
        assert_eq!(failure.message.chars().count(), 300);
        assert!(!failure.message.contains(char::is_control));
        assert!(failure.message.ends_with('…'));
    }

    #[test]
    fn a_message_names_the_peer_and_the_systems_words() {
        let failure = connecting(&io::Error::from_raw_os_error(libc::ECONNREFUSED), &"[::1]:80");
        assert_eq!(&*failure.message, "no connection to [::1]:80: connection refused");
    }
}
