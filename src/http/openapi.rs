//! `/openapi.json`: the surface, described by the code that serves it (OpenAPI 3.1).

use utoipa::{IntoResponses, OpenApi};
use warp::reply::Response;

use super::dto::alerting_event::{AlertAcknowledged, AlertEscalated, NotificationDismissed, NotificationResent};
use super::dto::event::{
    AlertFired, AlertResolved, CircuitBreakerControlled, CircuitBreakerTransitioned, IntegrationFailureRecorded,
    IntegrationFailureRecovered, IntegrationFailureRetried, LocationWeatherInfoFailed, NotificationDeadLettered,
    PaymentGatewayConnected, PaymentGatewayConnectionFailed, PaymentGatewayRetried,
};
use super::dto::problem::ProblemBody;
use super::dto::quiet::QuietChanged;
use super::error::Problem;
use super::reply;
use super::request::Request;
use super::{
    alerts, breaker, callers, channels, configuration, events, health, heartbeats, histories, metrics, outbox, quiets,
    statuses, stream, targets,
};

/// What a command may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description")]
pub(super) enum CommandProblems {
    /// The body is not JSON, or not what it must be; `errors` says where.
    #[response(status = 400, content_type = "application/problem+json")]
    Wrong(ProblemBody),
    /// Not allowed without a token, or not from the page of another site.
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(ProblemBody),
    /// There is nothing with this id or name.
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemBody),
    /// What is known does not allow it: a stale report, another retry count, a closed history, another endpoint, a
    /// system that is not configured, a target that is not called or does not report in, an alert that is over, a silence
    /// that stands in the configuration.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody),
    /// The body is larger than 256 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not said to be JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(ProblemBody),
    /// Too much waits to be written, or there are too many systems that are not configured, silences or maintenances;
    /// `Retry-After` says when to come again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMuch(ProblemBody),
    /// This node could not make the attempt; it says nothing about the target.
    #[response(status = 503, content_type = "application/problem+json")]
    AttemptImpossible(ProblemBody),
    /// No answer in time; it may have been carried out.
    #[response(status = 504, content_type = "application/problem+json")]
    NoAnswer(ProblemBody),
}

/// What a query may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description")]
pub(super) enum QueryProblems {
    /// A parameter is not what it must be; `errors` says which.
    #[response(status = 400, content_type = "application/problem+json")]
    Wrong(ProblemBody),
    /// Not allowed without a token.
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(ProblemBody),
    /// There is nothing with this id or name.
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemBody),
}

/// What a permit may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description")]
pub(super) enum PermitProblems {
    /// Not allowed without a token, or not from the page of another site.
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(ProblemBody),
    /// There is nothing with this name.
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemBody),
    /// The system is not configured.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody),
    /// The call may not be made now, `reason` says why; or too many permits are out. `Retry-After` and `retryAfterMs` say
    /// when to come again.
    #[response(status = 503, content_type = "application/problem+json")]
    Refused(ProblemBody),
}

/// The whole surface.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Breakwater",
        description = "Stands between a shop and the systems it depends on: watches, guards, remembers, tells.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        statuses::connect,
        statuses::fail,
        statuses::retry,
        statuses::list,
        statuses::details,
        histories::record,
        histories::retry,
        histories::recover,
        histories::list,
        histories::details,
        events::list,
        events::receive,
        stream::stream,
        targets::list,
        targets::details,
        targets::uptime,
        targets::transitions,
        targets::probe,
        heartbeats::beat,
        breaker::look,
        breaker::control,
        breaker::reset,
        alerts::list,
        alerts::details,
        alerts::ask,
        alerts::acknowledge,
        quiets::silences,
        quiets::silence,
        quiets::unsilence,
        quiets::maintenances,
        quiets::maintain,
        quiets::end_maintenance,
        outbox::list,
        outbox::retry,
        outbox::retry_all,
        outbox::dismiss,
        callers::permit,
        callers::observations,
        channels::list,
        channels::test,
        health::livez,
        health::readyz,
        health::healthz,
        health::reload,
        configuration::show,
        metrics::metrics,
        openapi,
    ),
    components(schemas(
        PaymentGatewayConnected,
        PaymentGatewayConnectionFailed,
        PaymentGatewayRetried,
        IntegrationFailureRecorded,
        IntegrationFailureRetried,
        IntegrationFailureRecovered,
        CircuitBreakerTransitioned,
        CircuitBreakerControlled,
        AlertFired,
        AlertResolved,
        AlertAcknowledged,
        AlertEscalated,
        QuietChanged,
        NotificationResent,
        NotificationDismissed,
        NotificationDeadLettered,
        LocationWeatherInfoFailed,
    )),
    tags(
        (name = "IntegrationStatus", description = "How the connection to each integration target stands."),
        (name = "IntegrationFailureHistory", description = "What failed, and how it ended."),
        (name = "Events", description = "Everything that happened, as CloudEvents 1.0."),
        (name = "Targets", description = "How each target is, and how it was."),
        (name = "Breaker", description = "The circuit breakers."),
        (name = "Alerts", description = "What people are told, when they are not, and what waits."),
        (name = "Calls", description = "For applications that call a target: may I, and how did it go."),
        (name = "Channels", description = "The ways to tell people."),
        (name = "Node", description = "This node."),
    ),
)]
struct Surface;

/// The description as text.
#[must_use]
pub fn document() -> String {
    let mut text = Surface::openapi().to_pretty_json().expect("a description can always be written");
    text.push('\n');
    text
}

/// This description
#[utoipa::path(
    get, path = "/openapi.json", tag = "Node",
    responses((status = 200, content_type = "application/json", body = Object)),
)]
pub(super) async fn openapi(_request: Request) -> Result<Response, Problem> {
    Ok(reply::text(document(), "application/json"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_on_disk_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openapi.json");
        let document = document();
        if std::fs::read_to_string(path).ok().as_deref() != Some(&document) {
            std::fs::write(path, document).unwrap();
            panic!("tests/data/openapi.json was not current; it is now: look at the difference and commit it");
        }
    }

    #[test]
    fn the_table_in_the_module_documentation_lists_the_same_routes() {
        let table: BTreeSet<String> = include_str!("mod.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .filter_map(|line| line.split('`').next())
            .map(str::to_owned)
            .collect();
        let description = serde_json::to_value(Surface::openapi()).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let undescribed = ["GET /", "GET /assets/page.css", "GET /assets/page.js", "GET /-/healthy", "GET /-/ready"];
        described.extend(undescribed.map(str::to_owned));
        assert_eq!(table, described);
    }
}
