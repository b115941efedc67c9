//! What is committed, and what can be read of it.

use super::*;
use crate::domain::event::Cause;
use crate::domain::failure_history::RetryResult;

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let whole = Change {
        watches: vec![watch(1), watch(40)],
        transitions: vec![(StatusId(1), line(1)), (StatusId(2), line(2)), (StatusId(1), line(3))],
        received: Some(("shop/weather".into(), "e-1".into())),
        ..failure(1)
    };
    commit(&store, at(0), vec![whole.clone(), failure(2)]);
    let before = contents(&store);
    assert_eq!(before.histories, [new_history(2), new_history(1)]);
    assert_eq!(before.watches, whole.watches);
    assert_eq!(before.waiting, [delivery(1), delivery(2)]);
    assert_eq!(before.transitions, [(3, line(3)), (1, line(1))]);
    store.close().unwrap();

    let store = open(folder.path());
    assert_eq!(contents(&store), before);
    assert!(store.reader().was_received("shop/weather", "e-1").unwrap());
    assert!(!store.reader().was_received("shop/weathe", "re-1").unwrap());
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn changes_come_back_in_order_with_their_places_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), vec![failure(1)]);
    let mut second = failure(2);
    second.events.push(Occurrence {
        cause: Some(Cause::Earlier(0)),
        ..occurrence(
            Event::LocationWeatherInfoFailed {
                campsite_id: 1,
                error_message: "timeout".into(),
                location_weather_info_id: 2,
                requested_at: at(0),
            },
            correlation(2),
        )
    });
    second.events.push(Occurrence { cause: Some(Cause::Logged(Sequence(1))), ..second.events[1].clone() });
    let logged = commit(&store, at(0), vec![Change::default(), second, failure(3)]);
    let places: Vec<_> = logged.iter().map(|event| (event.sequence.0, event.cause.map(|cause| cause.0))).collect();
    assert_eq!(places, [(2, None), (3, Some(2)), (4, Some(1)), (5, None)]);
    assert_eq!(store.reader().events_after(Sequence(1), 10).unwrap(), logged);
    assert_eq!(store.reader().event(Sequence(4)).unwrap().as_ref(), Some(&logged[2]));
    assert_eq!(store.reader().event(Sequence(6)).unwrap(), None);
}

#[test]
fn no_id_and_no_sequence_is_given_twice_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let marks = IdMarks { status: StatusId(7), history: HistoryId(9), ..IdMarks::default() };
    store.writer().commit_and_wait(vec![failure(9)], marks, at(0)).unwrap();
    store.writer().commit_and_wait(vec![], IdMarks { notice: NoticeId(3), ..IdMarks::default() }, at(0)).unwrap();
    store.close().unwrap();

    let store = open(folder.path());
    assert_eq!(store.reader().id_marks().status, StatusId(7));
    assert_eq!(store.reader().id_marks().history, HistoryId(9));
    let logged = commit(&store, at(0), vec![failure(10)]);
    assert_eq!(logged[0].sequence, Sequence(2));
}

#[test]
fn the_log_is_read_in_pages_across_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for batch in 0..5 {
        commit(&store, at(0), (1..=60).map(|id| failure(60 * batch + id)).collect());
    }
    let all = store.reader().events_after(Sequence(0), 1_000).unwrap();
    assert_eq!(all.iter().map(|event| event.sequence.0).collect::<Vec<_>>(), (1..=300).collect::<Vec<_>>());
    for (after, limit) in [(0, 1), (17, 100), (59, 2), (60, 3), (299, 10), (150, 0)] {
        let expected: Vec<_> = all.iter().skip(after).take(limit).cloned().collect();
        assert_eq!(store.reader().events_after(Sequence(after as u64), limit).unwrap(), expected, "{after} {limit}");
    }
    assert_eq!(store.reader().events_after(Sequence(300), 10).unwrap(), []);
    assert_eq!(store.reader().events_after(Sequence(u64::MAX), 10).unwrap(), []);
}

#[test]
fn events_are_found_by_their_correlation_whatever_it_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), vec![failure(1), failure(2)]);
    commit(&store, at(0), vec![recovered(1, at(60))]);
    let mut named = failure(3);
    named.events[0].correlation = CorrelationId::new("order-77");
    commit(&store, at(0), vec![named]);
    let find = |correlation: &CorrelationId, after| {
        let events = store.reader().events_by_correlation(correlation, Sequence(after), 10).unwrap();
        events.iter().map(|event| event.sequence.0).collect::<Vec<_>>()
    };
    assert_eq!(find(&correlation(1), 0), [1, 3]);
    assert_eq!(find(&correlation(1), 1), [3]);
    assert_eq!(find(&CorrelationId::new("order-77"), 0), [4]);
    assert_eq!(find(&CorrelationId::new("order-78"), 0), [0; 0]);
}

