//! `/targets/{name}/permit` and `/targets/{name}/observations`: applications in other languages ask whether they may call
//! a target, and report how their calls went.

use std::time::Duration;

use uuid::Uuid;
use warp::reply::Response;

use super::dto::call::{Observation, Permit, Received};
use super::dto::words::{Time, millis};
use super::error::Problem;
use super::fields::{Fields, NAME_MAX};
use super::openapi::{CommandProblems, PermitProblems};
use super::reply;
use super::request::Request;
use crate::actors::callers::{Loan, PERMIT_TIME, Report};
use crate::clock::Rfc3339;
use crate::domain::breaker::Outcome;
use crate::domain::call::Call;
use crate::domain::status::MAX_AHEAD;
use crate::domain::time::Timestamp;

/// Observations of one request; more are refused as a whole.
const OBSERVATIONS_MAX: usize = 1_000;
/// Characters of an error code; a longer one is refused.
const CODE_MAX: usize = 128;
/// The longest call that can be reported; a longer one is refused: somebody took the units for others.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Asks whether the target may be called
///
/// Name the permit in the observation of the call. One that is not reported in 30 s is a cancelled call: nothing is
/// counted, a trial goes to somebody else. It is lent, so this is no request for caches or for `HEAD`. At most 1,000
/// permits of a target and 10,000 in all are out at a time.
#[utoipa::path(
    get, path = "/targets/{name}/permit", tag = "Calls",
    params(("name" = String, Path)),
    responses((status = 200, body = Permit), PermitProblems),
)]
#[expect(clippy::unused_async, reason = "every handler is a future")]
pub(super) async fn permit(request: Request, name: String) -> Result<Response, Problem> {
    request.must_not_be_cross_site()?;
    let slot = request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let Loan { id, state, trial, expires_at } = request.http.callers.lend(&slot)?;
    // Never kept by anybody: every answer says `no-store` unless its handler says otherwise.
    Ok(reply::json(&Permit {
        permit_id: id.to_string(),
        target: slot.name.to_string(),
        state: state.into(),
        trial,
        expires_at: Time(expires_at),
        expires_in_ms: millis(PERMIT_TIME),
    }))
}

/// Reports calls to the target
///
/// All or nothing: where one observation is wrong, none is counted. What the breaker decides by them is in force when
/// this is answered, and in the log of events when it is on disk. An observation without a permit, or under one that is
/// not known any more, counts in the window while the breaker is closed; half-open's trials take a permit. One that is
/// older than the window, or than the breaker's state, is counted in the metrics only. At most 1,000 in 256 KiB, as
/// an array or as the member `observations` of an object.
#[utoipa::path(
    post, path = "/targets/{name}/observations", tag = "Calls",
    params(("name" = String, Path)),
    request_body = Vec<Observation>,
    responses((status = 202, body = Received), CommandProblems),
)]
pub(super) async fn observations(request: Request, name: String) -> Result<Response, Problem> {
    let slot = request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    slot.gate.as_ref().ok_or_else(Problem::no_breaker)?;
    let Request { http, body, .. } = request;
    let body = body.json().await?;
    let now = http.clock.now();
    let reports = Fields::read_each(&body, "observations", OBSERVATIONS_MAX, |fields| read_observation(fields, now))?;
    let unknown = http.callers.count(&slot, &reports)?;
    Ok(reply::accepted(&Received {
        accepted: reports.len(),
        unknown_permits: unknown.iter().map(Uuid::to_string).collect(),
    }))
}

const OUTCOMES: [Outcome; 4] = [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Unknown];

const fn word_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Ignored => "ignored",
        Outcome::Unknown => "unknown",
    }
}

fn read_observation<'a>(fields: &Fields<'a>, now: Timestamp) -> Option<Report<'a>> {
    let outcome = fields.word_of("outcome", &OUTCOMES, word_of);
    let took = fields.millis("durationMs", DURATION_MAX);
    let at = fields.optional("at", |fields, name| {
        let (at, limit) = (fields.time(name)?, now.plus(MAX_AHEAD));
        let ahead = || format!("is ahead of this node's clock; it takes times up to {}", Rfc3339(limit));
        if at > limit { fields.wrong(name, ahead()) } else { Some(at) }
    });
    let operation = fields.optional("operation", |fields, name| fields.raw_word(name, NAME_MAX));
    let error_code = fields.optional("errorCode", |fields, name| fields.raw_word(name, CODE_MAX));
    let permit = fields.optional("permitId", |fields, name| {
        let text = fields.raw_text(name, CODE_MAX)?;
        Uuid::try_parse(text).ok().or_else(|| fields.wrong(name, "must be the permitId of a permit"))
    });
    let call = Call { outcome: outcome?, took: took?, ended_at: at?.unwrap_or(now) };
    Some(Report { call, permit: permit?, operation: operation?, error_code: error_code? })
}
