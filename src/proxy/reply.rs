//! The body of an answer on its way to the client, with the call that ends when it does.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::attempt::AnswerBody;
use super::outgoing::longer_by;
use crate::domain::breaker::Outcome;
use crate::guard::Entered;
use crate::listener::Alarm;

/// What the client gets.
pub enum Reply {
    /// All of it.
    #[doc(hidden)]
    Whole(Bytes),
    /// As it comes.
    #[doc(hidden)]
    Passing(Box<Passing>),
}

/// A body that is passed on as it comes.
pub struct Passing {
    /// What was read before.
    first: Option<Bytes>,
    body: AnswerBody,
    /// The call, and how it ended as far as the head of the answer said.
    call: Option<(Entered, Outcome)>,
    /// How much more of it there may be.
    left: Option<u64>,
    /// How long the target may rest between two parts.
    idle: Duration,
    idle_until: Option<Instant>,
    alarm: Alarm,
    /// Found while looking ahead.
    cut: Option<Cut>,
}

/// Why a body was cut.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The connection to the target broke.
    #[error("the target broke off its answer")]
    Broken(#[source] hyper::Error),
    /// It sent nothing for too long.
    #[error("the target did not go on with its answer in time")]
    Idle,
    /// It is longer than the route takes.
    #[error("the answer is longer than the route takes")]
    TooLarge,
}

impl Passing {
    pub(super) fn new(
        first: Option<Bytes>,
        body: AnswerBody,
        call: (Entered, Outcome),
        limit: Option<u64>,
        idle: Duration,
    ) -> Self {
        let left = limit.map(|limit| limit.saturating_sub(first.as_ref().map_or(0, Bytes::len) as u64));
        Self { first, body, call: Some(call), left, idle, idle_until: None, alarm: Alarm::default(), cut: None }
    }

    /// The whole body, if it is short and here already; the call has ended then. Most answers are, and are cheaper for it.
    pub(super) fn whole_at_once(&mut self) -> Option<Bytes> {
        if self.body.has_ended() {
            self.end(None);
            return Some(self.first.take().unwrap_or_default());
        }
        if self.first.is_some() || !self.body.is_short() {
            return None;
        }
        // Nobody has to be woken: who passes the body on asks again.
        match self.body.poll_part(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => self.first = frame.into_data().ok(),
            Poll::Ready(Some(Err(error))) => self.cut = Some(Cut::Broken(error)),
            Poll::Ready(None) | Poll::Pending => {}
        }
        if self.cut.is_some() || !self.body.has_ended() {
            return None;
        }
        self.end(None);
        Some(self.first.take().unwrap_or_default())
    }

    /// It is passed on from here on, for as long as the client reads: what the head said, it said.
    pub(super) fn goes_on(&mut self) {
        if let (Some((call, outcome)), None) = (&mut self.call, &self.cut) {
            call.answered(*outcome);
        }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(cut) = self.cut.take() {
            return Poll::Ready(Some(Err(cut)));
        }
        match self.body.poll_part(context) {
            Poll::Pending => {
                let until = *self.idle_until.get_or_insert_with(|| Instant::now() + self.idle);
                if self.alarm.rings(until, context) { Poll::Ready(Some(Err(Cut::Idle))) } else { Poll::Pending }
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Cut::Broken(error)))),
            Poll::Ready(Some(Ok(frame))) => {
                self.idle_until = None;
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match self.left.map(|left| left.checked_sub(length)) {
                    Some(None) => Poll::Ready(Some(Err(Cut::TooLarge))),
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => Poll::Ready(Some(Ok(frame))),
                }
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        self.first.is_none() && self.cut.is_none() && self.body.has_ended()
    }

    fn end(&mut self, changed: Option<Outcome>) {
        if let Some((call, outcome)) = self.call.take() {
            call.done(changed.unwrap_or(outcome));
        }
    }
}

impl Drop for Passing {
    /// A client that leaves while the body comes has seen that the target answered.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end(None);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let passing = match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Passing(passing) => passing,
        };
        let polled = passing.poll_body(context);
        match &polled {
            Poll::Ready(Some(Err(Cut::Broken(_) | Cut::Idle))) => {
                // Begun and not finished: nobody knows what the rest would have said.
                passing.end(Some(Outcome::Unknown));
            }
            Poll::Ready(Some(Err(Cut::TooLarge)) | None) => passing.end(None),
            Poll::Ready(Some(Ok(_))) if passing.has_ended() => passing.end(None),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        if let Poll::Ready(Some(Err(cut))) = &polled {
            tracing::debug!(error = cut as &dyn std::error::Error, "an answer was cut");
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Passing(passing) => passing.first.is_none() && passing.call.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Passing(passing) => {
                let first = passing.first.as_ref().map_or(0, Bytes::len) as u64;
                longer_by(&passing.body.size_hint(), first)
            }
        }
    }
}
