//! `/channels`: the ways to tell people: how they do, and tried out.

use warp::reply::Response;

use super::dto::channel::{ChannelState, ChannelTested, DeliveryOutcome};
use super::dto::list::Content;
use super::dto::words::millis;
use super::error::Problem;
use super::openapi::{CommandProblems, QueryProblems};
use super::reply;
use super::request::Request;
use super::state::Http;
use crate::domain::delivery::Outcome;
use crate::notify::Sender;

/// How each channel does
///
/// By name. What waits is counted each second.
#[utoipa::path(
    get, path = "/channels", tag = "Channels",
    responses((status = 200, body = Content<ChannelState>), QueryProblems),
)]
pub(super) async fn list(request: Request) -> Result<Response, Problem> {
    let content = states(&request.http);
    Ok(reply::tagged_json(&request, &Content::<ChannelState> { content }))
}

/// Every channel that is configured, and those that are not any more and for which messages wait or were given up. Reads
/// memory only.
pub(super) fn states(http: &Http) -> Vec<ChannelState> {
    let (config, dead) = (http.config.load_full(), http.reader.dead_letter_counts());
    let waited_for = http.board.channels().waited_for();
    let mut names: Vec<_> = config.channels.keys().chain(dead.keys()).chain(&waited_for).collect();
    names.sort_unstable();
    names.dedup();
    let state = |name: &std::sync::Arc<str>| {
        let channel = config.channels.get(name).map(AsRef::as_ref);
        ChannelState::of(name, channel, http.board.channels().of(name), dead.get(name).copied().unwrap_or_default())
    };
    names.into_iter().map(state).collect()
}

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
