//! `/targets`: how each integration target is, and how it was.

use std::time::Duration;

use warp::reply::Response;

use super::dto;
use super::dto::call::CallsSeen;
use super::dto::event::Named;
use super::dto::list::{Content, List};
use super::dto::target::{Probed, TargetDetails, TargetSummary, Transition, Uptime};
use super::dto::words::{Time, millis};
use super::error::Problem;
use super::openapi::{CommandProblems, QueryProblems};
use super::query::to_usize;
use super::reply;
use super::request::{Request, stored};
use super::state::Http;
use crate::actors::board::{Live, Slot};
use crate::domain::alert::Hold;
use crate::domain::rollup::Rollup;
use crate::domain::status::IntegrationState;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Health, Inputs, verdict};

/// Transitions of one answer where the caller does not say.
const LIMIT_DEFAULT: u64 = 100;
/// Transitions of one answer at most; more is refused.
const LIMIT_MAX: u64 = 1_000;

/// Every target
///
/// Also those that exist through reports only; by name.
#[utoipa::path(
    get, path = "/targets", tag = "Targets",
    params(
        ("group" = Option<String>, Query),
        ("state" = Option<super::dto::words::IntegrationState>, Query),
        ("health" = Option<super::dto::words::Health>, Query),
        ("page" = Option<u32>, Query, description = "The first is 0."),
        ("size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "20 where it is missing."),
    ),
    responses((status = 200, body = List<TargetSummary>), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let query = &request.query;
    let group = query.text("group").map(str::to_owned);
    let state = query.word_of("state", &IntegrationState::ALL, IntegrationState::as_str);
    let health = query.word_of("health", &Health::ALL, Health::as_str);
    let (group, window) = query.accept((group, query.window()))?;
    let mut slots = request.http.board.all();
    slots.retain(|slot| {
        group.as_deref().is_none_or(|group| slot.spec.as_ref().is_some_and(|spec| &*spec.group == group))
            && state.is_none_or(|state| slot.live(|live| state == live.watch.status.state))
            && health.is_none_or(|health| health == health_of(slot, &request.http))
    });
    slots.sort_by(|one, other| one.name.cmp(&other.name));
    let page = slots.iter().skip(window.number.saturating_mul(window.size)).take(window.size);
    let content = page.map(|slot| summary(slot, &request.http)).collect();
    Ok(reply::tagged_json(&request, &List::new(content, window, slots.len() as u64)))
}

fn health_of(slot: &Slot, http: &Http) -> Health {
    http.board.seen(slot, http.clock, |_, inputs| verdict(inputs).health)
}

/// A target as lists show it.
pub(super) fn summary(slot: &Slot, http: &Http) -> TargetSummary {
    http.board.seen(slot, http.clock, |live, inputs| summary_of(slot, http, live, inputs))
}

fn summary_of(slot: &Slot, http: &Http, live: &Live, inputs: &Inputs<'_>) -> TargetSummary {
    let status = &live.watch.status;
    let verdict = verdict(inputs);
    TargetSummary {
        name: slot.name.to_string(),
        endpoint: status.target.endpoint.to_string(),
        group: slot.spec.as_ref().map_or_else(String::new, |spec| spec.group.to_string()),
        configured: slot.spec.is_some(),
        integration_status_id: slot.id.0,
        state: status.state.into(),
        health: verdict.health.into(),
        cause: verdict.cause.into_owned(),
        suppressed_by: inputs.hold().map(Hold::as_str),
        breaker: slot.gate.as_ref().map(|gate| gate.view(http.clock.moment()).state.into()),
        last_attempted_at: status.last_attempted_at.map(Time),
        latency_ms: live.last.as_ref().map(|last| millis(last.took)),
    }
}

/// One target, with all that is known of it
#[utoipa::path(
    get, path = "/targets/{name}", tag = "Targets",
    params(("name" = String, Path)),
    responses((status = 200, body = TargetDetails), QueryProblems),
)]
#[expect(clippy::unused_async, reason = "every handler is a future")]
pub(super) async fn details(request: Request, name: String) -> Result<Response, Problem> {
    let slot = request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let http = &request.http;
    let config = slot.spec.as_deref().map(Into::into);
    let traffic = CallsSeen::of(&slot.traffic);
    let details = http.board.seen(&slot, http.clock, |live, inputs| {
        let watch = &live.watch;
        TargetDetails {
            summary: summary_of(&slot, http, live, inputs),
            inputs: dto::inputs::Inputs::of(live, inputs),
            last_succeeded_at: watch.status.last_succeeded_at.map(Time),
            last_failed_at: watch.status.last_failed_at.map(Time),
            failure_reason: watch.status.failure_reason.as_deref().map(str::to_owned),
            retry_count: watch.status.retry_count,
            last_observation: live.last.as_ref().map(Into::into),
            outage: watch.trouble.as_ref().map(Into::into),
            incident: watch.incident.as_deref().map(Into::into),
            traffic,
            slo: live.aside().budget.map(Into::into),
            config,
        }
    });
    Ok(reply::tagged_json(&request, &details))
}

