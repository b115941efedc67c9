//! One connection of HTTP/1.1, driven by whoever uses it: no task of its own, so that a request costs no change of tasks.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::fault::Fault;
use super::quiet::Quiet;
use super::stream::Stream;
use crate::listener::Alarm;
use crate::proxy::outgoing::Outgoing;

/// Headers of an answer; one with more is a broken one.
const MAX_HEADERS: usize = 100;
/// Bytes of an answer's head; a longer one is a broken one.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A connection and who speaks on it.
pub(in crate::proxy) struct Http1 {
    sender: SendRequest<Outgoing>,
    connection: Connection<TokioIo<Stream>, Outgoing>,
    /// It has ended; its future must not be polled again.
    has_ended: bool,
    quiet: Quiet,
    /// For everything that is waited for here.
    alarm: Alarm,
    pub(super) resting_since: Instant,
}

impl Http1 {
    pub(super) async fn new(stream: Stream) -> Result<Self, hyper::Error> {
        let mut protocol = Builder::new();
        protocol.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
        let (sender, connection) = protocol.handshake(TokioIo::new(stream)).await?;
        let mut link = Self {
            sender,
            connection,
            has_ended: false,
            quiet: Quiet::default(),
            alarm: Alarm::default(),
            resting_since: Instant::now(),
        };
        // It says only now that it takes a request.
        link.is_open();
        Ok(link)
    }

    /// Looks whether it can be used: the target may have closed it while it rested, or have sent what nobody asked for.
    pub(super) fn is_open(&mut self) -> bool {
        let Self { quiet, connection, has_ended, .. } = self;
        if !*has_ended {
            *has_ended = quiet.look(|context| Pin::new(connection).poll(context).is_ready());
        }
        !self.has_ended && self.sender.is_ready()
    }

    /// Sends a request, and waits for the head of its answer until `deadline`.
    pub(in crate::proxy) async fn exchange(
        &mut self,
        request: Request<Outgoing>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Fault> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let Self { quiet, connection, has_ended, alarm, .. } = self;
        std::future::poll_fn(move |context| {
            quiet.work(context, |context| {
                if !*has_ended {
                    // What ended it is told to who waits for the answer.
                    *has_ended = Pin::new(&mut *connection).poll(context).is_ready();
                }
                // Only the connection, which has just been driven, makes this one ready: nobody has to be woken.
                if let Poll::Ready(answered) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    return Poll::Ready(answered.map_err(|mut error| match error.take_message() {
                        Some(request) => Fault::Gone(Some(Box::new(request))),
                        None => Fault::Broken(error.into_error()),
                    }));
                }
                if alarm.rings(deadline, context) { Poll::Ready(Err(Fault::TimedOut)) } else { Poll::Pending }
            })
        })
        .await
    }

    /// The next part of the answer's body, driving the connection for it.
    pub(in crate::proxy) fn poll_body(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { quiet, connection, has_ended, .. } = self;
        quiet.work(context, |context| {
            let frame = Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()));
            if frame.is_ready() {
                return frame;
            }
            if !*has_ended {
                *has_ended = Pin::new(&mut *connection).poll(context).is_ready();
            }
            Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()))
        })
    }
}
