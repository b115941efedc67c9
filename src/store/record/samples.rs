//! Every record as each version wrote it: it must be read for ever, and as long as a version is written, written so.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::domain::alert::{Acknowledged, Condition, Conditions, Incident, Record, Severity};
use crate::domain::breaker::{Cause, Mode, State, Transition};
use crate::domain::delivery::{Alert, Delivery, Group, Message, Of};
use crate::domain::event::{Event, Logged, StateChange};
use crate::domain::failure_history::{
    FailureDetail, FailureType, HistoryEvent, IntegrationFailureHistory, RetryResult,
};
use crate::domain::id::{
    CorrelationId, DeliveryId, HistoryId, IdMarks, IncidentId, NoticeId, Sequence, Shard, StatusId, Target,
};
use crate::domain::quiet::{Kind, Label, Matcher, Quiet, Recurrence, When};
use crate::domain::rollup::Rollup;
use crate::domain::status::{IntegrationState, IntegrationStatus, StatusEvent};
use crate::domain::time::Timestamp;
use crate::domain::watch::{BreakerRecord, Forced, Origin, Trouble, Watch};

const STORED: &str = include_str!("../../../tests/data/store-v1/records.txt");

fn at(second: i64) -> Timestamp {
    Timestamp::from_nanos(1_717_236_000_000_000_000 + second * 1_000_000_000)
}

fn target() -> Target {
    Target::new("PG_KCP", "https://api.kcp.com")
}

fn uuid() -> CorrelationId {
    CorrelationId::new("018fd1f0-9c80-7a3b-8c4d-0123456789ab")
}

fn history() -> IntegrationFailureHistory {
    IntegrationFailureHistory {
        id: HistoryId(17),
        failure_type: FailureType::PaymentGateway,
        detail: FailureDetail {
            error_code: "E-503".into(),
            error_message: "결제 게이트웨이 응답 없음".into(),
            request_payload: r#"{"orderId":"ORD-1"}"#.into(),
            response_payload: "N/A".into(),
            additional_info: "N/A".into(),
        },
        target_system: "PG_KCP".into(),
        occurred_at: at(0),
        status_id: StatusId(3),
        retry_count: 2,
        retry_result: RetryResult::Failure,
        notified: true,
        last_retried_at: Some(at(30)),
        recovered_at: Some(at(60)),
    }
}

fn incident() -> Incident {
    Incident {
        id: IncidentId(5),
        severity: Severity::Critical,
        cause: "503 Service Unavailable".into(),
        since: at(1),
        channels: ["ops".into(), "log".into()].into(),
        history: Some(HistoryId(17)),
        correlation: uuid(),
        last_told_at: at(2),
        fired_at: at(1),
        notice: NoticeId(8),
        siblings: 1,
        told: Conditions::NONE.with(Condition::Down).with(Condition::Flapping),
        reminders: 3,
        escalated_at: Some(at(70)),
        acknowledged: Some(Box::new(Acknowledged { who: "kim".into(), comment: "on it".into(), at: at(80) })),
    }
}

/// What version 1 knew of it.
fn incident_1() -> Incident {
    Incident {
        fired_at: at(2),
        notice: NoticeId(0),
        siblings: 2,
        told: Condition::ALL.into_iter().collect(),
        reminders: 0,
        escalated_at: None,
        acknowledged: None,
        ..incident()
    }
}

fn quiet(kind: Kind, when: When) -> Quiet {
    let label = |label, value: &str, is_regex, is_equal| Matcher { label, value: value.into(), is_regex, is_equal };
    Quiet {
        id: "018fd1f0-9c80-7a3b-8c4d-0123456789ab".into(),
        kind,
        matchers: [
            label(Label::Target, "PG_.*", true, true),
            label(Label::Group, "weather", false, false),
            label(Label::Severity, "critical", false, true),
            label(Label::FailureType, "OTHER", false, true),
            label(Label::Condition, "down", false, true),
        ]
        .into(),
        when,
        created_by: "kim".into(),
        comment: "업그레이드".into(),
        created_at: at(5),
    }
}

fn silence() -> Quiet {
    quiet(Kind::Silence, When::Once { from: at(10), until: at(3_600) })
}

fn window() -> Quiet {
    recurring(Recurrence::Cron("0 3 * * 1".into()))
}

fn window_by_rule() -> Quiet {
    recurring(Recurrence::Rule { rule: "FREQ=MONTHLY;BYDAY=1SU".into(), first: at(86_400) })
}

