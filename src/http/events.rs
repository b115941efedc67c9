//! `/events`: the log, page by page, and events of other contexts.

use sha2::{Digest, Sha256};
use warp::reply::Response;

use super::dto::command::IncomingEvent;
use super::dto::event::{Envelope, Events};
use super::error::Problem;
use super::fields::{Fields, TEXT_MAX};
use super::openapi::{CommandProblems, QueryProblems};
use super::query::to_usize;
use super::reply;
use super::request::{Request, is_correlation_id, stored};
use crate::actors::histories::{Received, WeatherFailed};
use crate::config::Config;
use crate::domain::event::Event;
use crate::domain::failure_history::{FailureDetail, FailureType, Record};
use crate::domain::id::{CorrelationId, Sequence, StatusId};
use crate::domain::scrub::scrub;
use crate::store::Reader;

/// Events of one answer where the caller does not say.
const LIMIT_DEFAULT: u64 = 100;
/// Events of one answer at most; more is refused.
const LIMIT_MAX: u64 = 1_000;
/// Characters of a CloudEvent's id; a longer one is refused.
const EVENT_ID_MAX: usize = 256;
/// Characters of a CloudEvent's source; a longer one is refused.
const EVENT_SOURCE_MAX: usize = 1_024;
/// The only event of others that is acted on.
const WEATHER_FAILED: &str = "LocationWeatherInfoFailed";

/// The log of events
///
/// Oldest first. Events that are no longer kept are answered with 410 and the first that is.
#[utoipa::path(
    get, path = "/events", tag = "Events",
    params(
        ("after" = Option<u64>, Query, description = "Events after this sequence number; 0 where it is missing."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "100 where it is missing."),
        ("correlationId" = Option<String>, Query, description = "Only what belongs together."),
    ),
    responses((status = 200, body = Events), QueryProblems, (status = 410, body = super::dto::problem::ProblemBody)),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let query = &request.query;
    let after = query.number("after", 0..=u64::MAX).map(Sequence);
    let limit = query.number("limit", 1..=LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    let correlation = query.text("correlationId").map(CorrelationId::new);
    let (after, limit, correlation) = query.accept((after, to_usize(limit), correlation))?;
    let begin = after.unwrap_or_default();
    let read = move |reader: &Reader| match correlation {
        Some(correlation) => reader.events_by_correlation(&correlation, begin, limit),
        // Who does not say from where wants what there is, however much of it is gone.
        None if after.is_none() => reader.events_after(first_kept(reader), limit),
        None => reader.events_after(begin, limit),
    };
    let logged = stored(&request.http.reader, read).await?;
    let next = logged.last().map_or(begin, |last| last.sequence);
    let config = request.config();
    let content = logged.iter().map(|logged| Envelope::new(logged, &config.node.name)).collect();
    Ok(reply::json(&Events { content, next: next.0 }))
}

fn first_kept(reader: &Reader) -> Sequence {
    Sequence(reader.first_sequence().0.saturating_sub(1))
}

/// An event of another context
///
/// LocationWeatherInfoFailed, as a CloudEvent in structured JSON. A failure is recorded and people are told, once for
/// each `source` and `id`.
#[utoipa::path(
    post, path = "/events", tag = "Events",
    request_body(content = IncomingEvent, content_type = "application/cloudevents+json"),
    responses((status = 202, description = "It was acted on, now or before.", body = Taken), CommandProblems),
)]
pub(super) async fn receive(request: Request) -> Result<Response, Problem> {
    let Request { http, correlation, body, .. } = request;
    let incoming = body.command(read_incoming).await?;
    let config = http.config.load_full();
    let status_id = http.board.named(&config.monitor.weather_system).map_or(StatusId(0), |slot| slot.id);
    let correlation = incoming.correlation.clone().unwrap_or(correlation);
    let failed = incoming.acted_on(&config, status_id);
    let received = http.histories.weather_failed(failed, http.clock.now(), correlation).await?;
    let duplicate = match received {
        Received::Accepted(_) => false,
        Received::Duplicate => true,
    };
    Ok(reply::accepted(&Taken { duplicate }))
}

/// An event was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(super) struct Taken {
    /// It had been before; nothing was done.
    pub(super) duplicate: bool,
}

/// A LocationWeatherInfoFailed that was read.
struct Incoming {
    received: (Box<str>, Box<str>),
    correlation: Option<CorrelationId>,
    campsite_id: i64,
    error_message: Box<str>,
    location_weather_info_id: i64,
    requested_at: crate::domain::time::Timestamp,
}

