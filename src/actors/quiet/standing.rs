//! What is in force: every silence and window with its expressions compiled and its next interval known.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use regex::Regex;

use crate::clock::{Calendar, NotACalendar, Part};
use crate::config::expression;
use crate::domain::alert::{Condition, Conditions};
use crate::domain::quiet::{Kind, LISTED, Label, Matcher, Quiet, Recurrence, Subject, When, condition_word};
use crate::domain::time::Timestamp;

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
    /// Of a recurring one: the interval that lasted when this was made, or came next, or was the last.
    interval: Option<(Timestamp, Timestamp)>,
    /// Its calendar names no further one.
    is_last: bool,
    /// When the two were so; what was so before is not known. A time of day may be set back.
    as_of: Timestamp,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Standing").field(&self.quiet.id).finish()
    }
}

/// Why one cannot be; everything that is wrong with it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The expression of this matcher.
    #[error("not a regular expression that can be used: {reason}")]
    Expression {
        /// Which matcher, from 0.
        place: usize,
        /// Why.
        reason: String,
    },
    /// The calendar.
    #[error(transparent)]
    Calendar(NotACalendar),
    /// The calendar's last interval is over.
    #[error("the last that it names is over")]
    Over(Part),
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
    /// Compiles what it is made of, which may take milliseconds: on the actors' thread only what the configuration has.
    pub(super) fn of(quiet: Quiet, now: Timestamp) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let expressions = expressions(&quiet.matchers, &mut wrong);
        let (calendar, interval) = match &quiet.when {
            When::Once { from, until } => (None, Some((*from, *until))),
            When::Recurring { by, zone, length } => match Calendar::read(by, zone) {
                Ok(calendar) => {
                    let interval = calendar.window(*length, now);
                    (Some(calendar), interval)
                }
                Err(errors) => {
                    wrong.extend(errors.into_iter().map(Wrong::Calendar));
                    (None, None)
                }
            },
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let is_last = calendar.is_some() && interval.is_none();
        let mut standing = Self { quiet, expressions, calendar, interval, is_last, as_of: now };
        if is_last {
            standing.interval = standing.last_listed(now);
        }
        Ok(standing)
    }

    /// Whether its calendar names nothing that is to come.
    pub(super) fn over(&self, now: Timestamp) -> Option<Wrong> {
        let part = match &self.quiet.when {
            When::Once { .. } => return None,
            When::Recurring { by: Recurrence::Cron(_), .. } => Part::Cron,
            When::Recurring { by: Recurrence::Rule { .. }, .. } => Part::Rule,
        };
        (self.is_last && self.interval.is_none_or(|(_, until)| until <= now)).then_some(Wrong::Over(part))
    }

    /// Whether it is over for ever, and for so long that it is not listed any more.
    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        let ends = self.calendar.is_none() || self.is_last;
        ends && self.interval.is_none_or(|(_, until)| until.plus(LISTED) <= now)
    }

    /// The interval that lasts at `now` or comes next, or else the last. The actor is told by a timer that one is over,
    /// and where the next one begins at once nobody shall see a gap.
    fn interval_at(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        if self.holds_at(now) { self.interval } else { self.next_interval(now).or(self.interval) }
    }

    /// Whether what was found of its calendar is so at `now`.
    fn holds_at(&self, now: Timestamp) -> bool {
        self.calendar.is_none() || (self.as_of <= now && self.turns_at().is_none_or(|until| now < until))
    }

    fn next_interval(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match (&self.quiet.when, &self.calendar) {
            (When::Recurring { length, .. }, Some(calendar)) => calendar.window(*length, now),
            (When::Recurring { .. } | When::Once { .. }, Some(_) | None) => None,
        }
    }

    /// The last interval of a calendar that has ended, if it is still listed.
    fn last_listed(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let (When::Recurring { length, .. }, Some(calendar)) = (&self.quiet.when, &self.calendar) else { return None };
        let first = calendar.next(now.minus(LISTED).minus(*length));
        let last = std::iter::successors(first, |from| calendar.next(*from)).last()?;
        Some((last, last.plus(*length)))
    }

    /// The same, with the interval that lasts at `now` or comes next.
    pub(super) fn at(self: &Arc<Self>, now: Timestamp) -> Arc<Self> {
        if self.holds_at(now) {
            return self.clone();
        }
        let next = self.next_interval(now);
        let (quiet, expressions) = (self.quiet.clone(), self.expressions.clone());
        let (interval, is_last) = (next.or(self.interval), next.is_none());
        Arc::new(Self { quiet, expressions, calendar: self.calendar.clone(), interval, is_last, as_of: now })
    }

    pub(super) const fn recurs(&self) -> bool {
        self.calendar.is_some()
    }

    /// When a recurring one needs its next interval.
    pub(super) fn turns_at(&self) -> Option<Timestamp> {
        self.calendar.as_ref().filter(|_| !self.is_last).and(self.interval).map(|(_, until)| until)
    }

    fn lasts(&self, now: Timestamp) -> Option<Timestamp> {
        self.interval_at(now).filter(|(from, until)| *from <= now && now < *until).map(|(_, until)| until)
    }

    /// What does not hang on the condition. Expressions come last: one costs as much as seventy comparisons.
    fn is_about(&self, subject: &Subject<'_>) -> bool {
        let is = |is_regex| move |matcher: &Matcher| matcher.label != Label::Condition && matcher.is_regex == is_regex;
        self.all(is(false), subject, "") && self.all(is(true), subject, "")
    }

    /// What does.
    fn is_about_condition(&self, subject: &Subject<'_>, condition: &str) -> bool {
        self.all(|matcher| matcher.label == Label::Condition, subject, condition)
    }

    fn all(&self, which: impl Fn(&Matcher) -> bool, subject: &Subject<'_>, condition: &str) -> bool {
        let matchers = self.quiet.matchers.iter().zip(&self.expressions).filter(|(matcher, _)| which(matcher));
        matchers.into_iter().all(|(matcher, expression)| {
            let value = subject.value(matcher.label, condition);
            let same = expression.as_ref().map_or(*matcher.value == *value, |expression| expression.is_match(value));
            same == matcher.is_equal
        })
    }

    fn listed(&self, now: Timestamp) -> Listed {
        Listed { quiet: self.quiet.clone(), interval: self.interval_at(now) }
    }
}

