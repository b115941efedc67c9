//! Measures the store: durable failure records a second, lists over many histories, opening, bytes on disk.
//!
//! `cargo bench --bench store` prints figures; nothing here passes or fails. `BENCH_HISTORIES` (1,000,000),
//! `BENCH_WRITERS` (64), `BENCH_RECORDS` (200,000) and `BENCH_FOLDER` (a temporary folder) change what is measured.

#![expect(clippy::print_stdout, reason = "figures are for whoever runs it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use breakwater::clock::Clock;
use breakwater::domain::change::{Change, DeliveryChange};
use breakwater::domain::delivery::{Delivery, Message};
use breakwater::domain::event::{Event, Occurrence};
use breakwater::domain::failure_history::{FailureDetail, FailureType, IntegrationFailureHistory, Record, RetryResult};
use breakwater::domain::id::{CorrelationId, DeliveryId, HistoryId, IdMarks, NoticeId, StatusId};
use breakwater::domain::rollup::{Observed, Rollup};
use breakwater::domain::time::Timestamp;
use breakwater::store::{HistoryFilter, Options, Store};
use uuid::Uuid;

const START: i64 = 1_717_236_000_000_000_000;
const CACHE: u64 = 64 * 1024 * 1024;

fn main() {
    let histories = number("BENCH_HISTORIES", 1_000_000);
    let writers = number("BENCH_WRITERS", 64);
    let records = number("BENCH_RECORDS", 200_000);
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = std::env::var_os("BENCH_FOLDER").map_or_else(|| temporary.path().join("bench"), PathBuf::from);
    let clock = Clock::system();

    println!("two syncs of the bare disk: {}", percentiles(&mut bare_disk(&folder, clock)));
    let store = open(&folder, clock);
    let ids = AtomicU64::new(1);
    println!("one record alone, synced:   {}", percentiles(&mut alone(&store, &ids, clock, 2_000)));
    let took = many(&store, &ids, clock, writers, records);
    println!("{writers} writers, each waiting: {:.0} records/s", records as f64 / took.as_secs_f64());
    observed(&store, clock);
    fill(&store, &ids, histories);
    store.writer().barrier().expect("the store works");
    let count = store.reader().history_count() as f64;
    lists(&store, clock, "warm");
    store.close().expect("the store works");

    let bytes = size_of_folder(&folder) as f64;
    println!("{count} histories, {:.0} bytes each on disk ({:.0} MiB)", bytes / count, bytes / 1048576.0);
    let begun = clock.moment();
    let store = open(&folder, clock);
    println!("opened in {:?}", clock.moment().since(begun));
    lists(&store, clock, "after opening");
    println!("resident: {} MiB", resident_mib());
    store.close().expect("the store works");
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn open(folder: &Path, clock: Clock) -> Store {
    Store::open(Options {
        folder: folder.to_path_buf(),
        cache_bytes: CACHE,
        clock,
        on_batch: Box::new(|_| {}),
        on_failure: Box::new(|error| eprintln!("{error}")),
    })
    .expect("the store opens")
}

/// What the disk itself needs for two small synced writes.
fn bare_disk(folder: &Path, clock: Clock) -> Vec<Duration> {
    use std::os::unix::fs::FileExt;
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let path = folder.join("bare");
    let files = [0, 1].map(|_| std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path));
    let [log, last] = files.map(|file| file.expect("a file can be made"));
    let took = (0..1_000_u64).map(|step| {
        let begun = clock.moment();
        log.write_all_at(&[1; 1024], 8192 + step * 1024).and_then(|()| log.sync_data()).expect("the disk works");
        last.write_all_at(&[1; 64], step % 2 * 4096).and_then(|()| last.sync_data()).expect("the disk works");
        clock.moment().since(begun)
    });
    let took = took.collect();
    std::fs::remove_file(path).expect("the file was made");
    took
}

