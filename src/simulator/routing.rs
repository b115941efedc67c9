//! What every route does alike: it is counted, the outage strikes first, and its fate is met.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::dice::{Stream as DiceStream, Strike};
use super::fate::{Fate, retry_after};
use super::simulation::Simulation;
use super::tally::Route;
use super::{control, envelope, health, payments, weather};
use crate::listener::ConnectionControl;

/// The largest body that is read.
const MAX_BODY: usize = 64 * 1024;

/// All routes.
pub(super) fn routes(simulation: &Arc<Simulation>) -> BoxedFilter<(Response,)> {
    payments::routes(simulation)
        .or(health::route(simulation))
        .unify()
        .or(weather::route(simulation))
        .unify()
        .or(control::routes(simulation))
        .unify()
        .recover(|rejection| async move { Ok::<_, Rejection>(refuse(&rejection)) })
        .unify()
        .boxed()
}

/// Answers one request.
///
/// `refusal` renders what an outage answers in the route's own words.
pub(super) async fn attend(
    simulation: Arc<Simulation>,
    route: Route,
    connection: Option<ConnectionControl>,
    refusal: fn(StatusCode) -> Response,
    handler: impl Future<Output = Fate>,
) -> Response {
    simulation.tally.note_request(route);
    let fate = match strike(&simulation, route, refusal).await {
        Some(fate) => fate,
        None => handler.await,
    };
    simulation.tally.note_fate(&fate);
    fate.meet(connection, &simulation.closing).await
}

async fn strike(simulation: &Simulation, route: Route, refusal: fn(StatusCode) -> Response) -> Option<Fate> {
    let settings = simulation.settings();
    let strike = match route {
        Route::Payment | Route::Transaction | Route::Order | Route::Cancel | Route::Health => {
            simulation.dice.strike(DiceStream::Gateway, &settings.outage)
        }
        Route::Weather => simulation.dice.strike(DiceStream::Weather, &settings.weather),
    };
    match strike {
        Strike::None => None,
        Strike::Wait(time) => {
            tokio::time::sleep(time).await;
            None
        }
        Strike::Error => Some(Fate::Answer(refusal(StatusCode::INTERNAL_SERVER_ERROR))),
        Strike::Unavailable => Some(Fate::Answer(refusal(StatusCode::SERVICE_UNAVAILABLE))),
        Strike::RateLimited => Some(Fate::Answer(retry_after(refusal(StatusCode::TOO_MANY_REQUESTS), 1))),
        Strike::NoLocation => Some(Fate::Answer(refusal(StatusCode::NOT_FOUND))),
        Strike::Hang => Some(Fate::Hang),
        Strike::Reset => Some(Fate::Reset),
    }
}

/// A body that is too long, or that broke off.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnreadBody;

/// The body, up to the limit.
pub(super) fn body() -> BoxedFilter<(Result<Bytes, UnreadBody>,)> {
    warp::body::stream().then(collect).boxed()
}

async fn collect<B: Buf>(chunks: impl Stream<Item = Result<B, warp::Error>>) -> Result<Bytes, UnreadBody> {
    let mut chunks = std::pin::pin!(chunks);
    let mut body = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| UnreadBody)?;
        if body.len() + chunk.remaining() > MAX_BODY {
            return Err(UnreadBody);
        }
        body.extend_from_slice(&collect_chunk(chunk));
    }
    Ok(body.freeze())
}

fn collect_chunk(mut chunk: impl Buf) -> Bytes {
    chunk.copy_to_bytes(chunk.remaining())
}

/// The connection, where there is a real one.
pub(super) fn connection() -> BoxedFilter<(Option<ConnectionControl>,)> {
    warp::ext::optional::<ConnectionControl>().boxed()
}

fn refuse(rejection: &Rejection) -> Response {
    if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        return envelope::failure(StatusCode::METHOD_NOT_ALLOWED, "지원하지 않는 메서드입니다.");
    }
    if rejection.is_not_found() {
        return envelope::failure(StatusCode::NOT_FOUND, "존재하지 않는 요청입니다.");
    }
    envelope::failure(StatusCode::BAD_REQUEST, "잘못된 요청입니다.")
}
