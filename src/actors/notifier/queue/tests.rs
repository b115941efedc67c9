//! Entries in, steps out: in which order, together with what, and when.

use super::*;
use crate::actors::notifier::health::AT_ONCE;
use crate::actors::notifier::joining::Telling;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Alert, GIVE_UP_AFTER, Group, Of};
use crate::domain::failure_history::FailureType;
use crate::domain::id::{CorrelationId, HistoryId, IncidentId, NoticeId};

const PACE: Pace = Pace { wait: Duration::from_secs(10), interval: Duration::from_secs(300) };

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(1_717_236_000_000_000_000).plus(Duration::from_secs(seconds))
}

const fn id(notice: u64) -> DeliveryId {
    DeliveryId { notice: NoticeId(notice), ordinal: 0 }
}

fn delivery(notice: u64, message: Message, queued: u64) -> Delivery {
    Delivery {
        id: id(notice),
        siblings: 1,
        channel: "ops".into(),
        message,
        history: None,
        correlation: CorrelationId::new("c"),
        queued_at: at(queued),
        tried_since: at(queued),
        attempts: 0,
        next_attempt_at: at(queued),
        last_error: None,
    }
}

/// Each incident has a target of its own, but for those from 100 on.
fn alert(incident: u64) -> Alert {
    Alert {
        incident: IncidentId(incident),
        severity: Severity::Critical,
        target: if incident < 100 { format!("T{incident}").into() } else { "PG".into() },
        cause: "503".into(),
        since: at(0),
        acknowledge: None,
    }
}

fn firing(incident: u64) -> Message {
    Message::Firing(alert(incident))
}

fn resolved(incident: u64) -> Message {
    Message::Resolved { alert: alert(incident), until: at(60) }
}

fn reported(history: u64) -> Message {
    Message::FailureRecorded {
        severity: Severity::Warning,
        history: HistoryId(history),
        failure_type: FailureType::Other,
        target: "SMS".into(),
        cause: "no route".into(),
        occurred_at: at(0),
    }
}

fn group_line() -> Line {
    Line::Group("payments".into())
}

fn reports_line() -> Line {
    Line::Reports("SMS".into())
}

struct Stage {
    queue: Queue,
}

impl Default for Stage {
    fn default() -> Self {
        Self { queue: Queue::new(PACE) }
    }
}

impl Stage {
    fn grow(&mut self, notice: u64, message: Message, line: Line, second: u64) {
        assert!(self.queue.remember(&delivery(notice, message, second), line, at(second)));
    }

    fn step(&mut self, second: u64) -> Option<Step> {
        self.queue.next_step(at(second), &mut |_| May::Go)
    }

    #[track_caller]
    fn attempts(&mut self, second: u64, notice: u64) {
        assert_eq!(self.step(second), Some(Step::Attempt(id(notice))));
    }

    #[track_caller]
    fn nothing(&mut self, second: u64) {
        assert_eq!(self.step(second), None);
    }

    /// What is joined at this time, as the next notice, on disk; messages with those that are told by them before them.
    #[track_caller]
    fn joins(&mut self, second: u64, notice: u64, expected: &[(Of, &[u64])]) {
        let Some(Step::Join(line, parts)) = self.step(second) else { panic!("nothing is joined") };
        let found: Vec<(Of, Vec<u64>)> = parts
            .iter()
            .map(|part| match part {
                Part::Many(of, tellings) => (*of, tellings.iter().flat_map(ids_of).collect()),
                Part::One(_) => panic!("joined with nothing"),
            })
            .collect();
        let expected: Vec<(Of, Vec<u64>)> = expected.iter().map(|(of, ids)| (*of, ids.to_vec())).collect();
        assert_eq!(found, expected);
        let groups: Vec<Delivery> = found
            .into_iter()
            .zip(notice..)
            .map(|((of, ids), notice)| {
                let members = ids.into_iter().map(id).collect();
                let group = Group { of, name: line.name(), count: 2, messages: Vec::new(), members };
                delivery(notice, Message::Grouped(group), second)
            })
            .collect();
        let order: Vec<DeliveryId> = groups.iter().map(|group| group.id).collect();
        self.queue.joined(&line, &order, &groups);
        self.nothing(second);
        for group in &groups {
            self.queue.remember(group, line.clone(), at(second));
        }
        self.queue.landed(&line);
    }

