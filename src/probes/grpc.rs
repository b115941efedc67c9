//! The gRPC probe: asks a server for its own health, `grpc.health.v1.Health/Check`.
//!
//! One call over a fresh HTTP/2 connection, with TLS or without. Its two messages have one field each, and are written and
//! read here: `grpc/health/v1/health.proto` (github.com/grpc/grpc-proto) for their fields, protobuf.dev's "Encoding" for
//! their bytes, and grpc's `doc/PROTOCOL-HTTP2.md` for the way over HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use crate::config::probe::GrpcProbe;
use crate::domain::observation::{Failure, Observation, Reason};

use super::dial::{self, Endpoint};
use super::error::Error;
use super::failure::{self, coded, plain};
use super::http::{Http2, Shared, granted_pause, http2_failure};
use super::stream::Stream;
use super::tls::{self, Handshake, Protocols};
use super::trace::{Stage, Trace};

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// An answer has 7 bytes; fields that a later version may add fit many times.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Whether it is compressed, and the message's length.
const PREFIX_BYTES: usize = 5;

/// A prepared gRPC probe.
#[derive(Debug)]
pub(super) struct GrpcTarget {
    shared: Arc<Shared>,
    probe: Arc<GrpcProbe>,
    endpoint: Endpoint,
    handshake: Option<Handshake>,
    uri: http::Uri,
    body: Bytes,
}

impl GrpcTarget {
    pub(super) fn prepare(shared: &Arc<Shared>, probe: &Arc<GrpcProbe>) -> Result<Self, Error> {
        let endpoint = Endpoint::new(&probe.host, probe.port);
        let handshake = match &probe.tls {
            Some(tls) => Some(Handshake::new(&shared.trust, tls, Protocols::Http2, endpoint.host())?),
            None => None,
        };
        let scheme = if handshake.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{endpoint}{METHOD}");
        let uri = uri.parse().map_err(|_| Error::Url { whose: "probe", problem: "its host is no host" })?;
        let body = question(&probe.service);
        Ok(Self { shared: Arc::clone(shared), probe: Arc::clone(probe), endpoint, handshake, uri, body })
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = Trace::begin(self.shared.clock, deadline).warning(self.probe.warn_before);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::timed_out(&trace, &self.endpoint)),
        };
        trace.finish(outcome, self.probe.max_latency)
    }

    async fn run(&self, trace: &mut Trace) -> Result<(), Failure> {
        let tcp = dial::connect(&self.endpoint, trace).await?;
        let stream = match &self.handshake {
            Some(how) => Stream::Tls(tls::handshake(tcp, how, &self.endpoint, trace).await?),
            None => Stream::Plain(tcp),
        };
        let mut connection = Http2::open(stream, &self.endpoint).await?;
        trace.enter(Stage::Processing);
        let response = connection.send(self.request(trace.left()), &self.endpoint).await?;
        trace.enter(Stage::Transferring);
        trace.status_code = Some(response.status().as_u16());
        let answer = read(response, &self.endpoint, trace).await?;
        trace.enter(Stage::Between);
        self.judge(&answer)
    }

    fn request(&self, left: Duration) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = http::Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::USER_AGENT, self.shared.user_agent.clone());
        // At most eight digits, in milliseconds: no deadline of ours is longer.
        let timeout = HeaderValue::from_str(&format!("{}m", left.as_millis().clamp(1, 99_999_999)));
        headers.insert("grpc-timeout", timeout.expect("digits and a letter can be in a header"));
        request
    }

    fn judge(&self, answer: &Answer) -> Result<(), Failure> {
        let service = &*self.probe.service;
        if answer.code != 0 {
            return Err(refused(answer, service, &self.endpoint));
        }
        let who = if service.is_empty() { "the server".to_owned() } else { format!("the service {service}") };
        let health = health(&answer.message)
            .ok_or_else(|| plain(Reason::Protocol, format!("{} sent no grpc.health.v1 answer", self.endpoint)))?;
        let says = match health {
            1 => return Ok(()),
            0 => ("UNKNOWN", "does not know how it is"),
            2 => ("NOT_SERVING", "does not serve"),
            3 => ("SERVICE_UNKNOWN", "is not known there"),
            other => {
                let message = format!("{who} has the health {other}, which grpc.health.v1 does not know");
                return Err(plain(Reason::Protocol, message));
            }
        };
        let (name, what) = says;
        Err(coded(Reason::Assertion, name, format!("{who} {what} ({name})")))
    }
}

/// What came back of a call.
#[derive(Debug)]
struct Answer {
    /// `grpc-status`.
    code: u32,
    /// `grpc-message`, decoded.
    words: String,
    /// What came before them, with its prefix.
    message: Vec<u8>,
}