#[test]
fn a_history_that_moves_is_listed_as_it_is_now_and_its_event_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), (1..=4).map(failure).collect());
    let retried = HistoryEvent::Retried { retry_count: 1, retry_result: RetryResult::Failure, retried_at: at(30) };
    commit(&store, at(0), vec![moved(new_history(2), retried), recovered(3, at(60))]);
    let reader = store.reader();
    let list = |filter: HistoryFilter| {
        let page = reader.histories(&filter, 0, 10).unwrap();
        (page.items.iter().map(|history| history.id.0).collect::<Vec<_>>(), page.total)
    };
    let all = HistoryFilter::default();
    assert_eq!(list(HistoryFilter { open: Some(true), ..all.clone() }), (vec![4, 2, 1], 3));
    assert_eq!(list(HistoryFilter { retry_result: Some(RetryResult::Failure), ..all.clone() }), (vec![2], 1));
    assert_eq!(list(HistoryFilter { target_system: Some("PG_TOSS".into()), ..all.clone() }), (vec![3, 1], 2));
    assert_eq!(list(HistoryFilter { target_system: Some("PG".into()), ..all.clone() }), (vec![], 0));
    let range = HistoryFilter { occurred_from: Some(at(2)), occurred_to: Some(at(4)), ..all.clone() };
    assert_eq!(list(range), (vec![3, 2], 2));
    assert_eq!(reader.histories(&all, 1, 3).unwrap().items, [new_history(1)]);
    let open: Vec<_> = reader.open_histories().iter().map(|open| open.count).collect();
    assert_eq!(open, [0, 2, 1]);
    assert_eq!(reader.history(HistoryId(3)).unwrap().unwrap().recovered_at, Some(at(60)));
    assert_eq!(reader.history(HistoryId(99)).unwrap(), None);
    let first = reader.event(Sequence(3)).unwrap().unwrap().event;
    assert_eq!(first, Event::FailureRecorded(Box::new(new_history(3))));
}

#[test]
fn a_delivery_that_is_done_leaves_the_outbox_and_a_dead_one_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), (1..=3).map(failure).collect());
    let change = |deliveries| Change { deliveries, ..Change::default() };
    let done = DeliveryChange::Done(delivery(1).id);
    commit(
        &store,
        at(0),
        vec![change(vec![done, DeliveryChange::Dead(delivery(2)), DeliveryChange::Dead(delivery(3))])],
    );
    let reader = store.reader();
    assert_eq!(reader.deliveries_waiting().unwrap(), []);
    let dead = |page, size| readable(reader.dead_letters(&DeliveryFilter::default(), page, size).unwrap()).unwrap();
    assert_eq!((dead(0, 1), dead(1, 1)), (vec![delivery(3)], vec![delivery(2)]));
    assert_eq!((reader.dead_letter_count(), reader.count_dead(NoticeId(2)), reader.count_dead(NoticeId(1))), (2, 1, 0));

    commit(&store, at(0), vec![change(vec![DeliveryChange::Wait(delivery(2))])]);
    assert_eq!(reader.delivery(delivery(2).id).unwrap(), Some(delivery(2)));
    assert_eq!(dead(0, 10), [delivery(3)]);
    let of = |channel: &str| DeliveryFilter { channel: Some(channel.into()), ..DeliveryFilter::default() };
    let about = |target: &str| DeliveryFilter { target: Some(target.into()), ..DeliveryFilter::default() };
    let (dead, waits) = (delivery(3), delivery(2));
    let target = dead.message.target().unwrap();
    for (filter, count) in [(of(&dead.channel), 1), (of("nobody"), 0), (about(target), 1), (about("nobody"), 0)] {
        assert_eq!(reader.dead_letters(&filter, 0, 10).unwrap().total, count, "{filter:?}");
        assert_eq!(reader.deliveries(&filter, 0, 10).unwrap().total, count, "{filter:?}");
    }
    assert_eq!(reader.oldest_dead_letters(&dead.channel, None, 10), [dead.id]);
    assert_eq!(reader.oldest_dead_letters(&dead.channel, Some(dead.id), 10), []);
    assert_eq!(reader.dead_letter_counts().get(&waits.channel), Some(&1));
    let again = vec![DeliveryChange::Dead(delivery(2)), DeliveryChange::Wait(delivery(2))];
    commit(&store, at(0), vec![change(again)]);
    assert_eq!(reader.dead_letter_count(), 1);
    drop(reader);
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn a_page_of_the_dead_letters_of_a_target_costs_no_more_where_there_are_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let about = DeliveryFilter { target: Some("PG_KCP".into()), ..DeliveryFilter::default() };
    let reader = store.reader();
    let allocations = |many: std::ops::RangeInclusive<u64>| {
        let total = *many.end();
        let deliveries = many.map(|id| DeliveryChange::Dead(delivery(id))).collect();
        commit(&store, at(0), vec![Change { deliveries, ..Change::default() }]);
        let look = || reader.dead_letters(&about, 0, 10).unwrap();
        let page = look();
        assert_eq!((page.items.len(), page.total), (10, total));
        allocation_counter::measure(|| drop(look())).count_total
    };
    let (few, many) = (allocations(1..=10), allocations(11..=500));
    assert!(many < 2 * few, "{few} and {many}");
    drop(reader);
    store.close().unwrap();
}

