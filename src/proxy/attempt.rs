//! One attempt: a connection that rests or a new one, a request, and the head of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, timeout_at};

use super::outgoing::{Outgoing, Stage};
use super::routes::Destination;
use super::template::{Addressed, Template};
use super::upstream::{Fault, Http1, Link, Origin};

/// A body that fits into what is read of a connection at once, most often together with its head.
const SHORT: u64 = 8 << 10;

/// By what one attempt goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The runtime that it is made in.
    pub(super) lane: usize,
    /// For a new connection.
    pub(super) connect_timeout: Duration,
    /// When the head of the answer must be there.
    pub(super) deadline: Instant,
}

/// An answer whose body is to come.
pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    pub(super) body: AnswerBody,
}

/// The body of an answer, and the connection it comes on.
pub(super) struct AnswerBody {
    incoming: Incoming,
    /// The connection, where it is ours alone; given back when the body has ended.
    link: Option<Box<Http1>>,
    origin: Arc<Origin>,
    lane: usize,
}

/// Sends the request once and waits for the head of its answer. Kept connections that turn out to be closed before anything
/// was written on them cost nothing.
pub(super) async fn attempt(
    destination: &Destination,
    template: &mut Template,
    to: &Addressed,
    terms: Terms,
) -> Result<Answer, Fault> {
    let origin = &destination.origin;
    loop {
        let resting = origin.take(terms.lane);
        let is_new = resting.is_none();
        let link = match resting {
            Some(link) => link,
            None => {
                let left = terms.deadline.saturating_duration_since(Instant::now());
                Box::pin(origin.dial(terms.lane, terms.connect_timeout.min(left))).await?
            }
        };
        let request = template.request(to, destination, matches!(link, Link::Http2(_)));
        let fault = match exchange(link, request, terms.deadline).await {
            Ok((answer, link)) => return answered(answer, link, origin, terms.lane),
            Err(fault) => fault,
        };
        // Once something was written nobody knows what the target did with it, also on a connection that rested before:
        // whether it is sent again is decided where attempts are counted.
        let Fault::Gone(unsent) = fault else { return Err(blamed(fault, template.stage())) };
        if let Some(request) = unsent {
            template.put_back(*request);
        }
        if is_new || !template.can_be_sent() {
            return Err(Fault::Gone(None));
        }
    }
}

async fn exchange(
    link: Link,
    request: http::Request<Outgoing>,
    deadline: Instant,
) -> Result<(Response<Incoming>, Option<Box<Http1>>), Fault> {
    match link {
        Link::Http1(mut link) => {
            let answer = link.exchange(request, deadline).await?;
            Ok((answer, Some(link)))
        }
        Link::Http2(mut sender) => {
            let exchange = async {
                if sender.ready().await.is_err() {
                    return Err(Fault::Gone(Some(Box::new(request))));
                }
                sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
                    Some(request) => Fault::Gone(Some(Box::new(request))),
                    None => Fault::Broken(error.into_error()),
                })
            };
            let answer = timeout_at(deadline, Box::pin(exchange)).await.unwrap_or(Err(Fault::TimedOut))?;
            Ok((answer, None))
        }
    }
}

fn answered(
    answer: Response<Incoming>,
    link: Option<Box<Http1>>,
    origin: &Arc<Origin>,
    lane: usize,
) -> Result<Answer, Fault> {
    let (head, incoming) = answer.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::Switched);
    }
    Ok(Answer { head, body: AnswerBody { incoming, link, origin: origin.clone(), lane } })
}

/// What looks like the target's fault may be the client's, whose body did not come.
fn blamed(fault: Fault, body: Stage) -> Fault {
    match (fault, body) {
        (Fault::Broken(_), Stage::Broken) => Fault::ClientBroke,
        (Fault::Broken(_), Stage::TooLarge) => Fault::BodyTooLarge,
        (Fault::TimedOut, Stage::AwaitingClient) => Fault::ClientTooSlow,
        (fault, _) => fault,
    }
}

impl AnswerBody {
    /// The next part of it. After the last one the connection is given back.
    pub(super) fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let part = match &mut self.link {
            Some(link) => link.poll_body(&mut self.incoming, context),
            None => Pin::new(&mut self.incoming).poll_frame(context),
        };
        match &part {
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Ok(_))) if self.incoming.is_end_stream() => self.end(),
            Poll::Ready(Some(Err(_))) => drop(self.link.take()),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        part
    }

    /// Whether all of it was read. The connection is given back then.
    pub(super) fn has_ended(&mut self) -> bool {
        let has_ended = self.incoming.is_end_stream();
        if has_ended {
            self.end();
        }
        has_ended
    }

    /// Whether it has a known length of few bytes, and no trailers.
    pub(super) fn is_short(&self) -> bool {
        self.link.is_some() && self.incoming.size_hint().exact().is_some_and(|length| length <= SHORT)
    }

    /// What is known of its length.
    pub(super) fn size_hint(&self) -> hyper::body::SizeHint {
        self.incoming.size_hint()
    }

    /// Reads what is there already, so that a short body does not cost the connection.
    pub(super) fn discard(mut self) {
        let mut context = Context::from_waker(std::task::Waker::noop());
        for _ in 0..8 {
            match self.poll_part(&mut context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return,
            }
        }
    }

    fn end(&mut self) {
        if let Some(link) = self.link.take() {
            self.origin.give_back(self.lane, link);
        }
    }
}
