//! What is in force: every silence and window with its expressions compiled and its next interval known.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use regex::{Regex, RegexBuilder};

use crate::clock::{Calendar, NotACalendar};
use crate::domain::alert::{Condition, Conditions};
use crate::domain::quiet::{Kind, Label, Matcher, Quiet, Subject, When, condition_word};
use crate::domain::time::Timestamp;

/// A compiled expression may take this much memory; a thousand of them take a hundred megabytes at the very most.
const MAX_REGEX_BYTES: usize = 100 << 10;

/// Everything that is in force. Cheap to look at from any thread.
#[derive(Debug, Default)]
pub struct Quiets {
    standing: ArcSwap<Vec<Arc<Standing>>>,
}

/// One of them, ready to be asked.
pub(super) struct Standing {
    pub(super) quiet: Quiet,
    expressions: Vec<Option<Regex>>,
    calendar: Option<Calendar>,
    interval: Option<(Timestamp, Timestamp)>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Standing").field(&self.quiet.id).finish()
    }
}

/// Why one cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotStanding {
    /// An expression.
    #[error("this expression cannot be compiled")]
    Expression(usize),
    /// The calendar.
    #[error(transparent)]
    Calendar(#[from] NotACalendar),
}

/// What is held back at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// These conditions, of those that were asked for.
    pub conditions: Conditions,
    /// Whether a maintenance window is among what holds them back.
    pub by: Kind,
    /// When something of it ends first.
    pub until: Timestamp,
}

/// One of them in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Itself.
    pub quiet: Quiet,
    /// The interval that lasts, or the next one; of one that is over, the last.
    pub interval: Option<(Timestamp, Timestamp)>,
}

impl Standing {
    pub(super) fn of(quiet: Quiet, now: Timestamp) -> Result<Self, NotStanding> {
        let compiled = quiet.matchers.iter().enumerate().map(|(place, matcher)| {
            let whole = matcher.is_regex.then(|| format!("^(?:{})$", matcher.value));
            whole
                .map(|whole| RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).build())
                .transpose()
                .map_err(|_| place)
        });
        let expressions = compiled.collect::<Result<_, _>>().map_err(NotStanding::Expression)?;
        let calendar = match &quiet.when {
            When::Once { .. } => None,
            When::Recurring { cron, zone, .. } => Some(Calendar::parse(cron, zone)?),
        };
        let mut standing = Self { quiet, expressions, calendar, interval: None };
        standing.interval = standing.interval_at(now);
        Ok(standing)
    }

    fn interval_at(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match (&self.quiet.when, &self.calendar) {
            (When::Once { from, until }, _) => Some((*from, *until)),
            (When::Recurring { length, .. }, Some(calendar)) => calendar.window(*length, now),
            (When::Recurring { .. }, None) => None,
        }
    }

    /// The same, with the interval that lasts at `now` or comes next.
    pub(super) fn at(self: &Arc<Self>, now: Timestamp) -> Arc<Self> {
        let interval = self.interval_at(now);
        if interval == self.interval {
            return self.clone();
        }
        let (quiet, expressions) = (self.quiet.clone(), self.expressions.clone());
        Arc::new(Self { quiet, expressions, calendar: self.calendar.clone(), interval })
    }

    /// When a recurring one needs its next interval.
    pub(super) fn turns_at(&self) -> Option<Timestamp> {
        self.calendar.as_ref().and(self.interval).map(|(_, until)| until)
    }

    fn lasts(&self, now: Timestamp) -> Option<Timestamp> {
        self.interval.filter(|(from, until)| *from <= now && now < *until).map(|(_, until)| until)
    }

    fn matches(&self, subject: &Subject<'_>, condition: &str) -> bool {
        let of = |matcher: &Matcher| match matcher.label {
            Label::Condition => condition.to_owned(),
            label @ (Label::Target | Label::Group | Label::Severity | Label::FailureType) => {
                subject.value(label, condition).to_owned()
            }
        };
        self.quiet.matchers.iter().zip(&self.expressions).all(|(matcher, expression)| {
            let value = of(matcher);
            let same = expression.as_ref().map_or(*matcher.value == value, |expression| expression.is_match(&value));
            same == matcher.is_equal
        })
    }

    fn listed(&self) -> Listed {
        Listed { quiet: self.quiet.clone(), interval: self.interval }
    }
}