fn recurring(by: Recurrence) -> Quiet {
    let length = Duration::from_secs(7_200);
    quiet(Kind::Maintenance, When::Recurring { by, zone: "Asia/Seoul".into(), length })
}

fn watch() -> Watch {
    Watch {
        status: IntegrationStatus {
            id: StatusId(3),
            target: target(),
            state: IntegrationState::Failed,
            last_attempted_at: Some(at(9)),
            last_succeeded_at: None,
            last_failed_at: Some(at(9)),
            failure_reason: Some("timeout".into()),
            retry_count: 3,
        },
        failures_in_row: 4,
        successes_in_row: 1,
        trouble: Some(Trouble {
            correlation: CorrelationId::new("order-77"),
            began_by: Some(Sequence(40)),
            since: at(0),
            attempts: 3,
            history: Some(HistoryId(17)),
            origin: Origin::Report,
        }),
        incident: Some(Box::new(incident())),
        breaker: BreakerRecord {
            state: State::Open,
            mode: Mode::ForcedOpen,
            level: 2,
            since: at(8),
            open_until: Some(at(18)),
            forced: Some(Forced { who: "ops@example.com".into(), reason: "maintenance".into(), until: Some(at(600)) }),
        },
    }
}

fn delivery(message: Message) -> Delivery {
    Delivery {
        id: DeliveryId { notice: NoticeId(9), ordinal: 1 },
        siblings: 2,
        channel: "ops".into(),
        message,
        history: Some(HistoryId(17)),
        correlation: uuid(),
        queued_at: at(3),
        tried_since: at(3),
        attempts: 1,
        next_attempt_at: at(4),
        last_error: Some("503".into()),
    }
}

fn alert() -> Alert {
    Alert {
        incident: IncidentId(5),
        severity: Severity::Warning,
        target: "PG_KCP".into(),
        cause: "timeout".into(),
        since: at(1),
        acknowledge: None,
    }
}

