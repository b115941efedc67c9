//! When people are told that a target is in trouble, and when they are told that it is over.
//!
//! A target has at most one incident. It fires once, when the first condition becomes true, and resolves once, when
//! all are false again.

use std::sync::Arc;
use std::time::Duration;

use super::id::{CorrelationId, HistoryId, IncidentId, NoticeId, StatusId};
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
    /// Every one, the worst first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Warning, Self::Info];

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
    /// It uses up its error budget too fast.
    Slo,
    /// Messages about it were given up: somebody was not told.
    DeadLetters,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 7] = [
        Self::Down,
        Self::BreakerOpen,
        Self::Degraded,
        Self::Certificate,
        Self::Flapping,
        Self::Slo,
        Self::DeadLetters,
    ];

    /// The word in config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::BreakerOpen => "breaker_open",
            Self::Degraded => "degraded",
            Self::Certificate => "certificate",
            Self::Flapping => "flapping",
            Self::Slo => "slo",
            Self::DeadLetters => "dead_letters",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Down => 1,
            Self::BreakerOpen => 2,
            Self::Degraded => 4,
            Self::Certificate => 8,
            Self::Flapping => 16,
            Self::Slo => 32,
            Self::DeadLetters => 64,
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

    /// What is in one of them.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
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

    /// Whether it is this one and no other.
    #[must_use]
    pub const fn is_only(self, condition: Condition) -> bool {
        self.0 == condition.bit()
    }

    /// As a number, for the store.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From the store's number; bits that mean nothing are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 127)
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
    /// Say it again, as long as it lasts and nobody has acknowledged it.
    pub reminder: Option<Reminder>,
    /// Say it too when a further condition becomes true.
    pub escalate: bool,
    /// Whom to tell as well if nobody acknowledges it.
    pub escalation: Option<Escalation>,
}

/// How often it is said again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// The first pause.
    pub every: Duration,
    /// Each pause is so many times the one before; 1 is always the same.
    pub factor: u32,
    /// The longest pause.
    pub longest: Duration,
}

impl Reminder {
    /// The pause after so many reminders.
    #[must_use]
    pub fn pause(&self, reminders: u32) -> Duration {
        let times = self.factor.saturating_pow(reminders.min(64));
        self.every.saturating_mul(times).min(self.longest.max(self.every))
    }
}

/// Who is told if nobody who was told says that he has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// After this time, counted from the first message.
    pub after: Duration,
    /// These channels.
    pub to: Arc<[Arc<str>]>,
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
    /// When it fired.
    pub fired_at: Timestamp,
    /// The message that said so; 0 for one that fired before this was kept.
    pub notice: NoticeId,
    /// To how many channels that went.
    pub siblings: u8,
    /// The conditions that its text speaks of.
    pub told: Conditions,
    /// How often it was said again.
    pub reminders: u32,
    /// When those whom it escalates to were told.
    pub escalated_at: Option<Timestamp>,
    /// Who has seen it.
    pub acknowledged: Option<Box<Acknowledged>>,
}

impl Incident {
    /// When it is to be said again or to others; `None` for never. Nobody is reminded of what he has acknowledged.
    #[must_use]
    pub fn next_told_at(&self, policy: &Policy) -> Option<Timestamp> {
        if self.acknowledged.is_some() {
            return None;
        }
        let reminder = policy.reminder.as_ref();
        let reminded = reminder.map(|reminder| self.last_told_at.plus(reminder.pause(self.reminders)));
        [reminded, self.escalates_at(policy)].into_iter().flatten().min()
    }

    fn escalates_at(&self, policy: &Policy) -> Option<Timestamp> {
        let escalation = policy.escalation.as_ref().filter(|_| self.escalated_at.is_none());
        escalation.map(|escalation| self.fired_at.plus(escalation.after))
    }
}

/// Somebody has seen it and takes care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who.
    pub who: Box<str>,
    /// What he says of it; may be empty.
    pub comment: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// An incident as it is kept after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// As it was last.
    pub incident: Incident,
    /// Whose.
    pub status: StatusId,
    /// Of which system.
    pub target: Arc<str>,
    /// When it was over; `None` while it lasts.
    pub until: Option<Timestamp>,
}

/// What keeps people from being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holding {
    /// Of anything.
    pub by: Option<Hold>,
    /// Of these conditions.
    pub silenced: Conditions,
    /// Whether it is a maintenance window that does so; else it is a silence.
    pub by_window: bool,
}

impl From<Option<Hold>> for Holding {
    fn from(by: Option<Hold>) -> Self {
        Self { by, ..Self::default() }
    }
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
    /// Somebody does not want to hear of it for a while.
    Silence,
}

impl Hold {
    /// Every hold, in the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Maintenance, Self::Blind, Self::Dependency, Self::Flapping, Self::Silence];

