//! A refusal in JSON (RFC 9457).

use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(in crate::http) struct ProblemBody {
    /// What kind of problem; it never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:breakwater:problem:stale-report")]
    pub(in crate::http) kind: String,
    /// The kind in words.
    pub(in crate::http) title: String,
    /// The HTTP status.
    pub(in crate::http) status: u16,
    /// This occurrence in words.
    pub(in crate::http) detail: String,
    /// The request's `X-Correlation-Id`.
    pub(in crate::http) correlation_id: String,
    /// What is wrong with single members, where that is the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(in crate::http) errors: Vec<FieldError>,
    /// Of `events-gone`: the first event that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) first: Option<u64>,
    /// Of `retry-count`: what would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) expected_retry_count: Option<u32>,
}

/// What is wrong with one member of a body, one query parameter, or one key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct FieldError {
    /// The member as a JSON pointer (RFC 6901); empty for the body itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/target/endpoint")]
    pub(in crate::http) pointer: Option<String>,
    /// The query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) parameter: Option<String>,
    /// What is wrong.
    pub(in crate::http) detail: String,
}

impl FieldError {
    pub(in crate::http) fn in_body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, detail: detail.into() }
    }

    pub(in crate::http) fn in_query(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(parameter.into()), detail: detail.into() }
    }

    /// Of a configuration: the sentence names file, line and key.
    pub(in crate::http) fn in_configuration(detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, detail: detail.into() }
    }
}
