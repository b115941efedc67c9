//! An HTTP request as it goes on the wire, and what its answer means.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::config::channel::Login;

/// This program, as it calls itself to receivers. Discord turns away who calls himself nothing.
pub(super) const PROGRAM: &str = concat!("breakwater/", env!("CARGO_PKG_VERSION"));

/// An HTTP request as it goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Request {
    /// A POST of JSON.
    pub(super) fn json(url: String, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("texts, numbers and lists of them are always JSON");
        let headers = vec![("content-type", "application/json".to_owned()), ("user-agent", PROGRAM.to_owned())];
        Self { method: "POST", url, headers, body }
    }

    /// The same with the proof of who we are.
    pub(super) fn authorized(mut self, login: &Login) -> Self {
        let value = match login {
            Login::None => return self,
            Login::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.text())))
            }
            Login::Bearer(token) => format!("Bearer {}", token.text()),
        };
        self.headers.push(("authorization", value));
        self
    }
}

/// An answer, as far as it was read.
#[derive(Debug, Clone)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// The pause that `Retry-After` asks for.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of the body.
    pub(super) body: &'a [u8],
}

/// What an answer means.
///
/// A good status alone is not believed where the vendor's body says more. Where the body is the vendor's and says no,
/// its reason decides. Where it is not the vendor's (a proxy's page), nobody took the message, and it is sent again;
/// except to chats that many programs imitate in their own words (Slack's, Mattermost's, a workflow's): there a message
/// that did arrive would be repeated for a day, so it becomes a dead letter, which somebody sees and sends again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    Transient { retry_after: Option<Duration> },
    Permanent,
}

impl Answer<'_> {
    /// What HTTP itself says: 2xx is taken, 408, 425, 429 and 5xx may work later, all else never.
    pub(super) const fn by_status(&self) -> Verdict {
        match self.status {
            200..=299 => Verdict::Delivered,
            408 | 425 | 429 | 500.. => Verdict::Transient { retry_after: self.retry_after },
            _ => Verdict::Permanent,
        }
    }

    /// Whether its status is a good one.
    pub(super) const fn is_good(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Taken if the body has this member, as the vendor's has; else sent again.
    pub(super) fn by_member(&self, member: &str) -> Verdict {
        if self.is_good() && self.member(member).is_none() {
            return Verdict::Transient { retry_after: self.retry_after };
        }
        self.by_status()
    }

    /// Taken if the body is the word `ok`, or JSON that says so in one of the usual ways.
    pub(super) fn by_ok(&self) -> Verdict {
        let says_so = || ["ok", "success"].iter().any(|name| self.member(name) == Some(Value::Bool(true)));
        if self.is_good() && self.body.trim_ascii() != b"ok" && !says_so() {
            return Verdict::Permanent;
        }
        self.by_status()
    }

    /// A member of a JSON body.
    pub(super) fn member(&self, name: &str) -> Option<Value> {
        serde_json::from_slice::<Value>(self.body).ok()?.get(name).cloned()
    }

    /// The number at a path of members of a JSON body.
    pub(super) fn number(&self, path: &[&str]) -> Option<f64> {
        let body: Value = serde_json::from_slice(self.body).ok()?;
        path.iter().try_fold(&body, |value, member| value.get(member))?.as_f64()
    }

    /// A pause in seconds at a path of members of a JSON body; without one, the header's.
    pub(super) fn pause(&self, path: &[&str]) -> Option<Duration> {
        let seconds = self.number(path).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.or(self.retry_after)
    }
}
