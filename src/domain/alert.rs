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
    /// Its certificate ends soon.
    Certificate,
    /// It changes its state too often.
    Flapping,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 5] = [Self::Down, Self::BreakerOpen, Self::Degraded, Self::Certificate, Self::Flapping];

    /// The word in config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::BreakerOpen => "breaker_open",
            Self::Degraded => "degraded",
            Self::Certificate => "certificate",
            Self::Flapping => "flapping",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Down => 1,
            Self::BreakerOpen => 2,
            Self::Degraded => 4,
            Self::Certificate => 8,
            Self::Flapping => 16,
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
        Self(bits & 31)
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

/// Why people are not told of something that they want to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// It is being worked on, as announced.
    Maintenance,
    /// This node is cut off, and knows nothing.
    Blind,
    /// What it needs is down, or may be: the parent's alert is the one to read.
    Dependency,
    /// It flaps.
    Flapping,
}

impl Hold {
    /// Every hold, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Maintenance, Self::Blind, Self::Dependency, Self::Flapping];

    /// The word in JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Blind => "blind",
            Self::Dependency => "dependency",
            Self::Flapping => "flapping",
        }
    }

    /// The first that is there, as they are told.
    #[must_use]
    pub fn first(is_there: impl Fn(Self) -> bool) -> Option<Self> {
        Self::ALL.into_iter().find(|hold| is_there(*hold))
    }
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
    /// Something is to be said, but not now.
    Suppressed {
        /// Why not.
        by: Hold,
    },
    /// Nothing is to be said.
    NotDue,
}

