//! Findings in, then exactly these events and no other.

use super::*;
use crate::domain::alert::{Condition, Conditions, Severity};
use crate::domain::breaker::{Cause as Why, Mode, State, Transition};
use crate::domain::delivery::Message;
use crate::domain::failure_history::FailureType;
use crate::domain::flapping;
use crate::domain::id::{IdMarks, Ids, Target};
use crate::domain::watch::Beside;
use crate::domain::watch::Policy;
use std::sync::Arc;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * SECOND)
}

pub(super) fn policy() -> Policy {
    Policy {
        failure_threshold: 3,
        failure_window: None,
        success_threshold: 1,
        max_retries: 3,
        failure_type: FailureType::PaymentGateway,
        alert: alert::Policy {
            on: [Condition::Down, Condition::BreakerOpen].into_iter().collect(),
            channels: [Arc::from("log"), Arc::from("ops")].into(),
            severity: Severity::Critical,
            reminder: None,
            escalate: false,
            escalation: None,
        },
        flapping: flapping::Limits::new(Duration::from_secs(10)),
    }
}

pub(super) struct Stage {
    pub(super) watch: Watch,
    ids: Ids,
    policy: Policy,
    pub(super) breaker: State,
    /// Who else says that an attempt fails.
    pub(super) origin: Origin,
    pub(super) beside: Beside<'static>,
    recent: Recent,
}

impl Stage {
    fn acknowledge(&mut self, second: i64, by: alert::Acknowledged) -> Turn {
        let correlation = CorrelationId::new("c");
        let context = Context { policy: &self.policy, ids: &self.ids, now: at(second), correlation: &correlation };
        let mut turn = Turn::default();
        turn.acknowledged(&mut self.watch, by, &context);
        turn.settle(&mut self.watch, &self.beside, &context);
        turn
    }

    pub(super) fn new(policy: Policy) -> Self {
        let target = Target::new("PG_KCP", "https://api.kcp.com");
        let watch = Watch::new(StatusId(1), target, Mode::Enforce, at(0));
        Self {
            watch,
            ids: Ids::after(IdMarks::default()),
            policy,
            breaker: State::Closed,
            origin: Origin::Probe,
            beside: Beside::default(),
            recent: Recent::default(),
        }
    }

    fn attempt(&mut self, second: i64, reason: Option<&str>) -> Turn {
        self.attempt_asked(second, reason, Asked::No)
    }

    pub(super) fn attempt_asked(&mut self, second: i64, reason: Option<&str>, asked: Asked) -> Turn {
        let fault = reason.map(|reason| FailureDetail { error_message: reason.into(), ..reported_detail("") });
        let correlation = CorrelationId::new(&format!("c{second}"));
        let with = Context { policy: &self.policy, ids: &self.ids, now: at(second), correlation: &correlation };
        self.recent.attempted(fault.is_none());
        let attempt = Attempt { at: at(second), fault, origin: self.origin, asked, recent: self.recent };
        let mut turn = Turn::attempted(&mut self.watch, attempt, &with);
        follow(&mut turn, &mut self.watch, &mut self.breaker, &with);
        turn.settle(&mut self.watch, &self.beside, &with);
        turn
    }

    pub(super) fn report(&mut self, second: i64, command: Command) -> Turn {
        let correlation = CorrelationId::new(&format!("c{second}"));
        let with = Context { policy: &self.policy, ids: &self.ids, now: at(second), correlation: &correlation };
        let mut turn = Turn::reported(&mut self.watch, command, &with).unwrap();
        follow(&mut turn, &mut self.watch, &mut self.breaker, &with);
        turn.settle(&mut self.watch, &self.beside, &with);
        turn
    }

    pub(super) fn breaker(&mut self, second: i64, to: State, cause: Why) -> Turn {
        let correlation = CorrelationId::new("breaker");
        let with = Context { policy: &self.policy, ids: &self.ids, now: at(second), correlation: &correlation };
        let mut turn = Turn::default();
        turn.breaker_moved(&mut self.watch, moved(self.breaker, to, cause), &with);
        self.breaker = to;
        turn.settle(&mut self.watch, &self.beside, &with);
        turn
    }
}