    fn done(&mut self, notices: &[u64]) {
        notices.iter().for_each(|notice| self.queue.forget(id(*notice)));
    }

    /// An attempt failed: it is due again later.
    fn waits(&mut self, notice: u64, message: Message, line: Line, until: u64) {
        let waiting = Delivery { attempts: 1, next_attempt_at: at(until), ..delivery(notice, message, 0) };
        self.queue.remember(&waiting, line, at(until.saturating_sub(60)));
    }
}

fn ids_of(telling: &Telling) -> Vec<u64> {
    telling.instead_of.iter().chain(std::iter::once(&telling.told)).map(|id| id.notice.0).collect()
}

#[test]
fn an_incident_is_told_at_once_and_its_end_after_its_beginning() {
    let mut stage = Stage::default();
    stage.grow(1, firing(7), Line::Incident(7), 0);
    stage.grow(2, firing(8), Line::Incident(8), 0);
    stage.grow(3, resolved(7), Line::Incident(7), 1);
    stage.attempts(0, 1);
    stage.attempts(0, 2);
    stage.nothing(100);
    stage.waits(1, firing(7), Line::Incident(7), 200);
    stage.nothing(100);
    stage.attempts(200, 1);
    stage.done(&[1]);
    stage.attempts(200, 3);
    stage.done(&[2, 3]);
    assert_eq!((stage.queue.len(), stage.queue.is_idle()), (0, true));
}

#[test]
fn a_group_waits_and_leaves_as_one_message() {
    let mut stage = Stage::default();
    for notice in 1..=3 {
        stage.grow(notice, firing(notice), group_line(), notice);
    }
    stage.nothing(10);
    assert_eq!(stage.queue.next_due(), Some(at(11)), "ten seconds after the first");
    stage.joins(11, 4, &[(Of::Trouble, &[1, 2, 3])]);
    assert_eq!(stage.queue.len(), 3, "its members count, it does not");
    stage.attempts(11, 4);
    stage.done(&[4, 1, 2, 3]);
    assert_eq!((stage.queue.len(), stage.queue.next_due()), (0, None));
}

#[test]
fn after_a_message_of_a_group_the_next_waits_for_the_interval() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.attempts(10, 1);
    stage.done(&[1]);
    stage.grow(2, resolved(1), group_line(), 20);
    stage.nothing(309);
    stage.attempts(310, 2);
    stage.done(&[2]);
    stage.grow(3, firing(2), group_line(), 700);
    stage.nothing(709);
    stage.attempts(710, 3);
}

#[test]
fn a_group_that_grows_is_waited_for_and_then_the_interval_holds() {
    let mut stage = Stage::default();
    for notice in 1..=13 {
        stage.grow(notice, firing(notice), group_line(), notice);
    }
    stage.nothing(17);
    assert_eq!(stage.queue.next_due(), Some(at(18)), "half of the wait after the newest");
    stage.joins(18, 14, &[(Of::Trouble, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])]);
    stage.attempts(18, 14);
    stage.done(&[14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    for notice in 15..=30 {
        stage.grow(notice, resolved(notice), group_line(), 280 + notice);
    }
    stage.nothing(317);
    assert_eq!(stage.queue.next_due(), Some(at(318)));
}

#[test]
fn beginnings_and_ends_are_two_messages_in_this_order() {
    let mut stage = Stage::default();
    stage.grow(1, resolved(8), group_line(), 0);
    stage.grow(2, firing(1), group_line(), 1);
    stage.grow(3, resolved(9), group_line(), 1);
    stage.grow(4, firing(2), group_line(), 2);
    stage.joins(10, 5, &[(Of::Trouble, &[2, 4]), (Of::Ends, &[1, 3])]);
    stage.attempts(10, 5);
    stage.done(&[5, 2, 4]);
    stage.attempts(10, 6);
}

#[test]
fn who_was_not_told_of_a_beginning_is_told_of_the_end_alone() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.grow(2, firing(2), group_line(), 1);
    stage.grow(3, Message::Reminder(alert(1)), group_line(), 2);
    stage.grow(4, resolved(1), group_line(), 3);
    let Some(Step::Join(line, parts)) = stage.step(10) else { panic!("nothing is joined") };
    let end = Telling { told: id(4), instead_of: vec![id(1), id(3)] };
    assert_eq!(parts, [Part::One(id(2)), Part::Many(Of::Ends, vec![end])]);
    let members = vec![id(4), id(1), id(3)];
    let group = Group { of: Of::Ends, name: line.name(), count: 1, messages: Vec::new(), members };
    let group = delivery(5, Message::Grouped(group), 10);
    stage.queue.joined(&line, &[id(2), id(5)], std::slice::from_ref(&group));
    assert_eq!(stage.queue.len(), 4, "it waits with its end");
    stage.queue.landed(&line);
    stage.attempts(10, 2);
    stage.done(&[2]);
    stage.attempts(10, 5);
    stage.done(&[5, 4, 1, 3]);
    assert_eq!((stage.queue.len(), stage.queue.is_idle()), (0, true));
}

