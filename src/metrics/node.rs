//! What is counted of the node itself, by methods that are named after what happened.
//!
//! The numbers live in a Prometheus recorder of this node's own. Every series exists from the start, at 0, so that the
//! first event is an increase. Histograms keep each value until [`NodeMetrics::run_upkeep`] sorts it in: call it every
//! few seconds, or they grow until the next scrape.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use parking_lot::Mutex;

use super::names::{self, Family};
use crate::domain::failure_history::FailureType;
use crate::domain::time::Timestamp;

/// Upper bounds in seconds for how late a probe begins: from what a busy timer wheel costs (1 ms) to a whole interval.
const LAG_BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];
/// Upper bounds in seconds for a commit: two disk syncs take 0.2 ms on a good disk and 20 ms on a spinning one.
const COMMIT_BOUNDS: [f64; 12] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Which build this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// The package's version.
    pub version: &'static str,
    /// The commit it was built from, or `unknown`.
    pub revision: &'static str,
}

/// What came of an attempt to deliver a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryResult {
    /// The receiver took it.
    Delivered,
    /// It will be tried again.
    Retried,
    /// It was given up.
    Dead,
    /// There was no room for it in the outbox; what was no reminder is a dead letter.
    Dropped,
}

impl DeliveryResult {
    const ALL: [Self; 4] = [Self::Delivered, Self::Retried, Self::Dead, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }
}

/// An actor that can die and be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// A target's.
    Target,
    /// The one of the failure histories.
    FailureHistory,
    /// The one that delivers.
    Notifier,
    /// The one that writes.
    Journal,
}

impl Actor {
    const ALL: [Self; 4] = [Self::Target, Self::FailureHistory, Self::Notifier, Self::Journal];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::FailureHistory => "failure_history",
            Self::Notifier => "notifier",
            Self::Journal => "journal",
        }
    }
}

/// The classes of HTTP status that are counted; one outside of them is a server's error.
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is counted of the node itself. Shared by all that happens in it; every method can be called from any thread.
#[derive(Debug)]
pub struct NodeMetrics {
    exporter: PrometheusHandle,
    // Not in the exporter, since that cannot forget the channel that a reload removed.
    notifications: Mutex<BTreeMap<Arc<str>, [u64; DeliveryResult::ALL.len()]>>,
    failures_recorded: [Counter; FailureType::ALL.len()],
    failures_open: Gauge,
    outbox_pending: Gauge,
    outbox_oldest_age: Gauge,
    dead_letters: Gauge,
    probe_schedule_lag: Histogram,
    journal_queue_depth: Gauge,
    journal_commit: Histogram,
    journal_changes: Counter,
    actor_restarts: [Counter; Actor::ALL.len()],
    http_requests: [Counter; STATUS_CLASSES.len()],
    config_last_reload_successful: Gauge,
    config_last_reload_success: Gauge,
    blind: Gauge,
}

impl NodeMetrics {
    /// All numbers at 0.
    #[must_use]
    pub fn new(build: Build) -> Self {
        let recorder = recorder();
        let series = Series { recorder: &recorder };
        series.gauge(&names::BUILD_INFO, &[("version", build.version), ("revision", build.revision)]).set(1);
        Self {
            exporter: recorder.handle(),
            notifications: Mutex::default(),
            failures_recorded: FailureType::ALL
                .map(|kind| series.counter(&names::FAILURES_RECORDED, &[("failure_type", kind.as_str())])),
            failures_open: series.gauge(&names::FAILURES_OPEN, &[]),
            outbox_pending: series.gauge(&names::OUTBOX_PENDING, &[]),
            outbox_oldest_age: series.gauge(&names::OUTBOX_OLDEST_AGE, &[]),
            dead_letters: series.gauge(&names::DEAD_LETTERS, &[]),
            probe_schedule_lag: series.histogram(&names::PROBE_SCHEDULE_LAG),
            journal_queue_depth: series.gauge(&names::JOURNAL_QUEUE_DEPTH, &[]),
            journal_commit: series.histogram(&names::JOURNAL_COMMIT),
            journal_changes: series.counter(&names::JOURNAL_CHANGES, &[]),
            actor_restarts: Actor::ALL
                .map(|actor| series.counter(&names::ACTOR_RESTARTS, &[("actor", actor.as_str())])),
            http_requests: STATUS_CLASSES.map(|class| series.counter(&names::HTTP_REQUESTS, &[("status", class)])),
            config_last_reload_successful: series.gauge(&names::CONFIG_LAST_RELOAD_SUCCESSFUL, &[]),
            config_last_reload_success: series.gauge(&names::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP, &[]),
            blind: series.gauge(&names::NODE_BLIND, &[]),
        }
    }