fn expressions(matchers: &[Matcher], wrong: &mut Vec<Wrong>) -> Vec<Option<Regex>> {
    let count = matchers.iter().filter(|matcher| matcher.is_regex).count();
    let each = matchers.iter().enumerate().map(|(place, matcher)| {
        let compiled = matcher.is_regex.then(|| expression(&matcher.value, count)).transpose();
        compiled.unwrap_or_else(|reason| {
            wrong.push(Wrong::Expression { place, reason });
            None
        })
    });
    each.collect()
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
            let Some(until) = standing.lasts(now).filter(|_| standing.is_about(subject)) else { continue };
            for (condition, _) in words.iter().filter(|(_, word)| standing.is_about_condition(subject, word)) {
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
        let is_about =
            |one: &Standing| one.is_about(subject) && one.is_about_condition(subject, Condition::Down.as_str());
        let matching = lasting.filter(|(_, one)| is_about(one));
        matching.max_by_key(|(until, _)| *until).map(|(until, one)| (until, one.quiet.comment.clone()))
    }

    /// All of a kind, in the order in which they were asked for.
    #[must_use]
    pub fn list(&self, kind: Kind, now: Timestamp) -> Vec<Listed> {
        self.standing.load().iter().filter(|one| one.quiet.kind == kind).map(|one| one.listed(now)).collect()
    }

    /// One of a kind.
    #[must_use]
    pub fn named(&self, kind: Kind, id: &str, now: Timestamp) -> Option<Listed> {
        let standing = self.standing.load();
        standing.iter().find(|one| one.quiet.kind == kind && *one.quiet.id == *id).map(|one| one.listed(now))
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
                by: Recurrence::Cron("0 20 * * *".into()),
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
        assert!(matches!(&refused[..], [Wrong::Expression { place: 1, .. }]), "{refused:?}");
    }

    fn recurring(by: Recurrence, length: Duration) -> Quiet {
        let when = When::Recurring { by, zone: "UTC".into(), length };
        Quiet { when, ..silence("a", vec![matcher(Label::Target, "PG_KCP")]) }
    }

    fn rule(rule: &str, first: &str) -> Recurrence {
        Recurrence::Rule { rule: rule.into(), first: at(first) }
    }

    #[test]
    fn between_windows_that_follow_at_once_there_is_no_gap_until_the_timer_comes() {
        let day = Duration::from_secs(86_400);
        let daily = [Recurrence::Cron("0 0 * * *".into()), rule("FREQ=DAILY", "2024-01-01T00:00:00Z")];
        for by in daily {
            let quiets = quiets(vec![recurring(by, day)]);
            let until = |now| quiets.held(&PG, BOTH, at(now)).map(|held| held.until);
            assert_eq!(until("2024-06-01T23:59:59Z"), Some(at("2024-06-02T00:00:00Z")));
            assert_eq!(until("2024-06-02T00:00:00Z"), Some(at("2024-06-03T00:00:00Z")));
            assert_eq!(until("2024-06-04T12:00:00Z"), Some(at("2024-06-05T00:00:00Z")));
        }
    }

    #[test]
    fn a_rule_is_over_after_its_last_and_forgotten_a_day_later() {
        let hour = Duration::from_secs(3_600);
        let twice = || recurring(rule("FREQ=DAILY;COUNT=2", "2024-06-01T10:00:00Z"), hour);
        let standing = Arc::new(Standing::of(twice(), at("2024-06-01T10:30:00Z")).unwrap());
        assert_eq!((standing.is_last, standing.turns_at()), (false, Some(at("2024-06-01T11:00:00Z"))));
        let second = standing.at(at("2024-06-01T11:00:00Z"));
        let last = Some((at("2024-06-02T10:00:00Z"), at("2024-06-02T11:00:00Z")));
        assert_eq!((second.interval, second.lasts(at("2024-06-02T10:00:00Z")).is_some()), (last, true));
        let over = second.at(at("2024-06-02T11:00:00Z"));
        assert_eq!((over.interval, over.turns_at(), over.lasts(at("2024-06-02T11:00:00Z"))), (last, None, None));
        assert_eq!(over.over(at("2024-06-02T11:00:00Z")), Some(Wrong::Over(Part::Rule)));
        let read_later = |now| Standing::of(twice(), at(now)).unwrap();
        assert_eq!(read_later("2024-06-03T10:59:59Z").interval, last, "also after a restart");
        for (now, is_forgotten) in [("2024-06-03T10:59:59Z", false), ("2024-06-03T11:00:00Z", true)] {
            assert_eq!(
                (over.is_forgotten(at(now)), read_later(now).is_forgotten(at(now))),
                (is_forgotten, is_forgotten)
            );
        }
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_set_right_takes_no_window_away() {
        let hour = Duration::from_secs(3_600);
        let [now, ahead] = ["2024-06-02T10:30:00Z", "2024-06-05T10:30:00Z"].map(at);
        let of_today = Some((at("2024-06-02T10:00:00Z"), at("2024-06-02T11:00:00Z")));
        for by in [Recurrence::Cron("0 10 * * *".into()), rule("FREQ=DAILY;COUNT=2", "2024-06-01T10:00:00Z")] {
            let quiet = recurring(by, hour);
            let standing = Arc::new(Standing::of(quiet.clone(), now).unwrap());
            for wrong in [standing.at(ahead), Arc::new(Standing::of(quiet, ahead).unwrap())] {
                assert_eq!(wrong.lasts(now), of_today.map(|(_, until)| until), "at once: {wrong:?}");
                let right = wrong.at(now);
                assert_eq!((right.interval, right.is_last), (of_today, false));
                assert_eq!(right.turns_at(), of_today.map(|(_, until)| until));
                assert!(!right.is_forgotten(now));
            }
        }
    }

    #[test]
    fn everything_that_is_wrong_with_one_is_told() {
        let expression = |value| Matcher { is_regex: true, ..matcher(Label::Target, value) };
        let when = When::Recurring {
            by: Recurrence::Cron("every day".into()),
            zone: "Mars/Olympus".into(),
            length: Duration::from_secs(60),
        };
        let quiet = Quiet { when, ..silence("a", vec![expression("("), expression("a"), expression(")")]) };
        let wrong = Standing::of(quiet, at("2024-06-01T10:00:00Z")).unwrap_err();
        let places = wrong.iter().filter_map(|one| match one {
            Wrong::Expression { place, .. } => Some(*place),
            Wrong::Calendar(_) | Wrong::Over(_) => None,
        });
        assert_eq!(places.collect::<Vec<_>>(), [0, 2]);
        let [.., Wrong::Calendar(NotACalendar::Zone), Wrong::Calendar(NotACalendar::Cron(_))] = &wrong[..] else {
            panic!("{wrong:?}");
        };
    }

    /// Text of 256 characters that makes as much of it as may be: each of `of` expressions may take so many classes.
    fn expensive(number: usize, of: usize) -> Matcher {
        let value = format!("{}{number:04}", "(?:[a-z]{1,60}_|[가-힣]{0,9}x)".repeat(8 / of.min(8)));
        assert!(value.len() <= 300 && value.chars().count() <= 256);
        Matcher { is_regex: true, ..matcher(Label::Target, &value) }
    }

    const NAMES: usize = 500;

    fn look_at_all(quiets: &Quiets, now: Timestamp) {
        for number in 0..NAMES {
            let target = format!("{}{}{number}", "abc_".repeat(number % 9), "가나다x".repeat(number % 7));
            assert_eq!(quiets.held(&Subject { target: &target, ..PG }, BOTH, now), None);
        }
    }

    #[test]
    fn expensive_silences_take_a_bounded_memory_also_after_many_names() {
        const MANY: usize = 20;
        for of in [1, 8] {
            let mut all = Quiets::default();
            let taken = allocation_counter::measure(|| {
                let many =
                    (0..MANY).map(|number| silence("a", (0..of).map(|one| expensive(number + one, of)).collect()));
                all = quiets(many.collect());
                look_at_all(&all, at("2024-06-01T11:00:00Z"));
            });
            let each = taken.bytes_current / i64::try_from(MANY).unwrap();
            assert!((20_000..400_000).contains(&each), "{of} expressions: {each} bytes");
        }
    }

    #[test]
    fn a_look_allocates_no_more_because_of_many_silences() {
        let names =
            |number: usize| silence("a", vec![matcher(Label::Target, &format!("PG_{number}")), expensive(number, 8)]);
        let allocations = |count: usize| {
            let quiets = quiets((0..count).map(names).collect());
            let now = at("2024-06-01T11:00:00Z");
            look_at_all(&quiets, now);
            allocation_counter::measure(|| look_at_all(&quiets, now)).count_total
        };
        assert_eq!(allocations(200), allocations(1));
    }
}