#[test]
fn what_comes_while_a_group_is_being_retried_waits_behind_it() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.grow(2, firing(2), group_line(), 0);
    stage.joins(10, 3, &[(Of::Trouble, &[1, 2])]);
    stage.attempts(10, 3);
    stage.grow(4, resolved(1), group_line(), 11);
    let group = Message::Grouped(Group {
        of: Of::Trouble,
        name: "payments".into(),
        count: 2,
        messages: Vec::new(),
        members: vec![id(1), id(2)],
    });
    stage.waits(3, group, group_line(), 7_000);
    stage.nothing(6_999);
    stage.attempts(7_000, 3);
    stage.done(&[3, 1, 2]);
    stage.attempts(7_000, 4);
}

#[test]
fn the_first_report_goes_at_once_and_those_that_wait_behind_it_together() {
    let mut stage = Stage::default();
    stage.grow(1, reported(1), reports_line(), 0);
    stage.attempts(0, 1);
    stage.grow(2, reported(2), reports_line(), 0);
    stage.grow(3, reported(3), reports_line(), 0);
    stage.nothing(0);
    stage.done(&[1]);
    stage.joins(0, 4, &[(Of::Reports, &[2, 3])]);
    stage.attempts(0, 4);
}

#[test]
fn after_a_restart_a_group_goes_before_what_was_not_joined_and_its_members_not_by_themselves() {
    let mut stage = Stage::default();
    let members = vec![id(1), id(3)];
    let group = Group { of: Of::Trouble, name: "payments".into(), count: 2, messages: Vec::new(), members };
    stage.grow(4, Message::Grouped(group), group_line(), 10);
    for notice in 1..=3 {
        stage.grow(notice, firing(notice), group_line(), 0);
    }
    assert_eq!(stage.queue.len(), 3);
    stage.attempts(10, 4);
    stage.done(&[4, 1, 3]);
    stage.attempts(10, 2);
}

#[test]
fn after_a_restart_what_may_have_been_on_its_way_as_itself_leaves_as_itself() {
    let mut stage = Stage::default();
    for notice in 1..=4 {
        stage.grow(notice, reported(notice), reports_line(), 0);
    }
    stage.queue.release_firsts();
    stage.attempts(0, 1);
    stage.done(&[1]);
    stage.joins(0, 5, &[(Of::Reports, &[2, 3, 4])]);
}

#[test]
fn after_a_restart_no_end_goes_before_its_beginning() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.grow(2, firing(2), group_line(), 0);
    stage.grow(3, resolved(2), group_line(), 0);
    stage.grow(4, resolved(3), group_line(), 0);
    stage.queue.release_firsts();
    stage.attempts(0, 1);
    stage.done(&[1]);
    stage.attempts(0, 4);
    stage.done(&[4]);
    stage.joins(10, 5, &[(Of::Ends, &[2, 3])]);
}

#[test]
fn the_end_of_a_target_that_fails_again_is_told_before_that() {
    let mut stage = Stage::default();
    stage.grow(1, firing(100), group_line(), 0);
    stage.grow(2, resolved(100), group_line(), 1);
    stage.grow(3, firing(101), group_line(), 2);
    stage.grow(4, firing(1), group_line(), 2);
    stage.joins(10, 5, &[(Of::Ends, &[1, 2]), (Of::Trouble, &[3, 4])]);
    stage.attempts(10, 5);
    stage.done(&[5, 1, 2]);
    stage.attempts(10, 6);
}