    /// These are the channels from now on: new ones begin at 0, those that are not among them are forgotten.
    pub fn channels_configured<'a>(&self, channels: impl IntoIterator<Item = &'a Arc<str>>) {
        let mut notifications = self.notifications.lock();
        let before = std::mem::take(&mut *notifications);
        *notifications = channels
            .into_iter()
            .map(|channel| (Arc::clone(channel), before.get(channel).copied().unwrap_or_default()))
            .collect();
    }

    /// An attempt to deliver a message ended. One to a channel that was removed since is not counted.
    pub fn notification(&self, channel: &str, result: DeliveryResult) {
        if let Some(counts) = self.notifications.lock().get_mut(channel) {
            counts[match result {
                DeliveryResult::Delivered => 0,
                DeliveryResult::Retried => 1,
                DeliveryResult::Dead => 2,
                DeliveryResult::Dropped => 3,
            }] += 1;
        }
    }

    /// So many messages wait, the oldest for so long (zero where none does).
    pub fn outbox(&self, pending: usize, oldest_age: Duration) {
        self.outbox_pending.set(number(pending));
        self.outbox_oldest_age.set(oldest_age.as_secs_f64());
    }

    /// So many messages were given up and not yet dealt with.
    pub fn dead_letters(&self, waiting: usize) {
        self.dead_letters.set(number(waiting));
    }

    /// A failure history was begun.
    pub fn failure_recorded(&self, failure_type: FailureType) {
        self.failures_recorded[match failure_type {
            FailureType::PaymentGateway => 0,
            FailureType::LocationWeatherApi => 1,
            FailureType::Other => 2,
        }]
        .increment(1);
    }

    /// So many failure histories are open.
    pub fn failures_open(&self, open: usize) {
        self.failures_open.set(number(open));
    }

    /// So many changes wait for the journal.
    pub fn journal_queue_depth(&self, waiting: usize) {
        self.journal_queue_depth.set(number(waiting));
    }

    /// A batch of so many changes is on disk.
    pub fn journal_commit(&self, took: Duration, changes: usize) {
        self.journal_commit.record(took.as_secs_f64());
        self.journal_changes.increment(u64::try_from(changes).unwrap_or(u64::MAX));
    }

    /// An actor died and was rebuilt.
    pub fn actor_restarted(&self, actor: Actor) {
        self.actor_restarts[match actor {
            Actor::Target => 0,
            Actor::FailureHistory => 1,
            Actor::Notifier => 2,
            Actor::Journal => 3,
        }]
        .increment(1);
    }

    /// A probe began so much later than planned.
    pub fn probe_schedule_lag(&self, late: Duration) {
        self.probe_schedule_lag.record(late.as_secs_f64());
    }

    /// The configuration was loaded at this time, at start or later.
    pub fn config_loaded(&self, at: Timestamp) {
        self.config_last_reload_successful.set(1);
        self.config_last_reload_success.set(unix_seconds(at));
    }

    /// A configuration was refused; the last one stays in use.
    pub fn config_refused(&self) {
        self.config_last_reload_successful.set(0);
    }

    /// Whether this node is cut off.
    pub fn blind(&self, blind: bool) {
        self.blind.set(if blind { 1.0 } else { 0.0 });
    }

    /// A request was answered with this status.
    pub fn http_request(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1).min(STATUS_CLASSES.len() - 1);
        self.http_requests[class].increment(1);
    }

    /// Sorts what the histograms collected into their buckets. Cheap; due every few seconds.
    pub fn run_upkeep(&self) {
        self.exporter.run_upkeep();
    }

    /// The exporter's lines, without comments, each family's in a stable order.
    pub(super) fn lines(&self) -> ExporterLines {
        let rendered = self.exporter.render();
        let mut lines: Vec<String> =
            rendered.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(as_open_metrics).collect();
        // The exporter writes a histogram's buckets in their order and everything else in any. Sorting by the series'
        // name keeps buckets as they are, since the sort is stable and their names are equal.
        lines.sort_by(|a, b| order_of(a).cmp(order_of(b)));
        ExporterLines(lines)
    }

    /// What was delivered, tried and given up, by channel.
    pub(super) fn notifications(&self) -> Vec<(Arc<str>, &'static str, u64)> {
        let notifications = self.notifications.lock();
        let by_channel = notifications.iter().flat_map(|(channel, counts)| {
            DeliveryResult::ALL
                .into_iter()
                .zip(counts)
                .map(|(result, count)| (Arc::clone(channel), result.as_str(), *count))
        });
        by_channel.collect()
    }
}

