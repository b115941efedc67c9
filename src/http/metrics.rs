//! `/metrics`: the node's numbers, for Prometheus.

use std::sync::Arc;

use warp::http::header::ACCEPT;
use warp::reply::Response;

use super::error::Problem;
use super::reply;
use super::request::Request;
use super::state::Http;
use crate::actors::board::Slot;
use crate::config;
use crate::domain::time::Moment;
use crate::domain::watch::Watch;
use crate::metrics::{BreakerSample, Format, Page, PassiveSample, Process, TargetNumbers, TargetSample};

/// The node's metrics
///
/// In Prometheus' text format, or as OpenMetrics where `Accept` asks for it.
#[utoipa::path(
    get, path = "/metrics", tag = "Node",
    responses((status = 200, content_type = "text/plain", body = String)),
)]
pub(super) async fn metrics(request: Request) -> Result<Response, Problem> {
    let format = Format::from_accept(request.header(&ACCEPT).unwrap_or_default());
    let http = request.http.clone();
    // Ten thousand targets take long enough to hold up others.
    let page = tokio::task::spawn_blocking(move || render(&http, format)).await.map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::internal()
    })?;
    Ok(reply::text(page, format.content_type()))
}

/// A configured target, copied, so that its lock is not held while the page is written.
struct Taken {
    spec: Arc<config::Target>,
    watch: Watch,
    numbers: TargetNumbers,
    breaker: BreakerSample,
}

fn render(http: &Http, format: Format) -> String {
    let now = http.clock.moment();
    let slots = http.board.all();
    let mut targets: Vec<Taken> = slots.iter().filter_map(|slot| take(slot, now)).collect();
    targets.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
    let targets: Vec<TargetSample<'_>> = targets
        .iter()
        .map(|taken| TargetSample {
            name: &taken.spec.name,
            group: &taken.spec.group,
            failure_type: taken.spec.policy.failure_type,
            kind: taken.spec.probe.kind(),
            interval: taken.spec.interval,
            watch: &taken.watch,
            numbers: &taken.numbers,
            breaker: taken.breaker,
        })
        .collect();
    let passive = passive(slots.iter().filter(|slot| slot.spec.is_none()));
    Page { node: &http.metrics, process: Process::read(), targets: &targets, passive }.render(format)
}

fn take(slot: &Slot, now: Moment) -> Option<Taken> {
    let spec = slot.spec.clone()?;
    let breaker = slot.gate.as_ref().map_or_else(BreakerSample::default, |gate| {
        let rates = gate.view(now).rates;
        BreakerSample {
            failure_rate: rates.map_or(0.0, |rates| rates.failed),
            slow_call_rate: rates.map_or(0.0, |rates| rates.slow),
            ..BreakerSample::default()
        }
    });
    Some(slot.live(|live| Taken { spec, watch: live.watch.clone(), numbers: live.numbers, breaker }))
}

fn passive<'a>(slots: impl Iterator<Item = &'a Arc<Slot>>) -> PassiveSample {
    let mut sum = PassiveSample::default();
    for slot in slots {
        sum.targets += 1;
        slot.live(|live| live.numbers.add_changes_to(&mut sum.state_changes, &mut sum.breaker_changes));
    }
    sum
}