#[test]
fn the_transition_log_is_read_backwards_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for second in 1..=5 {
        let transitions = vec![(StatusId(1), line(second)), (StatusId(2), line(100 + second))];
        commit(&store, at(0), vec![Change { transitions, ..Change::default() }]);
    }
    let reader = store.reader();
    let newest = reader.transitions(StatusId(1), None, 2).unwrap();
    assert_eq!(newest, [(9, line(5)), (7, line(4))]);
    let older = reader.transitions(StatusId(1), Some(7), 10).unwrap();
    assert_eq!(older, [(5, line(3)), (3, line(2)), (1, line(1))]);
    assert_eq!(reader.transitions(StatusId(1), Some(0), 10).unwrap(), []);
    assert_eq!(reader.transitions(StatusId(3), None, 10).unwrap(), []);
}

#[test]
fn a_value_of_any_length_is_kept_and_leaves_no_part_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut long = new_history(1);
    long.detail.request_payload = "x".repeat(250_000).into();
    let recorded = Event::FailureRecorded(Box::new(long.clone()));
    // The second one's detail is not in the history of its own commit, so the log holds it.
    let elsewhere = Change { events: vec![occurrence(recorded.clone(), correlation(2))], ..Change::default() };
    let mut known = watch(1);
    known.status.failure_reason = Some("y".repeat(20_000).into());
    let change = Change {
        events: vec![occurrence(recorded.clone(), correlation(1))],
        histories: vec![long.clone()],
        watches: vec![known.clone()],
        ..Change::default()
    };
    commit(&store, at(0), vec![change, elsewhere]);
    let closed = moved(long.clone(), HistoryEvent::Recovered { recovered_at: at(60) });
    commit(&store, at(0), vec![closed, Change { watches: vec![watch(1)], ..Change::default() }]);
    let reader = store.reader();
    let events = reader.events_after(Sequence(0), 2).unwrap();
    assert!(events.iter().all(|logged| logged.event == recorded));
    assert_eq!(reader.history(HistoryId(1)).unwrap().unwrap().detail, long.detail);
    drop(reader);
    store.close().unwrap();
    check_whole(folder.path());

    let store = open(folder.path());
    commit(&store, at(0).plus(days(10)), vec![failure(2)]);
    store.writer().tidy(at(0).plus(days(30)), days(5)).unwrap();
    assert_eq!(contents(&store).histories, [new_history(2)]);
    let parts = store.reader().state.tree.scan_prefix(b"v").count();
    assert_eq!(parts, 0);
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn many_writers_at_once_get_each_place_of_the_log_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut places: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let ids = (1..=25).map(|step| 25 * writer + step);
                    ids.flat_map(|id| commit(store, at(0), vec![failure(id)])).map(|e| e.sequence.0).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    places.sort_unstable();
    assert_eq!(places, (1..=200).collect::<Vec<_>>());
    assert_eq!(store.reader().history_count(), 200);
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn a_closed_store_takes_nothing_and_acknowledges_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let writer = store.writer();
    let (sender, receiver) = std::sync::mpsc::channel();
    let acknowledge = Box::new(move |committed: Vec<_>| sender.send(committed.len()).unwrap());
    writer.commit(vec![failure(1)], marks_of(&failure(1)), at(0), acknowledge).unwrap();
    store.close().unwrap();
    assert_eq!(receiver.recv(), Ok(1));
    let refused = writer.commit(vec![failure(2)], IdMarks::default(), at(0), Box::new(|_| {})).unwrap_err();
    assert!(matches!(refused, crate::store::NotTaken::Stopped(changes) if changes == [failure(2)]));
    assert!(matches!(writer.barrier(), Err(Error::Stopped)));
    assert!(!writer.is_alive());
}
