//! A refusal in JSON (RFC 9457).

use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// What kind of problem; it never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:breakwater:problem:stale-report")]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// This occurrence in words.
    pub(crate) detail: String,
    /// The request's `X-Correlation-Id`.
    pub(crate) correlation_id: String,
    /// What is wrong with single members, where that is the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<FieldError>,
    /// Of `events-gone`: the first event that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
    /// Of `retry-count`: what would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected_retry_count: Option<u32>,
    /// Of `call-refused` and `too-many-permits`: why, in a word that never changes: `open`, `forced_open`,
    /// `trials_taken`, `ramping`, `too_many_permits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "open")]
    pub(crate) reason: Option<&'static str>,
    /// Of the same: when to come again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<f64>,
}

/// What is wrong with one member of a body, one query parameter, or one key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldError {
    /// The member as a JSON pointer (RFC 6901); empty for the body itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/target/endpoint")]
    pub(crate) pointer: Option<String>,
    /// The query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// What is wrong.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn in_body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, detail: detail.into() }
    }

    pub(crate) fn in_query(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(parameter.into()), detail: detail.into() }
    }

    /// Of a configuration: the sentence names file, line and key.
    pub(crate) fn in_configuration(detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, detail: detail.into() }
    }
}