fn read_incoming(fields: &Fields<'_>) -> Option<Incoming> {
    if fields.raw_text("specversion", TEXT_MAX).is_some_and(|version| version != "1.0") {
        fields.wrong::<()>("specversion", "must be 1.0");
    }
    if fields.raw_text("type", TEXT_MAX).is_some_and(|kind| kind != WEATHER_FAILED) {
        fields.wrong::<()>("type", format!("must be {WEATHER_FAILED}; no other event is acted on"));
    }
    let source = fields.raw_word("source", EVENT_SOURCE_MAX).map(key);
    let id = fields.raw_word("id", EVENT_ID_MAX).map(key);
    let correlation = fields.optional("correlationid", |fields, name| {
        let text = fields.raw_text(name, TEXT_MAX)?;
        if is_correlation_id(text) {
            Some(CorrelationId::new(text))
        } else {
            fields.wrong(name, "must be 1 to 128 visible ASCII characters")
        }
    });
    let data = fields.object("data")?;
    let campsite_id = data.object("campsiteId").and_then(|campsite| campsite.signed("campsiteId"));
    let (error_message, info_id) = (data.text("errorMessage"), data.signed("locationWeatherInfoId"));
    let requested_at = data.time("requestedAt");
    Some(Incoming {
        received: (source?, id?),
        correlation: correlation?,
        campsite_id: campsite_id?,
        error_message: error_message?,
        location_weather_info_id: info_id?,
        requested_at: requested_at?,
    })
}

impl Incoming {
    /// What the policy IntegrationFailureNotification makes of it.
    fn acted_on(self, config: &Config, status_id: StatusId) -> WeatherFailed {
        let Self { received, correlation: _, campsite_id, error_message, location_weather_info_id, requested_at } =
            self;
        let nothing = || Box::from("N/A");
        let record = Record {
            failure_type: FailureType::LocationWeatherApi,
            detail: FailureDetail {
                error_code: nothing(),
                error_message: error_message.clone(),
                request_payload: format!("{{\"campsiteId\":{campsite_id}}}").into(),
                response_payload: nothing(),
                additional_info: location_weather_info_id.to_string().into(),
            },
            target_system: (&*config.monitor.weather_system).into(),
            occurred_at: requested_at,
            status_id,
        };
        let event =
            Event::LocationWeatherInfoFailed { campsite_id, error_message, location_weather_info_id, requested_at };
        WeatherFailed { event, record, received }
    }
}

/// What an event is remembered by. Masking would make different ids equal, so one with a card number in it is kept as
/// its hash.
fn key(text: &str) -> Box<str> {
    if scrub(text) == text {
        return text.into();
    }
    let mut key = String::from("sha256:");
    for byte in Sha256::digest(text) {
        key.push_str(&format!("{byte:02x}"));
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_weather_failure_becomes_a_failure_as_the_policy_says() {
        let body = json!({
            "specversion": "1.0", "id": "e-1", "source": "/weather", "type": "LocationWeatherInfoFailed",
            "time": "2024-06-10T10:00:05Z", "datacontenttype": "application/json",
            "data": {
                "campsiteId": {"campsiteId": 2002}, "errorMessage": "외부 API 응답 지연",
                "locationWeatherInfoId": 1003, "requestedAt": "2024-06-10T10:00:00Z",
            },
        });
        let incoming = Fields::read(&body, read_incoming).unwrap();
        assert_eq!(incoming.received, ("/weather".into(), "e-1".into()));
        assert_eq!((incoming.campsite_id, incoming.location_weather_info_id), (2002, 1003));
    }

    #[test]
    fn everything_that_is_wrong_with_an_event_is_said_at_once() {
        let body = json!({
            "specversion": "0.3", "source": "", "type": "Other", "correlationid": "two words",
            "data": {"campsiteId": 7, "errorMessage": null, "locationWeatherInfoId": "x", "requestedAt": 1},
        });
        let problem = Fields::read(&body, read_incoming).err().unwrap();
        let told = problem.body(&CorrelationId::new("c"));
        let pointers: Vec<_> = told.errors.iter().filter_map(|error| error.pointer.as_deref()).collect();
        assert_eq!(
            pointers,
            [
                "/specversion",
                "/type",
                "/source",
                "/id",
                "/correlationid",
                "/data/campsiteId",
                "/data/errorMessage",
                "/data/locationWeatherInfoId",
                "/data/requestedAt",
            ]
        );
    }

    #[test]
    fn an_id_with_a_card_number_in_it_is_remembered_and_not_kept() {
        assert_eq!(&*key("e-1"), "e-1");
        let (one, other) = (key("4111111111111111"), key("4111119999991111"));
        assert_ne!(one, other);
        assert!(one.starts_with("sha256:"));
    }
}
