//! An HTTP request as it goes on the wire, and what its answer means.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::config::channel::Login;

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
        Self { method: "POST", url, headers: vec![("content-type", "application/json".to_owned())], body }
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

    /// The number at a path of members of a JSON body.
    pub(super) fn number(&self, path: &[&str]) -> Option<f64> {
        let body: serde_json::Value = serde_json::from_slice(self.body).ok()?;
        path.iter().try_fold(&body, |value, member| value.get(member))?.as_f64()
    }

    /// A pause in seconds at a path of members of a JSON body; without one, the header's.
    pub(super) fn pause(&self, path: &[&str]) -> Option<Duration> {
        let seconds = self.number(path).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.or(self.retry_after)
    }
}
