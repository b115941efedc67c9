//! Judges an answer as it comes in.

use http::StatusCode;

use crate::config::probe::{Auth, HttpProbe};
use crate::domain::observation::{Failure, Reason};
use crate::probes::failure::{coded, plain};
use crate::probes::trace::Trace;

use super::checks;
use super::decoder::{Flow, Head, Part};
use super::retry_after;

/// Above this, checking a body may take longer than a task should keep its thread.
pub(in crate::probes) const CHECKED_IN_PLACE_BYTES_MAX: usize = 64 * 1024;

/// What an answer leads to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is what it should be; its body, where that is wanted.
    Good(Vec<u8>),
    /// It is elsewhere.
    Redirect {
        /// The status, which says how to go there.
        status: u16,
        /// Where, as it was written.
        location: Box<str>,
    },
}

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Answer<'t> {
    probe: &'t HttpProbe,
    /// The connection is kept, so that a body is read even where nobody wants it.
    wants_connection: bool,
    /// The body is handed on, so that all of it must be there.
    wants_body: bool,
    body: Vec<u8>,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Open,
    Redirect(u16, Box<str>),
    Failed(Failure),
}

impl<'t> Answer<'t> {
    pub(super) const fn new(probe: &'t HttpProbe, wants_connection: bool, wants_body: bool) -> Self {
        Self { probe, wants_connection, wants_body, body: Vec::new(), verdict: Verdict::Open }
    }

    /// Takes the answer's next part.
    pub(super) fn take(&mut self, part: Part<'_>, trace: &mut Trace) -> Flow {
        match part {
            Part::Head(head) => self.take_head(&head, trace),
            Part::Body(bytes) => self.take_body(bytes, trace),
        }
    }

    /// The answer is read as far as it is wanted.
    pub(super) async fn finish(self) -> Result<Outcome, Failure> {
        match self.verdict {
            Verdict::Failed(failure) => return Err(failure),
            Verdict::Redirect(status, location) => return Ok(Outcome::Redirect { status, location }),
            Verdict::Open => {}
        }
        if self.wants_body {
            return Ok(Outcome::Good(self.body));
        }
        if self.body.len() <= CHECKED_IN_PLACE_BYTES_MAX {
            checks::check(&self.probe.expect_body, &self.body)?;
            return Ok(Outcome::Good(Vec::new()));
        }
        let (expected, body) = (self.probe.expect_body.clone(), self.body);
        let checked = tokio::task::spawn_blocking(move || checks::check(&expected, &body)).await;
        checked.unwrap_or_else(|_| Err(plain(Reason::Internal, "the check of the body did not end")))?;
        Ok(Outcome::Good(Vec::new()))
    }

    fn take_head(&mut self, head: &Head<'_>, trace: &mut Trace) -> Flow {
        trace.status_code = Some(head.status);
        if matches!(head.status, 429 | 503) {
            trace.retry_after = head.text("retry-after").and_then(|value| retry_after::parse(value, trace.at()));
        }
        self.verdict = self.judge(head);
        match self.verdict {
            Verdict::Open => Flow::Go,
            Verdict::Redirect(..) if self.wants_connection => Flow::Go,
            Verdict::Redirect(..) | Verdict::Failed(_) => Flow::Stop,
        }
    }

    fn judge(&self, head: &Head<'_>) -> Verdict {
        let is_redirect = matches!(head.status, 301 | 302 | 303 | 307 | 308);
        if self.probe.follow_redirects
            && is_redirect
            && let Some(location) = head.text("location")
        {
            return Verdict::Redirect(head.status, location.into());
        }
        if !self.probe.expect_status.iter().any(|range| range.contains(&head.status)) {
            return Verdict::Failed(unexpected_status(head.status, self.probe));
        }
        for (name, text) in &self.probe.expect_header {
            if head.values(name.as_str()).any(|value| contains_ignoring_case(value, text.as_bytes())) {
                continue;
            }
            let is_there = head.values(name.as_str()).next().is_some();
            let problem = if is_there { "does not" } else { "is not there" };
            let message = format!("the header {name} should contain \"{text}\", but it {problem}");
            return Verdict::Failed(plain(Reason::Assertion, message));
        }
        Verdict::Open
    }

    fn take_body(&mut self, bytes: &[u8], trace: &mut Trace) -> Flow {
        let limit = self.probe.max_body_bytes;
        let room = limit.saturating_sub(usize::try_from(trace.bytes).unwrap_or(usize::MAX));
        let is_cut = bytes.len() > room;
        let bytes = &bytes[..bytes.len().min(room)];
        trace.bytes += bytes.len() as u64;
        let is_read = self.wants_body || !self.probe.expect_body.is_empty();
        let needs_body = matches!(self.verdict, Verdict::Open) && is_read;
        if needs_body {
            self.body.extend_from_slice(bytes);
        }
        if !is_cut {
            return Flow::Go;
        }
        if needs_body {
            let message = format!("the body is longer than the {limit} bytes that are read, so it cannot be checked");
            self.verdict = Verdict::Failed(plain(Reason::Assertion, message));
        }
        Flow::Stop
    }
}

/// The status is none of the expected ones.
pub(super) fn unexpected_status(status: u16, probe: &HttpProbe) -> Failure {
    let told = told(status);
    let expected = expected(probe);
    let (reason, message) = match status {
        401 | 403 => {
            let what = match probe.auth {
                Auth::None => "the target wants credentials",
                Auth::Basic { .. } | Auth::Bearer(_) | Auth::OAuth2 { .. } => "the target refused our credentials",
            };
            (Reason::Auth, format!("{told}: {what}"))
        }
        407 if probe.proxy.is_some() => {
            (Reason::Internal, format!("{told}: the proxy wants other credentials than ours"))
        }
        429 => (Reason::RateLimited, format!("{told}: the target asks to be called less often")),
        _ => (Reason::HttpStatus, format!("{told}, expected {expected}")),
    };
    coded(reason, status.to_string(), message)
}

/// "503 Service Unavailable".
pub(in crate::probes) fn told(status: u16) -> String {
    let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    words.map_or_else(|| status.to_string(), |words| format!("{status} {words}"))
}

fn expected(probe: &HttpProbe) -> String {
    let range = |range: &std::ops::RangeInclusive<u16>| {
        let (first, last) = (range.start(), range.end());
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    probe.expect_status.iter().map(range).collect::<Vec<_>>().join(", ")
}

fn contains_ignoring_case(value: &[u8], text: &[u8]) -> bool {
    text.is_empty() || value.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
}
