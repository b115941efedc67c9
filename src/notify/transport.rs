//! The IO half of every channel that speaks HTTP: sends a request and says what came of it.
//!
//! It never follows a redirect (a signed message goes where the config says, or nowhere), takes no proxy from the
//! environment, and keeps its connection. Whether an answer may be retried is decided by the channel's own file; what
//! is kept of its words has no secret in it.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, StatusCode, Url, redirect};

use super::confidential::Confidential;
use super::request::{Answer, Request, Verdict};
use crate::clock::{self, Clock};
use crate::config::Secret;
use crate::domain::delivery::{LONGEST_ASKED, Outcome};
use crate::domain::time::Timestamp;

/// How much of an answer is read: enough for those that repeat the message (Discord's, with each Korean letter in six
/// bytes, is the longest), since one that was cut is no JSON any more.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// A receiver cannot make a message wait longer than this at a time.
const RETRY_AFTER_MAX: Duration = LONGEST_ASKED;
/// An idle connection is closed before the servers in use today close theirs (nginx: 75 s, most balancers: 60 s).
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A client for one channel.
pub(super) struct Transport {
    client: reqwest::Client,
    timeout: Duration,
    confidential: Confidential,
}

/// `url` as an address that can be called.
pub(super) fn callable(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

impl Transport {
    /// A client for `urls` whose attempts take no longer than `timeout`, and whose errors never repeat the `secrets` or
    /// what of a URL lets one in.
    pub(super) fn new(urls: &[Url], secrets: &[Secret], timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .pool_idle_timeout(IDLE_MAX)
            .build()?;
        Ok(Self { client, timeout, confidential: Confidential::new(urls, secrets) })
    }

    /// Makes one attempt; `judge` says what an answer means.
    pub(super) async fn send(&self, request: Request, judge: fn(&Answer<'_>) -> Verdict, clock: &Clock) -> Outcome {
        let Request { method, url, headers, body } = request;
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        let request = headers
            .into_iter()
            .fold(self.client.request(method, url), |request, (name, value)| request.header(name, value));
        match request.body(body).send().await {
            Ok(response) => self.judge_response(response, judge, clock).await,
            Err(error) => self.judge_error(&error.without_url()),
        }
    }

    async fn judge_response(&self, response: Response, judge: fn(&Answer<'_>) -> Verdict, clock: &Clock) -> Outcome {
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (body, broke_off) = beginning(response).await;
        let retry_after = asked.and_then(|asked| retry_after(&asked, clock.now()));
        let words = self.confidential.clean_beginning(&body, ANSWER_MAX_BYTES);
        let verdict = match judge(&Answer { status: status.as_u16(), retry_after, body: &body }) {
            // Half a body says neither yes nor no.
            Verdict::Permanent if broke_off && status.is_success() => Verdict::Transient { retry_after },
            verdict @ (Verdict::Delivered | Verdict::Transient { .. } | Verdict::Permanent) => verdict,
        };
        outcome(status, &words, verdict)
    }

    fn judge_error(&self, error: &reqwest::Error) -> Outcome {
        let error = if error.is_timeout() {
            format!("no answer within {:?}", self.timeout)
        } else {
            let what = if error.is_connect() { "no connection" } else { "the request failed" };
            format!("{what}: {}", self.confidential.clean(&root_cause(error)))
        };
        Outcome::Transient { error: error.into(), retry_after: None }
    }
}

/// The first bytes of an answer, and whether it broke off. It is read even where nobody needs it, so that the connection
/// can be kept; an answer that breaks off has still said its status.
async fn beginning(mut response: Response) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return (read, false),
            Err(_) => return (read, true),
        };
        let room = ANSWER_MAX_BYTES - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            return (read, false);
        }
    }
}

/// A verdict with the receiver's words, which are scrubbed and cut by now.
fn outcome(status: StatusCode, words: &str, verdict: Verdict) -> Outcome {
    let said = if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
    match verdict {
        Verdict::Delivered => Outcome::Delivered,
        Verdict::Transient { retry_after } => {
            Outcome::Transient { error: said.into(), retry_after: retry_after.map(|pause| pause.min(RETRY_AFTER_MAX)) }
        }
        Verdict::Permanent if status.is_redirection() => {
            let error = format!("{said} (redirects are not followed: put the final address into the channel's url)");
            Outcome::Permanent { error: error.into() }
        }
        Verdict::Permanent => Outcome::Permanent { error: said.into() },
    }
}

/// The pause that a `Retry-After` asks for, in seconds or until a date (RFC 9110, 10.2.3); `None` if it is neither.
fn retry_after(asked: &str, now: Timestamp) -> Option<Duration> {
    let asked = asked.trim();
    let pause = match asked.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => clock::parse_http_date(asked).ok()?.since(now),
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    let mut words = error.to_string();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        clock::parse("2024-06-01T10:00:00Z").unwrap()
    }

    fn judged(status: u16, words: &str) -> Outcome {
        let verdict = Answer { status, retry_after: Some(Duration::from_secs(9)), body: b"" }.by_status();
        outcome(StatusCode::from_u16(status).unwrap(), words, verdict)
    }

    #[track_caller]
    fn check(status: u16, expected: &str) {
        let kind = match judged(status, "words") {
            Outcome::Delivered => "delivered",
            Outcome::Transient { retry_after: Some(_), .. } => "transient",
            Outcome::Transient { retry_after: None, .. } => "transient, the pause forgotten",
            Outcome::Permanent { .. } => "permanent",
        };
        assert_eq!(kind, expected, "{status}");
    }

    #[test]
    fn an_answer_is_delivered_transient_or_permanent_by_its_status() {
        for status in [200, 201, 202, 204, 299] {
            check(status, "delivered");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            check(status, "transient");
        }
        for status in [301, 302, 304, 308, 400, 401, 403, 404, 405, 410, 413, 422] {
            check(status, "permanent");
        }
    }

    #[test]
    fn the_pause_is_read_as_seconds_or_as_a_date() {
        for (asked, seconds) in [("0", 0), (" 17 ", 17), ("Sat, 01 Jun 2024 10:00:30 GMT", 30)] {
            assert_eq!(retry_after(asked, now()), Some(Duration::from_secs(seconds)), "{asked}");
        }
    }

    #[test]
    fn a_pause_is_held_between_nothing_and_an_hour() {
        for (asked, seconds) in
            [("86400", 3_600), ("Sun, 02 Jun 2024 10:00:00 GMT", 3_600), ("Fri, 31 May 2024 10:00:00 GMT", 0)]
        {
            assert_eq!(retry_after(asked, now()), Some(Duration::from_secs(seconds)), "{asked}");
        }
    }

    #[test]
    fn a_pause_that_is_no_pause_is_not_guessed() {
        for asked in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(asked, now()), None, "{asked}");
        }
    }

    #[test]
    fn a_redirect_says_what_to_do() {
        let outcome = judged(302, "");
        let Outcome::Permanent { error } = outcome else { panic!("{outcome:?}") };
        insta::assert_snapshot!(error, @"302 Found (redirects are not followed: put the final address into the channel's url)");
    }

    #[test]
    fn only_http_with_a_host_can_be_called() {
        assert!(callable("https://hooks.example/x").is_some());
        for url in ["", "hooks.example/x", "ftp://hooks.example", "http://", "mailto:a@b.example"] {
            assert_eq!(callable(url), None, "{url}");
        }
    }
}
