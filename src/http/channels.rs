//! `/channels`: the ways to tell people, tried out.

use warp::reply::Response;

use super::dto::channel::{ChannelTested, DeliveryOutcome};
use super::dto::words::millis;
use super::error::Problem;
use super::openapi::CommandProblems;
use super::reply;
use super::request::Request;
use crate::domain::delivery::Outcome;
use crate::notify::Sender;

/// Sends a test message over a channel now
///
/// It goes past the outbox and is not tried again: the answer is what the receiver said. What a test opens at a pager
/// it closes again.
#[utoipa::path(
    post, path = "/channels/{name}/test", tag = "Channels",
    params(("name" = String, Path)),
    responses((status = 200, body = ChannelTested), CommandProblems),
)]
pub(super) async fn test(request: Request, name: String) -> Result<Response, Problem> {
    let (config, clock) = (request.http.config.load_full(), request.http.clock);
    let channel = config.channels.get(&*name).ok_or_else(Problem::no_such_channel)?;
    let began = clock.moment();
    let outcome = match Sender::new(&config, channel, clock) {
        Ok(sender) => sender.test().await,
        Err(error) => Outcome::Permanent { error: error.to_string().into() },
    };
    let (outcome, error) = match outcome {
        Outcome::Delivered => (DeliveryOutcome::Delivered, None),
        Outcome::Transient { error, retry_after: _ } => (DeliveryOutcome::Transient, Some(error.into())),
        Outcome::Permanent { error } => (DeliveryOutcome::Permanent, Some(error.into())),
    };
    let (kind, took_ms) = (channel.kind.as_str(), millis(clock.moment().since(began)));
    Ok(reply::json(&ChannelTested { channel: name, kind, outcome, error, took_ms }))
}
