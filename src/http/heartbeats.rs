//! `/heartbeats/{name}`: targets that nobody calls report in.
//!
//! By POST alone: a GET is repeated, prefetched and followed by programs that nobody asked to, and each would keep a dead
//! job alive.

use std::time::Duration;

use warp::reply::Response;

use super::dto::command::Heartbeat;
use super::dto::event::Named;
use super::dto::target::Probed;
use super::error::Problem;
use super::fields::Fields;
use super::openapi::CommandProblems;
use super::reply;
use super::request::Request;
use crate::actors::targets::Beat;

/// A job that took longer is told in days by whoever runs it.
const DURATION_MS_MAX: u64 = 30 * 86_400_000;

/// A target reports in
///
/// That is an attempt that succeeded, or failed where `ok` is false, and the next beat is waited for from now on. No body
/// is a beat that is well. Targets whose probe is of the kind `heartbeat` only. Answered when what it changes is on disk.
#[utoipa::path(
    post, path = "/heartbeats/{name}", tag = "Targets",
    params(("name" = String, Path)),
    request_body(content = Option<Heartbeat>),
    responses((status = 200, body = Probed), CommandProblems),
)]
pub(super) async fn beat(request: Request, name: String) -> Result<Response, Problem> {
    request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let Request { http, correlation, body, .. } = request;
    let beat = body.optional_command(read).await?.unwrap_or(Beat { ok: true, message: None, took: None });
    let outcome = http.targets.beat(&name, beat, correlation).await?;
    let events = outcome.logged().iter().map(|logged| Named::from(&logged.event)).collect();
    Ok(reply::json(&Probed { observation: outcome.observation.as_ref().map(Into::into), events }))
}

fn read(fields: &Fields<'_>) -> Option<Beat> {
    let ok = fields.optional("ok", Fields::boolean);
    let message = fields.optional("message", Fields::text);
    let took = fields.optional("durationMs", |fields, name| {
        let millis = fields.number(name)?;
        if millis > DURATION_MS_MAX {
            return fields.wrong(name, format!("must not be above {DURATION_MS_MAX}, which is 30 days"));
        }
        Some(Duration::from_millis(millis))
    });
    Some(Beat { ok: ok?.unwrap_or(true), message: message?, took: took? })
}
