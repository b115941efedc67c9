//! `/integrationFailureHistories`: the histories' commands and queries.

use warp::reply::Response;

use super::answers::{Wanted, answer};
use super::dto::command::{RecordIntegrationFailure, RecoverIntegrationFailure, RetryIntegrationFailure};
use super::dto::event::Answer;
use super::dto::history::IntegrationFailureHistory;
use super::dto::list::List;
use super::error::Problem;
use super::fields::Fields;
use super::openapi::{CommandProblems, QueryProblems};
use super::reply;
use super::request::{Request, stored};
use crate::config::Config;
use crate::domain::failure_history::{FailureDetail, FailureType, Record, RetryResult};
use crate::domain::id::{HistoryId, StatusId};
use crate::store::{HistoryFilter, Reader};

/// RecordIntegrationFailure
///
/// Always a history of its own; people are told. Answered when both are on disk.
#[utoipa::path(
    post, path = "/integrationFailureHistories/recordintegrationfailure", tag = "IntegrationFailureHistory",
    request_body = RecordIntegrationFailure,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn record(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let config = http.config.load_full();
    let record = body.command(|fields| read_record(fields, &config)).await?;
    let outcome = http.histories.record(record, correlation).await?;
    answer(&outcome, Wanted::Record)
}

fn read_record(fields: &Fields<'_>, config: &Config) -> Option<Record> {
    let failure_type = fields.word_of("failureType", &FailureType::ALL, FailureType::as_str);
    let detail = fields.object("failureDetail").and_then(|fields| read_detail(&fields));
    let target_system = fields.system_name("targetSystem", config);
    let (occurred_at, status_id) = (fields.time("occurredAt"), fields.number("integrationStatusId"));
    Some(Record {
        failure_type: failure_type?,
        detail: detail?,
        target_system: target_system?,
        occurred_at: occurred_at?,
        status_id: StatusId(status_id?),
    })
}

fn read_detail(fields: &Fields<'_>) -> Option<FailureDetail> {
    let (error_code, error_message) = (fields.text("errorCode"), fields.text("errorMessage"));
    let (request_payload, response_payload) = (fields.text("requestPayload"), fields.text("responsePayload"));
    let additional_info = fields.text("additionalInfo");
    Some(FailureDetail {
        error_code: error_code?,
        error_message: error_message?,
        request_payload: request_payload?,
        response_payload: response_payload?,
        additional_info: additional_info?,
    })
}

/// RetryIntegrationFailure
///
/// With `retriedAt` the caller reports a retry of its own; without it the node makes one now. Answered when it is on
/// disk.
#[utoipa::path(
    patch, path = "/integrationFailureHistories/retryintegrationfailure", tag = "IntegrationFailureHistory",
    request_body = RetryIntegrationFailure,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn retry(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let read = |fields: &Fields<'_>| {
        let id = fields.number("integrationFailureHistoryId").map(HistoryId);
        let count = fields.optional("retryCount", Fields::count);
        id.zip(count.zip(fields.optional("retriedAt", Fields::time)))
    };
    let (id, (count, retried_at)) = body.command(read).await?;
    let (now, max_retries) = (http.clock.now(), http.config.load().monitor.max_retries);
    let outcome = http.histories.retry(id, count, retried_at, now, max_retries, correlation).await?;
    answer(&outcome, Wanted::FailureRetry)
}

/// RecoverIntegrationFailure
///
/// Closes the history. Answered when it is on disk.
#[utoipa::path(
    patch, path = "/integrationFailureHistories/recoverintegrationfailure", tag = "IntegrationFailureHistory",
    request_body = RecoverIntegrationFailure,
    responses((status = 200, body = Answer), CommandProblems),
)]
pub(super) async fn recover(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let read = |fields: &Fields<'_>| {
        let id = fields.number("integrationFailureHistoryId").map(HistoryId);
        let result = fields.word_of("retryResult", &RetryResult::ALL, RetryResult::as_str);
        id.zip(result.zip(fields.time("recoveredAt")))
    };
    let (id, (result, recovered_at)) = body.command(read).await?;
    let outcome = http.histories.recover(id, result, recovered_at, correlation).await?;
    answer(&outcome, Wanted::Recovery)
}

/// IntegrationFailureHistoryList
///
/// By `occurredAt`, then id, the newest first.
#[utoipa::path(
    get, path = "/integrationFailureHistories", tag = "IntegrationFailureHistory",
    params(
        ("failureType" = Option<super::dto::words::FailureType>, Query),
        ("targetSystem" = Option<String>, Query),
        ("occurredAtFrom" = Option<super::dto::words::Time>, Query, description = "Not before."),
        ("occurredAtTo" = Option<super::dto::words::Time>, Query, description = "Before."),
        ("retryResult" = Option<super::dto::words::RetryResult>, Query),
        ("notified" = Option<bool>, Query),
        ("open" = Option<bool>, Query, description = "Not recovered yet, or recovered."),
        ("page" = Option<u32>, Query, description = "The first is 0."),
        ("size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "20 where it is missing."),
    ),
    responses((status = 200, body = List<IntegrationFailureHistory>), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let query = &request.query;
    let filter = HistoryFilter {
        failure_type: query.word_of("failureType", &FailureType::ALL, FailureType::as_str),
        target_system: query.text("targetSystem").map(Into::into),
        occurred_from: query.time("occurredAtFrom"),
        occurred_to: query.time("occurredAtTo"),
        retry_result: query.word_of("retryResult", &RetryResult::ALL, RetryResult::as_str),
        notified: query.flag("notified"),
        open: query.flag("open"),
    };
    let (filter, window) = query.accept((filter, query.window()))?;
    let read = move |reader: &Reader| reader.histories(&filter, window.number as u64, window.size);
    let page = stored(&request.http.reader, read).await?;
    let content: Vec<IntegrationFailureHistory> = page.items.iter().map(Into::into).collect();
    Ok(reply::tagged_json(&request, &List::new(content, window, page.total)))
}

/// IntegrationFailureHistoryDetails
#[utoipa::path(
    get, path = "/integrationFailureHistories/{integrationFailureHistoryId}", tag = "IntegrationFailureHistory",
    params(("integrationFailureHistoryId" = u64, Path)),
    responses((status = 200, body = IntegrationFailureHistory), QueryProblems),
)]
pub(super) async fn details(request: Request, id: String) -> Result<Response, Problem> {
    let id = HistoryId(id.parse().map_err(|_| Problem::no_such_history())?);
    let history = stored(&request.http.reader, move |reader| reader.history(id)).await?;
    let history = history.ok_or_else(Problem::no_such_history)?;
    Ok(reply::tagged_json(&request, &IntegrationFailureHistory::from(&history)))
}