impl Quiets {
    pub(super) fn replace(&self, standing: Vec<Arc<Standing>>) {
        self.standing.store(Arc::new(standing));
    }

    /// Which of these conditions of a target are held back now; `None` where none is.
    #[must_use]
    pub fn held(&self, subject: &Subject<'_>, conditions: Conditions, now: Timestamp) -> Option<Held> {
        let words = Condition::ALL.into_iter().filter(|condition| conditions.contains(*condition));
        let words: Vec<(Conditions, &'static str)> =
            words.map(|one| (Conditions::NONE.with(one), condition_word(Some(one)))).collect();
        self.look(subject, &words, now)
    }

    /// Whether a failure that an application reported is held back now.
    #[must_use]
    pub fn holds_report(&self, subject: &Subject<'_>, now: Timestamp) -> Option<Timestamp> {
        self.look(subject, &[(Conditions::NONE, condition_word(None))], now).map(|held| held.until)
    }

    fn look(&self, subject: &Subject<'_>, words: &[(Conditions, &'static str)], now: Timestamp) -> Option<Held> {
        let mut held: Option<Held> = None;
        for standing in self.standing.load().iter() {
            let Some(until) = standing.lasts(now) else { continue };
            for (condition, _) in words.iter().filter(|(_, word)| standing.matches(subject, word)) {
                let kind = standing.quiet.kind;
                let so_far = held.get_or_insert(Held { conditions: Conditions::NONE, by: kind, until });
                so_far.conditions = so_far.conditions.or(*condition);
                so_far.by = so_far.by.max(kind);
                so_far.until = so_far.until.min(until);
            }
        }
        held
    }

    /// The maintenance window that a target is in, whatever is wrong with it: until when, and why. Of several, the one
    /// that ends last.
    #[must_use]
    pub fn maintenance(&self, subject: &Subject<'_>, now: Timestamp) -> Option<(Timestamp, Box<str>)> {
        let standing = self.standing.load();
        let windows = standing.iter().filter(|one| one.quiet.kind == Kind::Maintenance);
        let lasting = windows.filter_map(|one| Some((one.lasts(now)?, one)));
        let matching = lasting.filter(|(_, one)| one.matches(subject, Condition::Down.as_str()));
        matching.max_by_key(|(until, _)| *until).map(|(until, one)| (until, one.quiet.comment.clone()))
    }

    /// All of a kind, in the order in which they were asked for.
    #[must_use]
    pub fn list(&self, kind: Kind) -> Vec<Listed> {
        self.standing.load().iter().filter(|one| one.quiet.kind == kind).map(|one| one.listed()).collect()
    }

    /// One of a kind.
    #[must_use]
    pub fn named(&self, kind: Kind, id: &str) -> Option<Listed> {
        let standing = self.standing.load();
        standing.iter().find(|one| one.quiet.kind == kind && *one.quiet.id == *id).map(|one| one.listed())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::parse;
    use crate::domain::alert::Severity;
    use crate::domain::failure_history::FailureType;

    pub(crate) fn at(text: &str) -> Timestamp {
        parse(text).unwrap()
    }

    fn matcher(label: Label, value: &str) -> Matcher {
        Matcher { label, value: value.into(), is_regex: false, is_equal: true }
    }

    pub(crate) fn silence(id: &str, matchers: Vec<Matcher>) -> Quiet {
        Quiet {
            id: id.into(),
            kind: Kind::Silence,
            matchers: matchers.into(),
            when: When::Once { from: at("2024-06-01T10:00:00Z"), until: at("2024-06-01T12:00:00Z") },
            created_by: "kim".into(),
            comment: "known".into(),
            created_at: at("2024-06-01T10:00:00Z"),
        }
    }

    fn quiets(of: Vec<Quiet>) -> Quiets {
        let quiets = Quiets::default();
        let now = at("2024-06-01T10:30:00Z");
        quiets.replace(of.into_iter().map(|quiet| Arc::new(Standing::of(quiet, now).unwrap())).collect());
        quiets
    }

    const PG: Subject<'static> = Subject {
        target: "PG_KCP",
        group: "payments",
        severity: Severity::Critical,
        failure_type: FailureType::PaymentGateway,
    };
    const DOWN: Conditions = Conditions::NONE.with(Condition::Down);
    const BOTH: Conditions = DOWN.with(Condition::BreakerOpen);

    #[track_caller]
    fn check(matchers: Vec<Matcher>, expected: Conditions) {
        let held = quiets(vec![silence("a", matchers)]).held(&PG, BOTH, at("2024-06-01T11:00:00Z"));
        assert_eq!(held.map_or(Conditions::NONE, |held| held.conditions), expected);
    }

    #[test]
    fn every_matcher_must_be_so() {
        check(vec![matcher(Label::Target, "PG_KCP")], BOTH);
        check(vec![matcher(Label::Target, "PG_KCP"), matcher(Label::Group, "weather")], Conditions::NONE);
        check(vec![matcher(Label::Severity, "critical"), matcher(Label::FailureType, "PAYMENT_GATEWAY")], BOTH);
        check(vec![Matcher { is_equal: false, ..matcher(Label::Group, "weather") }], BOTH);
        check(vec![Matcher { is_equal: false, ..matcher(Label::Group, "payments") }], Conditions::NONE);
    }

    #[test]
    fn an_expression_matches_from_beginning_to_end() {
        let expression = |value| vec![Matcher { is_regex: true, ..matcher(Label::Target, value) }];
        check(expression("PG_.*"), BOTH);
        check(expression("PG"), Conditions::NONE);
        check(expression("PG|PG_KCP"), BOTH);
    }

    #[test]
    fn a_condition_is_silenced_by_itself() {
        check(vec![matcher(Label::Condition, "breaker_open")], Conditions::NONE.with(Condition::BreakerOpen));
        check(vec![Matcher { is_equal: false, ..matcher(Label::Condition, "down") }], BOTH.without(DOWN));
    }

    #[test]
    fn several_hold_together_until_the_first_of_them_ends() {
        let window = Quiet {
            kind: Kind::Maintenance,
            when: When::Recurring {
                cron: "0 20 * * *".into(),
                zone: "Asia/Seoul".into(),
                length: Duration::from_secs(600),
            },
            ..silence("b", vec![matcher(Label::Condition, "breaker_open")])
        };
        let quiets = quiets(vec![silence("a", vec![matcher(Label::Condition, "down")]), window]);
        let held = quiets.held(&PG, BOTH, at("2024-06-01T11:00:00Z")).unwrap();
        assert_eq!(held, Held { conditions: BOTH, by: Kind::Maintenance, until: at("2024-06-01T11:10:00Z") });
        let held = quiets.held(&PG, BOTH, at("2024-06-01T11:10:00Z")).unwrap();
        assert_eq!(held, Held { conditions: DOWN, by: Kind::Silence, until: at("2024-06-01T12:00:00Z") });
        assert_eq!(quiets.held(&PG, BOTH, at("2024-06-01T12:00:00Z")), None);
    }

    #[test]
    fn a_report_is_a_condition_of_its_own() {
        let quiets = quiets(vec![silence("a", vec![matcher(Label::Condition, "reported")])]);
        let now = at("2024-06-01T11:00:00Z");
        assert_eq!(quiets.holds_report(&PG, now), Some(at("2024-06-01T12:00:00Z")));
        assert_eq!(quiets.held(&PG, BOTH, now), None);
    }

    #[test]
    fn an_expression_that_would_take_too_much_memory_is_refused() {
        let matchers =
            vec![matcher(Label::Target, "a"), Matcher { is_regex: true, ..matcher(Label::Target, r"(\w{100}){100}") }];
        let refused = Standing::of(silence("a", matchers), at("2024-06-01T10:00:00Z")).unwrap_err();
        assert_eq!(refused, NotStanding::Expression(1));
    }
}