#[test]
fn after_a_restart_a_target_that_fails_again_waits_for_its_end() {
    let mut stage = Stage::default();
    stage.grow(1, resolved(1), group_line(), 0);
    stage.grow(2, resolved(100), group_line(), 1);
    stage.grow(3, firing(101), group_line(), 2);
    stage.grow(4, firing(2), group_line(), 3);
    stage.queue.release_firsts();
    stage.attempts(3, 4);
    stage.done(&[4]);
    stage.attempts(3, 1);
    stage.done(&[1]);
    let Some(Step::Join(_, parts)) = stage.step(20) else { panic!("nothing is joined") };
    assert_eq!(parts, [Part::One(id(2)), Part::One(id(3))]);
}

#[test]
fn a_report_that_is_held_back_waits_and_the_others_go() {
    let mut stage = Stage::default();
    stage.grow(1, reported(1), reports_line(), 0);
    stage.grow(2, reported(2), reports_line(), 0);
    let mut may = |report: &mut Report| {
        report.held |= report.history == HistoryId(1);
        if report.held { May::Wait(at(60)) } else { May::Go }
    };
    assert_eq!(stage.queue.next_step(at(0), &mut may), Some(Step::Attempt(id(2))));
    stage.done(&[2]);
    stage.nothing(59);
    assert_eq!(stage.queue.next_due(), Some(at(60)));
    stage.queue.release(at(30));
    let dropped = stage.queue.next_step(at(30), &mut |_| May::Drop);
    assert_eq!(dropped, Some(Step::Drop(id(1))), "it ended meanwhile");
    stage.done(&[1]);
    assert_eq!((stage.queue.len(), stage.queue.is_idle()), (0, true));
}

#[test]
fn a_report_that_was_tried_and_is_then_held_back_leaves_as_itself() {
    let mut stage = Stage::default();
    stage.grow(1, reported(1), reports_line(), 0);
    stage.attempts(0, 1);
    stage.waits(1, reported(1), reports_line(), 1);
    let mut holds = |report: &mut Report| {
        report.held = true;
        May::Wait(at(60))
    };
    assert_eq!(stage.queue.next_step(at(1), &mut holds), None);
    stage.grow(2, reported(2), reports_line(), 2);
    stage.queue.release(at(10));
    stage.attempts(10, 1);
    stage.done(&[1]);
    stage.attempts(10, 2);
}

#[test]
fn what_may_have_left_as_itself_before_a_restart_does_so_also_where_it_is_sorted_anew() {
    let mut stage = Stage::default();
    stage.grow(1, reported(1), reports_line(), 0);
    stage.queue.release_firsts();
    stage.queue.forget_idle();
    stage.grow(1, reported(1), reports_line(), 0);
    stage.grow(2, reported(2), reports_line(), 0);
    stage.attempts(0, 1);
    stage.done(&[1]);
    stage.attempts(0, 2);
}

#[test]
fn a_member_that_is_hurried_hurries_its_group() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.grow(2, firing(2), group_line(), 0);
    stage.joins(10, 3, &[(Of::Trouble, &[1, 2])]);
    stage.attempts(10, 3);
    let members = vec![id(1), id(2)];
    let group = Group { of: Of::Trouble, name: "payments".into(), count: 2, messages: Vec::new(), members };
    stage.waits(3, Message::Grouped(group), group_line(), 7_000);
    stage.nothing(20);
    assert!(stage.queue.hurry(id(2)));
    stage.attempts(20, 3);
}

#[test]
fn another_pace_holds_at_once_for_what_waits() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.queue.set_pace(Pace { wait: Duration::from_secs(60), ..PACE });
    assert_eq!(stage.queue.next_due(), Some(at(60)));
    stage.queue.set_pace(Pace { wait: Duration::from_secs(2), ..PACE });
    stage.attempts(2, 1);
}

