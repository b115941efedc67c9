//! IntegrationFailureHistory in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{FailureType, RetryResult, Time};
use crate::domain::failure_history;

/// What is known of a failure; `N/A` where nothing is. Card numbers are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailureDetail {
    /// The provider's code.
    #[schema(example = "504", max_length = 16384)]
    pub(crate) error_code: String,
    /// In words.
    #[schema(example = "Timeout occurred", max_length = 16384)]
    pub(crate) error_message: String,
    /// What was asked.
    #[schema(example = "{amount:1000}", max_length = 16384)]
    pub(crate) request_payload: String,
    /// What was answered.
    #[schema(example = "N/A", max_length = 16384)]
    pub(crate) response_payload: String,
    /// Anything else.
    #[schema(example = "N/A", max_length = 16384)]
    pub(crate) additional_info: String,
}

impl From<&failure_history::FailureDetail> for FailureDetail {
    fn from(detail: &failure_history::FailureDetail) -> Self {
        let failure_history::FailureDetail {
            error_code,
            error_message,
            request_payload,
            response_payload,
            additional_info,
        } = detail;
        Self {
            error_code: error_code.to_string(),
            error_message: error_message.to_string(),
            request_payload: request_payload.to_string(),
            response_payload: response_payload.to_string(),
            additional_info: additional_info.to_string(),
        }
    }
}

/// One recorded failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationFailureHistory {
    /// The same as `integrationFailureHistoryId`.
    pub(crate) id: u64,
    /// Given once.
    pub(crate) integration_failure_history_id: u64,
    /// The kind of system.
    pub(crate) failure_type: FailureType,
    /// What is known.
    pub(crate) failure_detail: FailureDetail,
    /// Which system.
    pub(crate) target_system: String,
    /// When it failed.
    pub(crate) occurred_at: Time,
    /// Retries so far.
    pub(crate) retry_count: u32,
    /// What came of the last one.
    pub(crate) retry_result: RetryResult,
    /// People were told, or are about to be.
    pub(crate) notified: bool,
    /// The status it belongs to, as the recorder said.
    pub(crate) integration_status_id: u64,
    /// When the last retry was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_retried_at: Option<Time>,
    /// When it was recovered; until then it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovered_at: Option<Time>,
}

impl From<&failure_history::IntegrationFailureHistory> for IntegrationFailureHistory {
    fn from(history: &failure_history::IntegrationFailureHistory) -> Self {
        let failure_history::IntegrationFailureHistory {
            id,
            failure_type,
            detail,
            target_system,
            occurred_at,
            status_id,
            retry_count,
            retry_result,
            notified,
            last_retried_at,
            recovered_at,
        } = history;
        Self {
            id: id.0,
            integration_failure_history_id: id.0,
            failure_type: (*failure_type).into(),
            failure_detail: detail.into(),
            target_system: target_system.to_string(),
            occurred_at: Time(*occurred_at),
            retry_count: *retry_count,
            retry_result: (*retry_result).into(),
            notified: *notified,
            integration_status_id: status_id.0,
            last_retried_at: last_retried_at.map(Time),
            recovered_at: recovered_at.map(Time),
        }
    }
}
