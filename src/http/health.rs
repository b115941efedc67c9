//! Whether this node is alive and ready. An integration's health never changes either.
//!
//! `/livez` fails when the actors' arbiter does not tick or the store's thread has ended: then a restart helps. `/readyz`
//! also fails while the node restores what it knew and while it drains. `?verbose` lists the checks, as Kubernetes' own
//! endpoints do; `/-/healthy` and `/-/ready` are the same under the names of the Prometheus family.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use warp::reply::Response;

use super::error::{Problem, health_status};
use super::openapi::CommandProblems;
use super::reply;
use super::request::Request;
use super::state::{Http, Readiness, TICK_MAX};
use crate::clock::format;

/// One thing that must be right.
struct Check {
    name: &'static str,
    ok: bool,
    said: &'static str,
}

fn life(http: &Http) -> Vec<Check> {
    let ticks = http.vitals.since_tick(http.clock.moment()) <= TICK_MAX;
    vec![
        Check { name: "actors", ok: ticks, said: "the actors' arbiter has not ticked for 10 s" },
        Check { name: "journal", ok: http.vitals.journal_is_alive(), said: "the store's thread has ended" },
    ]
}

fn readiness(http: &Http) -> Vec<Check> {
    let (ok, said) = match *http.readiness.borrow() {
        Readiness::Restoring => (false, "what is stored is being restored"),
        Readiness::Ready => (true, ""),
        Readiness::Draining => (false, "the node is draining"),
    };
    let mut checks = life(http);
    checks.push(Check { name: "serving", ok, said });
    checks
}

/// Whether this node is alive
///
/// Also at `/-/healthy`.
#[utoipa::path(
    get, path = "/livez", tag = "Node",
    params(("verbose" = Option<bool>, Query, description = "Lists the checks; needs no value.")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 503, description = "It is not.")),
)]
pub(super) async fn livez(request: Request) -> Result<Response, Problem> {
    Ok(told("livez", &life(&request.http), request.query.has("verbose")))
}

/// Whether this node takes requests
///
/// Also at `/-/ready`.
#[utoipa::path(
    get, path = "/readyz", tag = "Node",
    params(("verbose" = Option<bool>, Query, description = "Lists the checks; needs no value.")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 503, description = "It does not.")),
)]
pub(super) async fn readyz(request: Request) -> Result<Response, Problem> {
    Ok(told("readyz", &readiness(&request.http), request.query.has("verbose")))
}

fn told(name: &str, checks: &[Check], verbose: bool) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let mut text = String::new();
    if verbose || !ok {
        for Check { name, ok, said } in checks {
            text.push_str(&if *ok { format!("[+]{name} ok\n") } else { format!("[-]{name} failed: {said}\n") });
        }
        text.push_str(&format!("{name} check {}\n", if ok { "passed" } else { "failed" }));
    } else {
        text.push_str("ok\n");
    }
    let mut response = reply::text(text, "text/plain; charset=utf-8");
    *response.status_mut() = health_status(ok);
    response
}

/// This node's health, for machines that read draft-inadarei-api-health-check-06
#[utoipa::path(
    get, path = "/healthz", tag = "Node",
    responses(
        (status = 200, content_type = "application/health+json", body = Object),
        (status = 503, content_type = "application/health+json", body = Object),
    ),
)]
pub(super) async fn healthz(request: Request) -> Result<Response, Problem> {
    let http = &request.http;
    let checks = readiness(http);
    let ok = checks.iter().all(|check| check.ok);
    let time = format(http.clock.now());
    let mut shown = Map::new();
    for Check { name, ok, said } in &checks {
        let mut check = json!({"componentType": "component", "status": word(*ok), "time": time});
        if !ok {
            check["output"] = Value::from(*said);
        }
        shown.insert(format!("{name}:state"), json!([check]));
    }
    let crowded = http.journal.is_crowded();
    shown.insert(
        "journal:queueDepth".to_owned(),
        json!([{
            "componentType": "datastore", "observedValue": http.journal.depth(), "observedUnit": "changes",
            "status": if crowded { "warn" } else { "pass" }, "time": time,
        }]),
    );
    let body = json!({
        "status": if ok && crowded { "warn" } else { word(ok) },
        "version": env!("CARGO_PKG_VERSION").split('.').next(),
        "releaseId": env!("CARGO_PKG_VERSION"),
        "serviceId": &*request.config().node.name,
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "checks": shown,
    });
    let mut response = reply::text(body.to_string(), "application/health+json");
    *response.status_mut() = health_status(ok);
    Ok(response)
}

const fn word(ok: bool) -> &'static str {
    if ok { "pass" } else { "fail" }
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reloaded {
    /// Targets in force.
    pub(super) targets: usize,
    /// What needs a restart to come into force, a sentence each.
    pub(super) needs_restart: Vec<String>,
}

/// Reads the configuration again
///
/// A wrong one changes nothing and is answered with 422 and everything that is wrong with it.
#[utoipa::path(
    post, path = "/-/reload", tag = "Node",
    responses(
        (status = 200, body = Reloaded),
        (status = 422, content_type = "application/problem+json", body = super::dto::problem::ProblemBody),
        CommandProblems,
    ),
)]
pub(super) async fn reload(request: Request) -> Result<Response, Problem> {
    let super::state::Reloaded { targets, needs_restart } = request.http.reload.now().await?;
    Ok(reply::json(&Reloaded { targets, needs_restart }))
}
