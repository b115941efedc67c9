//! Bodies of commands, as they are documented. They are read member by member in `fields`, so that all that is wrong
//! is told at once; these shapes only describe them.

use utoipa::ToSchema;

use super::history::FailureDetail;
use super::quiet::Matcher;
use super::status::Target;
use super::words::{FailureType, RetryResult, Time};

/// With `attemptedAt` the caller reports an attempt of its own; without it the node makes one now.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct ConnectPaymentGateway {
    target: Target,
    #[schema(required = false)]
    attempted_at: Time,
}

/// The caller reports that its connection failed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct FailPaymentGatewayConnection {
    target: Target,
    /// Why; may be empty.
    #[schema(max_length = 16384)]
    failure_reason: String,
    failed_at: Time,
}

/// With `retriedAt` the caller reports a retry of its own; without it the node makes one now.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct RetryPaymentGatewayConnection {
    target: Target,
    /// Why the last attempt failed; may be empty.
    #[schema(max_length = 16384)]
    last_failure_reason: String,
    /// The stored count plus one.
    retry_count: u32,
    #[schema(required = false)]
    retried_at: Time,
}

/// An application reports that something failed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct RecordIntegrationFailure {
    failure_type: FailureType,
    failure_detail: FailureDetail,
    #[schema(min_length = 1, max_length = 64)]
    target_system: String,
    occurred_at: Time,
    /// The status it belongs to; it need not exist.
    integration_status_id: u64,
}

/// With `retriedAt` the caller reports a retry of its own; without it the node makes one now.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct RetryIntegrationFailure {
    integration_failure_history_id: u64,
    /// The stored count plus one, where the caller wants that checked.
    #[schema(required = false)]
    retry_count: u32,
    #[schema(required = false)]
    retried_at: Time,
}

/// It works again.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct RecoverIntegrationFailure {
    integration_failure_history_id: u64,
    /// Only SUCCESS is taken.
    retry_result: RetryResult,
    recovered_at: Time,
}

/// An operator's act on a breaker.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct ControlBreaker {
    /// `auto` is the mode of the configuration.
    mode: ControlMode,
    /// Why; it is kept in the log of events.
    #[schema(min_length = 1, max_length = 16384)]
    reason: String,
    /// Until when a forced mode holds; for ever where it is missing.
    #[schema(required = false)]
    until: Time,
}

/// What an operator may ask of a breaker.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "a description")]
pub(crate) enum ControlMode {
    ForcedOpen,
    ForcedClosed,
    Auto,
    DryRun,
    Disabled,
}

/// Closes a breaker and forgets its window and level.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct ResetBreaker {
    /// Why; it is kept in the log of events.
    #[schema(max_length = 16384, required = false)]
    reason: String,
}

/// A target reports in; every member may be missing.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct Heartbeat {
    /// Whether it is well; true where it is missing.
    #[schema(required = false)]
    ok: bool,
    /// Why it is not; more than 300 characters are cut.
    #[schema(max_length = 16384, required = false)]
    message: String,
    /// How long what it did took; 0 where it is missing.
    #[schema(maximum = 2592000000u64, required = false)]
    duration_ms: u64,
}

/// Another context's event, as a CloudEvent in structured JSON.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct IncomingEvent {
    #[schema(example = "1.0")]
    specversion: String,
    /// With `source` it makes the event one that is acted on once.
    #[schema(min_length = 1, max_length = 256)]
    id: String,
    #[schema(min_length = 1, max_length = 1024)]
    source: String,
    #[schema(example = "LocationWeatherInfoFailed")]
    r#type: String,
    data: super::event::LocationWeatherInfoFailed,
}

/// Somebody has seen an alert and takes care.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct AcknowledgeAlert {
    #[schema(required = false, min_length = 1, max_length = 64)]
    who: String,
    #[schema(required = false, max_length = 1024)]
    comment: String,
}

/// Nobody is told of what all matchers match, and if it is maintenance somebody works on it: once, or again and again.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "a description")]
pub(crate) struct AskForSilence {
    #[schema(min_items = 1, max_items = 20)]
    matchers: Vec<Matcher>,
    /// Now, where it is missing. With `rrule` it is needed: the first, which the rule names, and the time of day of all.
    #[schema(required = false)]
    starts_at: Time,
    /// Needed without `cron` and `rrule`.
    #[schema(required = false)]
    ends_at: Time,
    /// Five fields, as in crontab(5).
    #[schema(required = false, example = "0 3 * * 1", max_length = 256)]
    cron: String,
    /// A recurrence rule of RFC 5545: FREQ (DAILY, WEEKLY, MONTHLY or YEARLY), INTERVAL, COUNT, UNTIL, BYMONTH,
    /// BYMONTHDAY, BYDAY, BYSETPOS and WKST.
    #[schema(required = false, example = "FREQ=MONTHLY;BYDAY=1SU", max_length = 256)]
    rrule: String,
    /// Of `cron` and `rrule`; UTC, where it is missing. A time of day stays what it is where the zone's clocks are set.
    #[schema(required = false, example = "Asia/Seoul", max_length = 256)]
    time_zone: String,
    /// How long each lasts; needed with `cron` and `rrule`.
    #[schema(required = false, minimum = 1, maximum = 604800000)]
    length_ms: u64,
    #[schema(required = false, min_length = 1, max_length = 256)]
    created_by: String,
    #[schema(min_length = 1, max_length = 256)]
    comment: String,
}