    /// The word in JSON and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Blind => "blind",
            Self::Dependency => "dependency",
            Self::Flapping => "flapping",
            Self::Silence => "silence",
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
    /// It got worse, or nobody has acknowledged it in time.
    Escalated {
        /// A condition became true that nobody was told of.
        worse: bool,
        /// It is time to tell those whom it escalates to.
        late: bool,
    },
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
/// message that it flaps, where somebody asked for it. A condition that is silenced does not count as news; while
/// another one is not, people are told. What ended is told although messages about it were given up: that is an incident
/// of its own.
#[must_use]
pub fn due(
    incident: Option<&Incident>,
    conditions: Conditions,
    policy: &Policy,
    holding: Holding,
    now: Timestamp,
) -> Reason {
    let wanted = conditions.and(policy.on);
    let reason = match incident {
        None if wanted.is_empty() || policy.channels.is_empty() => Reason::NotDue,
        None => Reason::FirstNotification,
        Some(_) if wanted.is_empty() => Reason::Resolved,
        Some(incident) if only_letters(wanted) && !only_letters(incident.told) => Reason::Resolved,
        Some(incident) => lasting(incident, wanted.without(holding.silenced), policy, now),
    };
    match (reason, held(wanted, holding)) {
        (Reason::FirstNotification | Reason::Reminder | Reason::Escalated { .. }, Some(by)) => {
            Reason::Suppressed { by }
        }
        (reason, _) => reason,
    }
}

const fn only_letters(conditions: Conditions) -> bool {
    conditions.is_only(Condition::DeadLetters)
}

/// What is due of an incident that lasts; `heard` is what of it is not silenced.
fn lasting(incident: &Incident, heard: Conditions, policy: &Policy, now: Timestamp) -> Reason {
    let has_come = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let worse = policy.escalate && !heard.without(incident.told).is_empty();
    let late = incident.acknowledged.is_none() && has_come(incident.escalates_at(policy));
    match (worse, late) {
        (false, false) if has_come(incident.next_told_at(policy)) => Reason::Reminder,
        (false, false) => Reason::NotDue,
        (worse, late) => Reason::Escalated { worse, late },
    }
}

fn held(wanted: Conditions, holding: Holding) -> Option<Hold> {
    let by = holding.by.filter(|hold| *hold != Hold::Flapping || !wanted.contains(Condition::Flapping));
    let silence = if holding.by_window { Hold::Maintenance } else { Hold::Silence };
    by.or_else(|| wanted.without(holding.silenced).is_empty().then_some(silence))
}

#[cfg(test)]
pub(crate) mod tests {
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
            reminder: Some(Reminder { every: HOUR, factor: 1, longest: HOUR }),
            escalate: false,
            escalation: None,
        }
    }

    pub(crate) fn incident() -> Incident {
        Incident {
            id: IncidentId(7),
            severity: Severity::Critical,
            cause: "3 probes in a row failed".into(),
            since: START,
            channels: Arc::new(["ops".into()]),
            history: Some(HistoryId(12)),
            correlation: CorrelationId::new("c"),
            last_told_at: START,
            fired_at: START,
            notice: NoticeId(9),
            siblings: 1,
            told: DOWN,
            reminders: 0,
            escalated_at: None,
            acknowledged: None,
        }
    }

    #[track_caller]
    fn check(incident: Option<&Incident>, conditions: Conditions, after: Duration, expected: Reason) {
        assert_eq!(due(incident, conditions, &policy(), Holding::default(), START.plus(after)), expected);
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
        assert_eq!(due(Some(&incident()), DOWN, &once, Holding::default(), START.plus(100 * HOUR)), Reason::NotDue);
    }

    #[test]
    fn a_hold_keeps_back_what_is_new_and_what_is_said_again_and_never_an_end() {
        let firing = incident();
        for hold in Hold::ALL {
            let due = |told: bool, conditions, after| {
                due(told.then_some(&firing), conditions, &policy(), Some(hold).into(), START.plus(after))
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
        assert_eq!(due(None, flaps, &asked, Some(Hold::Flapping).into(), START), Reason::FirstNotification);
        let held = Reason::Suppressed { by: Hold::Dependency };
        assert_eq!(due(None, flaps, &asked, Some(Hold::Dependency).into(), START), held);
        let held = Reason::Suppressed { by: Hold::Flapping };
        assert_eq!(due(None, flaps.with(Condition::Down), &policy(), Some(Hold::Flapping).into(), START), held);
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
        assert_eq!(due(None, DOWN, &silent, Holding::default(), START), Reason::NotDue);
        assert_eq!(due(Some(&incident()), Conditions::NONE, &silent, Holding::default(), START), Reason::Resolved);
    }

    #[test]
    fn reminders_grow_up_to_the_longest() {
        let reminder = Reminder { every: HOUR, factor: 2, longest: 5 * HOUR };
        let hours: Vec<u64> = (0..5).map(|reminders| reminder.pause(reminders).as_secs() / 3_600).collect();
        assert_eq!(hours, [1, 2, 4, 5, 5]);
        assert_eq!(reminder.pause(u32::MAX), 5 * HOUR);
        assert_eq!(Reminder { longest: Duration::ZERO, ..reminder }.pause(3), HOUR, "never shorter than the first");
    }

    fn acknowledged() -> Incident {
        let by = Acknowledged { who: "kim".into(), comment: "on it".into(), at: START };
        Incident { acknowledged: Some(Box::new(by)), ..incident() }
    }

    #[test]
    fn who_acknowledged_is_not_reminded() {
        check(Some(&acknowledged()), DOWN, 100 * HOUR, Reason::NotDue);
        check(Some(&acknowledged()), Conditions::NONE, HOUR, Reason::Resolved);
    }

    fn escalating() -> Policy {
        let escalation = Escalation { after: HOUR / 4, to: Arc::new(["boss".into()]) };
        Policy { escalation: Some(escalation), ..policy() }
    }

    #[test]
    fn others_are_told_once_if_nobody_acknowledges_in_time() {
        let at = |incident: &Incident, after| {
            due(Some(incident), DOWN, &escalating(), Holding::default(), START.plus(after))
        };
        let late = Reason::Escalated { worse: false, late: true };
        assert_eq!(at(&incident(), HOUR / 4 - Duration::from_nanos(1)), Reason::NotDue);
        assert_eq!(at(&incident(), HOUR / 4), late);
        assert_eq!(at(&acknowledged(), HOUR / 4), Reason::NotDue);
        let escalated = Incident { escalated_at: Some(START.plus(HOUR / 4)), ..incident() };
        assert_eq!(at(&escalated, HOUR / 2), Reason::NotDue);
        assert_eq!(incident().next_told_at(&escalating()), Some(START.plus(HOUR / 4)));
        assert_eq!(escalated.next_told_at(&escalating()), Some(START.plus(HOUR)), "the reminder");
        assert_eq!(acknowledged().next_told_at(&escalating()), None);
    }

    #[test]
    fn a_further_condition_is_told_where_somebody_asked_for_it() {
        let asked = Policy { escalate: true, ..policy() };
        let both = DOWN.with(Condition::BreakerOpen);
        let at = |incident: &Incident, holding| due(Some(incident), both, &asked, holding, START);
        let worse = Reason::Escalated { worse: true, late: false };
        assert_eq!(at(&incident(), Holding::default()), worse);
        assert_eq!(at(&Incident { told: both, ..incident() }, Holding::default()), Reason::NotDue);
        assert_eq!(at(&acknowledged(), Holding::default()), worse, "he has seen the other one");
        let silenced = Holding { silenced: BREAKER_OPEN, ..Holding::default() };
        assert_eq!(at(&incident(), silenced), Reason::NotDue, "it is no news");
    }

    #[test]
    fn a_silenced_condition_is_not_told_and_another_one_is() {
        let of = |silenced, by_window| Holding { by: None, silenced, by_window };
        let at = |conditions, holding| due(None, conditions, &policy(), holding, START);
        assert_eq!(at(DOWN, of(DOWN, false)), Reason::Suppressed { by: Hold::Silence });
        assert_eq!(at(DOWN, of(DOWN, true)), Reason::Suppressed { by: Hold::Maintenance });
        assert_eq!(at(DOWN.with(Condition::BreakerOpen), of(DOWN, false)), Reason::FirstNotification);
        let over = due(Some(&incident()), Conditions::NONE, &policy(), of(DOWN, false), START);
        assert_eq!(over, Reason::Resolved, "an end is told also in a silence");
    }

    #[test]
    fn what_is_over_is_told_although_messages_about_it_were_given_up() {
        let letters = Conditions::NONE.with(Condition::DeadLetters);
        let asked = Policy { on: policy().on.or(letters), ..policy() };
        let at = |incident: Option<&Incident>, conditions| due(incident, conditions, &asked, Holding::default(), START);
        let mixed = Incident { told: DOWN.or(letters), ..incident() };
        assert_eq!(at(Some(&mixed), DOWN.or(letters)), Reason::NotDue);
        assert_eq!(at(Some(&mixed), letters), Reason::Resolved);
        assert_eq!(at(None, letters), Reason::FirstNotification, "and then they are an incident of their own");
        let own = Incident { told: letters, ..incident() };
        assert_eq!((at(Some(&own), letters), at(Some(&own), Conditions::NONE)), (Reason::NotDue, Reason::Resolved));
    }

    #[test]
    fn a_set_of_conditions_keeps_what_the_store_knows_and_drops_the_rest() {
        for condition in Condition::ALL {
            let set = Conditions::NONE.with(condition);
            assert_eq!(Conditions::from_bits(set.bits() | 0b1000_0000), set);
        }
        assert_eq!(Condition::ALL.into_iter().collect::<Conditions>().bits(), 127);
    }
}
