//! Silences and maintenance windows in JSON, and the events about them.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{Time, millis};
use crate::actors::quiet::Listed;
use crate::domain::quiet::{Kind, Quiet, Recurrence, When};
use crate::domain::time::Timestamp;

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Matcher {
    /// target, group, severity, failure_type or condition.
    #[schema(example = "group")]
    pub(crate) name: String,
    /// The value; a regular expression matches from beginning to end.
    #[schema(example = "payments", max_length = 256)]
    pub(crate) value: String,
    /// Missing is false.
    #[schema(required = false)]
    pub(crate) is_regex: bool,
    /// Missing is true.
    #[schema(required = false)]
    pub(crate) is_equal: bool,
}

/// A silence, in Alertmanager's shape.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Silence {
    pub(crate) id: String,
    pub(crate) status: QuietStatus,
    #[serde(flatten)]
    pub(crate) terms: QuietTerms,
    pub(crate) updated_at: Time,
}

/// Whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct QuietStatus {
    /// active, pending or expired.
    #[schema(example = "active")]
    pub(crate) state: &'static str,
}

/// What is held, when, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuietTerms {
    pub(crate) matchers: Vec<Matcher>,
    /// Of a recurring one: of the interval that lasts, or the next, or the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<Time>,
    /// Of a recurring one: five fields, as in crontab(5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    /// Of a recurring one: a rule of RFC 5545.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rrule: Option<String>,
    /// The rule's first: the `startsAt` that it was asked for with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_starts_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) length_ms: Option<f64>,
    pub(crate) created_by: String,
    pub(crate) comment: String,
}

impl Silence {
    pub(crate) fn of(listed: &Listed, now: Timestamp) -> Self {
        let Listed { quiet, interval } = listed;
        let state = match interval {
            Some((from, _)) if now < *from => "pending",
            Some((_, until)) if now < *until => "active",
            Some(_) | None => "expired",
        };
        Self {
            id: quiet.id.to_string(),
            status: QuietStatus { state },
            terms: QuietTerms::of(quiet, *interval),
            updated_at: Time(quiet.created_at),
        }
    }
}

impl QuietTerms {
    fn of(quiet: &Quiet, interval: Option<(Timestamp, Timestamp)>) -> Self {
        let (by, time_zone, length_ms) = match &quiet.when {
            When::Once { .. } => (None, None, None),
            When::Recurring { by, zone, length } => (Some(by), Some(zone.to_string()), Some(millis(*length))),
        };
        let (cron, rrule, first_starts_at) = match by {
            None => (None, None, None),
            Some(Recurrence::Cron(cron)) => (Some(cron.to_string()), None, None),
            Some(Recurrence::Rule { rule, first }) => (None, Some(rule.to_string()), Some(Time(*first))),
        };
        let matchers = quiet.matchers.iter().map(|matcher| Matcher {
            name: matcher.label.as_str().to_owned(),
            value: matcher.value.to_string(),
            is_regex: matcher.is_regex,
            is_equal: matcher.is_equal,
        });
        Self {
            matchers: matchers.collect(),
            starts_at: interval.map(|(from, _)| Time(from)),
            ends_at: interval.map(|(_, until)| Time(until)),
            cron,
            rrule,
            first_starts_at,
            time_zone,
            length_ms,
            created_by: quiet.created_by.to_string(),
            comment: quiet.comment.to_string(),
        }
    }
}

/// A silence or maintenance window was asked for, or removed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuietChanged {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) terms: QuietTerms,
    /// Who removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) removed_by: Option<String>,
}

impl QuietChanged {
    pub(crate) fn of(quiet: &Quiet, removed_by: Option<&str>) -> Self {
        let interval = match quiet.when {
            When::Once { from, until } => Some((from, until)),
            When::Recurring { .. } => None,
        };
        let terms = QuietTerms::of(quiet, interval);
        Self { id: quiet.id.to_string(), terms, removed_by: removed_by.map(str::to_owned) }
    }
}

/// The word of a kind in paths.
pub(crate) const fn path_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Silence => "/silences",
        Kind::Maintenance => "/maintenances",
    }
}