fn alone(store: &Store, ids: &AtomicU64, clock: Clock, count: usize) -> Vec<Duration> {
    let writer = store.writer();
    (0..count)
        .map(|_| {
            let (change, marks) = failure(ids.fetch_add(1, Ordering::Relaxed));
            let begun = clock.moment();
            writer.commit_and_wait(vec![change], marks, now()).expect("the store works");
            clock.moment().since(begun)
        })
        .collect()
}

fn many(store: &Store, ids: &AtomicU64, clock: Clock, writers: u64, records: u64) -> Duration {
    let begun = clock.moment();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            let writer = store.writer();
            scope.spawn(move || {
                for _ in 0..records / writers {
                    let (change, marks) = failure(ids.fetch_add(1, Ordering::Relaxed));
                    writer.commit_and_wait(vec![change], marks, now()).expect("the store works");
                }
            });
        }
    });
    clock.moment().since(begun)
}

/// What 10,000 targets save every ten seconds.
fn observed(store: &Store, clock: Clock) {
    let mut took = Vec::new();
    for step in 0..60_u64 {
        let at = Timestamp::from_nanos(START).plus(Duration::from_secs(10 * step));
        let mut rollup = Rollup::default();
        (0..10).for_each(|probe| rollup.add(true, Duration::from_millis(3 + probe)));
        let observed = (1..=10_000).map(|id| Observed {
            id: StatusId(id),
            last_attempted_at: Some(at),
            last_succeeded_at: Some(at),
            last_failed_at: None,
            retry_count: 0,
            minutes: vec![(at, rollup)],
        });
        let observed = observed.collect();
        let (sender, receiver) = std::sync::mpsc::channel();
        let begun = clock.moment();
        let done = Box::new(move || sender.send(()).expect("the other end waits"));
        store.writer().save_observed(observed, at, done).expect("the store works");
        receiver.recv().expect("the store works");
        took.push(clock.moment().since(begun));
    }
    println!("10,000 targets saved:       {}", percentiles(&mut took));
}

fn fill(store: &Store, ids: &AtomicU64, histories: u64) {
    let writer = store.writer();
    while ids.load(Ordering::Relaxed) <= histories {
        let changes: Vec<_> = (0..500).map(|_| failure(ids.fetch_add(1, Ordering::Relaxed))).collect();
        let marks = changes.last().map(|(_, marks)| *marks).unwrap_or_default();
        let mut changes: Vec<_> = changes.into_iter().map(|(change, _)| change).collect();
        let delivered = changes.iter().flat_map(|change| &change.deliveries).filter_map(|delivery| match delivery {
            DeliveryChange::Wait(delivery) => Some(DeliveryChange::Done(delivery.id)),
            DeliveryChange::Done(_) | DeliveryChange::Dead(_) => None,
        });
        let delivered = Change { deliveries: delivered.collect(), ..Change::default() };
        writer.commit_and_wait(std::mem::take(&mut changes), marks, now()).expect("the store works");
        writer.commit_and_wait(vec![delivered], marks, now()).expect("the store works");
    }
}

fn lists(store: &Store, clock: Clock, when: &str) {
    let reader = store.reader();
    let total = reader.history_count() as u64;
    let all = HistoryFilter::default();
    let filters: [(&str, HistoryFilter); 7] = [
        ("all", all.clone()),
        ("failureType", HistoryFilter { failure_type: Some(FailureType::LocationWeatherApi), ..all.clone() }),
        ("targetSystem, 1 of 50", HistoryFilter { target_system: Some("SYSTEM_17".into()), ..all.clone() }),
        (
            "a tenth of the time",
            HistoryFilter {
                occurred_from: Some(occurred(total / 2)),
                occurred_to: Some(occurred(total / 2 + total / 10)),
                ..all.clone()
            },
        ),
        ("open", HistoryFilter { open: Some(true), ..all.clone() }),
        ("notified false", HistoryFilter { notified: Some(false), ..all.clone() }),
        (
            "system, result, open",
            HistoryFilter {
                target_system: Some("SYSTEM_10".into()),
                retry_result: Some(RetryResult::NotApplicable),
                open: Some(true),
                ..all
            },
        ),
    ];
    for size in [20, 200] {
        for (name, filter) in &filters {
            let matching = reader.histories(filter, 0, 1).expect("the store works").total;
            let pages = matching.div_ceil(size).max(1);
            let mut took: Vec<_> = (0..400_u64)
                .map(|step| {
                    // Pages all over the list, in no order that a cache could guess.
                    let page = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) % pages;
                    let begun = clock.moment();
                    let answer = reader.histories(filter, page, size as usize).expect("the store works");
                    std::hint::black_box(answer);
                    clock.moment().since(begun)
                })
                .collect();
            println!("list {when}, {size:>3} of {matching:>7} ({name}): {}", percentiles(&mut took));
        }
    }
}

