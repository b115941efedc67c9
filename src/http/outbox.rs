//! `/outbox`: messages that wait and messages that were given up.

use std::sync::Arc;

use futures_util::future::join_all;

use warp::reply::Response;

use super::dto::alerting::{Delivery, Outbox};
use super::dto::list::{Begun, List};
use super::error::Problem;
use super::openapi::{CommandProblems, QueryProblems};
use super::query::{Query, Window};
use super::reply;
use super::request::{Request, stored};
use crate::actors::answer::Refused;
use crate::actors::channels::NO_CHANNEL;
use crate::domain::id::{DeliveryId, NoticeId};
use crate::store::{DeliveryFilter, Reader, Unreadable};

/// Dead letters that one request sends again: as many as a channel's queue looks at, and a second of commits.
const AGAIN_MAX: usize = 1_000;

/// Which half of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Dead,
}

impl State {
    const ALL: [Self; 2] = [Self::Pending, Self::Dead];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dead => "dead",
        }
    }
}

/// Outbox
///
/// What waits, the oldest first; or what was given up, the newest first. Where several messages leave as one, that one
/// is listed as a group, and so are they. What cannot be read is named by its id (`unreadable`), and hides no other.
#[utoipa::path(
    get, path = "/outbox", tag = "Alerts",
    params(
        ("state" = Option<String>, Query, description = "pending (where it is missing) or dead."),
        ("channel" = Option<String>, Query, description = "The name of a channel."),
        ("target" = Option<String>, Query, description = "The name of a system; a group is about none."),
        ("page" = Option<u32>, Query, description = "The first is 0."),
        ("size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "20 where it is missing."),
    ),
    responses((status = 200, body = Outbox), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let (state, wanted, window) = asked(&request.query)?;
    let (number, size) = (window.number as u64, window.size);
    let read = move |reader: &Reader| match state {
        State::Pending => reader.deliveries(&wanted, number, size),
        State::Dead => reader.dead_letters(&wanted, number, size),
    };
    let page = stored(&request.http.reader, read).await?;
    let config = request.http.config.load();
    let (mut content, mut unreadable) = (Vec::new(), Vec::new());
    for listed in page.items {
        match listed {
            Ok(mut delivery) => {
                if state == State::Pending && !config.channels.contains_key(&delivery.channel) {
                    delivery.last_error = Some(NO_CHANNEL.into());
                }
                content.push(Delivery::of(&delivery, state == State::Dead));
            }
            Err(Unreadable { id, error }) => {
                tracing::error!(error = &error as &dyn std::error::Error, %id, "this message cannot be listed");
                unreadable.push(id.to_string());
            }
        }
    }
    let List { content, page } = List::new(content, window, page.total);
    Ok(reply::tagged_json(&request, &Outbox { content, unreadable, page }))
}

fn asked(query: &Query) -> Result<(State, DeliveryFilter, Window), Problem> {
    let state = query.word_of("state", &State::ALL, State::as_str).unwrap_or(State::Pending);
    let text = |name| query.text(name).map(Arc::from);
    query.accept((state, DeliveryFilter { channel: text("channel"), target: text("target") }, query.window()))
}

/// RetryMessage
///
/// What waits is tried as soon as those before it are gone; what was given up waits again, for another 24 hours. To the
/// receiver it is the same message. Of an incident that is over only the end can be sent again (409 alert-over).
#[utoipa::path(
    post, path = "/outbox/{id}/retry", tag = "Alerts",
    params(("id" = String, Path, example = "17.0")),
    responses((status = 202, body = Delivery), CommandProblems),
)]
pub(super) async fn retry(request: Request, id: String) -> Result<Response, Problem> {
    let id = id_of(&id).ok_or(Refused::NoSuchDelivery)?;
    let find = move |reader: &Reader| Ok(reader.dead_letter(id)?.or(reader.delivery(id)?));
    let before = stored(&request.http.reader, find).await?.ok_or(Refused::NoSuchDelivery)?;
    let who = request.who();
    request.http.outbox.retry(id, who, request.correlation.clone()).await?;
    // It may be gone already, which is what was wanted.
    let after = stored(&request.http.reader, move |reader| reader.delivery(id)).await?;
    Ok(reply::accepted(&Delivery::of(after.as_ref().unwrap_or(&before), false)))
}

/// RetryChannel
///
/// Dead letters of a channel wait again, the oldest first, at most 1,000 a request. What says that an incident lasts
/// which is over is passed by, and so is what cannot be read: it stays, to be looked at or dismissed. Answered when the
/// others are on disk, with how many are left, or with a way back to the page where its form was sent.
#[utoipa::path(
    post, path = "/outbox/retry", tag = "Alerts",
    params(("channel" = String, Query, description = "The name of a channel.")),
    responses((status = 202, body = Begun), CommandProblems),
)]
pub(super) async fn retry_all(request: Request) -> Result<Response, Problem> {
    let channel = request.query.needed_text("channel");
    let channel: Arc<str> = request.query.accept(channel)?.unwrap_or_default().into();
    let (http, who) = (&request.http, request.who());
    let counts = http.reader.dead_letter_counts();
    if !http.config.load().channels.contains_key(&channel) && !counts.contains_key(&channel) {
        return Err(Problem::no_such_channel());
    }
    let (mut accepted, mut refused, mut last) = (0, 0, None);
    // Those that are refused stay in front of all others, so it goes on behind them.
    while accepted < AGAIN_MAX {
        let ids = http.reader.oldest_dead_letters(&channel, last, AGAIN_MAX - accepted);
        let Some(end) = ids.last() else { break };
        last = Some(*end);
        // Asked for in their order, and so they wait in it.
        let retries = ids.iter().map(|id| http.outbox.retry(*id, who.clone(), request.correlation.clone()));
        for outcome in join_all(retries).await {
            match outcome {
                Ok(_) => accepted += 1,
                Err(Refused::IncidentOver | Refused::Unreadable) => refused += 1,
                // Somebody else was faster.
                Err(Refused::NoSuchDelivery) => {}
                Err(problem) => return Err(problem.into()),
            }
        }
    }
    if request.body.is_form() {
        return Ok(reply::back_to_the_page());
    }
    let left = http.reader.dead_letter_counts().get(&channel).copied();
    Ok(reply::accepted(&Begun { accepted, refused, remaining: left.unwrap_or_default() }))
}

/// DismissMessage
///
/// A dead letter that nobody wants any more; gone, and on disk, when it is answered. What waits cannot be dismissed.
#[utoipa::path(
    delete, path = "/outbox/{id}", tag = "Alerts",
    params(("id" = String, Path, example = "17.0")),
    responses((status = 204), CommandProblems),
)]
pub(super) async fn dismiss(request: Request, id: String) -> Result<Response, Problem> {
    let id = id_of(&id).ok_or(Refused::NoSuchDelivery)?;
    let who = request.who();
    request.http.outbox.dismiss(id, who, request.correlation.clone()).await?;
    Ok(reply::nothing())
}

fn id_of(text: &str) -> Option<DeliveryId> {
    let (notice, ordinal) = text.split_once('.')?;
    Some(DeliveryId { notice: NoticeId(notice.parse().ok()?), ordinal: ordinal.parse().ok()? })
}