/// A breaker that does what it is told: opens, and goes half-open when a probe passes.
fn follow(turn: &mut Turn, watch: &mut Watch, breaker: &mut State, with: &Context<'_>) {
    for cue in std::mem::take(&mut turn.cues) {
        let (to, cause) = match (cue, *breaker) {
            (Cue::TargetFailed(cause), State::Closed | State::HalfOpen) => (State::Open, cause),
            (Cue::Passed, State::Open) => (State::HalfOpen, Why::ProbePassed),
            (Cue::TargetFailed(_), State::Open) | (Cue::Passed, State::Closed | State::HalfOpen) => continue,
        };
        turn.breaker_moved(watch, moved(*breaker, to, cause), with);
        *breaker = to;
    }
}

fn moved(from: State, to: State, cause: Why) -> Transition {
    let open_for = (to == State::Open).then_some(Duration::from_secs(5));
    Transition { from, to, cause, level: 0, open_for }
}

#[track_caller]
fn check(turn: &Turn, events: &[&str], steps: &[&str]) {
    let found: Vec<String> = turn.events.iter().map(|occurrence| line(&occurrence.event)).collect();
    assert_eq!(found, events);
    let found: Vec<&str> = turn
        .steps
        .iter()
        .map(|step| match step {
            HistoryStep::Record { .. } => "record",
            HistoryStep::Retry { ok: true, .. } => "retry ok",
            HistoryStep::Retry { ok: false, .. } => "retry failed",
            HistoryStep::Told { .. } => "told",
            HistoryStep::Recover { .. } => "recover",
        })
        .collect();
    assert_eq!(found, steps);
}

fn line(event: &Event) -> String {
    match event {
        Event::Status { event: StatusEvent::Retried { retry_count, retry_result, .. }, .. } => {
            format!("retried {retry_count} {}", retry_result.as_str())
        }
        Event::Status { event: StatusEvent::ConnectionFailed { failure_reason, .. }, .. } => {
            format!("failed {failure_reason}")
        }
        Event::Status { event: StatusEvent::Connected { .. }, .. } => "connected".into(),
        Event::BreakerTransitioned { transition, .. } => {
            format!("breaker {} -> {}", transition.from.as_str(), transition.to.as_str())
        }
        Event::FailureRecorded(_)
        | Event::History { .. }
        | Event::BreakerControlled { .. }
        | Event::AlertFired { .. }
        | Event::AlertResolved { .. }
        | Event::AlertAcknowledged { .. }
        | Event::AlertEscalated { .. }
        | Event::QuietCreated { .. }
        | Event::QuietRemoved { .. }
        | Event::NotificationResent { .. }
        | Event::NotificationDismissed { .. }
        | Event::NotificationDeadLettered { .. }
        | Event::LocationWeatherInfoFailed { .. } => event.name().to_owned(),
    }
}

fn failed(policy: Policy) -> Stage {
    let mut stage = Stage::new(policy);
    for second in 1..=3 {
        stage.attempt(second, Some("503"));
    }
    stage
}

#[test]
fn the_first_success_connects_and_later_ones_are_no_events() {
    let mut stage = Stage::new(policy());
    check(&stage.attempt(1, None), &["connected"], &[]);
    check(&stage.attempt(2, None), &[], &[]);
    assert_eq!(stage.watch.status.last_succeeded_at, Some(at(2)));
}

#[test]
fn failures_below_the_threshold_are_retries_and_the_threshold_opens_one_outage() {
    let mut stage = Stage::new(policy());
    check(&stage.attempt(1, Some("503")), &["retried 1 FAILURE"], &[]);
    check(&stage.attempt(2, Some("503")), &["retried 2 FAILURE"], &[]);
    let turn = stage.attempt(3, Some("503"));
    check(&turn, &["failed 503", "breaker closed -> open", "AlertFired"], &["record"]);
    assert_eq!(turn.deliveries.len(), 2, "one for each channel");
    assert_eq!(stage.watch.status.last_attempted_at, Some(at(3)));
}

#[test]
fn with_a_window_failures_count_that_are_not_in_a_row() {
    let mut stage = Stage::new(Policy { failure_window: Some(5), ..policy() });
    let attempts = [Some("503"), None, Some("503"), None];
    for (second, reason) in (1..).zip(attempts) {
        let turn = stage.attempt(second, reason);
        check(&turn, &[if reason.is_some() { "retried 1 FAILURE" } else { "connected" }], &[]);
    }
    let turn = stage.attempt(5, Some("503"));
    check(&turn, &["failed 503", "breaker closed -> open", "AlertFired"], &["record"]);
    let ends = stage.attempt(6, None);
    check(&ends, &["connected", "breaker open -> half_open"], &["retry ok", "recover"]);
    assert!(ends.ends_outage() && !turn.ends_outage());
}