/// Windows that uptime can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Day,
    Week,
    Month,
    Quarter,
}

impl Window {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Quarter];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    const fn length(self) -> Duration {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
        };
        Duration::from_secs(days * 24 * 60 * 60)
    }
}

/// How a target was over a window of time
#[utoipa::path(
    get, path = "/targets/{name}/uptime", tag = "Targets",
    params(
        ("name" = String, Path),
        ("window" = Option<String>, Query, description = "24h, 7d, 30d or 90d; 24h where it is missing."),
    ),
    responses((status = 200, body = Uptime), QueryProblems),
)]
pub(super) async fn uptime(request: Request, name: String) -> Result<Response, Problem> {
    let window = request.query.word_of("window", &Window::ALL, Window::as_str).unwrap_or(Window::Day);
    let window = request.query.accept(window)?;
    let slot = request.http.board.named(&name).ok_or_else(Problem::no_such_target)?;
    let (id, to) = (slot.id, request.http.clock.now());
    let from = to.minus(window.length());
    let mut sum = stored(&request.http.reader, move |reader| reader.uptime(id, from, to, to)).await?;
    slot.live(|live| add_unsaved(&mut sum, &live.minutes, from));
    let quantile = |part| sum.quantile(part).map(millis);
    Ok(reply::json(&Uptime {
        window: window.as_str(),
        from: Time(from),
        to: Time(to),
        uptime: sum.uptime(),
        count: sum.count,
        ok: sum.ok,
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
    }))
}

fn add_unsaved(sum: &mut Rollup, minutes: &[(Timestamp, Rollup)], from: Timestamp) {
    for (_, rollup) in minutes.iter().filter(|(minute, _)| *minute >= from) {
        sum.merge(rollup);
    }
}

/// When a target changed its state, and why
///
/// The newest first.
#[utoipa::path(
    get, path = "/targets/{name}/transitions", tag = "Targets",
    params(
        ("name" = String, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 where it is missing."),
    ),
    responses((status = 200, body = Content<Transition>), QueryProblems),
)]
pub(super) async fn transitions(request: Request, name: String) -> Result<Response, Problem> {
    let limit = request.query.number("limit", 1..=LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    let limit = to_usize(request.query.accept(limit)?);
    let id = request.http.board.named(&name).ok_or_else(Problem::no_such_target)?.id;
    let lines = stored(&request.http.reader, move |reader| reader.transitions(id, None, limit)).await?;
    let content = lines.iter().map(|(_, change)| Transition::from(change)).collect();
    Ok(reply::tagged_json(&request, &Content { content }))
}

/// Probes a target now
///
/// It counts as any other attempt of the node's own. Configured targets only.
#[utoipa::path(
    post, path = "/targets/{name}/probe", tag = "Targets",
    params(("name" = String, Path)),
    responses((status = 200, body = Probed), CommandProblems),
)]
pub(super) async fn probe(request: Request, name: String) -> Result<Response, Problem> {
    let outcome = request.http.targets.probe(&name, request.correlation.clone()).await?;
    let events = outcome.logged().iter().map(|logged| Named::from(&logged.event)).collect();
    Ok(reply::json(&Probed { observation: outcome.observation.as_ref().map(Into::into), events }))
}