fn messages() -> [(&'static str, Message); 4] {
    [
        ("delivery-firing", Message::Firing(alert())),
        ("delivery-reminder", Message::Reminder(alert())),
        ("delivery-resolved", Message::Resolved { alert: alert(), until: at(90) }),
        (
            "delivery-failure",
            Message::FailureRecorded {
                history: HistoryId(17),
                failure_type: FailureType::Other,
                target: "SMS".into(),
                severity: Severity::Warning,
                cause: "no route".into(),
                occurred_at: at(0),
            },
        ),
    ]
}

/// Records of this version that are not written so any more: before a report had a severity.
const OLDER_REPORTS: [&str; 2] = ["delivery-failure-2", "delivery-group-reports-2"];

fn later_messages() -> [(&'static str, Message); 8] {
    let [(_, firing), (_, reminder), (_, resolved), (_, failure)] = messages();
    let members = vec![DeliveryId { notice: NoticeId(7), ordinal: 0 }, DeliveryId { notice: NoticeId(8), ordinal: 1 }];
    let group = |of, messages| {
        Message::Grouped(Group { of, name: "payments".into(), count: 2, messages, members: members.clone() })
    };
    [
        ("delivery-firing-2", firing.clone()),
        ("delivery-failure-2", failure.clone()),
        ("delivery-escalated-2", Message::Escalated(alert())),
        ("delivery-group-2", group(Of::Trouble, vec![firing, reminder])),
        ("delivery-group-ends-2", group(Of::Ends, vec![resolved])),
        ("delivery-group-reports-2", group(Of::Reports, vec![failure.clone()])),
        ("delivery-report-2", failure.clone()),
        ("delivery-group-of-reports-2", group(Of::Reports, vec![failure])),
    ]
}

fn status_events() -> [(&'static str, Event); 3] {
    let of = |event| Event::Status { id: StatusId(3), target: target(), event };
    let retried = StatusEvent::Retried { retry_count: 1, retry_result: RetryResult::NotApplicable, retried_at: at(3) };
    [
        ("event-connected", of(StatusEvent::Connected { last_succeeded_at: at(1) })),
        ("event-failed", of(StatusEvent::ConnectionFailed { failure_reason: "".into(), last_failed_at: at(2) })),
        ("event-retried", of(retried)),
    ]
}

fn other_events() -> Vec<(&'static str, Event)> {
    let of_history = |event| Event::History { id: HistoryId(17), notified: true, event };
    let transition = Transition {
        from: State::Closed,
        to: State::Open,
        cause: Cause::BadRate,
        level: 1,
        open_for: Some(Duration::from_millis(5_250)),
    };
    vec![
        (
            "event-history-retried",
            of_history(HistoryEvent::Retried { retry_count: 3, retry_result: RetryResult::Success, retried_at: at(4) }),
        ),
        ("event-history-recovered", of_history(HistoryEvent::Recovered { recovered_at: at(5) })),
        (
            "event-breaker-transitioned",
            Event::BreakerTransitioned { id: StatusId(3), target: target(), transition, open_until: Some(at(11)) },
        ),
        (
            "event-breaker-controlled",
            Event::BreakerControlled {
                id: StatusId(3),
                target: target(),
                mode: Mode::DryRun,
                reset: true,
                who: "ops".into(),
                reason: "drill".into(),
                until: None,
            },
        ),
        (
            "event-alert-resolved",
            Event::AlertResolved {
                id: StatusId(3),
                target: "PG_KCP".into(),
                incident: IncidentId(5),
                severity: Severity::Info,
                since: at(1),
            },
        ),
        (
            "event-dead-lettered",
            Event::NotificationDeadLettered {
                delivery: DeliveryId { notice: NoticeId(9), ordinal: 1 },
                channel: "ops".into(),
                history: Some(HistoryId(17)),
                error: "410 Gone".into(),
            },
        ),
        (
            "event-weather-failed",
            Event::LocationWeatherInfoFailed {
                campsite_id: 101,
                error_message: "timeout".into(),
                location_weather_info_id: 501,
                requested_at: at(0),
            },
        ),
    ]
}

fn alerting_events() -> Vec<(&'static str, Event)> {
    vec![
        (
            "event-alert-fired-2",
            Event::AlertFired { id: StatusId(3), target: "PG_KCP".into(), incident: Box::new(incident()) },
        ),
        (
            "event-alert-acknowledged",
            Event::AlertAcknowledged {
                id: StatusId(3),
                target: "PG_KCP".into(),
                incident: IncidentId(5),
                who: "kim".into(),
                comment: "".into(),
            },
        ),
        (
            "event-alert-escalated",
            Event::AlertEscalated {
                id: StatusId(3),
                target: "PG_KCP".into(),
                incident: IncidentId(5),
                cause: "timeout".into(),
                channels: ["boss".into()].into(),
                worse: false,
            },
        ),
        ("event-silence-created", Event::QuietCreated { quiet: Box::new(silence()) }),
        ("event-window-removed", Event::QuietRemoved { quiet: Box::new(window()), who: "lee".into() }),
        (
            "event-resent",
            Event::NotificationResent {
                delivery: DeliveryId { notice: NoticeId(9), ordinal: 1 },
                channel: "ops".into(),
                who: "kim".into(),
            },
        ),
        (
            "event-dismissed",
            Event::NotificationDismissed {
                delivery: DeliveryId { notice: NoticeId(9), ordinal: 1 },
                channel: "ops".into(),
                who: "kim".into(),
            },
        ),
    ]
}

fn row(open: bool) -> ColumnRow {
    ColumnRow {
        occurred_at: at(0),
        recorded_by: 41,
        name: 2,
        failure_type: FailureType::LocationWeatherApi,
        retry_result: RetryResult::Failure,
        notified: true,
        open,
    }
}

fn rollup() -> Rollup {
    let mut rollup = Rollup::default();
    (1..40).for_each(|millis| rollup.add(millis % 13 != 0, Duration::from_millis(millis * millis)));
    rollup
}

fn live_block() -> LiveBlock {
    let full = LiveEntry {
        last_attempted_at: Some(at(9)),
        last_succeeded_at: Some(at(-70_000)),
        last_failed_at: Some(Timestamp::MIN),
        retry_count: 7,
        minute: Some((28_620_600, rollup())),
    };
    LiveBlock { entries: BTreeMap::from([(0, LiveEntry::default()), (31, full)]) }
}

fn head() -> Head {
    let marks = IdMarks { status: StatusId(3), history: HistoryId(17), incident: IncidentId(5), notice: NoticeId(9) };
    Head {
        commits: 1_000,
        first_sequence: Sequence(12),
        last_sequence: Sequence(4_711),
        marks,
        transitions: 88,
        overflows: 2,
    }
}

fn mark() -> Mark {
    Mark { at: at(0), transitions: 80, notice: NoticeId(8) }
}

/// Checks one record both ways: `written` by this program, and `read` from what was stored.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    name: &str,
    written: &[u8],
    expected: &T,
    read: impl Fn(&[u8]) -> Result<T, NotDecodable>,
) {
    let written: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
    let stored = check_read(name, &written, expected, read);
    assert_eq!(written, stored, "{name}: a new shape needs a new version");
}

/// Checks one record that is not written so any more, and must be read for ever.
#[track_caller]
fn check_read<T: PartialEq + std::fmt::Debug>(
    name: &str,
    written: &str,
    expected: &T,
    read: impl Fn(&[u8]) -> Result<T, NotDecodable>,
) -> &'static str {
    let stored = STORED.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let Some(stored) = stored else { panic!("no stored sample: {name} {written}") };
    let bytes: Vec<u8> = stored
        .as_bytes()
        .chunks(2)
        .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap())
        .collect();
    assert_eq!(read(&bytes).as_ref(), Ok(expected), "{name} as it was stored");
    assert_eq!(read(&[]), Err(NotDecodable::Empty), "{name}");
    assert_eq!(read(&[&[200], &bytes[1..]].concat()), Err(NotDecodable::Version(200)), "{name}");
    assert!(read(&bytes[..bytes.len() - 1]).is_err(), "{name} cut short");
    stored
}

