//! One request and its answer over HTTP/1.1.
//!
//! Sending and reading go on at the same time, so that a target may answer before it has read all of a large body. What
//! arrives is taken from the stack: a probe that waits holds no buffer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::domain::observation::Reason;
use crate::probes::dial::Endpoint;
use crate::probes::failure::{self, plain};
use crate::probes::stream::Stream;
use crate::probes::trace::{Stage, Trace};

use super::answer::Answer;
use super::decoder::{Decoder, Malformed, Progress};
use super::target::Fault;

/// Sends `request` and reads the answer. Says whether the connection can be used again.
pub(super) async fn exchange(
    stream: &mut Stream,
    request: &[u8],
    is_head: bool,
    peer: &Endpoint,
    answer: &mut Answer<'_>,
    trace: &mut Trace,
) -> Result<bool, Fault> {
    trace.enter(Stage::Sending);
    let mut exchange =
        Exchange { stream, unsent: request, decoder: Decoder::new(is_head), answered: false, broken: None, peer };
    let reusable = poll_fn(|cx| exchange.poll(cx, answer, trace)).await;
    trace.enter(Stage::Between);
    reusable
}

struct Exchange<'a> {
    stream: &'a mut Stream,
    unsent: &'a [u8],
    decoder: Decoder,
    /// Something has arrived.
    answered: bool,
    /// Why sending ended early. The answer may say more.
    broken: Option<io::Error>,
    peer: &'a Endpoint,
}

impl Exchange<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, answer: &mut Answer<'_>, trace: &mut Trace) -> Poll<Result<bool, Fault>> {
        self.poll_send(cx, trace);
        loop {
            let Self { stream, decoder, answered, .. } = self;
            let progress = ready!(stream.poll_take(cx, |arrived| match arrived {
                Ok([]) => Ok(decoder.end()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(decoder.end()),
                Err(error) => Err(error),
                Ok(bytes) => {
                    if !*answered {
                        *answered = true;
                        if trace.stage() == Stage::Sending {
                            // It answers before it has heard all: that took it no time.
                            trace.enter(Stage::Processing);
                        }
                        trace.enter(Stage::Transferring);
                    }
                    Ok(decoder.feed(bytes, &mut |part| answer.take(part, trace)))
                }
            }));
            match progress {
                Ok(Ok(Progress::More)) => {}
                Ok(Ok(Progress::Stopped)) => return Poll::Ready(Ok(false)),
                Ok(Ok(Progress::Whole { reusable })) => {
                    return Poll::Ready(Ok(reusable && self.unsent.is_empty() && self.broken.is_none()));
                }
                Ok(Err(problem)) => return Poll::Ready(Err(self.malformed(problem))),
                Err(error) => return Poll::Ready(Err(self.broke(&error))),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, trace: &mut Trace) {
        if self.broken.is_some() || trace.stage() != Stage::Sending {
            return;
        }
        while !self.unsent.is_empty() {
            match Pin::new(&mut *self.stream).poll_write(cx, self.unsent) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => {
                    self.broken = Some(io::ErrorKind::WriteZero.into());
                    return;
                }
                Poll::Ready(Ok(count)) => self.unsent = &self.unsent[count..],
                Poll::Ready(Err(error)) => {
                    self.broken = Some(error);
                    return;
                }
            }
        }
        match Pin::new(&mut *self.stream).poll_flush(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => trace.enter(Stage::Processing),
            Poll::Ready(Err(error)) => self.broken = Some(error),
        }
    }

    fn malformed(&self, problem: Malformed) -> Fault {
        let Self { peer, .. } = self;
        if self.answered {
            let failure = plain(Reason::Protocol, format!("what came back from {peer} cannot be read: {}", problem.0));
            return Fault { failure, unanswered: false };
        }
        if let Some(error) = &self.broken {
            return Fault { failure: failure::talking(error, peer), unanswered: true };
        }
        let message = format!("{peer} closed the connection without an answer");
        Fault { failure: plain(Reason::Protocol, message), unanswered: true }
    }

    fn broke(&self, error: &io::Error) -> Fault {
        Fault { failure: failure::talking(error, self.peer), unanswered: !self.answered }
    }
}
