//! A channel in JSON: what came of trying it.

use serde::Serialize;
use utoipa::ToSchema;

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