#[test]
fn events_of_version_1_are_read_and_written() {
    let mut encoder = Encoder::default();
    let events = status_events().into_iter().chain(other_events()).chain(alerting_events());
    let with_detail = ("event-recorded", Event::FailureRecorded(Box::new(history())));
    for (name, event) in events.chain([with_detail]) {
        let logged =
            Logged { sequence: Sequence(41), event, at: at(6), correlation: uuid(), cause: Some(Sequence(40)) };
        let stored = EventToStore {
            event: &logged.event,
            at: logged.at,
            correlation: &logged.correlation,
            cause: logged.cause,
            shard: Shard::of(StatusId(3)),
            detail_is_in_history: false,
        };
        let bytes = encode_event(&mut encoder, &stored);
        check(name, bytes, &logged, |bytes| decode_event(Sequence(41), bytes).map(|stored| stored.logged));
    }
}

#[test]
fn a_recorded_failure_whose_detail_is_in_its_history_is_read_and_written() {
    let event = Event::FailureRecorded(Box::new(history()));
    let correlation = CorrelationId::new("order-77");
    let stored = EventToStore {
        event: &event,
        at: at(6),
        correlation: &correlation,
        cause: None,
        shard: Shard::of(StatusId(3)),
        detail_is_in_history: true,
    };
    let logged = Logged {
        sequence: Sequence(41),
        event: event.clone(),
        at: at(6),
        correlation: correlation.clone(),
        cause: None,
    };
    let mut encoder = Encoder::default();
    let bytes = encode_event(&mut encoder, &stored);
    check("event-recorded-elsewhere", bytes, &logged, |bytes| {
        let stored = decode_event(Sequence(41), bytes)?;
        assert_eq!(stored.detail_of, Some(HistoryId(17)));
        Ok(stored.with_detail(history().detail))
    });
}

#[test]
fn projections_of_version_1_are_read_and_written() {
    let encoder = &mut Encoder::default();
    check("history", encode_history(encoder, &history()), &history(), |bytes| decode_history(HistoryId(17), bytes));
    let first = Watch { incident: Some(Box::new(incident_1())), ..watch() };
    check_read("watch", "", &first, |bytes| decode_watch(StatusId(3), bytes));
    let line = StateChange {
        at: at(9),
        from: IntegrationState::Retrying,
        to: IntegrationState::Failed,
        cause: "timeout".into(),
    };
    check("transition", encode_transition(encoder, &line), &line, decode_transition);
    for (name, message) in messages() {
        let delivery = delivery(message);
        check_read(name, "", &delivery, |bytes| decode_delivery(delivery.id, bytes));
    }
}

#[test]
fn an_alert_that_fired_as_version_1_wrote_it_is_read() {
    let event = Event::AlertFired { id: StatusId(3), target: "PG_KCP".into(), incident: Box::new(incident_1()) };
    let logged = Logged { sequence: Sequence(41), event, at: at(6), correlation: uuid(), cause: Some(Sequence(40)) };
    let read = |bytes: &[u8]| decode_event(Sequence(41), bytes).map(|stored| stored.logged);
    check_read("event-alert-fired", "", &logged, read);
}