/// What the exporter wrote.
pub(super) struct ExporterLines(Vec<String>);

impl ExporterLines {
    /// The lines of one family.
    pub(super) fn of(&self, family: &Family) -> impl Iterator<Item = &str> {
        let name = family.name;
        self.0.iter().map(String::as_str).filter(move |line| {
            let suffix = name_of(line).strip_prefix(name);
            matches!(suffix, Some("" | "_bucket" | "_sum" | "_count"))
        })
    }
}

fn name_of(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or(line)
}

/// A histogram's lines by their names only, all others by their whole series.
fn order_of(line: &str) -> &str {
    if name_of(line).ends_with("_bucket") { name_of(line) } else { line }
}

/// A bound of `1` becomes `1.0`, as our own histograms and OpenMetrics write it.
fn as_open_metrics(line: &str) -> String {
    let Some((before, rest)) = line.split_once("le=\"") else { return line.to_owned() };
    match rest.split_once('"') {
        Some((bound, after)) if bound.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{before}le=\"{bound}.0\"{after}")
        }
        Some(_) | None => line.to_owned(),
    }
}

fn recorder() -> PrometheusRecorder {
    let buckets = [(&names::PROBE_SCHEDULE_LAG, LAG_BOUNDS.as_slice()), (&names::JOURNAL_COMMIT, &COMMIT_BOUNDS)];
    let builder = buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (family, bounds)| {
        builder
            .set_buckets_for_metric(Matcher::Full(family.name.to_owned()), bounds)
            .expect("it is refused only where there are no bounds")
    });
    builder.build_recorder()
}

struct Series<'r> {
    recorder: &'r PrometheusRecorder,
}

impl Series<'_> {
    fn counter(&self, family: &Family, labels: &[(&'static str, &'static str)]) -> Counter {
        let counter = self.recorder.register_counter(&key(family, labels), &METADATA);
        counter.increment(0);
        counter
    }

    fn gauge(&self, family: &Family, labels: &[(&'static str, &'static str)]) -> Gauge {
        let gauge = self.recorder.register_gauge(&key(family, labels), &METADATA);
        gauge.set(0);
        gauge
    }

    fn histogram(&self, family: &Family) -> Histogram {
        self.recorder.register_histogram(&key(family, &[]), &METADATA)
    }
}

fn key(family: &Family, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::from_static_parts(name, value)).collect();
    Key::from_parts(family.name, labels)
}

#[expect(clippy::cast_precision_loss, reason = "what a node counts is far below 2^53")]
const fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "a quarter of a microsecond is precise enough for people")]
pub(super) fn unix_seconds(at: Timestamp) -> f64 {
    at.as_nanos() as f64 / 1e9
}