#[test]
fn without_a_window_only_those_in_a_row_count() {
    let mut stage = Stage::new(policy());
    for (second, reason) in (1..).zip([Some("503"), Some("503"), None, Some("503"), Some("503")]) {
        stage.attempt(second, reason);
    }
    assert_eq!(stage.watch.status.state, IntegrationState::Retrying);
}

#[test]
fn a_threshold_of_one_fails_at_once() {
    let mut stage = Stage::new(Policy { failure_threshold: 1, ..policy() });
    check(&stage.attempt(1, Some("503")), &["failed 503", "breaker closed -> open", "AlertFired"], &["record"]);
}

#[test]
fn a_long_outage_does_not_flood_the_log() {
    let mut stage = failed(policy());
    for second in 4..=6 {
        let retried = format!("retried {} FAILURE", second - 1);
        check(&stage.attempt(second, Some("503")), &[&retried, "failed 503"], &["retry failed"]);
    }
    check(&stage.attempt(7, Some("503")), &[], &[]);
    check(&stage.attempt(8, Some("timeout")), &["retried 7 FAILURE", "failed timeout"], &["retry failed"]);
    check(&stage.attempt(9, Some("timeout")), &[], &[]);
    let status = &stage.watch.status;
    assert_eq!((status.retry_count, status.last_failed_at), (8, Some(at(9))), "counted in memory");
}

#[test]
fn a_success_ends_the_outage_and_the_breakers_closing_resolves_the_incident() {
    let mut stage = failed(policy());
    let turn = stage.attempt(4, None);
    check(&turn, &["connected", "breaker open -> half_open"], &["retry ok", "recover"]);
    let turn = stage.breaker(5, State::Closed, Why::TrialsPassed);
    check(&turn, &["breaker half_open -> closed", "AlertResolved"], &[]);
    assert_eq!(turn.deliveries.len(), 2);
}

#[test]
fn everything_of_one_outage_shares_its_first_correlation() {
    let mut stage = Stage::new(policy());
    let mut turns: Vec<Turn> = (1..=3).map(|second| stage.attempt(second, Some("503"))).collect();
    turns.push(stage.attempt(4, None));
    turns.push(stage.breaker(5, State::Closed, Why::TrialsPassed));
    let resolved = turns.last().unwrap().events.last().unwrap();
    assert_eq!(resolved.event.name(), "AlertResolved");
    assert_eq!(resolved.correlation.0.as_ref(), "c1");
    for occurrence in turns[..4].iter().flat_map(|turn| &turn.events) {
        assert_eq!(occurrence.correlation.0.as_ref(), "c1", "{:?}", occurrence.event);
    }
}

#[test]
fn two_successes_are_needed_where_the_owner_says_so() {
    let mut stage = failed(Policy { success_threshold: 2, ..policy() });
    check(&stage.attempt(4, None), &[], &["retry ok"]);
    check(&stage.attempt(5, None), &["connected", "breaker open -> half_open"], &["retry ok", "recover"]);
}

#[test]
fn what_passed_before_the_breaker_opened_does_not_end_its_open_time() {
    let mut stage = Stage::new(Policy { success_threshold: 3, ..policy() });
    for second in 1..=9 {
        stage.attempt(second, None);
    }
    for (cause, opened) in [(Why::FailureRate, 10), (Why::TrialFailed, 20), (Why::TrialFailed, 30)] {
        stage.breaker(opened, State::Open, cause);
        for second in 1..=2 {
            check(&stage.attempt(opened + second, None), &[], &[]);
        }
        check(&stage.attempt(opened + 3, None), &["breaker open -> half_open"], &[]);
        // Half-open, there is no open time to end.
        check(&stage.attempt(opened + 4, None), &[], &[]);
    }
}

#[test]
fn where_a_trial_may_have_failed_meanwhile_a_pass_is_no_cue() {
    let mut stage = Stage::new(policy());
    stage.breaker(1, State::Open, Why::FailureRate);
    check(&stage.attempt(2, None), &["connected", "breaker open -> half_open"], &[]);
    // The breaker has opened anew, and the turn that says so is still to come.
    stage.breaker = State::Open;
    check(&stage.attempt(3, None), &[], &[]);
}