fn failure(id: u64) -> (Change, IdMarks) {
    let at = occurred(id);
    let detail = FailureDetail {
        error_code: "HTTP_503".into(),
        error_message: "503 Service Unavailable, expected 200-299: upstream connect error before headers".into(),
        request_payload: format!(
            r#"{{"orderId":"ORD-{id:08}","amount":{},"currency":"KRW","method":"CARD"}}"#,
            id % 90_000
        )
        .into(),
        response_payload: r#"{"code":"UNAVAILABLE","message":"temporarily unavailable, try again later"}"#.into(),
        additional_info: format!("trace={id:016x};region=ap-northeast-2").into(),
    };
    let record = Record {
        failure_type: FailureType::ALL[(id % 3) as usize],
        detail,
        target_system: format!("SYSTEM_{}", id % 50).into(),
        occurred_at: at,
        status_id: StatusId(id % 50 + 1),
    };
    let mut history = IntegrationFailureHistory::record(HistoryId(id), record, !id.is_multiple_of(20));
    let correlation = CorrelationId::new(&correlation(id));
    let target: Arc<str> = history.target_system.as_ref().into();
    let event = Event::FailureRecorded(Box::new(history.clone()));
    if !id.is_multiple_of(10) {
        history.recovered_at = Some(at);
    }
    let delivery = Delivery {
        id: DeliveryId { notice: NoticeId(id), ordinal: 0 },
        siblings: 1,
        channel: "ops-webhook".into(),
        message: Message::FailureRecorded {
            severity: breakwater::domain::alert::Severity::Warning,
            history: HistoryId(id),
            failure_type: history.failure_type,
            target,
            cause: history.detail.error_message.clone(),
            occurred_at: at,
        },
        history: Some(HistoryId(id)),
        correlation: correlation.clone(),
        queued_at: at,
        tried_since: at,
        attempts: 0,
        next_attempt_at: at,
        last_error: None,
    };
    let change = Change {
        events: vec![Occurrence { event, at, correlation, cause: None }],
        histories: vec![history],
        deliveries: vec![DeliveryChange::Wait(delivery)],
        ..Change::default()
    };
    let marks = IdMarks { status: StatusId(50), history: HistoryId(id), notice: NoticeId(id), ..IdMarks::default() };
    (change, marks)
}

/// As fresh ones are: version 7, in the order of time.
fn correlation(id: u64) -> String {
    let millis = 1_717_236_000_000 + id / 10;
    let timestamp = uuid::Timestamp::from_unix_time(millis / 1000, (millis % 1000 * 1_000_000) as u32, 0, 0);
    let mut bytes = Uuid::new_v7(timestamp).into_bytes();
    bytes[8..].copy_from_slice(&(id.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 << 63).to_be_bytes());
    Uuid::from_bytes(bytes).to_string()
}

fn occurred(id: u64) -> Timestamp {
    Timestamp::from_nanos(START).plus(Duration::from_millis(137 * id))
}

fn now() -> Timestamp {
    Timestamp::from_nanos(START)
}

fn percentiles(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    format!("p50 {:>9.3?}  p99 {:>9.3?}  max {:>9.3?}", at(0.5), at(0.99), at(1.0))
}

fn size_of_folder(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of_folder(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
