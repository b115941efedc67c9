//! `/events/stream`: the log as server-sent events.
//!
//! The journal only wakes it; what it sends is read from the store, so a client that was away gets what it missed. A
//! client that reads slowly is read for slowly: at most one page of events waits for it. The stream ends when the node
//! begins to drain, when the log was cut past its place, or when the client leaves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use warp::Reply;
use warp::http::HeaderName;
use warp::reply::Response;
use warp::sse;

use super::dto::event::Envelope;
use super::error::Problem;
use super::openapi::QueryProblems;
use super::request::{Request, stored};
use super::state::Readiness;
use crate::domain::event::Logged;
use crate::domain::id::Sequence;
use crate::store::Reader;

/// Events that are read at once, and that wait for a slow client at most.
const PAGE: usize = 100;
/// A comment is sent after this much silence, so that proxies keep the connection and a dead client is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The log of events, as it grows
///
/// Server-sent events: `id` is the sequence number, `event` the name, `data` the envelope. It begins after
/// `Last-Event-ID` (or `after`); without either with what happens from now on.
#[utoipa::path(
    get, path = "/events/stream", tag = "Events",
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "Goes before `after`."),
        ("after" = Option<u64>, Query, description = "Events after this sequence number; 0 for all."),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = Envelope),
        QueryProblems, (status = 410, body = super::dto::problem::ProblemBody),
    ),
)]
pub(super) async fn stream(request: Request) -> Result<Response, Problem> {
    let after = request.query.number("after", 0..=u64::MAX).map(Sequence);
    let after = last_event_id(&request)?.or(request.query.accept(after)?);
    let reader = request.http.reader.clone();
    let after = after.unwrap_or_else(|| reader.last_sequence());
    // Told now, while it can still be a status.
    stored(&reader, move |reader| reader.events_after(after, 1)).await?;
    let follower = Follower {
        reader,
        node: request.config().node.name.clone(),
        last: request.http.journal.last_sequence(),
        readiness: request.http.readiness.clone(),
        after,
    };
    let events = sse::keep_alive().interval(HEARTBEAT).text("").stream(follower.events());
    Ok(sse::reply(events).into_response())
}

fn last_event_id(request: &Request) -> Result<Option<Sequence>, Problem> {
    let Some(value) = request.headers.get(&LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Problem::invalid_header("Last-Event-ID takes the id of an event, a whole number");
    text.parse().map(|id| Some(Sequence(id))).map_err(wrong)
}

struct Follower {
    reader: Reader,
    node: Arc<str>,
    last: watch::Receiver<Sequence>,
    readiness: watch::Receiver<Readiness>,
    after: Sequence,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send + 'static {
        let node = self.node.clone();
        stream::unfold(self, |mut follower| async move {
            let page = follower.next_page().await?;
            Some((stream::iter(page), follower))
        })
        .flatten()
        .map(move |logged| Ok(event(&logged, &node)))
    }

    /// What came after the last one that was sent; waits for it. `None` is the end.
    async fn next_page(&mut self) -> Option<Vec<Logged>> {
        loop {
            // Seen before the log is read, so that what is added meanwhile wakes us again.
            self.last.borrow_and_update();
            let after = self.after;
            // What went wrong was logged; the client comes again and is told by a status.
            let page = stored(&self.reader, move |reader| reader.events_after(after, PAGE)).await.ok()?;
            if let Some(last) = page.last() {
                self.after = last.sequence;
                return Some(page);
            }
            tokio::select! {
                grew = self.last.changed() => grew.ok()?,
                _drains = self.readiness.wait_for(|readiness| *readiness == Readiness::Draining) => return None,
            }
        }
    }
}

fn event(logged: &Logged, node: &str) -> sse::Event {
    let data = serde_json::to_string(&Envelope::new(logged, node)).expect("an envelope can always be written");
    sse::Event::default().id(logged.sequence.to_string()).event(logged.event.name()).data(data)
}
