//! When people are told that a target is in trouble, and when they are told that it is over.
//!
//! A target has at most one incident. It fires once, when the first condition becomes true, and resolves once, when
//! all are false again.

use std::sync::Arc;
use std::time::Duration;

use super::id::{CorrelationId, HistoryId, IncidentId};
use super::time::Timestamp;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Customers notice.
    Critical,
    /// Somebody should look.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Something that can be wrong with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// The target is FAILED.
    Down,
    /// Its breaker opened and has not closed since.
    BreakerOpen,
    /// It answers, but more slowly than `max_latency`.
    Degraded,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 3] = [Self::Down, Self::BreakerOpen, Self::Degraded];

    /// The word in config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::BreakerOpen => "breaker_open",
            Self::Degraded => "degraded",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Down => 1,
            Self::BreakerOpen => 2,
            Self::Degraded => 4,
        }
    }
}

/// A set of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Conditions(u8);

impl Conditions {
    /// None.
    pub const NONE: Self = Self(0);

    /// This set and one more.
    #[must_use]
    pub const fn with(self, condition: Condition) -> Self {
        Self(self.0 | condition.bit())
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, condition: Condition) -> bool {
        self.0 & condition.bit() != 0
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As a number, for the store.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From the store's number; bits that mean nothing are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }
}

impl FromIterator<Condition> for Conditions {
    fn from_iter<I: IntoIterator<Item = Condition>>(conditions: I) -> Self {
        conditions.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What a target's owner wants to be told, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The conditions that make an incident.
    pub on: Conditions,
    /// The channels; none means nobody is told.
    pub channels: Arc<[Arc<str>]>,
    /// How bad an incident of this target is.
    pub severity: Severity,
    /// Say it again after this time, as long as it lasts.
    pub reminder: Option<Duration>,
}

/// People know, or are about to, that a target is in trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Given once; the receiver's key for it.
    pub id: IncidentId,
    /// How bad.
    pub severity: Severity,
    /// Why it fired, in words.
    pub cause: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Who was told; the same are told of its end.
    pub channels: Arc<[Arc<str>]>,
    /// The outage's history, where there is one.
    pub history: Option<HistoryId>,
    /// The outage's correlation.
    pub correlation: CorrelationId,
    /// When people were last told, for reminders.
    pub last_told_at: Timestamp,
}

/// Whether a message is due, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// An incident begins.
    FirstNotification,
    /// It still lasts, and the reminder's time has come.
    Reminder,
    /// It is over.
    Resolved,
    /// Nothing is to be said.
    NotDue,
}

/// Decides whether a message is due: `conditions` are those that hold now.
#[must_use]
pub fn due(incident: Option<&Incident>, conditions: Conditions, policy: &Policy, now: Timestamp) -> Reason {
    let wanted = conditions.and(policy.on);
    match incident {
        None if wanted.is_empty() || policy.channels.is_empty() => Reason::NotDue,
        None => Reason::FirstNotification,
        Some(_) if wanted.is_empty() => Reason::Resolved,
        Some(incident) if policy.reminder.is_some_and(|every| now.since(incident.last_told_at) >= every) => {
            Reason::Reminder
        }
        Some(_) => Reason::NotDue,
    }
}
