//! One target's probe: fresh or kept connection, redirects, tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::config::probe::{Connection, HttpProbe};
use crate::domain::observation::{Failure, Observation, Reason};
use crate::probes::error::Error;
use crate::probes::failure::{self, coded, plain};
use crate::probes::trace::Trace;

use super::answer::{Answer, Outcome, told};
use super::hop::{Hop, Link, Protocol};
use super::http1;
use super::redirect::{self, REDIRECTS_MAX};
use super::shared::Shared;
use super::token::TokenSource;

/// With [`Connection::Mixed`], every so manieth probe dials.
const MIXED_DIALS_EVERY: u32 = 10;

/// A prepared HTTP probe.
#[derive(Debug)]
pub(in crate::probes) struct HttpTarget {
    shared: Arc<Shared>,
    first: Hop,
    tokens: Option<Arc<TokenSource>>,
    kept: Mutex<Option<Link>>,
    turns: AtomicU32,
    /// Somebody else judges the body.
    wants_body: bool,
}

/// An exchange that failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    /// Nothing of an answer had arrived: on a kept connection, that one was gone.
    pub(super) unanswered: bool,
}

impl HttpTarget {
    pub(in crate::probes) fn prepare(shared: &Arc<Shared>, probe: &Arc<HttpProbe>) -> Result<Self, Error> {
        Ok(Self {
            first: Hop::prepare(shared, probe)?,
            tokens: shared.token_source(probe)?,
            kept: Mutex::new(None),
            turns: AtomicU32::new(0),
            wants_body: false,
            shared: Arc::clone(shared),
        })
    }

    /// A request whose body is read by the one who makes it, with [`HttpTarget::read`]; the probe checks none of it.
    pub(in crate::probes) fn prepare_reading(shared: &Arc<Shared>, probe: &Arc<HttpProbe>) -> Result<Self, Error> {
        Ok(Self { wants_body: true, ..Self::prepare(shared, probe)? })
    }

