//! What is deleted, and what stays.

use super::*;
use crate::domain::alert::{Conditions, Incident, Record, Severity};
use crate::domain::id::IncidentId;
use crate::store::keys;
use crate::store::tidy::DEAD_LETTERS_MAX;

const RETENTION: u64 = 400;

fn transition(id: u64, second: u64) -> Change {
    Change { transitions: vec![(StatusId(id), line(second))], ..Change::default() }
}

fn dead(id: u64) -> Change {
    Change { deliveries: vec![DeliveryChange::Dead(delivery(id))], ..Change::default() }
}

#[test]
fn what_is_closed_and_stored_long_enough_ago_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let old = Change { received: Some(("shop".into(), "old".into())), ..failure(1) };
    commit(&store, at(0), vec![old, failure(2), transition(1, 1), transition(2, 1)]);
    commit(&store, at(0), vec![recovered(1, at(60)), dead(1)]);
    // Long ago by what it says, but stored later: it stays.
    let late = Change { received: Some(("shop".into(), "new".into())), ..failure(3) };
    commit(&store, at(0).plus(days(10)), vec![late, transition(1, 2), dead(3)]);
    commit(&store, at(0).plus(days(10)), vec![recovered(3, at(60))]);

    let tidied = store.writer().tidy(at(0).plus(days(RETENTION - 1)), days(RETENTION)).unwrap();
    assert_eq!((tidied.events, tidied.histories, tidied.others), (0, 0, 0));
    let tidied = store.writer().tidy(at(0).plus(days(RETENTION + 11)), days(RETENTION)).unwrap();
    assert_eq!((tidied.events, tidied.histories), (3, 1));
    assert_eq!(tidied.others, 4, "a dead letter, two transitions, a received event");

    let reader = store.reader();
    let kept = contents(&store);
    assert_eq!(kept.first, Sequence(4));
    assert_eq!(kept.events.len(), 2);
    assert_eq!(kept.histories.iter().map(|history| history.id.0).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(kept.transitions, [(3, line(2))]);
    assert_eq!(kept.dead, [delivery(3)]);
    assert!(matches!(reader.events_after(Sequence(2), 1), Err(Error::Gone { first: Sequence(4) })));
    assert!(reader.events_after(Sequence(3), 1).is_ok());
    assert_eq!(reader.events_by_correlation(&correlation(1), Sequence(0), 10).unwrap(), []);
    assert!(!reader.was_received("shop", "old").unwrap());
    assert!(reader.was_received("shop", "new").unwrap());
    drop(reader);

    let again = store.writer().tidy(at(0).plus(days(RETENTION + 11)), days(RETENTION)).unwrap();
    assert_eq!((again.events, again.histories, again.others), (0, 0, 0));
    store.close().unwrap();
    check_whole(folder.path());
    assert_eq!(contents(&open(folder.path())), kept);
}

#[test]
fn what_cannot_be_read_keeps_only_what_is_of_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), vec![failure(1), recovered(1, at(60)), transition(1, 1), alert(1, Some(at(60)))]);
    commit(&store, at(0).plus(days(10)), vec![failure(2), transition(1, 2), alert(2, None)]);
    store.reader().state.tree.insert(keys::numbered(keys::Kind::Alert, 1), b"no alert").unwrap();
    let now = at(0).plus(days(RETENTION + 11));
    let refused = store.writer().tidy(now, days(RETENTION)).unwrap_err();
    assert!(refused.to_string().contains("alert"), "{refused}");
    let kept = contents(&store);
    assert_eq!(kept.histories.iter().map(|history| history.id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(kept.transitions.last(), Some(&(2, line(2))));
    assert_eq!(kept.transitions.len(), 1);
}

#[test]
fn of_too_many_dead_letters_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (too_many, kept) = (700, DEAD_LETTERS_MAX as u64);
    let letters = (1..=too_many + kept).map(|id| DeliveryChange::Dead(delivery(id)));
    let all = Change { deliveries: letters.collect(), ..Change::default() };
    commit(&store, at(0), vec![all]);
    let tidied = store.writer().tidy(at(0).plus(days(1)), days(RETENTION)).unwrap();
    assert_eq!((tidied.letters_too_many, tidied.others), (too_many, too_many));
    let reader = store.reader();
    assert_eq!(reader.dead_letter_count() as u64, kept);
    assert!(reader.dead_letter(delivery(too_many).id).unwrap().is_none());
    assert!(reader.dead_letter(delivery(too_many + 1).id).unwrap().is_some());
    drop(reader);
    store.close().unwrap();
}

fn alert(id: u64, until: Option<Timestamp>) -> Change {
    let incident = Incident {
        id: IncidentId(id),
        severity: Severity::Critical,
        cause: "503".into(),
        since: at(id),
        channels: ["ops".into()].into(),
        history: None,
        correlation: correlation(id),
        last_told_at: at(id),
        fired_at: at(id),
        notice: NoticeId(id),
        siblings: 1,
        told: Conditions::NONE,
        reminders: 0,
        escalated_at: None,
        acknowledged: None,
    };
    let record = Record { incident, status: StatusId(1), target: "PG_KCP".into(), until };
    Change { alerts: vec![record], ..Change::default() }
}

#[test]
fn incidents_that_were_over_long_ago_go_and_are_listed_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let changes =
        [alert(1, Some(at(60))), alert(2, Some(at(70))), alert(3, Some(at(0).plus(days(10)))), alert(4, None)];
    commit(&store, at(0), changes.into());
    let ids = |page, size, over: bool| {
        let page = store.reader().alerts(|record| !over || record.until.is_some(), page, size).unwrap();
        (page.items.iter().map(|record| record.incident.id.0).collect::<Vec<_>>(), page.total)
    };
    assert_eq!(ids(0, 2, false), (vec![4, 3], 4));
    assert_eq!(ids(1, 2, true), (vec![1], 3));
    store.writer().tidy(at(0).plus(days(RETENTION + 1)), days(RETENTION)).unwrap();
    assert_eq!(ids(0, 10, false), (vec![4, 3], 2));
    assert_eq!(store.reader().alert(IncidentId(1)).unwrap(), None);
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn a_long_tidying_goes_in_steps_between_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let total = 3_000;
    for first in (1..=total).step_by(500) {
        commit(&store, at(0), (first..first + 500).map(failure).collect());
        commit(&store, at(0), (first..first + 500).map(|id| recovered(id, at(60))).collect());
    }
    commit(&store, at(0).plus(days(1)), vec![failure(total + 1)]);
    std::thread::scope(|scope| {
        let tidying = scope.spawn(|| store.writer().tidy(at(0).plus(days(30)), days(2)).unwrap());
        for id in total + 2..total + 20 {
            commit(&store, at(0).plus(days(30)), vec![failure(id)]);
        }
        let tidied = tidying.join().unwrap();
        assert_eq!((tidied.events, tidied.histories), (2 * total, total));
    });
    assert_eq!(store.reader().history_count(), 19);
    assert_eq!(store.reader().first_sequence(), Sequence(2 * total + 1));
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn a_clock_that_was_set_back_deletes_nothing_early() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0).plus(days(300)), vec![failure(1)]);
    commit(&store, at(0), vec![failure(2)]);
    commit(&store, at(0).plus(days(1)), vec![failure(3)]);
    let tidied = store.writer().tidy(at(0).plus(days(100)), days(50)).unwrap();
    assert_eq!(tidied.events, 0);
}
