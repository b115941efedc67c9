//! `/integrationStatuses`: the status's commands and queries.
//!
//! Queries read the board, where each target's actor shows what is committed: it knows of attempts that are no events.

use std::sync::Arc;

use warp::reply::Response;

use super::answers::{Wanted, answer};
use super::dto::command::{ConnectPaymentGateway, FailPaymentGatewayConnection, RetryPaymentGatewayConnection};
use super::dto::event::Answer;
use super::dto::list::List;
use super::dto::status::IntegrationStatus;
use super::error::Problem;
use super::fields::Fields;
use super::openapi::{CommandProblems, QueryProblems};
use super::reply;
use super::request::Request;
use crate::actors::board::Slot;
use crate::domain::id::StatusId;
use crate::domain::status::{self, IntegrationState};
use crate::domain::time::Timestamp;

/// ConnectPaymentGateway
///
/// With `attemptedAt` the caller reports an attempt of its own; without it the node makes one now, for configured
/// targets only. Answered when it is on disk.
#[utoipa::path(
    post, path = "/integrationStatuses/connectpaymentgateway", tag = "IntegrationStatus",
    request_body = ConnectPaymentGateway,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn connect(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let config = http.config.load_full();
    let read = |fields: &Fields<'_>| fields.target(&config).zip(fields.optional("attemptedAt", Fields::time));
    let (target, attempted_at) = body.command(read).await?;
    let outcome = http.targets.connect(target, attempted_at, correlation).await?;
    answer(&outcome, Wanted::Connection)
}

/// FailPaymentGatewayConnection
///
/// The caller reports that its connection failed. Answered when it is on disk.
#[utoipa::path(
    post, path = "/integrationStatuses/failpaymentgatewayconnection", tag = "IntegrationStatus",
    request_body = FailPaymentGatewayConnection,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn fail(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let config = http.config.load_full();
    let read =
        |fields: &Fields<'_>| fields.target(&config).zip(fields.text("failureReason").zip(fields.time("failedAt")));
    let (target, (reason, failed_at)) = body.command(read).await?;
    let outcome = http.targets.fail(target, &reason, failed_at, correlation).await?;
    answer(&outcome, Wanted::Failure)
}

/// RetryPaymentGatewayConnection
///
/// With `retriedAt` the caller reports a retry of its own; without it the node makes one now, for configured targets
/// only. Answered when it is on disk.
#[utoipa::path(
    post, path = "/integrationStatuses/retrypaymentgatewayconnection", tag = "IntegrationStatus",
    request_body = RetryPaymentGatewayConnection,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn retry(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let config = http.config.load_full();
    let read = |fields: &Fields<'_>| {
        let target = fields.target(&config);
        // The aggregate keeps the reason of its last failure; what the caller thinks it was is only checked.
        let reason = fields.text("lastFailureReason");
        let retry = fields.count("retryCount").zip(fields.optional("retriedAt", Fields::time));
        target.zip(reason.and(retry))
    };
    let (target, (count, retried_at)) = body.command(read).await?;
    let outcome = http.targets.retry(target, Some(count), retried_at, correlation).await?;
    answer(&outcome, Wanted::Retry)
}

/// Which statuses a list shows.
#[derive(Debug, Default)]
struct Filter {
    system_name: Option<String>,
    endpoint: Option<String>,
    state: Option<IntegrationState>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Filter {
    fn shows(&self, status: &status::IntegrationStatus) -> bool {
        let is = |wanted: &Option<String>, there: &Arc<str>| wanted.as_deref().is_none_or(|wanted| wanted == &**there);
        let attempted = status.last_attempted_at;
        is(&self.system_name, &status.target.system_name)
            && is(&self.endpoint, &status.target.endpoint)
            && self.state.is_none_or(|state| state == status.state)
            && self.from.is_none_or(|from| attempted.is_some_and(|at| at >= from))
            && self.to.is_none_or(|to| attempted.is_some_and(|at| at < to))
    }
}

/// IntegrationStatusList
///
/// Every target, also those that exist through reports only; by id, the newest first.
#[utoipa::path(
    get, path = "/integrationStatuses", tag = "IntegrationStatus",
    params(
        ("systemName" = Option<String>, Query, description = "Also as `target.systemName`."),
        ("endpoint" = Option<String>, Query, description = "Also as `target.endpoint`."),
        ("state" = Option<super::dto::words::IntegrationState>, Query),
        ("lastAttemptedAtFrom" = Option<super::dto::words::Time>, Query, description = "Not before."),
        ("lastAttemptedAtTo" = Option<super::dto::words::Time>, Query, description = "Before."),
        ("page" = Option<u32>, Query, description = "The first is 0."),
        ("size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "20 where it is missing."),
    ),
    responses((status = 200, body = List<IntegrationStatus>), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let query = &request.query;
    let filter = Filter {
        system_name: query.text_of(&["systemName", "target.systemName"]).map(str::to_owned),
        endpoint: query.text_of(&["endpoint", "target.endpoint"]).map(str::to_owned),
        state: query.word_of("state", &IntegrationState::ALL, IntegrationState::as_str),
        from: query.time("lastAttemptedAtFrom"),
        to: query.time("lastAttemptedAtTo"),
    };
    let (filter, window) = query.accept((filter, query.window()))?;
    let skipped = window.number.saturating_mul(window.size) as u64;
    let (mut total, mut content) = (0_u64, Vec::new());
    for slot in request.http.board.all().iter().rev() {
        let status = shown(slot, &filter, (skipped..).contains(&total) && content.len() < window.size);
        total += u64::from(status.is_some());
        content.extend(status.flatten());
    }
    Ok(reply::tagged_json(&request, &List::new(content, window, total)))
}

/// `None` if the filter does not show it, `Some(None)` if it does but is on another page.
fn shown(slot: &Slot, filter: &Filter, on_page: bool) -> Option<Option<IntegrationStatus>> {
    slot.live(|live| {
        let status = &live.watch.status;
        filter.shows(status).then(|| on_page.then(|| status.into()))
    })
}

/// IntegrationStatusDetails
#[utoipa::path(
    get, path = "/integrationStatuses/{integrationStatusId}", tag = "IntegrationStatus",
    params(("integrationStatusId" = u64, Path)),
    responses((status = 200, body = IntegrationStatus), QueryProblems),
)]
#[expect(clippy::unused_async, reason = "every handler is a future")]
pub(super) async fn details(request: Request, id: String) -> Result<Response, Problem> {
    let slot = id.parse().ok().and_then(|id| request.http.board.numbered(StatusId(id)));
    let status: IntegrationStatus = slot.ok_or_else(Problem::no_such_status)?.live(|live| (&live.watch.status).into());
    Ok(reply::tagged_json(&request, &status))
}
