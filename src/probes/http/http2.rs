//! One request and its answer over HTTP/2, by hyper.
//!
//! A connection's tasks are its own and end with it.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use httparse::Header;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::domain::observation::{Failure, Reason};
use crate::probes::dial::Endpoint;
use crate::probes::failure::{self, plain};
use crate::probes::stream::Stream;
use crate::probes::trace::{Stage, Trace};

use super::answer::Answer;
use super::decoder::{Flow, Head, Part};
use super::hop::Hop;
use super::target::Fault;

const HEAD_BYTES_MAX: u32 = 32 * 1024;

type Tasks = Mutex<JoinSet<()>>;

/// An HTTP/2 connection.
#[derive(Debug)]
pub(in crate::probes) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What drives it; aborted with it.
    _tasks: Arc<Tasks>,
}

impl Connection {
    /// Begins to speak HTTP/2 on `stream`.
    pub(in crate::probes) async fn open(stream: Stream, peer: &Endpoint) -> Result<Self, Failure> {
        let tasks = Arc::new(Tasks::default());
        let spawner = Spawner(Arc::downgrade(&tasks));
        let mut builder = Builder::new(spawner.clone());
        builder.max_header_list_size(HEAD_BYTES_MAX);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| words(&error, peer))?;
        hyper::rt::Executor::execute(&spawner, async move {
            // The one who waits for the answer hears of it too.
            let _ = connection.await;
        });
        Ok(Self { sender, _tasks: tasks })
    }

    /// Whether another request can be made.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request, and leaves the answer's body to the caller.
    pub(in crate::probes) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        peer: &Endpoint,
    ) -> Result<Response<Incoming>, Failure> {
        self.sender.send_request(request).await.map_err(|error| words(&error, peer))
    }

    /// Sends the hop's request and reads the answer. Says whether the connection can be used again.
    pub(super) async fn exchange(
        &mut self,
        hop: &Hop,
        token: Option<&HeaderValue>,
        answer: &mut Answer<'_>,
        trace: &mut Trace,
    ) -> Result<bool, Fault> {
        let Some(request) = hop.request.http2(token) else {
            let message = format!("{} speaks HTTP/2, which was not asked for", hop.target);
            return Err(Fault { failure: plain(Reason::Protocol, message), unanswered: false });
        };
        trace.enter(Stage::Processing);
        let response = match self.sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(Fault { failure: words(&error, &hop.target), unanswered: true }),
        };
        trace.enter(Stage::Transferring);
        let whole = read(response, answer, trace)
            .await
            .map_err(|error| Fault { failure: words(&error, &hop.target), unanswered: false })?;
        trace.enter(Stage::Between);
        Ok(whole)
    }
}

/// Whether all of it was wanted. A stream that is not read to its end is reset and harms no other.
async fn read(response: Response<Incoming>, answer: &mut Answer<'_>, trace: &mut Trace) -> Result<bool, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let headers: Vec<Header<'_>> =
        head.headers.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect();
    let mut flow = answer.take(Part::Head(Head { status: head.status.as_u16(), headers: &headers }), trace);
    while flow == Flow::Go {
        let Some(frame) = body.frame().await else { return Ok(true) };
        if let Some(bytes) = frame?.data_ref() {
            flow = answer.take(Part::Body(bytes), trace);
        }
    }
    Ok(false)
}

/// Why there is no whole answer from `peer`.
pub(in crate::probes) fn words(error: &hyper::Error, peer: &Endpoint) -> Failure {
    let mut cause = error.source();
    let mut last = None;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return failure::talking(error, peer);
        }
        last = Some(error.to_string());
        cause = error.source();
    }
    let what = last.unwrap_or_else(|| error.to_string());
    plain(Reason::Protocol, format!("no HTTP/2 answer from {peer}: {what}"))
}

/// Puts hyper's tasks among the connection's, as long as there is one.
#[derive(Debug, Clone)]
struct Spawner(Weak<Tasks>);

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().spawn(task);
        }
    }
}