#[test]
fn alerts_silences_and_windows_are_read_and_written() {
    let encoder = &mut Encoder::default();
    let record = |until| Record { incident: incident(), status: StatusId(3), target: "PG_KCP".into(), until };
    for (name, record) in [("alert-firing", record(None)), ("alert-resolved", record(Some(at(90))))] {
        check(name, encode_alert(encoder, &record), &record, decode_alert);
    }
    for (name, quiet) in [("silence", silence()), ("window", window()), ("window-by-rule", window_by_rule())] {
        check(name, encode_quiet(encoder, &quiet), &quiet, decode_quiet);
    }
}

#[test]
fn projections_of_version_2_are_read_and_written() {
    let encoder = &mut Encoder::default();
    check("watch-2", encode_watch(encoder, &watch()), &watch(), |bytes| decode_watch(StatusId(3), bytes));
    for (name, message) in later_messages() {
        let delivery = Delivery { tried_since: at(40), ..delivery(message) };
        let read = |bytes: &[u8]| decode_delivery(delivery.id, bytes);
        if OLDER_REPORTS.contains(&name) {
            check_read(name, "", &delivery, read);
        } else {
            check(name, encode_delivery(encoder, &delivery), &delivery, read);
        }
    }
}

#[test]
fn a_watch_of_a_target_that_was_never_tried_is_read_and_written() {
    let watch = Watch {
        status: IntegrationStatus::new(StatusId(3), target()),
        failures_in_row: 0,
        successes_in_row: 0,
        trouble: None,
        incident: None,
        breaker: BreakerRecord {
            state: State::Closed,
            mode: Mode::Enforce,
            level: 0,
            since: at(0),
            open_until: None,
            forced: None,
        },
    };
    let mut encoder = Encoder::default();
    check_read("watch-new", "", &watch, |bytes| decode_watch(StatusId(3), bytes));
    check("watch-new-2", encode_watch(&mut encoder, &watch), &watch, |bytes| decode_watch(StatusId(3), bytes));
}

#[test]
fn the_stores_own_records_of_version_1_are_read_and_written() {
    let encoder = &mut Encoder::default();
    check("head", head().encode(encoder), &head(), Head::decode);
    check("mark", mark().encode(encoder), &mark(), Mark::decode);
    check("live-block", live_block().encode(encoder), &live_block(), LiveBlock::decode);
    let rollups = RollupBlock { entries: BTreeMap::from([(3, rollup()), (4, Rollup::default())]) };
    check("rollup-block", rollups.encode(encoder), &rollups, RollupBlock::decode);
    let mut columns = ColumnBlock::empty();
    columns.set(17, Some(row(true)));
    columns.set(2, Some(row(false)));
    check("columns", columns.encoded(), &columns, ColumnBlock::decode);
    assert_eq!(columns.rows().collect::<Vec<_>>(), [(2, row(false)), (17, row(true))]);
    columns.set(17, None);
    assert_eq!(columns.row(17), None);
    assert_eq!(columns.row(127), None);
}

#[test]
fn a_block_of_events_is_split_where_it_was_joined() {
    let mut block = EventBlock::default();
    assert!(!block.is_full(10_000, 100), "one event always has room");
    let events: [&[u8]; 3] = [b"first", b"", b"third"];
    events.iter().for_each(|event| block.push(event));
    assert!(block.is_full(100, 100));
    let bytes = block.take();
    assert_eq!(EventBlock::split(&bytes).unwrap(), events);
    assert!(block.is_empty());
    for cut in 0..bytes.len() {
        let whole_events = [10, 14].contains(&cut);
        assert_eq!(EventBlock::split(&bytes[..cut]).is_ok(), whole_events, "cut at {cut}");
    }
}

#[test]
fn the_fullest_blocks_fit_into_one_record() {
    let day = Rollup { count: 86_400, ok: 43_200, latencies: [43_200; crate::domain::rollup::BUCKETS] };
    let rollups = RollupBlock { entries: (0..32).map(|place| (place, day)).collect() };
    let mut encoder = Encoder::default();
    assert!(rollups.encode(&mut encoder).len() < crate::store::long_value::LIMIT);
}
