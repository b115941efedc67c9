//! `GET /api/v1/weather?location=`: a second API beside the gateway, with an outage of its own.
//!
//! A place's weather is drawn from the seed, the place and the hour, so that it can be asked twice. Without a location
//! it answers 400, for a place it does not know (`no-location`) 404.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::StatusCode;
use rand::Rng;
use serde::Serialize;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::dice::seeded;
use super::fate::{Fate, json};
use super::routing::{attend, connection};
use super::simulation::Simulation;
use super::tally::Route;
use crate::clock::{self, Clock};

/// Tells the weather's generators from those of requests.
const WEATHER: u64 = 4;

const NANOS_AN_HOUR: i64 = 3_600_000_000_000;

const LONGEST_LOCATION: usize = 255;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Weather<'a> {
    location: &'a str,
    /// Degrees Celsius.
    temperature: f64,
    /// Percent.
    humidity: u8,
    weather_status: &'static str,
    provided_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    error_code: &'a str,
    error_message: &'a str,
}

pub(super) fn route(simulation: &Arc<Simulation>) -> BoxedFilter<(Response,)> {
    let simulation = Arc::clone(simulation);
    warp::path!("api" / "v1" / "weather")
        .and(warp::get())
        .and(connection())
        .and(warp::query::<BTreeMap<String, String>>())
        .then(move |connection, query| {
            let asked = Arc::clone(&simulation);
            let handler = async move { Fate::Answer(weather(&asked, &query)) };
            attend(Arc::clone(&simulation), Route::Weather, connection, refusal, handler)
        })
        .boxed()
}

fn weather(simulation: &Simulation, query: &BTreeMap<String, String>) -> Response {
    let location = query.get("location").map_or("", |location| location.trim());
    if location.is_empty() || location.chars().count() > LONGEST_LOCATION {
        return refused(StatusCode::BAD_REQUEST, "location 은 1자 이상 255자 이하여야 합니다.");
    }
    json(StatusCode::OK, &observed(location, simulation.dice.seed(), simulation.clock))
}

fn observed(location: &str, seed: u64, clock: Clock) -> Weather<'_> {
    const STATUSES: [&str; 5] = ["SUNNY", "CLOUDY", "RAINY", "SNOWY", "WINDY"];
    let now = clock.now();
    let mut place = DefaultHasher::new();
    location.hash(&mut place);
    now.as_nanos().div_euclid(NANOS_AN_HOUR).hash(&mut place);
    let mut rng = seeded(seed, WEATHER, place.finish());
    Weather {
        location,
        temperature: f64::from(rng.random_range(-100..350_i32)) / 10.0,
        humidity: rng.random_range(20..=95),
        weather_status: STATUSES[rng.random_range(0..STATUSES.len())],
        provided_at: clock::format(now),
    }
}

fn refusal(status: StatusCode) -> Response {
    let message = if status == StatusCode::NOT_FOUND {
        "위치 정보 없음"
    } else if status == StatusCode::TOO_MANY_REQUESTS {
        "요청 한도를 초과했습니다."
    } else {
        "외부 API 오류"
    };
    refused(status, message)
}

fn refused(status: StatusCode, error_message: &str) -> Response {
    json(status, &Refused { error_code: status.canonical_reason().unwrap_or("Error"), error_message })
}