#[test]
fn a_reported_failure_is_not_ended_by_a_passing_probe_alone() {
    let mut stage = Stage::new(policy());
    stage.attempt(1, None);
    let fail = Command::Fail { failure_reason: "declined all".into(), failed_at: at(2) };
    check(&stage.report(2, fail), &["failed declined all", "breaker closed -> open", "AlertFired"], &["record"]);
    check(&stage.attempt(3, None), &["breaker open -> half_open"], &["retry ok"]);
    assert_eq!(stage.watch.status.state, IntegrationState::Failed);
    let turn = stage.breaker(4, State::Closed, Why::TrialsPassed);
    check(&turn, &["breaker half_open -> closed", "connected", "AlertResolved"], &["recover"]);
}

#[test]
fn a_reported_connection_ends_a_reported_failure() {
    let mut stage = Stage::new(policy());
    stage.report(2, Command::Fail { failure_reason: "".into(), failed_at: at(2) });
    let turn = stage.report(3, Command::Connect { attempted_at: at(3) });
    check(&turn, &["connected", "breaker open -> half_open"], &["recover"]);
}

#[test]
fn a_second_report_joins_the_open_outage() {
    let mut stage = failed(policy());
    let fail = Command::Fail { failure_reason: "also seen by us".into(), failed_at: at(4) };
    check(&stage.report(4, fail), &["failed also seen by us"], &[]);
}

#[test]
fn an_attempt_that_somebody_waits_for_is_always_an_event() {
    let mut stage = Stage::new(policy());
    stage.attempt(1, None);
    check(&stage.attempt_asked(2, None, Asked::Connect), &["connected"], &[]);
    check(&stage.attempt_asked(3, None, Asked::Retry), &["retried 1 SUCCESS", "connected"], &[]);
    check(&stage.attempt_asked(4, Some("503"), Asked::Connect), &["retried 1 FAILURE"], &[]);
}

#[test]
fn a_target_without_channels_has_no_incident() {
    let nobody = alert::Policy { channels: [].into(), ..policy().alert };
    let mut stage = Stage::new(Policy { failure_threshold: 1, alert: nobody, ..policy() });
    let turn = stage.attempt(1, Some("503"));
    check(&turn, &["failed 503", "breaker closed -> open"], &["record"]);
    assert!(turn.deliveries.is_empty());
}

#[test]
fn a_retry_that_is_reported_in_an_outage_does_not_end_its_incident() {
    let mut stage = failed(policy());
    let retry = Command::Retry { retry_count: None, retried_at: at(4), origin: RetryOrigin::Reported };
    check(&stage.report(4, retry), &["retried 3 SUCCESS"], &[]);
    assert!(stage.watch.conditions(&Beside::default()).contains(Condition::Down));
    check(&stage.attempt(5, Some("503")), &["failed 503"], &["retry failed"]);
}

const fn every_minute() -> alert::Reminder {
    let minute = Duration::from_secs(60);
    alert::Reminder { every: minute, factor: 1, longest: minute }
}

#[test]
fn who_acknowledges_first_stays_and_nobody_is_reminded_any_more() {
    let reminder = alert::Policy { reminder: Some(every_minute()), ..policy().alert };
    let mut stage = failed(Policy { max_retries: 0, alert: reminder, ..policy() });
    let by = |who: &str| alert::Acknowledged { who: who.into(), comment: "on it".into(), at: at(5) };
    let turn = stage.acknowledge(5, by("kim"));
    check(&turn, &["AlertAcknowledged"], &[]);
    assert!(turn.deliveries.is_empty());
    assert!(stage.acknowledge(6, by("lee")).is_empty());
    assert_eq!(stage.watch.incident.as_ref().unwrap().acknowledged.as_ref().unwrap().who.as_ref(), "kim");
    assert!(stage.attempt(500, Some("503")).is_empty(), "no reminder");
    let turn = stage.attempt(501, None);
    let ended = turn.alerts.iter().any(|record| record.until.is_some());
    assert_eq!(ended, stage.watch.incident.is_none());
}

