//! `GET /health`: 200 `{"status":"UP"}`, and what the outage makes of it, so that the gateway can be probed.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::fate::{Fate, json};
use super::routing::{attend, connection};
use super::simulation::Simulation;
use super::tally::Route;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(super) fn route(simulation: &Arc<Simulation>) -> BoxedFilter<(Response,)> {
    let simulation = Arc::clone(simulation);
    warp::path!("health")
        .and(warp::get())
        .and(connection())
        .then(move |connection| {
            let up = async { Fate::Answer(json(StatusCode::OK, &Health { status: "UP" })) };
            attend(Arc::clone(&simulation), Route::Health, connection, down, up)
        })
        .boxed()
}

fn down(status: StatusCode) -> Response {
    json(status, &Health { status: "DOWN" })
}
