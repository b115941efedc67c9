//! When people are not told: silences and maintenance windows, as somebody asked for them.
//!
//! Both name what they are about by matchers and last for a time, once or again and again. Regular expressions and
//! calendars are evaluated elsewhere; what follows from them is decided in [`super::alert`].

use std::time::Duration;

use super::alert::{Condition, Severity};
use super::failure_history::FailureType;
use super::time::Timestamp;

/// Silences and windows of each kind that may be there at a time; one more is refused.
pub const MOST: usize = 1_000;
/// Matchers of one.
pub const MATCHERS: usize = 20;
/// A text in one: a value, a comment, a name; in characters.
pub const TEXT: usize = 256;
/// One that is over is still listed for this time.
pub const LISTED: Duration = Duration::from_secs(24 * 60 * 60);

/// What can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The system's name.
    Target,
    /// What it belongs to.
    Group,
    /// How bad an incident of it is.
    Severity,
    /// The kind of system.
    FailureType,
    /// What is wrong: each condition of an incident by itself, or `reported` for what an application reported.
    Condition,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 5] = [Self::Target, Self::Group, Self::Severity, Self::FailureType, Self::Condition];

    /// The word in matchers and in `group_by`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Group => "group",
            Self::Severity => "severity",
            Self::FailureType => "failure_type",
            Self::Condition => "condition",
        }
    }

    /// All that its value can be; empty where anything can.
    #[must_use]
    pub fn values(self) -> Vec<&'static str> {
        match self {
            Self::Target | Self::Group => Vec::new(),
            Self::Severity => Severity::ALL.map(Severity::as_str).into(),
            Self::FailureType => FailureType::ALL.map(FailureType::as_str).into(),
            Self::Condition => Condition::ALL.into_iter().map(Condition::as_str).chain([REPORTED]).collect(),
        }
    }
}

/// The value of [`Label::Condition`] of a failure that an application reported.
pub const REPORTED: &str = "reported";

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// Of what.
    pub label: Label,
    /// The value, or the expression that it must match from its beginning to its end.
    pub value: Box<str>,
    /// Whether it is an expression.
    pub is_regex: bool,
    /// Whether it must match; else it must not.
    pub is_equal: bool,
}

/// What a matcher looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The system's name.
    pub target: &'a str,
    /// What it belongs to; empty for nothing.
    pub group: &'a str,
    /// How bad.
    pub severity: Severity,
    /// The kind of system.
    pub failure_type: FailureType,
}

impl Subject<'_> {
    /// The value of a label; `condition` is what is asked for at the moment.
    #[must_use]
    pub const fn value<'v>(&'v self, label: Label, condition: &'v str) -> &'v str {
        match label {
            Label::Target => self.target,
            Label::Group => self.group,
            Label::Severity => self.severity.as_str(),
            Label::FailureType => self.failure_type.as_str(),
            Label::Condition => condition,
        }
    }
}

/// What the value of [`Label::Condition`] is for a condition of an incident, or a report.
#[must_use]
pub const fn condition_word(condition: Option<Condition>) -> &'static str {
    match condition {
        Some(condition) => condition.as_str(),
        None => REPORTED,
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nobody wants to hear of it.
    Silence,
    /// Somebody works on it.
    Maintenance,
}

/// When it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// `[from, until)`.
    Once {
        /// When it begins.
        from: Timestamp,
        /// When it is over; after `from`.
        until: Timestamp,
    },
    /// From every time that a calendar names, for a length.
    Recurring {
        /// The calendar.
        by: Recurrence,
        /// The name of a time zone, `Asia/Seoul`.
        zone: Box<str>,
        /// How long each lasts.
        length: Duration,
    },
}

/// A calendar, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurrence {
    /// Five fields, as in crontab(5).
    Cron(Box<str>),
    /// A recurrence rule of iCalendar (RFC 5545), which says on which days; the time of day is its first's.
    Rule {
        /// `FREQ=WEEKLY;BYDAY=SU`.
        rule: Box<str>,
        /// Its DTSTART, which the rule names.
        first: Timestamp,
    },
}

/// One silence or one maintenance window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// Given once; a UUID, or `config-1` for the first of the configuration.
    pub id: Box<str>,
    /// Which of the two.
    pub kind: Kind,
    /// All of them must be so.
    pub matchers: Box<[Matcher]>,
    /// When it lasts.
    pub when: When,
    /// Who asked for it.
    pub created_by: Box<str>,
    /// Why.
    pub comment: Box<str>,
    /// When it was asked for.
    pub created_at: Timestamp,
}