#[test]
fn eight_lines_are_busy_at_a_time_and_no_more() {
    let mut stage = Stage::default();
    for notice in 1..=20 {
        stage.grow(notice, firing(notice), Line::Incident(notice), 0);
    }
    for notice in 1..=8 {
        stage.attempts(0, notice);
    }
    stage.nothing(0);
    assert_eq!(stage.queue.next_due(), None);
    stage.done(&[5]);
    stage.attempts(0, 9);
}

#[test]
fn what_is_on_its_way_does_not_leave_for_want_of_room_and_neither_does_its_incidents_end() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.grow(2, resolved(1), Line::Incident(1), 0);
    stage.grow(3, firing(2), Line::Incident(2), 0);
    stage.attempts(0, 1);
    let may = |stage: &Stage, notice, message| stage.queue.may_leave(&delivery(notice, message, 0));
    assert!(!may(&stage, 1, firing(1)) && !may(&stage, 2, resolved(1)));
    assert!(!may(&stage, 9, resolved(1)), "also where it is on disk only");
    assert!(may(&stage, 3, firing(2)));
    stage.queue.leave(id(3));
    assert_eq!(stage.queue.len(), 2);
    stage.grow(3, firing(2), Line::Incident(2), 0);
    assert_eq!(stage.queue.len(), 2, "it is not taken up again before it is gone");
    assert!(!may(&stage, 3, firing(2)));
    stage.nothing(0);
}

#[test]
fn a_beginning_that_is_sent_again_goes_before_what_came_after_it() {
    let mut stage = Stage::default();
    stage.grow(2, Message::Reminder(alert(1)), Line::Incident(1), 0);
    stage.grow(4, resolved(1), Line::Incident(1), 0);
    stage.attempts(0, 2);
    stage.grow(1, firing(1), Line::Incident(1), 1);
    stage.grow(3, Message::Reminder(alert(1)), Line::Incident(1), 1);
    stage.done(&[2]);
    for notice in [1, 3, 4] {
        stage.attempts(1, notice);
        stage.done(&[notice]);
    }
}

#[test]
fn a_hint_that_was_doubled_begins_nothing_twice() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.attempts(0, 1);
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.nothing(0);
}

#[test]
fn a_receiver_that_names_the_same_time_again_does_not_hold_its_line_for_ever() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.attempts(0, 1);
    for attempts in 1..=3 {
        let until = at(300);
        let waits = Delivery { attempts, next_attempt_at: until, ..delivery(1, firing(1), 0) };
        stage.queue.remember(&waits, Line::Incident(1), at(10));
        stage.nothing(10);
        // It is tried before that time, and the receiver says the same.
        assert!(stage.queue.hurry(id(1)));
        stage.attempts(10, 1);
    }
}

#[test]
fn somebody_who_hurries_a_line_need_not_wait_for_its_time() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.nothing(3);
    assert!(stage.queue.hurry(id(1)));
    stage.attempts(3, 1);
    assert!(!stage.queue.hurry(id(9)));
}

#[test]
fn more_than_is_remembered_waits_on_disk_until_there_is_room() {
    let mut stage = Stage::default();
    for notice in 1..=REMEMBERED as u64 {
        stage.grow(notice, firing(notice), Line::Incident(notice), 0);
    }
    let late = delivery(20_000, firing(20_000), 0);
    assert!(!stage.queue.remember(&late, Line::Incident(20_000), at(0)));
    assert_eq!((stage.queue.len(), stage.queue.has_room_for_more()), (REMEMBERED + 1, false));
    for notice in 1..=REMEMBERED as u64 {
        stage.done(&[notice]);
    }
    assert!(stage.queue.has_room_for_more());
    stage.queue.reading_again();
    assert!(stage.queue.remember(&late, Line::Incident(20_000), at(0)));
    assert_eq!(stage.queue.len(), 1);
}

#[test]
fn a_channel_that_is_down_is_tried_by_one_line_at_a_time_and_goes_on_at_once_when_it_answers() {
    let mut stage = Stage::default();
    for notice in 1..=20 {
        stage.grow(notice, firing(notice), Line::Incident(notice), 0);
    }
    for notice in 1..=AT_ONCE as u64 {
        stage.attempts(0, notice);
    }
    for notice in 1..=AT_ONCE as u64 {
        stage.queue.failed(id(notice), None, 1.0, at(10));
        stage.waits(notice, firing(notice), Line::Incident(notice), 250);
    }
    assert_eq!(stage.queue.next_due(), Some(at(11)));
    stage.nothing(10);
    stage.attempts(11, 9);
    stage.nothing(11);
    stage.queue.answered(at(12));
    stage.done(&[9]);
    for notice in (1..=7).chain([8]) {
        stage.attempts(12, notice);
    }
    stage.done(&[1]);
    stage.attempts(12, 10);
}