#[test]
fn others_are_told_when_it_is_late_and_of_the_end_too() {
    let boss: Arc<[Arc<str>]> = [Arc::from("boss")].into();
    let escalation = alert::Escalation { after: Duration::from_secs(60), to: boss };
    let late = alert::Policy { escalation: Some(escalation), ..policy().alert };
    let mut stage = failed(Policy { max_retries: 0, alert: late, ..policy() });
    assert!(stage.attempt(62, Some("503")).is_empty());
    let turn = stage.attempt(63, Some("503"));
    check(&turn, &["AlertEscalated"], &[]);
    let told: Vec<&str> = turn.deliveries.iter().map(|delivery| &*delivery.channel).collect();
    assert_eq!(told, ["boss"], "the others know");
    assert!(stage.attempt(1_000, Some("503")).is_empty(), "once");
    stage.attempt(1_001, None);
    let turn = stage.breaker(1_002, State::Closed, Why::TrialsPassed);
    let told: Vec<&str> = turn.deliveries.iter().map(|delivery| &*delivery.channel).collect();
    assert_eq!(told, ["log", "ops", "boss"], "{:?}", turn.events);
}

#[test]
fn a_further_condition_changes_the_text_and_is_told_only_where_somebody_asked() {
    for escalate in [false, true] {
        let asked = alert::Policy { escalate, ..policy().alert };
        let mut stage = Stage::new(Policy { alert: asked, ..policy() });
        stage.attempt(1, None);
        stage.breaker(2, State::Open, Why::FailureRate);
        let notice = stage.watch.incident.as_ref().unwrap().notice;
        stage.attempt(3, Some("503"));
        stage.attempt(4, Some("503"));
        let turn = stage.attempt(5, Some("503"));
        let escalated = turn.events.iter().any(|event| event.event.name() == "AlertEscalated");
        assert_eq!((escalated, turn.deliveries.len()), (escalate, if escalate { 2 } else { 0 }));
        let incident = stage.watch.incident.as_ref().unwrap();
        assert_eq!((&*incident.cause, incident.notice), ("503", notice), "the same incident with another text");
        assert_eq!(incident.history, stage.watch.trouble.as_ref().unwrap().history);
        assert_eq!(turn.alerts.len(), 1, "those who look back see it too");
    }
}

#[test]
fn a_reminder_is_a_message_and_no_event() {
    let reminder = alert::Policy { reminder: Some(every_minute()), ..policy().alert };
    let mut stage = failed(Policy { max_retries: 0, alert: reminder, ..policy() });
    assert!(stage.attempt(60, Some("503")).is_empty());
    let turn = stage.attempt(63, Some("503"));
    assert!(turn.kept && turn.events.is_empty());
    assert!(matches!(turn.deliveries[0].message, Message::Reminder(_)));
    assert!(stage.attempt(64, Some("503")).is_empty());
}

#[test]
fn conditions_that_nobody_wants_to_hear_of_make_no_incident() {
    let quiet = alert::Policy { on: Conditions::NONE, ..policy().alert };
    let mut stage = Stage::new(Policy { failure_threshold: 1, alert: quiet, ..policy() });
    check(&stage.attempt(1, Some("503")), &["failed 503", "breaker closed -> open"], &["record"]);
    assert_eq!(stage.watch.incident, None);
}

#[test]
fn what_is_held_back_is_told_at_the_next_finding_after_the_hold() {
    let mut stage = Stage::new(policy());
    stage.beside.holding = Some(alert::Hold::Dependency).into();
    stage.attempt(1, Some("503"));
    stage.attempt(2, Some("503"));
    check(&stage.attempt(3, Some("503")), &["failed 503", "breaker closed -> open"], &["record"]);
    assert_eq!(stage.watch.incident, None);
    for second in 4..=6 {
        stage.attempt(second, Some("503"));
    }
    check(&stage.attempt(7, Some("503")), &[], &[]);
    stage.beside.holding = alert::Holding::default();
    let turn = stage.attempt(8, Some("503"));
    check(&turn, &["AlertFired"], &["told"]);
    assert_eq!(turn.deliveries.len(), 2);
    assert_eq!(stage.watch.incident.as_ref().map(|incident| incident.since), Some(at(1)), "since it began");
}

#[test]
fn what_was_told_is_resolved_also_under_a_hold() {
    let mut stage = failed(policy());
    stage.beside.holding = Some(alert::Hold::Flapping).into();
    stage.attempt(4, None);
    let turn = stage.breaker(5, State::Closed, Why::TrialsPassed);
    check(&turn, &["breaker half_open -> closed", "AlertResolved"], &[]);
}

