//! Tokens by OAuth2 client credentials (RFC 6749, 4.4).
//!
//! All targets with the same credentials share one token, and while it is fetched they wait for one request. It is used
//! until 30 seconds before its end. Whatever the endpoint does wrong is [`Reason::Auth`].

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::config::probe::{Auth, HttpProbe};
use crate::domain::observation::{Failure, Reason};
use crate::domain::time::Moment;
use crate::probes::error::Error;
use crate::probes::failure::{self, coded, plain};
use crate::probes::tls;
use crate::probes::trace::{Stage, Trace};

use super::answer::told;
use super::credentials::{basic, bearer};
use super::request::host_and_port;
use super::retry_after;
use super::shared::Shared;

/// A token is not used in the last part of its life, so that it does not end on the way.
const MARGIN: Duration = Duration::from_secs(30);
/// For endpoints that do not say how long a token lives, which the RFC allows.
const LIFE_UNLESS_TOLD: Duration = Duration::from_secs(5 * 60);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What a form leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// Where tokens for one set of credentials come from.
#[derive(Debug)]
pub(super) struct TokenSource {
    clock: Clock,
    client: reqwest::Client,
    url: String,
    /// Host and port, for messages.
    endpoint: String,
    credentials: HeaderValue,
    form: String,
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug)]
struct Cached {
    value: HeaderValue,
    ends: Moment,
}

/// A token, as the header's value.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) value: HeaderValue,
    /// It was fetched for the one who has it.
    pub(super) is_new: bool,
}

impl TokenSource {
    /// Nothing if `probe` uses no tokens.
    pub(super) fn new(shared: &Shared, probe: &HttpProbe) -> Result<Option<Self>, Error> {
        let Auth::OAuth2 { token_url, client_id, client_secret, scope } = &probe.auth else { return Ok(None) };
        let problem = |problem| Error::Url { whose: "token endpoint", problem };
        let endpoint = host_and_port(token_url).ok_or(problem("it has no host"))?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(shared.trust.token_config(&probe.tls)?)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(shared.user_agent.clone())
            .no_proxy();
        if let Some(proxy) = &probe.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.to_string()).map_err(Error::TokenClient)?);
        }
        // The RFC wants both encoded as in a form before they become Basic credentials (2.3.1).
        let secret = String::from_utf8_lossy(client_secret.expose()).into_owned();
        let credentials = basic(encode(client_id).as_bytes(), encode(&secret).as_bytes())?;
        let scope = if scope.is_empty() { String::new() } else { format!("&scope={}", encode(scope)) };
        Ok(Some(Self {
            clock: shared.clock,
            client: builder.build().map_err(Error::TokenClient)?,
            url: token_url.to_string(),
            endpoint,
            credentials,
            form: format!("grant_type=client_credentials{scope}"),
            cached: Mutex::new(None),
        }))
    }

    /// The token that is at hand, or a new one.
    pub(super) async fn token(&self, trace: &mut Trace) -> Result<Token, Failure> {
        trace.enter(Stage::FetchingToken);
        let mut cached = self.cached.lock().await;
        let usable = cached.as_ref().filter(|token| self.clock.moment() < token.ends);
        let token = match usable {
            Some(token) => Token { value: token.value.clone(), is_new: false },
            None => {
                let fetched = self.fetch(trace).await?;
                let value = fetched.value.clone();
                *cached = Some(fetched);
                Token { value, is_new: true }
            }
        };
        trace.enter(Stage::Between);
        Ok(token)
    }

    /// The target refused `token`; if nobody has fetched another meanwhile, it is not used again.
    pub(super) async fn forget(&self, token: &Token) {
        let mut cached = self.cached.lock().await;
        if cached.as_ref().is_some_and(|cached| cached.value == token.value) {
            *cached = None;
        }
    }

    async fn fetch(&self, trace: &mut Trace) -> Result<Cached, Failure> {
        let asked = self.clock.moment();
        let request = self
            .client
            .post(&self.url)
            .header(header::AUTHORIZATION, self.credentials.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(self.form.clone());
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let wait = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok().map(str::to_owned));
        let body = self.body(answer).await?;
        let Ok(Value::Object(body)) = serde_json::from_slice(&body) else {
            let what =
                if status.is_success() { "something that is no JSON object".into() } else { told(status.as_u16()) };
            return Err(self.refused(status, &what));
        };
        if status != StatusCode::OK {
            if matches!(status.as_u16(), 429 | 503) {
                trace.retry_after = wait.and_then(|wait| retry_after::parse(&wait, trace.at()));
            }
            let told = told(status.as_u16());
            let what = match body.get("error").and_then(Value::as_str).filter(|error| is_error_code(error)) {
                Some(error) => format!("{told} ({error})"),
                None => told,
            };
            return Err(self.refused(status, &what));
        }
        let token = body.get("access_token").and_then(Value::as_str).and_then(|token| bearer(token.as_bytes()).ok());
        let Some(value) = token else { return Err(self.refused(status, "no access token that can be used")) };
        let life = body.get("expires_in").and_then(seconds).unwrap_or(LIFE_UNLESS_TOLD);
        Ok(Cached { value, ends: asked.plus(life.saturating_sub(MARGIN)) })
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.refused(answer.status(), "more than 64 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn refused(&self, status: StatusCode, what: &str) -> Failure {
        let message = format!("no token: the token endpoint {} answered {what}", self.endpoint);
        coded(Reason::Auth, status.as_u16().to_string(), message)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause = error.source();
        let mut words = "the request failed".to_owned();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>()
                && error.raw_os_error().is_some()
            {
                let reason = if failure::is_ours(error) { Reason::Internal } else { Reason::Auth };
                let message = format!("no token from the token endpoint {}: {error}", self.endpoint);
                return coded(reason, failure::code(error), message);
            }
            words = error.to_string();
            cause = error.source();
        }
        plain(Reason::Auth, format!("no token from the token endpoint {}: {words}", self.endpoint))
    }
}

/// Two probes share their token if these are the same; nothing if `probe` uses no tokens.
pub(super) fn fingerprint(probe: &HttpProbe) -> Option<[u8; 32]> {
    let Auth::OAuth2 { token_url, client_id, client_secret, scope } = &probe.auth else { return None };
    let proxy = probe.proxy.as_ref().map(Uri::to_string).unwrap_or_default();
    let mut hash = Sha256::new();
    let url = token_url.to_string();
    for part in [url.as_bytes(), client_id.as_bytes(), client_secret.expose(), scope.as_bytes(), proxy.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(tls::fingerprint(&probe.tls, tls::Protocols::None));
    Some(hash.finalize().into())
}

/// The RFC's own set (5.2): nothing that could be a secret of somebody's.
fn is_error_code(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A number of seconds, which some endpoints write as text.
fn seconds(value: &Value) -> Option<Duration> {
    let text = value.as_str().and_then(|text| text.parse::<f64>().ok());
    value.as_f64().or(text).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
