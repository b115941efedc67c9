//! A channel in JSON: how it does, and what came of trying it.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::Time;
use crate::actors::channels::Doing;
use crate::config::Channel;

/// How a channel does.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelState {
    pub(crate) channel: String,
    /// As the configuration has it; missing for one that is not configured any more, for which messages wait or were
    /// given up.
    #[schema(example = "slack")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    pub(crate) state: ChannelWord,
    /// Messages that wait.
    pub(crate) waiting: usize,
    /// Messages that were given up.
    pub(crate) dead_letters: usize,
    /// Since when the oldest of those that wait does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_queued_at: Option<Time>,
    /// When the next of them is tried; missing where all of them are under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_attempt_at: Option<Time>,
    /// Since this node started; so are the three below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_delivered_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failed_at: Option<Time>,
    /// What it said then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
    pub(crate) failures_in_a_row: u32,
    /// Messages in a time; missing where there is no limit.
    #[schema(example = "30/m")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limit: Option<String>,
}

/// Whether a channel works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChannelWord {
    /// Its last attempt was delivered.
    Delivering,
    /// Its last attempt was not.
    Failing,
    /// Nothing was sent to it since this node started.
    Untried,
}

impl ChannelWord {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivering => "delivering",
            Self::Failing => "failing",
            Self::Untried => "untried",
        }
    }
}

impl ChannelState {
    pub(crate) fn of(name: &str, channel: Option<&Channel>, doing: Doing, dead_letters: usize) -> Self {
        let Doing { waiting, oldest, next, delivered_at, failed_at, error, failures } = doing;
        let state = match (failures, delivered_at) {
            (1.., _) => ChannelWord::Failing,
            (0, Some(_)) => ChannelWord::Delivering,
            (0, None) => ChannelWord::Untried,
        };
        Self {
            channel: name.to_owned(),
            kind: channel.map(|channel| channel.kind.as_str()),
            state,
            waiting,
            dead_letters,
            oldest_queued_at: oldest.map(Time),
            next_attempt_at: next.map(Time),
            last_delivered_at: delivered_at.map(Time),
            last_failed_at: failed_at.map(Time),
            last_error: error.map(Into::into),
            failures_in_a_row: failures,
            rate_limit: channel.and_then(|channel| channel.rate_limit).map(|rate| rate.to_string()),
        }
    }
}

/// What came of a test message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelTested {
    pub(crate) channel: String,
    /// The kind of channel, as the configuration has it.
    #[schema(example = "slack")]
    pub(crate) kind: &'static str,
    pub(crate) outcome: DeliveryOutcome,
    /// The receiver's words, or ours; missing where it was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) took_ms: f64,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryOutcome {
    /// The receiver took it.
    Delivered,
    /// It may work later.
    Transient,
    /// It will never work as it is configured.
    Permanent,
}