#[test]
fn a_message_that_is_refused_again_and_again_delays_no_other_line() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    for round in 0..5 {
        stage.attempts(round * 300, 1);
        stage.queue.failed(id(1), None, 1.0, at(round * 300));
        stage.waits(1, firing(1), Line::Incident(1), (round + 1) * 300);
    }
    stage.grow(2, firing(2), Line::Incident(2), 1_201);
    stage.attempts(1_201, 2);
    stage.queue.answered(at(1_201));
    stage.done(&[2]);
    stage.nothing(1_499);
}

#[test]
fn a_receiver_that_asks_for_a_pause_is_given_it_by_all_lines() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.grow(2, firing(2), Line::Incident(2), 0);
    stage.attempts(0, 1);
    stage.queue.failed(id(1), Some(Duration::from_secs(30)), 1.0, at(0));
    stage.waits(1, firing(1), Line::Incident(1), 30);
    stage.nothing(29);
    assert_eq!(stage.queue.next_due(), Some(at(30)));
    stage.attempts(30, 2);
}

#[test]
fn a_channel_that_is_configured_anew_is_tried_at_once() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.attempts(0, 1);
    stage.queue.failed(id(1), Some(Duration::from_secs(600)), 1.0, at(0));
    stage.waits(1, firing(1), Line::Incident(1), 600);
    stage.nothing(1);
    stage.queue.mended(at(1));
    stage.attempts(1, 1);
}

#[test]
fn what_waited_for_a_day_is_overdue_only_while_the_channel_is_down() {
    let mut stage = Stage::default();
    for notice in 1..=3 {
        stage.grow(notice, firing(notice), Line::Incident(notice), 0);
    }
    let day = GIVE_UP_AFTER.as_secs();
    stage.attempts(day + 1, 1);
    assert_eq!(stage.queue.overdue(at(day + 1)), []);
    stage.attempts(day + 1, 2);
    stage.queue.failed(id(1), None, 1.0, at(day + 1));
    for strike in 1..=10 {
        assert_eq!(stage.queue.overdue(at(day + 1_000)), [], "a clock that jumps is no day of trying");
        stage.queue.failed(id(2), None, 1.0, at(day + 300 * strike));
    }
    assert_eq!(stage.queue.overdue(at(day)), []);
    assert_eq!(stage.queue.overdue(at(day + 1)), [id(3)], "the others are on their way");
}

fn group_of(members: &[u64]) -> Message {
    let members = members.iter().map(|notice| id(*notice)).collect();
    Message::Grouped(Group { of: Of::Trouble, name: "payments".into(), count: 2, messages: Vec::new(), members })
}

#[test]
fn an_end_whose_target_was_sorted_elsewhere_meanwhile_waits_behind_the_group_that_tells_of_its_beginning() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.grow(2, firing(2), group_line(), 0);
    stage.joins(10, 3, &[(Of::Trouble, &[1, 2])]);
    stage.attempts(10, 3);
    stage.waits(3, group_of(&[1, 2]), group_line(), 7_000);
    stage.grow(4, resolved(1), Line::Group("none".into()), 11);
    stage.grow(5, resolved(2), Line::Incident(2), 11);
    stage.grow(6, resolved(3), Line::Incident(3), 11);
    stage.attempts(11, 6);
    stage.nothing(6_999);
    stage.attempts(7_000, 3);
    stage.done(&[6, 3, 1, 2]);
    stage.joins(7_000, 7, &[(Of::Ends, &[4, 5])]);
}

