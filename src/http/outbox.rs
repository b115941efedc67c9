//! `/outbox`: messages that wait and messages that were given up.

use warp::reply::Response;

use super::dto::alerting::Delivery;
use super::dto::list::List;
use super::error::Problem;
use super::openapi::{CommandProblems, QueryProblems};
use super::reply;
use super::request::{Request, stored};
use crate::actors::answer::Refused;
use crate::domain::id::{DeliveryId, NoticeId};
use crate::store::Reader;

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
/// is listed as a group, and so are they.
#[utoipa::path(
    get, path = "/outbox", tag = "Alerts",
    params(
        ("state" = Option<String>, Query, description = "pending (where it is missing) or dead."),
        ("page" = Option<u32>, Query, description = "The first is 0."),
        ("size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "20 where it is missing."),
    ),
    responses((status = 200, body = List<Delivery>), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let query = &request.query;
    let state = query.word_of("state", &State::ALL, State::as_str);
    let (state, window) = query.accept((state.unwrap_or(State::Pending), query.window()))?;
    let (number, size) = (window.number as u64, window.size);
    let read = move |reader: &Reader| match state {
        State::Pending => reader.deliveries(number, size),
        State::Dead => reader.dead_letters(number, size),
    };
    let page = stored(&request.http.reader, read).await?;
    let content = page.items.iter().map(|delivery| Delivery::of(delivery, state == State::Dead)).collect();
    Ok(reply::tagged_json(&request, &List::new(content, window, page.total)))
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

fn id_of(text: &str) -> Option<DeliveryId> {
    let (notice, ordinal) = text.split_once('.')?;
    Some(DeliveryId { notice: NoticeId(notice.parse().ok()?), ordinal: ordinal.parse().ok()? })
}
