//! What moves without being an event: last attempts, and rollups.

use super::*;
use crate::domain::rollup::{Observed, Rollup};
use crate::store::Period;

fn probes(good: u32, bad: u32) -> Rollup {
    let mut rollup = Rollup::default();
    (0..good).for_each(|_| rollup.add(true, Duration::from_millis(4)));
    (0..bad).for_each(|_| rollup.add(false, Duration::from_secs(10)));
    rollup
}

fn observed(id: u64, last: Timestamp, minutes: Vec<(Timestamp, Rollup)>) -> Observed {
    Observed {
        id: StatusId(id),
        last_attempted_at: Some(last),
        last_succeeded_at: Some(last),
        last_failed_at: None,
        retry_count: 5,
        minutes,
    }
}

#[track_caller]
fn save(store: &Store, observed: Vec<Observed>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    store.writer().save_observed(observed, at(0), Box::new(move || sender.send(()).unwrap())).unwrap();
    receiver.recv().unwrap();
}

#[track_caller]
fn check_counts(store: &Store, from: Timestamp, to: Timestamp, now: Timestamp, expected: (u32, u32)) {
    let sum = store.reader().uptime(StatusId(1), from, to, now).unwrap();
    assert_eq!((sum.count, sum.ok), expected);
}

#[test]
fn a_watch_is_read_with_what_was_saved_since_its_last_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), vec![Change { watches: vec![watch(1), watch(2), watch(100)], ..Change::default() }]);
    save(&store, vec![observed(1, at(50), vec![]), observed(100, at(60), vec![])]);
    store.close().unwrap();
    let store = open(folder.path());
    let last = |watch: &Watch| (watch.status.last_attempted_at, watch.status.retry_count);
    let watches = store.reader().watches().unwrap();
    assert_eq!(watches.iter().map(last).collect::<Vec<_>>(), [(Some(at(50)), 5), (None, 0), (Some(at(60)), 5)]);
    assert_eq!(store.reader().watch(StatusId(100)).unwrap().as_ref(), Some(&watches[2]));
    assert_eq!(store.reader().watch(StatusId(3)).unwrap(), None);
}

#[test]
fn every_probe_is_in_the_sum_once_in_progress_or_finished_in_order_or_late() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let now = at(3_600);
    save(&store, vec![observed(1, at(0), vec![(at(0), probes(2, 1))])]);
    check_counts(&store, at(0), at(60), now, (3, 2));
    save(
        &store,
        vec![observed(1, at(50), vec![(at(50), probes(1, 0))]), observed(2, at(0), vec![(at(0), probes(9, 0))])],
    );
    check_counts(&store, at(0), at(60), now, (4, 3));
    save(&store, vec![observed(1, at(60), vec![(at(60), probes(10, 0))])]);
    save(&store, vec![observed(1, at(70), vec![(at(59), probes(0, 1)), (at(125), probes(1, 1))])]);
    check_counts(&store, at(0), at(60), now, (5, 3));
    check_counts(&store, at(60), at(120), now, (10, 10));
    check_counts(&store, at(0), at(180), now, (17, 14));
    check_counts(&store, at(180), at(3_600), now, (0, 0));
    store.close().unwrap();
    let store = open(folder.path());
    check_counts(&store, at(0), at(180), now, (17, 14));
    let minutes = store.reader().rollups(StatusId(1), Period::Minute, at(0), at(3_600)).unwrap();
    let counts: Vec<_> = minutes.iter().map(|(start, rollup)| (*start, rollup.count)).collect();
    assert_eq!(counts, [(at(0), 5), (at(60), 10), (at(120), 2)]);
    let hours = store.reader().rollups(StatusId(1), Period::Hour, at(0), at(3_600)).unwrap();
    assert_eq!(hours.iter().map(|(start, rollup)| (*start, rollup.count)).collect::<Vec<_>>(), [(at(0), 17)]);
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn uptime_is_the_same_from_minutes_hours_and_days_after_the_finer_ones_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // Half an hour's probe every half hour for 100 days, one in 50 bad.
    let begin = at(14 * 3_600);
    for half_hour in 0..100 * 48_u64 {
        let rollup = if half_hour.is_multiple_of(50) { probes(0, 1) } else { probes(1, 0) };
        let time = begin.plus(Duration::from_secs(1_800 * half_hour));
        let saved = vec![observed(1, time, vec![(time, rollup)])];
        store.writer().save_observed(saved, time, Box::new(|| {})).unwrap();
    }
    store.writer().barrier().unwrap();
    let now = begin.plus(days(100));
    check_counts(&store, begin, now, now, (4_800, 4_704));
    check_counts(&store, now.minus(days(1)), now, now, (48, 48));
    let week = store.reader().uptime(StatusId(1), now.minus(days(7)), now, now).unwrap();

    let tidied = store.writer().tidy(now, days(400)).unwrap();
    assert_eq!(tidied.others, 99 * 48 + 10 * 24, "minutes older than a day, hours older than 90");
    assert_eq!(store.writer().tidy(now, days(400)).unwrap().others, 0, "a second time finds nothing");
    check_counts(&store, begin, now, now, (4_800, 4_704));
    check_counts(&store, now.minus(days(1)), now, now, (48, 48));
    assert_eq!(store.reader().uptime(StatusId(1), now.minus(days(7)), now, now).unwrap(), week);
    let edge = now.minus(days(7)).plus(Duration::from_secs(600));
    assert_eq!(store.reader().uptime(StatusId(1), edge, now, now).unwrap(), week, "widened to the hour that is kept");
    store.close().unwrap();
    check_whole(folder.path());
}
