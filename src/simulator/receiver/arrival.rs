//! One request that arrived, and what its signature is worth.
//!
//! Signatures are those of Standard Webhooks 1.0: `webhook-signature` holds `v1,<base64>` of the HMAC-SHA256 over
//! `{webhook-id}.{webhook-timestamp}.{body}`, several separated by spaces while keys are changed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use serde_json::Value;
use sha2::Sha256;

use super::super::card::masked;
use super::Answer;
use crate::config::Secret;
use crate::domain::time::Timestamp;

/// How far a sender's clock may be off, in seconds: the specification's advice.
const TOLERANCE: i64 = 300;

/// Bytes of headers that are kept of one request.
const HEADERS_KEPT: usize = 16 * 1024;

/// What a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// Made with one of our secrets, over this id, time and body, and recently.
    Valid,
    /// It is there, and not that.
    Invalid,
    /// There is none.
    Absent,
    /// We have no secret to check it with.
    Unchecked,
}

impl fmt::Display for SignatureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Absent => "absent",
            Self::Unchecked => "unchecked",
        })
    }
}

/// One request. Its `Display` is one line for people, without the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Counts arrivals, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// How.
    pub method: String,
    /// To where, without the query.
    pub path: String,
    /// In their order, at most 16 KiB.
    pub headers: Vec<(String, String)>,
    /// As it came: it may hold what must not be shown.
    pub body: Bytes,
    /// The `webhook-id`.
    pub webhook_id: Option<String>,
    /// What its signature is worth.
    pub signature: SignatureCheck,
    /// What it was answered.
    pub answer: Answer,
}

impl Arrival {
    /// The body as text, card numbers masked.
    pub(super) fn shown_body(&self) -> String {
        masked(&String::from_utf8_lossy(&self.body))
    }

    /// Headers without what opens doors.
    pub(super) fn shown_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| {
            let is_secret = ["authorization", "proxy-authorization", "cookie"].contains(&name.as_str());
            (name.as_str(), if is_secret { "(hidden)" } else { value.as_str() })
        })
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, masked(&self.path))?;
        if let Ok(Value::Object(event)) = serde_json::from_slice(&self.body) {
            for name in ["type", "subject"] {
                if let Some(Value::String(text)) = event.get(name) {
                    write!(f, "  {}", one_line(&masked(text)))?;
                }
            }
        }
        if let Some(id) = &self.webhook_id {
            write!(f, "  id {}", one_line(&masked(id)))?;
        }
        write!(f, "  signature {}  {} bytes  answered {}", self.signature, self.body.len(), self.answer)
    }
}

/// A sender must not be able to write lines, or colours, of its own.
fn one_line(text: &str) -> String {
    text.chars().take(120).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

pub(super) fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = HEADERS_KEPT;
    headers
        .iter()
        .map_while(|(name, value)| {
            room = room.checked_sub(name.as_str().len() + value.len())?;
            Some((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        })
        .collect()
}

/// Checks a request's signature.
pub(super) fn check(headers: &HeaderMap, body: &[u8], secrets: &[Secret], now: Timestamp) -> SignatureCheck {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(signatures) = text("webhook-signature") else { return SignatureCheck::Absent };
    if secrets.is_empty() {
        return SignatureCheck::Unchecked;
    }
    let (Some(id), Some(sent_at)) = (text("webhook-id"), text("webhook-timestamp")) else {
        return SignatureCheck::Invalid;
    };
    let is_recent = sent_at.parse::<i64>().is_ok_and(|sent_at| {
        sent_at.saturating_sub(now.as_nanos().div_euclid(1_000_000_000)).unsigned_abs() <= TOLERANCE.unsigned_abs()
    });
    let is_ours = signatures
        .split(' ')
        .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
        .any(|signature| secrets.iter().any(|secret| is_made_with(secret, id, sent_at, body, &signature)));
    if is_recent && is_ours { SignatureCheck::Valid } else { SignatureCheck::Invalid }
}

fn is_made_with(secret: &Secret, id: &str, sent_at: &str, body: &[u8], signature: &[u8]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of every length");
    mac.update(format!("{id}.{sent_at}.").as_bytes());
    mac.update(body);
    // In constant time.
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT_AT: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> Secret {
        Secret::new(&STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap())
    }

    #[track_caller]
    fn is(expected: SignatureCheck, headers: &[(&'static str, &str)], secrets: &[Secret], seconds: i64) {
        let headers = headers.iter().map(|(name, value)| ((*name).try_into().unwrap(), value.parse().unwrap()));
        let now = Timestamp::from_nanos(seconds * 1_000_000_000);
        assert_eq!(check(&headers.collect(), BODY, secrets, now), expected);
    }

    #[test]
    fn a_signature_is_checked_as_the_specification_says() {
        let now = 1_614_265_330;
        let signed = [("webhook-id", ID), ("webhook-timestamp", SENT_AT), ("webhook-signature", SIGNATURE)];
        let old = Secret::new(b"old");
        is(SignatureCheck::Valid, &signed, &[secret()], now);
        is(SignatureCheck::Valid, &signed, &[old.clone(), secret()], now + 300);
        is(SignatureCheck::Invalid, &signed, &[secret()], now + 301);
        is(SignatureCheck::Invalid, &signed, &[secret()], now - 301);
        is(SignatureCheck::Invalid, &signed, &[old], now);
        is(SignatureCheck::Unchecked, &signed, &[], now);
        is(SignatureCheck::Absent, &signed[..2], &[secret()], now);
        is(SignatureCheck::Invalid, &signed[1..], &[secret()], now);
        let several = format!("v1,AAAA v1a,x {SIGNATURE}");
        let rotated = [signed[0], signed[1], ("webhook-signature", several.as_str())];
        is(SignatureCheck::Valid, &rotated, &[secret()], now);
    }

    #[test]
    fn its_line_holds_no_card_number_and_no_line_of_the_senders() {
        let arrival = Arrival {
            number: 1,
            at: Timestamp::from_nanos(0),
            method: "POST".into(),
            path: "/hook/1234-5678-9814-1451".into(),
            headers: Vec::new(),
            body: Bytes::from_static(br#"{"type":"breakwater.alert.firing","subject":"shop\n\u001b[31mfake"}"#),
            webhook_id: Some("msg_1".into()),
            signature: SignatureCheck::Valid,
            answer: Answer::OK,
        };
        insta::assert_snapshot!(arrival, @"POST /hook/1234-56**-****-1451  breakwater.alert.firing  shop  [31mfake  id msg_1  signature valid  67 bytes  answered 200");
    }
}