#[test]
fn an_end_that_is_no_recovery_says_so() {
    let end_of = |turn: &Turn| {
        let Message::Resolved { alert, .. } = &turn.deliveries[0].message else { panic!("{turn:?}") };
        alert.cause.to_string()
    };
    let mut stage = failed(policy());
    let correlation = CorrelationId::new("c");
    let context = Context { policy: &stage.policy, ids: &stage.ids, now: at(4), correlation: &correlation };
    let mut turn = Turn::default();
    turn.retire(&mut stage.watch, &context);
    assert_eq!(end_of(&turn), "it is not watched any more; last known: 503");
    assert!(turn.alerts[0].incident.cause.starts_with("it is not watched"), "{:?}", turn.alerts);

    let mut stage = failed(policy());
    stage.policy.alert.on = [Condition::Flapping].into_iter().collect();
    let turn = stage.attempt(4, Some("503"));
    assert_eq!(end_of(&turn), "it lasts, but is not alerted on any more; last known: 503");

    let mut stage = failed(policy());
    stage.attempt(4, None);
    stage.beside.degraded = true;
    let turn = stage.breaker(5, State::Closed, Why::TrialsPassed);
    assert_eq!(end_of(&turn), "503", "it is slow now, which nobody was told of");
}

#[test]
fn a_clock_that_is_set_back_ends_neither_reminders_nor_escalation() {
    let mut policy = policy();
    let minute = Duration::from_secs(60);
    policy.alert.reminder = Some(alert::Reminder { every: minute, factor: 1, longest: minute });
    policy.alert.escalation = Some(alert::Escalation { after: 2 * minute, to: [Arc::from("boss")].into() });
    let mut stage = Stage::new(policy);
    let ahead = 10_000;
    for second in 1..=3 {
        stage.attempt(ahead + second, Some("503"));
    }
    assert!(stage.watch.incident.is_some());
    let said = |turn: &Turn| turn.deliveries.iter().map(|delivery| delivery.message.word()).collect::<Vec<_>>();
    // A little is what NTP does, and is waited out.
    assert_eq!(said(&stage.attempt(ahead, Some("503"))), [""; 0]);
    assert_eq!(stage.watch.incident.as_ref().map(|incident| incident.fired_at), Some(at(ahead + 3)));
    let turn = stage.attempt(1_000, Some("503"));
    assert!(turn.kept && turn.deliveries.is_empty(), "{turn:?}");
    assert_eq!(said(&stage.attempt(1_060, Some("503"))), ["reminder"; 2]);
    assert_eq!(said(&stage.attempt(1_120, Some("503"))), ["escalated"]);
    stage.attempt(1_130, None);
    let turn = stage.breaker(1_131, State::Closed, Why::TrialsPassed);
    let Message::Resolved { alert, until } = &turn.deliveries[0].message else { panic!("{turn:?}") };
    assert_eq!((alert.since, *until), (at(ahead + 1), at(ahead + 1)), "no end before the beginning");
    assert_eq!(turn.alerts[0].until, Some(*until));
}

#[test]
fn what_was_never_told_ends_without_a_word() {
    let mut stage = Stage::new(policy());
    stage.beside.holding = Some(alert::Hold::Maintenance).into();
    for second in 1..=3 {
        stage.attempt(second, Some("503"));
    }
    let turn = stage.attempt(4, None);
    check(&turn, &["connected", "breaker open -> half_open"], &["retry ok", "recover"]);
    let turn = stage.breaker(5, State::Closed, Why::TrialsPassed);
    check(&turn, &["breaker half_open -> closed"], &[]);
    assert!(turn.deliveries.is_empty());
}

#[test]
fn calls_that_open_the_breaker_are_told_and_fail_nothing() {
    let mut stage = Stage::new(policy());
    stage.attempt(1, None);
    let turn = stage.breaker(2, State::Open, Why::FailureRate);
    check(&turn, &["breaker closed -> open", "AlertFired"], &[]);
    assert_eq!(stage.watch.status.state, IntegrationState::Connected);
    let cause = &stage.watch.incident.as_ref().unwrap().cause;
    assert_eq!(&**cause, "the circuit breaker opened: too many calls fail");
}