async fn read(response: Response<Incoming>, peer: &Endpoint, trace: &mut Trace) -> Result<Answer, Failure> {
    let (head, mut body) = response.into_parts();
    let is_grpc =
        head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let status = head.status.as_u16();
    if matches!(status, 429 | 503) {
        trace.retry_after = text(&head.headers, "retry-after").and_then(|value| granted_pause(value, trace.at()));
    }
    if status != 200 {
        return Err(no_grpc(status));
    }
    if !is_grpc {
        return Err(plain(Reason::Protocol, format!("the answer of {peer} is not gRPC: its content-type is another")));
    }
    let mut message = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| http2_failure(&error, peer))?;
        if let Some(bytes) = frame.data_ref() {
            trace.bytes += bytes.len() as u64;
            if message.len() + bytes.len() > ANSWER_BYTES_MAX {
                let message =
                    format!("the answer of {peer} is longer than {ANSWER_BYTES_MAX} bytes, and health is not");
                return Err(plain(Reason::Protocol, message));
            }
            message.extend_from_slice(bytes);
        } else if let Ok(last) = frame.into_trailers() {
            trailers = Some(last);
        }
    }
    // A refusal has them in its head.
    let last = trailers.as_ref().unwrap_or(&head.headers);
    let code = text(last, "grpc-status").and_then(|code| code.parse().ok());
    let code = code.ok_or_else(|| plain(Reason::Protocol, format!("the answer of {peer} has no grpc-status")))?;
    let words = text(last, "grpc-message").unwrap_or_default();
    Ok(Answer { code, words: percent_decode_str(words).decode_utf8_lossy().into_owned(), message })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Something between us and the server answered, or a server that is none for gRPC.
fn no_grpc(status: u16) -> Failure {
    let told = super::http::told(status);
    let (reason, message) = match status {
        401 | 403 => (Reason::Auth, format!("{told}: the target wants credentials")),
        429 => (Reason::RateLimited, format!("{told}: the target asks to be called less often")),
        _ => (Reason::HttpStatus, format!("{told}, expected an answer of gRPC")),
    };
    coded(reason, status.to_string(), message)
}

fn refused(answer: &Answer, service: &str, peer: &Endpoint) -> Failure {
    let name = CODES.get(usize::try_from(answer.code).unwrap_or(usize::MAX)).copied();
    let code = name.map_or_else(|| format!("code {}", answer.code), str::to_owned);
    let said = if answer.words.is_empty() { String::new() } else { format!(": {}", answer.words) };
    let (reason, message) = match answer.code {
        4 => (Reason::Timeout, format!("{peer} did not answer in the time that it had (DEADLINE_EXCEEDED){said}")),
        5 if service.is_empty() => {
            (Reason::Assertion, format!("{peer} does not tell of the server as a whole (NOT_FOUND){said}"))
        }
        5 => (Reason::Assertion, format!("{peer} has no service {service} (NOT_FOUND){said}")),
        7 | 16 => (Reason::Auth, format!("{peer} refuses us ({code}){said}")),
        8 => (Reason::RateLimited, format!("{peer} asks to be called less often ({code}){said}")),
        12 => (Reason::Protocol, format!("{peer} has no grpc.health.v1 (UNIMPLEMENTED){said}")),
        _ => (Reason::Assertion, format!("{peer} did not tell its health ({code}){said}")),
    };
    coded(reason, code, message)
}

/// By number, as grpc's `doc/statuscodes.md` has them.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// `HealthCheckRequest { string service = 1; }` with its prefix.
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        let mut length = service.len();
        while length > 0x7f {
            message.push(u8::try_from(length & 0x7f).expect("seven bits fit") | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).expect("seven bits fit"));
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).expect("a service's name is short");
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.append(&mut message);
    framed.into()
}

/// The field `ServingStatus status = 1` of a `HealthCheckResponse` with its prefix; 0 where it is not there.
fn health(framed: &[u8]) -> Option<u64> {
    let (prefix, mut message) = framed.split_at_checked(PREFIX_BYTES)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    // We announce no compression, so that nothing may come compressed.
    if prefix[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => {
                varint(&mut message)?;
            }
            (_, kind) => {
                let length = match kind {
                    1 => 8,
                    2 => usize::try_from(varint(&mut message)?).ok()?,
                    5 => 4,
                    _ => return None,
                };
                take(&mut message, length)?;
            }
        }
    }
    Some(status)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let byte = *take(message, 1)?.first()?;
        value |= u64::from(byte & 0x7f).checked_shl(place * 7)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'m>(message: &mut &'m [u8], count: usize) -> Option<&'m [u8]> {
    let (taken, rest) = message.split_at_checked(count)?;
    *message = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_a_prefix_and_one_field() {
        assert_eq!(&*question(""), [0, 0, 0, 0, 0]);
        assert_eq!(&*question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(200));
        assert_eq!((&long[..8], long.len()), (&[0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01][..], 208));
    }

    #[test]
    fn an_answer_is_read_also_with_fields_that_are_not_known() {
        assert_eq!(health(&[0, 0, 0, 0, 2, 0x08, 1]), Some(1));
        assert_eq!(health(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(health(&[0, 0, 0, 0, 8, 0x12, 2, 9, 9, 0x08, 2, 0x18, 7]), Some(2));
        for bad in
            [&[][..], &[0, 0, 0, 0, 3, 8, 1], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 1, 8], &[0, 0, 0, 0, 2, 0x0f, 1]]
        {
            assert_eq!(health(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = vec![0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()];
            framed.extend(bytes);
            let _ = health(&framed);
        }
    }
}
