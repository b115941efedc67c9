//! IntegrationStatus in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{IntegrationState, Time};
use crate::domain::{id, status};

/// An external system that this shop depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    /// Its name in the shop; 1 to 64 characters.
    #[schema(example = "PG_KCP", min_length = 1, max_length = 64)]
    pub(crate) system_name: String,
    /// Where it is; 1 to 2,048 characters.
    #[schema(example = "https://api.kcp.com", min_length = 1, max_length = 2048)]
    pub(crate) endpoint: String,
}

impl From<&id::Target> for Target {
    fn from(target: &id::Target) -> Self {
        let id::Target { system_name, endpoint } = target;
        Self { system_name: system_name.to_string(), endpoint: endpoint.to_string() }
    }
}

/// How the connection to one target stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationStatus {
    /// The same as `integrationStatusId`.
    pub(crate) id: u64,
    /// Given once.
    pub(crate) integration_status_id: u64,
    /// Of whom.
    pub(crate) target: Target,
    /// How it stands.
    pub(crate) state: IntegrationState,
    /// The last attempt, good or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_attempted_at: Option<Time>,
    /// The last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_succeeded_at: Option<Time>,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failed_at: Option<Time>,
    /// Why the last attempt failed; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_reason: Option<String>,
    /// Retries since it was last connected.
    pub(crate) retry_count: u32,
}

impl From<&status::IntegrationStatus> for IntegrationStatus {
    fn from(status: &status::IntegrationStatus) -> Self {
        let status::IntegrationStatus {
            id,
            target,
            state,
            last_attempted_at,
            last_succeeded_at,
            last_failed_at,
            failure_reason,
            retry_count,
        } = status;
        Self {
            id: id.0,
            integration_status_id: id.0,
            target: target.into(),
            state: (*state).into(),
            last_attempted_at: last_attempted_at.map(Time),
            last_succeeded_at: last_succeeded_at.map(Time),
            last_failed_at: last_failed_at.map(Time),
            failure_reason: failure_reason.as_deref().map(str::to_owned),
            retry_count: *retry_count,
        }
    }
}
