//! The store as a whole, on real files in temporary folders.

mod commits;
mod copies;
mod damage;
mod observing;
mod tidying;

use std::path::Path;
use std::time::Duration;

use super::{DeliveryFilter, Error, HistoryFilter, Listed, Options, Page, Reader, Store};
use crate::clock::Clock;
use crate::domain::breaker;
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Message};
use crate::domain::event::{Event, Logged, Occurrence, StateChange};
use crate::domain::failure_history::{FailureDetail, FailureType, HistoryEvent, IntegrationFailureHistory, Record};
use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, IdMarks, NoticeId, Sequence, StatusId, Target};
use crate::domain::status::{IntegrationState, IntegrationStatus};
use crate::domain::time::Timestamp;
use crate::domain::watch::{BreakerRecord, Watch};

/// 2024-06-01T10:00:00Z and so many seconds.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(1_717_236_000_000_000_000).plus(Duration::from_secs(seconds))
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

fn try_open(folder: &Path) -> Result<Store, Error> {
    Store::open(Options {
        folder: folder.to_path_buf(),
        cache_bytes: 16 * 1024 * 1024,
        clock: Clock::system(),
        on_batch: Box::new(|_| {}),
        on_failure: Box::new(|error| panic!("{error}")),
    })
}

#[track_caller]
fn open(folder: &Path) -> Store {
    try_open(folder).unwrap()
}

/// Commits at `now`.
#[track_caller]
fn commit(store: &Store, now: Timestamp, changes: Vec<Change>) -> Vec<Logged> {
    let marks = changes.iter().map(marks_of).fold(IdMarks::default(), higher);
    let committed = store.writer().commit_and_wait(changes, marks, now).unwrap();
    committed.iter().flat_map(|change| change.logged().collect::<Vec<_>>()).collect()
}

fn marks_of(change: &Change) -> IdMarks {
    let deliveries = change.deliveries.iter().map(|delivery| match delivery {
        DeliveryChange::Wait(delivery) | DeliveryChange::Dead(delivery) => delivery.id.notice,
        DeliveryChange::Done(id) => id.notice,
    });
    IdMarks {
        status: change.watches.iter().map(|watch| watch.status.id).max().unwrap_or_default(),
        history: change.histories.iter().map(|history| history.id).max().unwrap_or_default(),
        notice: deliveries.max().unwrap_or_default(),
        ..IdMarks::default()
    }
}

fn higher(one: IdMarks, other: IdMarks) -> IdMarks {
    IdMarks {
        status: one.status.max(other.status),
        history: one.history.max(other.history),
        incident: one.incident.max(other.incident),
        notice: one.notice.max(other.notice),
    }
}

fn correlation(number: u64) -> CorrelationId {
    CorrelationId::new(&format!("018fd1f0-9c80-7a3b-8c4d-{number:012x}"))
}

fn new_history(id: u64) -> IntegrationFailureHistory {
    let record = Record {
        failure_type: FailureType::ALL[(id % 3) as usize],
        detail: FailureDetail {
            error_code: "503".into(),
            error_message: format!("503 Service Unavailable for order {id}").into(),
            request_payload: "N/A".into(),
            response_payload: "N/A".into(),
            additional_info: "N/A".into(),
        },
        target_system: if id.is_multiple_of(2) { "PG_KCP".into() } else { "PG_TOSS".into() },
        occurred_at: at(id),
        status_id: StatusId(1),
    };
    IntegrationFailureHistory::record(HistoryId(id), record, true)
}

fn occurrence(event: Event, correlation: CorrelationId) -> Occurrence {
    Occurrence { event, at: at(1), correlation, cause: None }
}

/// A failure that an application reported: event, history, one message.
fn failure(id: u64) -> Change {
    let history = new_history(id);
    Change {
        events: vec![occurrence(Event::FailureRecorded(Box::new(history.clone())), correlation(id))],
        histories: vec![history],
        deliveries: vec![DeliveryChange::Wait(delivery(id))],
        ..Change::default()
    }
}

fn delivery(id: u64) -> Delivery {
    Delivery {
        id: DeliveryId { notice: NoticeId(id), ordinal: 0 },
        siblings: 1,
        channel: "ops".into(),
        message: Message::FailureRecorded {
            severity: crate::domain::alert::Severity::Warning,
            history: HistoryId(id),
            failure_type: FailureType::Other,
            target: "PG_KCP".into(),
            cause: "503".into(),
            occurred_at: at(id),
        },
        history: Some(HistoryId(id)),
        correlation: correlation(id),
        queued_at: at(id),
        tried_since: at(id),
        attempts: 0,
        next_attempt_at: at(id),
        last_error: None,
    }
}

/// A history and the event that moves it.
fn moved(mut history: IntegrationFailureHistory, event: HistoryEvent) -> Change {
    history.apply(&event);
    let event = Event::History { id: history.id, notified: history.notified, event };
    let correlation = correlation(history.id.0);
    Change { events: vec![occurrence(event, correlation)], histories: vec![history], ..Change::default() }
}

fn recovered(id: u64, recovered_at: Timestamp) -> Change {
    moved(new_history(id), HistoryEvent::Recovered { recovered_at })
}

fn watch(id: u64) -> Watch {
    Watch {
        status: IntegrationStatus::new(StatusId(id), Target::new(&format!("PG_{id}"), "https://api.example.com")),
        failures_in_row: 0,
        successes_in_row: 0,
        trouble: None,
        incident: None,
        breaker: BreakerRecord {
            state: breaker::State::Closed,
            mode: breaker::Mode::Enforce,
            level: 0,
            since: at(0),
            open_until: None,
            forced: None,
        },
    }
}

fn line(second: u64) -> StateChange {
    StateChange {
        at: at(second),
        from: IntegrationState::Connected,
        to: IntegrationState::Retrying,
        cause: "timeout".into(),
    }
}

/// Everything that can be asked.
#[derive(Debug, PartialEq)]
struct Contents {
    events: Vec<Logged>,
    histories: Vec<IntegrationFailureHistory>,
    watches: Vec<Watch>,
    waiting: Vec<Delivery>,
    dead: Vec<Delivery>,
    transitions: Vec<(u64, StateChange)>,
    marks: IdMarks,
    first: Sequence,
    last: Sequence,
}

fn try_contents(reader: &Reader) -> Result<Contents, Error> {
    let histories = reader.histories(&HistoryFilter::default(), 0, usize::MAX)?;
    assert_eq!(histories.total, histories.items.len() as u64);
    Ok(Contents {
        events: reader.events_after(Sequence(reader.first_sequence().0 - 1), usize::MAX)?,
        histories: histories.items,
        watches: reader.watches()?,
        waiting: reader.deliveries_waiting()?,
        dead: readable(reader.dead_letters(&DeliveryFilter::default(), 0, usize::MAX)?)?,
        transitions: reader.transitions(StatusId(1), None, usize::MAX)?,
        marks: reader.id_marks(),
        first: reader.first_sequence(),
        last: reader.last_sequence(),
    })
}

fn readable(page: Page<Listed>) -> Result<Vec<Delivery>, Error> {
    page.items.into_iter().map(|listed| listed.map_err(|unreadable| unreadable.error)).collect()
}

#[track_caller]
fn contents(store: &Store) -> Contents {
    try_contents(&store.reader()).unwrap()
}

/// No finding.
#[track_caller]
fn check_whole(folder: &Path) {
    let report = super::verify(folder).unwrap();
    assert_eq!(report.findings, [""; 0], "{report:?}");
}