#[test]
fn after_a_restart_an_end_waits_behind_a_group_that_was_joined_under_another_configuration() {
    let mut stage = Stage::default();
    let tried = Delivery { attempts: 1, next_attempt_at: at(60), ..delivery(5, group_of(&[1, 2]), 10) };
    assert!(stage.queue.remember(&tried, Line::Old("payments".into()), at(10)));
    for notice in 1..=2 {
        stage.grow(notice, firing(notice), Line::Incident(notice), 0);
    }
    // It was queued while the group was being joined.
    stage.grow(4, resolved(1), Line::Incident(1), 10);
    stage.nothing(59);
    stage.attempts(60, 5);
    stage.nothing(60);
    stage.done(&[5, 1, 2]);
    stage.attempts(60, 4);
}

#[test]
fn what_is_sorted_anew_goes_where_the_new_configuration_says() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.queue.forget_idle();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.grow(2, resolved(1), Line::Incident(1), 0);
    stage.attempts(0, 1);
    stage.done(&[1]);
    stage.attempts(0, 2);
    stage.done(&[2]);
    stage.grow(3, firing(1), group_line(), 1);
    stage.nothing(1);
}

#[track_caller]
fn makes_stale(stage: &Stage, notice: u64, message: Message, expected: &[u64]) {
    let stale = stage.queue.made_stale_by(&delivery(notice, message, 0));
    assert_eq!(stale.iter().map(|id| id.notice.0).collect::<Vec<_>>(), expected);
}

#[test]
fn a_reminder_and_an_end_make_those_reminders_superfluous_that_were_not_tried_yet() {
    let mut stage = Stage::default();
    let (reminder, escalated) = (|incident| Message::Reminder(alert(incident)), Message::Escalated(alert(1)));
    stage.grow(1, firing(1), Line::Incident(1), 0);
    for notice in 2..=3 {
        stage.grow(notice, reminder(1), Line::Incident(1), 0);
    }
    stage.grow(4, escalated, Line::Incident(1), 0);
    stage.grow(5, reminder(2), Line::Incident(2), 0);
    stage.attempts(0, 1);
    makes_stale(&stage, 6, reminder(1), &[2, 3]);
    makes_stale(&stage, 6, resolved(1), &[2, 3, 4]);
    makes_stale(&stage, 3, reminder(1), &[2]);
    makes_stale(&stage, 6, firing(1), &[]);
    stage.done(&[1]);
    stage.attempts(0, 2);
    makes_stale(&stage, 6, reminder(1), &[3]);
    makes_stale(&stage, 6, resolved(1), &[3]);
    stage.waits(2, reminder(1), Line::Incident(1), 60);
    makes_stale(&stage, 6, resolved(1), &[3]);
}

#[test]
fn nothing_is_tried_where_there_is_no_channel_and_all_of_it_waits_for_a_day() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.grow(2, firing(2), Line::Incident(2), 60);
    stage.queue.set_turn(None);
    stage.nothing(3_600);
    assert_eq!((stage.queue.next_due(), stage.queue.len()), (None, 2));
    let day = GIVE_UP_AFTER.as_secs();
    assert_eq!(stage.queue.overdue(at(day)), []);
    assert_eq!(stage.queue.overdue(at(day + 1)), [id(1)]);
    stage.queue.set_turn(Some(at(day + 2)));
    assert_eq!((stage.queue.next_due(), stage.queue.overdue(at(day + 1))), (Some(at(day + 2)), Vec::new()));
    stage.nothing(day + 1);
    stage.attempts(day + 2, 1);
}

#[test]
fn a_clock_that_is_set_back_makes_no_pause_longer() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 10_000);
    stage.attempts(10_010, 1);
    stage.done(&[1]);
    stage.grow(2, resolved(1), group_line(), 10_020);
    stage.grow(3, firing(2), Line::Incident(2), 10_020);
    stage.attempts(10_020, 3);
    stage.waits(3, firing(2), Line::Incident(2), 10_060);
    stage.queue.set_back(Duration::from_secs(7_200));
    assert_eq!(stage.queue.next_due(), Some(at(2_860)));
    stage.attempts(2_860, 3);
    stage.done(&[3]);
    assert_eq!(stage.queue.next_due(), Some(at(3_110)), "the rest of the group's interval");
    stage.attempts(3_110, 2);
    stage.done(&[2]);
    assert_eq!((stage.queue.len(), stage.queue.is_idle()), (0, true));
}