/// Decides whether a message is due: `conditions` are those that hold now.
///
/// A hold keeps people from being told of something new or again, never of an end. Flapping does not hold back the
/// message that it flaps, where somebody asked for it.
#[must_use]
pub fn due(
    incident: Option<&Incident>,
    conditions: Conditions,
    policy: &Policy,
    hold: Option<Hold>,
    now: Timestamp,
) -> Reason {
    let wanted = conditions.and(policy.on);
    let hold = hold.filter(|hold| *hold != Hold::Flapping || !wanted.contains(Condition::Flapping));
    match (incident, hold) {
        (None, _) if wanted.is_empty() || policy.channels.is_empty() => Reason::NotDue,
        (None, Some(by)) => Reason::Suppressed { by },
        (None, None) => Reason::FirstNotification,
        (Some(_), _) if wanted.is_empty() => Reason::Resolved,
        (Some(incident), hold) if policy.reminder.is_some_and(|every| now.since(incident.last_told_at) >= every) => {
            hold.map_or(Reason::Reminder, |by| Reason::Suppressed { by })
        }
        (Some(_), _) => Reason::NotDue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);
    const HOUR: Duration = Duration::from_secs(60 * 60);
    const DOWN: Conditions = Conditions::NONE.with(Condition::Down);
    const BREAKER_OPEN: Conditions = Conditions::NONE.with(Condition::BreakerOpen);

    fn policy() -> Policy {
        Policy {
            on: DOWN.with(Condition::BreakerOpen),
            channels: Arc::new(["ops".into()]),
            severity: Severity::Critical,
            reminder: Some(HOUR),
        }
    }

    fn incident() -> Incident {
        Incident {
            id: IncidentId(7),
            severity: Severity::Critical,
            cause: "3 probes in a row failed".into(),
            since: START,
            channels: Arc::new(["ops".into()]),
            history: Some(HistoryId(12)),
            correlation: CorrelationId::new("c"),
            last_told_at: START,
        }
    }

    #[track_caller]
    fn check(incident: Option<&Incident>, conditions: Conditions, after: Duration, expected: Reason) {
        assert_eq!(due(incident, conditions, &policy(), None, START.plus(after)), expected);
    }

    #[test]
    fn the_first_condition_that_holds_fires() {
        for conditions in [DOWN, BREAKER_OPEN, DOWN.with(Condition::BreakerOpen)] {
            check(None, conditions, Duration::ZERO, Reason::FirstNotification);
        }
    }

    #[test]
    fn a_well_target_is_not_spoken_of() {
        check(None, Conditions::NONE, Duration::ZERO, Reason::NotDue);
    }

    #[test]
    fn a_condition_that_nobody_asked_for_does_not_fire() {
        check(None, Conditions::NONE.with(Condition::Degraded), Duration::ZERO, Reason::NotDue);
    }

    #[test]
    fn a_second_condition_is_no_second_incident() {
        check(Some(&incident()), DOWN.with(Condition::BreakerOpen), Duration::ZERO, Reason::NotDue);
    }

    #[test]
    fn an_incident_lasts_while_one_of_its_conditions_does() {
        check(Some(&incident()), BREAKER_OPEN, Duration::ZERO, Reason::NotDue);
    }

    #[test]
    fn an_incident_is_over_when_no_wanted_condition_holds() {
        check(Some(&incident()), Conditions::NONE, Duration::ZERO, Reason::Resolved);
        check(Some(&incident()), Conditions::NONE.with(Condition::Degraded), HOUR, Reason::Resolved);
    }

    #[test]
    fn a_reminder_comes_when_its_time_has_passed() {
        check(Some(&incident()), DOWN, HOUR.saturating_sub(Duration::from_nanos(1)), Reason::NotDue);
        check(Some(&incident()), DOWN, HOUR, Reason::Reminder);
    }

    #[test]
    fn a_reminder_is_counted_from_the_last_message() {
        let reminded = Incident { last_told_at: START.plus(HOUR), ..incident() };
        check(Some(&reminded), DOWN, HOUR, Reason::NotDue);
        check(Some(&reminded), DOWN, 2 * HOUR, Reason::Reminder);
    }

    #[test]
    fn without_a_reminder_it_is_told_once() {
        let once = Policy { reminder: None, ..policy() };
        assert_eq!(due(Some(&incident()), DOWN, &once, None, START.plus(100 * HOUR)), Reason::NotDue);
    }

    #[test]
    fn a_hold_keeps_back_what_is_new_and_what_is_said_again_and_never_an_end() {
        let firing = incident();
        for hold in Hold::ALL {
            let due = |told: bool, conditions, after| {
                due(told.then_some(&firing), conditions, &policy(), Some(hold), START.plus(after))
            };
            assert_eq!(due(false, DOWN, Duration::ZERO), Reason::Suppressed { by: hold });
            assert_eq!(due(true, DOWN, HOUR), Reason::Suppressed { by: hold });
            assert_eq!(due(true, DOWN, Duration::ZERO), Reason::NotDue);
            assert_eq!(due(true, Conditions::NONE, Duration::ZERO), Reason::Resolved);
            assert_eq!(due(false, Conditions::NONE, Duration::ZERO), Reason::NotDue);
        }
    }

    #[test]
    fn that_it_flaps_is_told_to_those_who_asked_and_holds_back_the_rest() {
        let flaps = Conditions::NONE.with(Condition::Flapping);
        let on = policy().on.with(Condition::Flapping);
        let asked = Policy { on, ..policy() };
        assert_eq!(due(None, flaps, &asked, Some(Hold::Flapping), START), Reason::FirstNotification);
        let held = Reason::Suppressed { by: Hold::Dependency };
        assert_eq!(due(None, flaps, &asked, Some(Hold::Dependency), START), held);
        let held = Reason::Suppressed { by: Hold::Flapping };
        assert_eq!(due(None, flaps.with(Condition::Down), &policy(), Some(Hold::Flapping), START), held);
    }

    #[test]
    fn the_first_hold_is_told() {
        assert_eq!(Hold::first(|_| true), Some(Hold::Maintenance));
        assert_eq!(Hold::first(|hold| hold > Hold::Blind), Some(Hold::Dependency));
        assert_eq!(Hold::first(|_| false), None);
    }

    #[test]
    fn without_channels_nothing_fires_but_what_fired_is_resolved() {
        let silent = Policy { channels: Arc::new([]), ..policy() };
        assert_eq!(due(None, DOWN, &silent, None, START), Reason::NotDue);
        assert_eq!(due(Some(&incident()), Conditions::NONE, &silent, None, START), Reason::Resolved);
    }

    #[test]
    fn a_set_of_conditions_keeps_what_the_store_knows_and_drops_the_rest() {
        for condition in Condition::ALL {
            let set = Conditions::NONE.with(condition);
            assert_eq!(Conditions::from_bits(set.bits() | 0b1110_0000), set);
        }
        assert_eq!(Condition::ALL.into_iter().collect::<Conditions>().bits(), 31);
    }
}
