//! `GET /_simulator` tells what the simulator did, `PUT /_simulator` changes its settings while it runs.
//!
//! A `PUT` comes from this machine or not at all. Its body is a JSON object of settings by name; it is taken whole, or
//! answered 400 with all that is wrong, and nothing is changed. `GET /_simulator?orderId=` shows that order's charges.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::fate::json;
use super::problem::Problems;
use super::processing::start_waiting;
use super::routing::{UnreadBody, body};
use super::simulation::Simulation;
use crate::listener::Peer;

pub(super) fn routes(simulation: &Arc<Simulation>) -> BoxedFilter<(Response,)> {
    let shared = {
        let simulation = Arc::clone(simulation);
        warp::any().map(move || Arc::clone(&simulation))
    };
    let told = warp::path!("_simulator")
        .and(warp::get())
        .and(shared.clone())
        .and(warp::query::<BTreeMap<String, String>>())
        .map(|simulation: Arc<Simulation>, query: BTreeMap<String, String>| {
            json(StatusCode::OK, &simulation.report(query.get("orderId").map(String::as_str)))
        });
    let changed = warp::path!("_simulator")
        .and(warp::put())
        .and(shared)
        .and(warp::ext::optional::<Peer>())
        .and(body())
        .map(|simulation: Arc<Simulation>, peer, body| change(&simulation, peer, body));
    told.or(changed).unify().boxed()
}

fn change(simulation: &Arc<Simulation>, peer: Option<Peer>, body: Result<Bytes, UnreadBody>) -> Response {
    if !is_this_machine(peer) {
        return refused(StatusCode::FORBIDDEN, "settings are changed from the simulator's own machine", None);
    }
    let changed = read(body).and_then(|changes| change_settings(simulation, &changes));
    match changed {
        Ok(()) => json(StatusCode::OK, &simulation.settings().texts()),
        Err(problems) => refused(StatusCode::BAD_REQUEST, "nothing was changed", Some(&problems)),
    }
}

/// Takes all changes or none.
pub(super) fn change_settings(simulation: &Arc<Simulation>, changes: &[(String, String)]) -> Result<(), Problems> {
    simulation.stage.change(changes)?;
    tracing::info!(settings = ?changes, "the simulator's settings were changed");
    // There may be more workers now.
    start_waiting(simulation);
    Ok(())
}

/// Whether the request came over loopback.
pub(super) fn is_this_machine(peer: Option<Peer>) -> bool {
    peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback())
}

fn read(body: Result<Bytes, UnreadBody>) -> Result<Vec<(String, String)>, Problems> {
    let mut problems = Problems::default();
    let object = body.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let Some(Value::Object(members)) = object else {
        problems.add("body", "is not a JSON object such as {\"reject_rate\": 0.4, \"callback\": \"dup(2)\"}");
        return Err(problems);
    };
    let mut changes = Vec::new();
    for (name, value) in members {
        match value {
            Value::String(text) => changes.push((name, text)),
            Value::Number(number) => changes.push((name, number.to_string())),
            Value::Bool(truth) => changes.push((name, if truth { "on" } else { "off" }.to_owned())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                problems.add(name, "is a text, a number, true or false");
            }
        }
    }
    if problems.0.is_empty() {
        return Ok(changes);
    }
    // What else is wrong is told too.
    let pairs = changes.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    if let Err(wrong) = super::settings::Settings::default().with(pairs) {
        problems.0.extend(wrong.0);
    }
    Err(problems)
}

#[derive(Serialize)]
struct Refused<'a> {
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Wrong<'a>>>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    at: &'a str,
    what: &'a str,
}

pub(super) fn refused(status: StatusCode, title: &str, problems: Option<&Problems>) -> Response {
    let problems = problems
        .map(|problems| problems.0.iter().map(|problem| Wrong { at: &problem.at, what: &problem.what }).collect());
    let mut response = json(status, &Refused { title, status: status.as_u16(), problems });
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/problem+json"));
    response
}