#[test]
fn an_outage_that_calls_confirm_is_not_ended_by_a_passing_probe_alone() {
    let mut stage = Stage::new(policy());
    stage.attempt(1, None);
    stage.breaker(2, State::Open, Why::FailureRate);
    stage.origin = Origin::Traffic;
    for second in 3..=5 {
        stage.attempt(second, Some("503"));
    }
    assert_eq!(stage.watch.trouble.as_ref().map(|trouble| trouble.origin), Some(Origin::Traffic));
    check(&stage.attempt(6, None), &["breaker open -> half_open"], &["retry ok"]);
    assert_eq!(stage.watch.status.state, IntegrationState::Failed);
    let turn = stage.breaker(7, State::Closed, Why::TrialsPassed);
    check(&turn, &["breaker half_open -> closed", "connected", "AlertResolved"], &["recover"]);
}

#[test]
fn once_an_operator_has_closed_the_breaker_a_passing_probe_ends_what_calls_confirmed() {
    let mut stage = Stage::new(policy());
    stage.breaker(1, State::Open, Why::SlowRate);
    stage.origin = Origin::Traffic;
    for second in 2..=4 {
        stage.attempt(second, Some("503"));
    }
    stage.breaker(5, State::Closed, Why::Operator);
    assert_eq!(stage.watch.status.state, IntegrationState::Failed);
    check(&stage.attempt(6, None), &["connected", "AlertResolved"], &["retry ok", "recover"]);
}

#[test]
fn a_certificate_and_flapping_are_told_to_those_who_asked() {
    let on = [Condition::Certificate, Condition::Flapping].into_iter().collect();
    let asked = alert::Policy { on, ..policy().alert };
    let mut stage = Stage::new(Policy { alert: asked, ..policy() });
    stage.attempt(1, None);
    stage.beside.certificate = Some("the certificate ends in 9 days");
    check(&stage.attempt(2, None), &["AlertFired"], &[]);
    assert_eq!(&*stage.watch.incident.as_ref().unwrap().cause, "the certificate ends in 9 days");
    stage.beside = Beside { flapping: Some(24), holding: Some(alert::Hold::Flapping).into(), ..Beside::default() };
    check(&stage.attempt(3, None), &[], &[]);
    stage.beside = Beside::default();
    check(&stage.attempt(4, None), &["AlertResolved"], &[]);
    stage.beside = Beside { flapping: Some(24), holding: Some(alert::Hold::Flapping).into(), ..Beside::default() };
    check(&stage.attempt(5, None), &["AlertFired"], &[]);
    assert_eq!(&*stage.watch.incident.as_ref().unwrap().cause, "it flaps, with a score of 24 %");
}

#[test]
fn an_alert_speaks_of_what_was_asked_for_and_of_nothing_else() {
    let page = "the provider reports a partial outage of Payouts";
    let beside = Beside {
        degraded: true,
        degraded_by: Some(page),
        certificate: Some("the certificate ends in 9 days"),
        ..Beside::default()
    };
    let slow = Beside { degraded_by: None, ..beside };
    for (on, beside, cause) in [
        (Condition::Certificate, slow, "the certificate ends in 9 days"),
        (Condition::Degraded, slow, "it answers too slowly"),
        (Condition::Degraded, beside, page),
    ] {
        let asked = alert::Policy { on: [on].into_iter().collect(), ..policy().alert };
        let mut stage = Stage::new(Policy { alert: asked, ..policy() });
        stage.attempt(1, None);
        // What failed once, and is over, is not why.
        stage.watch.status.failure_reason = Some("503".into());
        stage.beside = beside;
        check(&stage.attempt(2, None), &["AlertFired"], &[]);
        assert_eq!(&*stage.watch.incident.as_ref().unwrap().cause, cause);
    }
}

#[test]
fn what_nobody_knows_yet_ends_nothing_that_was_told_and_is_no_news() {
    let on = [Condition::Down, Condition::Degraded, Condition::Flapping].into_iter().collect();
    let asked = alert::Policy { on, escalate: true, ..policy().alert };
    let mut stage = Stage::new(Policy { alert: asked, ..policy() });
    stage.attempt(1, None);
    stage.beside.flapping = Some(24);
    check(&stage.attempt(2, None), &["AlertFired"], &[]);
    // A restart: nothing is known of how it answers, or whether it flaps.
    let unknown = [Condition::Degraded, Condition::Flapping].into_iter().collect();
    stage.beside = Beside { unknown, ..Beside::default() };
    check(&stage.attempt(3, None), &[], &[]);
    assert_eq!(stage.watch.conditions(&stage.beside), Conditions::NONE.with(Condition::Flapping));
    stage.beside = Beside::default();
    check(&stage.attempt(4, None), &["AlertResolved"], &[]);
}

