//! Entries in, steps out: in which order, together with what, and when.

use super::*;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Alert, Group};
use crate::domain::id::{CorrelationId, IncidentId, NoticeId};

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

fn alert(incident: u64) -> Alert {
    Alert {
        incident: IncidentId(incident),
        severity: Severity::Critical,
        target: "PG".into(),
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

#[derive(Default)]
struct Stage {
    queue: Queue,
}

impl Stage {
    fn grow(&mut self, notice: u64, message: Message, line: Line, second: u64) {
        assert!(self.queue.remember(&delivery(notice, message, second), line, PACE));
    }

    fn step(&mut self, second: u64) -> Option<Step> {
        self.queue.next_step(at(second), PACE, &mut |_| May::Go)
    }

    #[track_caller]
    fn attempts(&mut self, second: u64, notice: u64) {
        assert_eq!(self.step(second), Some(Step::Attempt(id(notice))));
    }

    #[track_caller]
    fn nothing(&mut self, second: u64) {
        assert_eq!(self.step(second), None);
    }

    /// What is joined at this time, as the next notice, on disk.
    #[track_caller]
    fn joins(&mut self, second: u64, notice: u64, expected: &[(Of, &[u64])]) {
        let Some(Step::Join(line, parts)) = self.step(second) else { panic!("nothing is joined") };
        let found: Vec<(Of, Vec<u64>)> = parts
            .iter()
            .map(|part| match part {
                Part::Many(of, ids) => (*of, ids.iter().map(|id| id.notice.0).collect()),
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
            self.queue.remember(group, line.clone(), PACE);
        }
        self.queue.landed(&line, PACE);
    }

    fn done(&mut self, notices: &[u64]) {
        notices.iter().for_each(|notice| self.queue.forget(id(*notice), PACE));
    }

    /// An attempt failed: it is due again later.
    fn waits(&mut self, notice: u64, message: Message, line: Line, until: u64) {
        let waiting = Delivery { attempts: 1, next_attempt_at: at(until), ..delivery(notice, message, 0) };
        self.queue.remember(&waiting, line, PACE);
    }
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
fn beginnings_and_ends_are_two_messages_in_this_order() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.grow(2, resolved(1), group_line(), 1);
    stage.grow(3, firing(2), group_line(), 2);
    stage.grow(4, resolved(2), group_line(), 3);
    stage.joins(10, 5, &[(Of::Trouble, &[1, 3]), (Of::Ends, &[2, 4])]);
    stage.attempts(10, 5);
    stage.done(&[5, 1, 3]);
    stage.attempts(10, 6);
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
    stage.queue.release_firsts(PACE);
    stage.attempts(0, 1);
    stage.done(&[1]);
    stage.joins(0, 5, &[(Of::Reports, &[2, 3, 4])]);
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
    assert_eq!(stage.queue.next_step(at(0), PACE, &mut may), Some(Step::Attempt(id(2))));
    stage.done(&[2]);
    stage.nothing(59);
    assert_eq!(stage.queue.next_due(), Some(at(60)));
    stage.queue.release(at(30), PACE);
    let dropped = stage.queue.next_step(at(30), PACE, &mut |_| May::Drop);
    assert_eq!(dropped, Some(Step::Drop(id(1))), "it ended meanwhile");
    stage.done(&[1]);
    assert_eq!((stage.queue.len(), stage.queue.is_idle()), (0, true));
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
fn where_there_is_no_room_the_oldest_reminder_goes_and_then_the_oldest() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), Line::Incident(1), 0);
    stage.attempts(0, 1);
    stage.grow(2, firing(2), Line::Incident(2), 0);
    stage.grow(3, Message::Reminder(alert(1)), Line::Incident(1), 0);
    assert_eq!(stage.queue.victim(), Some((id(3), true)));
    stage.done(&[3]);
    assert_eq!(stage.queue.victim(), Some((id(2), false)), "what is under way stays");
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
fn somebody_who_hurries_a_line_need_not_wait_for_its_time() {
    let mut stage = Stage::default();
    stage.grow(1, firing(1), group_line(), 0);
    stage.nothing(3);
    assert!(stage.queue.hurry(id(1), at(3), PACE));
    stage.attempts(3, 1);
    assert!(!stage.queue.hurry(id(9), at(3), PACE));
}

#[test]
fn more_than_is_remembered_waits_on_disk_until_there_is_room() {
    let mut stage = Stage::default();
    for notice in 1..=REMEMBERED as u64 {
        stage.grow(notice, firing(notice), Line::Incident(notice), 0);
    }
    let late = delivery(20_000, firing(20_000), 0);
    assert!(!stage.queue.remember(&late, Line::Incident(20_000), PACE));
    assert_eq!((stage.queue.len(), stage.queue.has_room_for_more()), (REMEMBERED + 1, false));
    for notice in 1..=REMEMBERED as u64 {
        stage.done(&[notice]);
    }
    assert!(stage.queue.has_room_for_more());
    stage.queue.reading_again();
    assert!(stage.queue.remember(&late, Line::Incident(20_000), PACE));
    assert_eq!(stage.queue.len(), 1);
}

#[test]
fn a_part_is_split_where_a_message_may_hold_only_so_many() {
    let many = Part::Many(Of::Trouble, vec![id(1), id(2), id(3)]);
    let split = vec![Part::Many(Of::Trouble, vec![id(1), id(2)]), Part::Many(Of::Trouble, vec![id(3)])];
    assert_eq!(many.of_at_most(2), split);
    assert_eq!(Part::One(id(1)).of_at_most(2), [Part::One(id(1))]);
}