    pub(in crate::probes) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = self.begin(deadline);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome.map(drop),
            Err(_) => Err(self.timed_out(&trace)),
        };
        trace.finish(outcome, self.first.probe.max_latency)
    }

    pub(in crate::probes) fn begin(&self, deadline: Duration) -> Trace {
        Trace::begin(self.shared.clock, deadline).warning(self.first.probe.warn_before)
    }

    /// One request, and all of the answer's body.
    pub(in crate::probes) async fn read(&self, trace: &mut Trace) -> Result<Vec<u8>, Failure> {
        self.run(trace).await
    }

    pub(in crate::probes) fn timed_out(&self, trace: &Trace) -> Failure {
        failure::timed_out(trace, &self.first.target)
    }

    async fn run(&self, trace: &mut Trace) -> Result<Vec<u8>, Failure> {
        match &self.tokens {
            None => self.request(None, trace).await,
            Some(tokens) => Box::pin(self.run_with_token(tokens, trace)).await,
        }
    }

    /// A token that the target refuses may have been revoked: once, a new one is tried.
    async fn run_with_token(&self, tokens: &TokenSource, trace: &mut Trace) -> Result<Vec<u8>, Failure> {
        let token = tokens.token(trace).await?;
        let outcome = self.request(Some(&token.value), trace).await;
        let refused = outcome.as_ref().is_err_and(|failure| failure.reason == Reason::Auth);
        if !refused || trace.status_code != Some(401) {
            return outcome;
        }
        tokens.forget(&token).await;
        if token.is_new {
            return outcome;
        }
        let token = tokens.token(trace).await?;
        self.request(Some(&token.value), trace).await
    }

    async fn request(&self, token: Option<&HeaderValue>, trace: &mut Trace) -> Result<Vec<u8>, Failure> {
        match self.first_hop(token, trace).await? {
            Outcome::Good(body) => Ok(body),
            Outcome::Redirect { status, location } => Box::pin(self.follow(status, location, token, trace)).await,
        }
    }

    async fn first_hop(&self, token: Option<&HeaderValue>, trace: &mut Trace) -> Result<Outcome, Failure> {
        if let Some(link) = self.take_kept().await {
            trace.begin_request();
            trace.certificate_expires_at = link.certificate_expires_at;
            match Box::pin(self.exchange(&self.first, link, token, trace)).await {
                Err(fault) if fault.unanswered => {
                    // It was closed between our look at it and the request. A probe is made again and again anyway, so
                    // that making it once more is safe whatever its method.
                    tracing::debug!(target = %self.first.target, "the kept connection was gone, dialling");
                }
                other => return other.map_err(|fault| fault.failure),
            }
        }
        trace.begin_request();
        let link = self.first.dial(trace).await?;
        self.exchange(&self.first, link, token, trace).await.map_err(|fault| fault.failure)
    }

    async fn follow(
        &self,
        mut status: u16,
        mut location: Box<str>,
        token: Option<&HeaderValue>,
        trace: &mut Trace,
    ) -> Result<Vec<u8>, Failure> {
        let mut from = Arc::clone(&self.first.probe);
        for _ in 0..REDIRECTS_MAX {
            let next = redirect::target(&from.url, &location).and_then(|url| redirect::request(&from, status, url));
            let next = next.map_err(|problem| {
                let message = format!("{}: not followed to {}", told(status), problem.0);
                coded(Reason::HttpStatus, status.to_string(), message)
            })?;
            // Once it has left its origin, a request has no credentials, wherever it goes from there.
            let token = token.filter(|_| next.auth == self.first.probe.auth);
            let hop = Hop::prepare(&self.shared, &Arc::new(next))
                .map_err(|error| plain(Reason::Internal, format!("a redirect could not be followed: {error}")))?;
            trace.begin_request();
            let link = hop.dial(trace).await?;
            match self.exchange(&hop, link, token, trace).await.map_err(|fault| fault.failure)? {
                Outcome::Good(body) => return Ok(body),
                Outcome::Redirect { status: next_status, location: next_location } => {
                    (status, location) = (next_status, next_location);
                }
            }
            from = hop.probe;
        }
        let message = format!("{}, the last of {REDIRECTS_MAX} redirects that are followed", told(status));
        Err(coded(Reason::HttpStatus, status.to_string(), message))
    }

    async fn exchange(
        &self,
        hop: &Hop,
        mut link: Link,
        token: Option<&HeaderValue>,
        trace: &mut Trace,
    ) -> Result<Outcome, Fault> {
        let keeps = hop.probe.connection != Connection::Fresh && std::ptr::eq(hop, &self.first);
        let mut answer = Answer::new(&hop.probe, keeps, self.wants_body);
        let reusable = match &mut link.protocol {
            Protocol::Http1(stream) => {
                let request = hop.request.wire(token);
                let is_head = hop.request.is_head();
                http1::exchange(stream, &request, is_head, &hop.target, &mut answer, trace).await?
            }
            Protocol::Http2(connection) => Box::pin(connection.exchange(hop, token, &mut answer, trace)).await?,
        };
        if keeps && reusable {
            *self.kept.lock() = Some(link);
        } else if let Protocol::Http1(stream) = link.protocol {
            stream.close().await;
        }
        answer.finish().await.map_err(|failure| Fault { failure, unanswered: false })
    }

    /// The kept connection, if one is wanted and there is one that has not ended.
    async fn take_kept(&self) -> Option<Link> {
        let wanted = match self.first.probe.connection {
            Connection::Fresh => false,
            Connection::Kept => true,
            Connection::Mixed => !self.turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(MIXED_DIALS_EVERY),
        };
        if !wanted {
            return None;
        }
        let mut link = self.kept.lock().take()?;
        let is_open = match &mut link.protocol {
            Protocol::Http1(stream) => stream.is_quiet().await,
            Protocol::Http2(connection) => connection.is_open(),
        };
        is_open.then_some(link)
    }
}