#[test]
fn an_escalation_tells_all_that_is_wrong() {
    let on = [Condition::Down, Condition::Certificate, Condition::DeadLetters].into_iter().collect();
    let asked = alert::Policy { on, escalate: true, ..policy().alert };
    let mut stage = failed(Policy { alert: asked, ..policy() });
    stage.beside = Beside { certificate: Some("the certificate ends in 9 days"), dead_letters: 2, ..Beside::default() };
    let turn = stage.attempt(4, Some("503"));
    assert!(matches!(turn.deliveries[0].message, Message::Escalated(_)));
    let cause = &stage.watch.incident.as_ref().unwrap().cause;
    assert_eq!(&**cause, "503; the certificate ends in 9 days; 2 messages about it were given up: see the outbox");
}

#[test]
fn what_a_channel_gave_up_the_others_are_told_of_and_not_that_one() {
    let on = [Condition::Down, Condition::DeadLetters].into_iter().collect();
    let asked = alert::Policy { on, ..policy().alert };
    let mut stage = failed(Policy { alert: asked, ..policy() });
    let log: Arc<[Arc<str>]> = [Arc::from("log")].into();
    let working: &'static Arc<[Arc<str>]> = Box::leak(Box::new(log));
    stage.beside = Beside { dead_letters: 1, working: Some(working), ..Beside::default() };
    let over = stage.attempt(4, None);
    check(&over, &["connected", "breaker open -> half_open", "AlertResolved"], &["retry ok", "recover"]);
    assert_eq!(over.deliveries.len(), 2, "the end goes to all who were told");
    let letters = stage.attempt(6, None);
    check(&letters, &["AlertFired"], &[]);
    let told: Vec<&str> = letters.deliveries.iter().map(|delivery| &*delivery.channel).collect();
    assert_eq!(told, ["log"], "or what is given up next would be told of, too");
    stage.beside = Beside::default();
    check(&stage.attempt(7, None), &["AlertResolved"], &[]);
}

#[test]
fn an_outage_beside_a_dead_letter_is_told_also_over_the_channel_that_gave_it_up() {
    let on = [Condition::Down, Condition::DeadLetters].into_iter().collect();
    let asked = alert::Policy { on, escalate: true, ..policy().alert };
    let mut stage = Stage::new(Policy { failure_threshold: 1, alert: asked, ..policy() });
    stage.attempt(1, None);
    let log: Arc<[Arc<str>]> = [Arc::from("log")].into();
    let working: &'static Arc<[Arc<str>]> = Box::leak(Box::new(log));
    stage.beside = Beside { dead_letters: 1, working: Some(working), ..Beside::default() };
    let told = |turn: &Turn| turn.deliveries.iter().map(|one| one.channel.to_string()).collect::<Vec<_>>();
    assert_eq!(told(&stage.attempt(2, None)), ["log"]);
    let outage = stage.attempt(3, Some("503"));
    assert!(matches!(outage.deliveries[0].message, Message::Escalated(_)));
    assert_eq!(told(&outage), ["log", "ops"]);
    assert_eq!(told(&stage.attempt(4, None)), ["log", "ops"], "and so is its end");
}

#[test]
fn nobody_is_reminded_of_what_nobody_knows() {
    let reminder = alert::Policy {
        on: [Condition::Flapping].into_iter().collect(),
        reminder: Some(every_minute()),
        ..policy().alert
    };
    let mut stage = Stage::new(Policy { alert: reminder, ..policy() });
    stage.attempt(1, None);
    stage.beside.flapping = Some(24);
    check(&stage.attempt(2, None), &["AlertFired"], &[]);
    stage.beside = Beside { unknown: Conditions::NONE.with(Condition::Flapping), ..Beside::default() };
    assert!(stage.attempt(100, None).is_empty());
    stage.beside = Beside { flapping: Some(24), ..Beside::default() };
    assert_eq!(stage.attempt(101, None).deliveries.len(), 2, "it flaps still");
}
