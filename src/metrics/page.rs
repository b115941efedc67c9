//! The page: every metric of a node, family by family, as Prometheus wants them.

use std::io;
use std::time::Duration;

use super::exposition::{Exposition, Format, Lines};
use super::names;
use super::node::{NodeMetrics, unix_seconds};
use super::process::Process;
use super::target::{BREAKER_STATES, BreakerChanges, BreakerSample, LATENCY_LABELS, StateChanges, TargetNumbers};
use super::traffic::TrafficSample;
use crate::domain::breaker::Mode;
use crate::domain::failure_history::FailureType;
use crate::domain::guard;
use crate::domain::observation::Reason;
use crate::domain::slo::{Budget, Window};
use crate::domain::status::IntegrationState;
use crate::domain::verdict::Health;
use crate::domain::watch::Watch;

/// The label of all targets that nobody configured; no configured target may have this name.
const PASSIVE: &str = "_passive";

/// One configured target, as it stands while the page is written.
#[derive(Debug, Clone, Copy)]
pub struct TargetSample<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it belongs to; empty for none.
    pub group: &'a str,
    /// The kind of system.
    pub failure_type: FailureType,
    /// The probe's kind: `http`, `tcp`.
    pub kind: &'a str,
    /// How often it is probed.
    pub interval: Duration,
    /// What its actor decided.
    pub watch: &'a Watch,
    /// What people see of it.
    pub health: Health,
    /// What was counted of it.
    pub numbers: &'a TargetNumbers,
    /// What its breaker counted.
    pub breaker: BreakerSample,
    /// The real calls to it; `None` before the first, and then it has no series of them: most targets are only probed.
    pub traffic: Option<TrafficSample>,
    /// What its objective says of it, where it has one.
    pub budget: Option<Budget>,
}

/// All targets that nobody configured and that exist through reports; they have no series of their own, since anybody
/// can make one.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassiveSample {
    /// How many there are.
    pub targets: usize,
    /// Their changes of state, summed.
    pub state_changes: StateChanges,
    /// Their breakers' changes, summed.
    pub breaker_changes: BreakerChanges,
}

/// Everything that is on the page.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The node's own numbers.
    pub node: &'a NodeMetrics,
    /// This process; without it there are no `process_` series.
    pub process: Option<Process>,
    /// The configured targets, in the order they are to be written.
    pub targets: &'a [TargetSample<'a>],
    /// The others.
    pub passive: PassiveSample,
}

impl Page<'_> {
    /// Writes the page in pieces of about 64 KiB.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_to(&self, format: Format, out: &mut impl io::Write) -> io::Result<()> {
        let mut page = Exposition::new(out, format);
        self.last_probes(&mut page)?;
        self.probe_counts(&mut page)?;
        self.integrations(&mut page)?;
        self.budgets(&mut page)?;
        self.breakers(&mut page)?;
        self.traffic(&mut page)?;
        self.node(&mut page)?;
        self.process(&mut page)?;
        page.finish()
    }

    /// The page as one text.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        let mut page = Vec::new();
        self.write_to(format, &mut page).expect("a vector takes everything");
        String::from_utf8(page).expect("only text was written")
    }

    /// What the last probe found, under the names and with the meaning of blackbox_exporter.
    fn last_probes<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        let probed = || self.targets.iter().filter_map(|sample| Some((sample, sample.numbers.last()?)));
        let probed_by_http = || probed().filter(|(sample, _)| sample.kind == "http");
        page.family(&names::PROBE_SUCCESS, probed(), |lines, (sample, last)| {
            lines.count(&[("target", sample.name)], u64::from(last.ok));
        })?;
        page.family(&names::PROBE_DURATION, probed(), |lines, (sample, last)| {
            lines.value(&[("target", sample.name)], last.took.as_secs_f64());
        })?;
        page.family(&names::PROBE_DNS_LOOKUP_TIME, probed(), |lines, (sample, last)| {
            if let Some(took) = last.phases.resolve {
                lines.value(&[("target", sample.name)], took.as_secs_f64());
            }
        })?;
        page.family(&names::PROBE_HTTP_STATUS_CODE, probed_by_http(), |lines, (sample, last)| {
            lines.count(&[("target", sample.name)], u64::from(last.status_code.unwrap_or(0)));
        })?;
        page.family(&names::PROBE_HTTP_DURATION, probed_by_http(), |lines, (sample, last)| {
            let phases = last.phases;
            for (phase, took) in [
                ("resolve", phases.resolve),
                ("connect", phases.connect),
                ("tls", phases.tls),
                ("processing", phases.processing),
                ("transfer", phases.transfer),
            ] {
                lines.value(&[("target", sample.name), ("phase", phase)], took.unwrap_or(Duration::ZERO).as_secs_f64());
            }
        })?;
        page.family(&names::PROBE_SSL_EARLIEST_CERT_EXPIRY, probed(), |lines, (sample, last)| {
            if let Some(at) = last.certificate_expires_at {
                lines.value(&[("target", sample.name)], unix_seconds(at));
            }
        })
    }

    fn probe_counts<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        page.family(&names::PROBE_INTERVAL, self.targets, |lines, sample| {
            lines.value(&[("target", sample.name)], sample.interval.as_secs_f64());
        })?;
        page.family(&names::PROBE_ATTEMPTS, self.targets, |lines, sample| {
            let numbers = sample.numbers;
            lines.count(&[("target", sample.name), ("result", "success")], numbers.successes());
            lines.count(&[("target", sample.name), ("result", "failure")], numbers.failures());
            lines.count(&[("target", sample.name), ("result", "internal")], numbers.failed_for(Reason::Internal));
        })?;
        page.family(&names::PROBE_FAILURES, self.targets, |lines, sample| {
            for reason in Reason::ALL {
                let labels = [("target", sample.name), ("reason", reason.as_str())];
                lines.count(&labels, sample.numbers.failed_for(reason));
            }
        })?;
        page.family(&names::PROBE_LATENCY, self.targets, |lines, sample| {
            let sum = sample.numbers.latency_sum().as_secs_f64();
            let counts = sample.numbers.latencies().iter().copied().map(u64::from);
            lines.histogram(sample.name, &LATENCY_LABELS, counts, sum);
        })
    }

    fn budgets<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        let budgets = || self.targets.iter().filter_map(|sample| Some((sample.name, sample.budget?)));
        page.family(&names::SLO_OBJECTIVE, budgets(), |lines, (name, budget)| {
            lines.value(&[("target", name)], budget.objective);
        })?;
        page.family(&names::SLO_BUDGET_REMAINING, budgets(), |lines, (name, budget)| {
            lines.value(&[("target", name)], budget.left);
        })?;
        page.family(&names::SLO_BURN_RATE, budgets(), |lines, (name, budget)| {
            for (window, rate) in Window::ALL.into_iter().zip(budget.rates) {
                lines.value(&[("target", name), ("window", window.as_str())], rate);
            }
        })
    }

    fn integrations<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        page.family(&names::INTEGRATION_INFO, self.targets, |lines, sample| {
            let labels = [
                ("target", sample.name),
                ("group", sample.group),
                ("kind", sample.kind),
                ("failure_type", sample.failure_type.as_str()),
            ];
            lines.count(&labels, 1);
        })?;
        page.family(&names::INTEGRATION_STATE, self.targets, |lines, sample| {
            let all = IntegrationState::ALL.into_iter().map(IntegrationState::as_str);
            lines.one_of(sample.name, "state", all, sample.watch.status.state.as_str());
        })?;
        page.family(&names::INTEGRATION_HEALTH, self.targets, |lines, sample| {
            let all = Health::ALL.into_iter().map(Health::as_str);
            lines.one_of(sample.name, "health", all, sample.health.as_str());
        })?;
        page.family(&names::INTEGRATION_RETRY_COUNT, self.targets, |lines, sample| {
            lines.count(&[("target", sample.name)], u64::from(sample.watch.status.retry_count));
        })?;
        let changes = self.targets.iter().map(|sample| (sample.name, sample.numbers.state_changes()));
        let of_passive = std::iter::once((PASSIVE, &self.passive.state_changes));
        page.family(&names::INTEGRATION_TRANSITIONS, changes.chain(of_passive), |lines, (name, changes)| {
            transitions(lines, name, changes.pairs());
        })?;
        page.family(&names::PASSIVE_TARGETS, [self.passive.targets], |lines, targets| {
            lines.count(&[], u64::try_from(targets).unwrap_or(u64::MAX));
        })
    }

    fn breakers<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        page.family(&names::BREAKER_INFO, self.targets, |lines, sample| {
            lines.count(&[("target", sample.name), ("mode", word_of(sample.watch.breaker.mode))], 1);
        })?;
        page.family(&names::BREAKER_STATE, self.targets, |lines, sample| {
            let all = BREAKER_STATES.into_iter().map(|state| state.as_str());
            lines.one_of(sample.name, "state", all, sample.watch.breaker.state.as_str());
        })?;
        let changes = self.targets.iter().map(|sample| (sample.name, sample.numbers.breaker_changes()));
        let of_passive = std::iter::once((PASSIVE, &self.passive.breaker_changes));
        page.family(&names::BREAKER_TRANSITIONS, changes.chain(of_passive), |lines, (name, changes)| {
            transitions(lines, name, changes.pairs());
        })?;
        page.family(&names::BREAKER_CALLS, self.targets, |lines, sample| {
            for (outcome, count) in sample.breaker.calls.by_outcome() {
                lines.count(&[("target", sample.name), ("outcome", outcome)], count);
            }
        })?;
        page.family(&names::BREAKER_REJECTED, self.targets, |lines, sample| {
            let traffic = sample.traffic.unwrap_or_default();
            let around = [
                (guard::Refusal::RateLimited, traffic.rate_limited),
                (guard::Refusal::BulkheadFull, traffic.bulkhead_full),
            ];
            let around = around.map(|(refusal, count)| (refusal.as_str(), count));
            for (reason, count) in sample.breaker.rejected.by_reason().into_iter().chain(around) {
                lines.count(&[("target", sample.name), ("reason", reason)], count);
            }
        })?;
        page.family(&names::BREAKER_FAILURE_RATE, self.targets, |lines, sample| {
            lines.value(&[("target", sample.name)], sample.breaker.failure_rate);
        })?;
        page.family(&names::BREAKER_SLOW_CALL_RATE, self.targets, |lines, sample| {
            lines.value(&[("target", sample.name)], sample.breaker.slow_call_rate);
        })?;
        page.family(&names::BREAKER_HALF_OPEN_PERMITS, self.targets, |lines, sample| {
            lines.count(&[("target", sample.name)], u64::from(sample.breaker.half_open_permits));
        })
    }

    /// The real calls. Targets without any have no series: ten thousand targets that are only probed would have a page
    /// that is 30 % longer.
    fn traffic<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        let called = || self.targets.iter().filter_map(|sample| Some((sample.name, sample.traffic?)));
        page.family(&names::OBSERVED_CALLS, called(), |lines, (name, traffic)| {
            for (outcome, count) in traffic.calls.by_word() {
                lines.count(&[("target", name), ("outcome", outcome)], count);
            }
        })?;
        page.family(&names::OBSERVED_CALL_DURATION, called(), |lines, (name, traffic)| {
            lines.histogram(name, &LATENCY_LABELS, traffic.durations, traffic.duration_sum.as_secs_f64());
        })?;
        page.family(&names::OBSERVED_ATTEMPTS, called(), |lines, (name, traffic)| {
            for (outcome, count) in traffic.attempts.by_word() {
                lines.count(&[("target", name), ("outcome", outcome)], count);
            }
        })?;
        page.family(&names::OBSERVED_RETRIES, called(), |lines, (name, traffic)| {
            lines.count(&[("target", name)], traffic.retries);
        })
    }

    fn node<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        let exporter = self.node.lines();
        for family in [&names::FAILURES_RECORDED, &names::FAILURES_OPEN] {
            page.family(family, exporter.of(family), |lines, line| lines.line(line))?;
        }
        page.family(&names::NOTIFICATIONS, self.node.notifications(), |lines, (channel, outcome, count)| {
            lines.count(&[("channel", &channel), ("outcome", outcome)], count);
        })?;
        for family in [
            &names::OUTBOX_PENDING,
            &names::OUTBOX_OLDEST_AGE,
            &names::DEAD_LETTERS,
            &names::PROBE_SCHEDULE_LAG,
            &names::JOURNAL_QUEUE_DEPTH,
            &names::JOURNAL_COMMIT,
            &names::JOURNAL_CHANGES,
            &names::ACTOR_RESTARTS,
            &names::HTTP_REQUESTS,
            &names::CONFIG_LAST_RELOAD_SUCCESSFUL,
            &names::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP,
            &names::NODE_BLIND,
            &names::BUILD_INFO,
        ] {
            page.family(family, exporter.of(family), |lines, line| lines.line(line))?;
        }
        Ok(())
    }

    fn process<W: io::Write>(&self, page: &mut Exposition<'_, W>) -> io::Result<()> {
        page.family(&names::PROCESS_CPU, self.process, |lines, process| lines.value(&[], process.cpu_seconds))?;
        page.family(&names::PROCESS_RESIDENT_MEMORY, self.process, |lines, process| {
            lines.count(&[], process.resident_bytes);
        })?;
        page.family(&names::PROCESS_VIRTUAL_MEMORY, self.process, |lines, process| {
            lines.count(&[], process.virtual_bytes);
        })?;
        page.family(&names::PROCESS_OPEN_FDS, self.process, |lines, process| lines.count(&[], process.open_fds))?;
        page.family(&names::PROCESS_MAX_FDS, self.process, |lines, process| lines.count(&[], process.max_fds))?;
        page.family(&names::PROCESS_THREADS, self.process, |lines, process| lines.count(&[], process.threads))?;
        page.family(&names::PROCESS_START_TIME, self.process, |lines, process| {
            lines.value(&[], process.started_at_seconds);
        })
    }
}

fn transitions(lines: &mut Lines<'_>, target: &str, pairs: impl Iterator<Item = (&'static str, &'static str, u64)>) {
    for (from, to, count) in pairs {
        lines.count(&[("target", target), ("from", from), ("to", to)], count);
    }
}

const fn word_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::DryRun => "dry_run",
        Mode::Disabled => "disabled",
        Mode::ForcedOpen => "forced_open",
        Mode::ForcedClosed => "forced_closed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::super::names::{FAMILIES, Kind, NAMES};
    use super::super::node::{Actor, Build, DeliveryResult};
    use super::super::target::{CallCounts, RejectionCounts};
    use super::super::traffic::Traffic;
    use super::*;
    use crate::domain::breaker::{self, Outcome};
    use crate::domain::id::{StatusId, Target};
    use crate::domain::observation::{Failure, Observation, Phases};
    use crate::domain::status::IntegrationStatus;
    use crate::domain::time::Timestamp;
    use crate::domain::watch::BreakerRecord;

    const NOW: Timestamp = Timestamp::from_nanos(1_717_236_000_500_000_000);
    const PROCESS: Process = Process {
        cpu_seconds: 12.34,
        resident_bytes: 83_886_080,
        virtual_bytes: 268_435_456,
        open_fds: 42,
        max_fds: 1024,
        threads: 8,
        started_at_seconds: 1_717_235_000.25,
    };

    fn watch(name: &str, state: IntegrationState, breaker: breaker::State) -> Watch {
        let mut status = IntegrationStatus::new(StatusId(1), Target::new(name, "https://gateway.example"));
        status.state = state;
        status.retry_count = 2;
        Watch {
            status,
            failures_in_row: 0,
            successes_in_row: 0,
            trouble: None,
            incident: None,
            breaker: BreakerRecord {
                state: breaker,
                mode: Mode::Enforce,
                level: 0,
                since: NOW,
                open_until: None,
                forced: None,
            },
        }
    }

    fn observation(took_ms: u64, reason: Option<Reason>) -> Observation {
        Observation {
            at: NOW,
            took: Duration::from_millis(took_ms),
            failure: reason.map(|reason| Failure { reason, message: "said".into(), code: "503".into() }),
            degraded: false,
            phases: Phases {
                resolve: Some(Duration::from_micros(250)),
                connect: Some(Duration::from_micros(300)),
                tls: Some(Duration::from_micros(1_500)),
                processing: Some(Duration::from_millis(took_ms - 2)),
                transfer: Some(Duration::from_micros(200)),
            },
            status_code: Some(if reason.is_some() { 503 } else { 200 }),
            bytes: 2,
            certificate_expires_at: Some(Timestamp::from_nanos(1_750_000_000_000_000_000)),
            retry_after: None,
            warning: None,
            provider: None,
        }
    }

    fn failing_gateway() -> TargetNumbers {
        let mut numbers = TargetNumbers::default();
        for took_ms in [12, 40, 41, 300] {
            numbers.observe(&observation(took_ms, None));
        }
        numbers.state_changed(IntegrationState::Unknown, IntegrationState::Connected);
        for _ in 0..3 {
            numbers.observe(&observation(9, Some(Reason::HttpStatus)));
        }
        numbers.state_changed(IntegrationState::Connected, IntegrationState::Retrying);
        numbers.state_changed(IntegrationState::Retrying, IntegrationState::Failed);
        numbers.breaker_changed(breaker::State::Closed, breaker::State::Open);
        numbers
    }

    fn busy_traffic() -> Traffic {
        let traffic = Traffic::default();
        for took_ms in [20, 35, 80, 450] {
            traffic.call(Outcome::Success, Duration::from_millis(took_ms));
            traffic.attempt(Outcome::Success);
        }
        traffic.call(Outcome::Failure, Duration::from_millis(1_800));
        traffic.call(Outcome::Unknown, Duration::from_secs(3));
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Unknown] {
            traffic.attempt(outcome);
        }
        traffic.retried();
        traffic.refused(guard::Refusal::BulkheadFull);
        traffic
    }

    fn busy_node() -> NodeMetrics {
        let node = NodeMetrics::new(Build { version: "0.1.0", revision: "unknown" });
        node.channels_configured(&[Arc::from("ops"), Arc::from("log")]);
        node.notification("ops", DeliveryResult::Retried);
        node.notification("ops", DeliveryResult::Delivered);
        node.notification("log", DeliveryResult::Delivered);
        node.outbox(3, Duration::from_millis(1_500));
        node.dead_letters(1);
        node.failure_recorded(FailureType::PaymentGateway);
        node.failures_open(1);
        node.journal_queue_depth(2);
        node.journal_commit(Duration::from_micros(400), 7);
        node.journal_commit(Duration::from_millis(3), 1);
        node.actor_restarted(Actor::Target);
        node.probe_schedule_lag(Duration::from_micros(700));
        node.config_loaded(NOW);
        node.http_request(200);
        node.http_request(404);
        node
    }

    fn example(format: Format) -> String {
        let failing = failing_gateway();
        let failed = watch("PG_KCP", IntegrationState::Failed, breaker::State::Open);
        let untouched = TargetNumbers::default();
        let unknown = watch("weather \"Jeju\"", IntegrationState::Unknown, breaker::State::Closed);
        let targets = [
            TargetSample {
                name: "PG_KCP",
                group: "payments",
                failure_type: FailureType::PaymentGateway,
                kind: "http",
                interval: Duration::from_secs(5),
                watch: &failed,
                health: Health::Down,
                numbers: &failing,
                breaker: BreakerSample {
                    calls: CallCounts { success: 90, failure: 10, ignored: 1, unknown: 2, cancelled: 3 },
                    rejected: RejectionCounts { open: 25, trials_taken: 4, forced_open: 0, ramping: 2 },
                    failure_rate: 0.5,
                    slow_call_rate: 0.125,
                    half_open_permits: 0,
                },
                traffic: busy_traffic().sample(),
                budget: Some(Budget { objective: 0.999, left: -0.25, rates: [40.0, 16.5, 15.0, 6.25, 0.75] }),
            },
            TargetSample {
                name: "weather \"Jeju\"",
                group: "",
                failure_type: FailureType::LocationWeatherApi,
                kind: "tcp",
                interval: Duration::from_millis(500),
                watch: &unknown,
                health: Health::Unknown,
                numbers: &untouched,
                breaker: BreakerSample::default(),
                traffic: None,
                budget: None,
            },
        ];
        let mut passive = PassiveSample { targets: 2, ..PassiveSample::default() };
        passive.state_changes.count(IntegrationState::Unknown, IntegrationState::Failed);
        let node = busy_node();
        Page { node: &node, process: Some(PROCESS), targets: &targets, passive }.render(format)
    }

    fn types_of(page: &str) -> Vec<(&str, &str)> {
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
    }

    #[test]
    fn a_page_in_the_text_format() {
        insta::assert_snapshot!(example(Format::Text));
    }

    #[test]
    fn a_page_in_the_open_metrics_format() {
        insta::assert_snapshot!(example(Format::OpenMetrics));
    }

    #[test]
    fn every_metric_of_the_list_is_on_the_page_in_its_order_and_no_other() {
        let page = example(Format::Text);
        assert_eq!(types_of(&page).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn every_metric_is_named_and_explained_as_prometheus_wants_it() {
        for family in FAMILIES {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains(['"', '\\', '\n']), "{}", family.help);
        }
    }

    #[test]
    fn a_target_that_is_only_probed_has_no_series_of_real_calls() {
        let page = example(Format::Text);
        let observed = page.lines().filter(|line| line.starts_with("breakwater_observed_"));
        assert!(observed.clone().count() > 0);
        assert!(observed.clone().all(|line| line.contains("target=\"PG_KCP\"")));
    }

    #[test]
    fn no_series_is_written_twice() {
        let page = example(Format::Text);
        let mut seen = BTreeSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').expect("a line is a series and a value");
            assert!(seen.insert(series), "{series}");
        }
    }

    #[test]
    fn exactly_one_state_and_one_health_of_a_target_is_1() {
        let page = example(Format::Text);
        for family in
            ["breakwater_integration_state{", "breakwater_integration_health{", "breakwater_circuit_breaker_state{"]
        {
            let of_gateway = page.lines().filter(|line| line.starts_with(family) && line.contains("\"PG_KCP\""));
            assert_eq!(of_gateway.filter(|line| line.ends_with(" 1")).count(), 1, "{family}");
        }
    }

    #[test]
    fn a_node_that_just_began_has_its_counters_at_0_and_no_probe_that_failed() {
        let watch = watch("A", IntegrationState::Unknown, breaker::State::Closed);
        let numbers = TargetNumbers::default();
        let target = TargetSample {
            name: "A",
            group: "",
            failure_type: FailureType::Other,
            kind: "http",
            interval: Duration::from_secs(10),
            watch: &watch,
            health: Health::Unknown,
            numbers: &numbers,
            breaker: BreakerSample::default(),
            traffic: None,
            budget: None,
        };
        let node = NodeMetrics::new(Build { version: "0.1.0", revision: "unknown" });
        node.channels_configured(&[Arc::from("ops")]);
        let page = Page { node: &node, process: None, targets: &[target], passive: PassiveSample::default() };
        let page = page.render(Format::Text);
        assert!(!page.contains("probe_success"), "nothing was found yet");
        for zero in [
            "breakwater_probe_attempts_total{target=\"A\",result=\"success\"} 0",
            "breakwater_notifications_total{channel=\"ops\",outcome=\"dead\"} 0",
            "breakwater_failures_recorded_total{failure_type=\"OTHER\"} 0",
            "breakwater_actor_restarts_total{actor=\"journal\"} 0",
            "breakwater_journal_commit_seconds_count 0",
            "breakwater_probe_schedule_lag_seconds_bucket{le=\"1.0\"} 0",
        ] {
            assert!(page.lines().any(|line| line == zero), "{zero}");
        }
    }

    #[test]
    fn a_channel_that_a_reload_removed_is_forgotten_and_the_others_go_on() {
        let node = busy_node();
        node.channels_configured(&[Arc::from("ops"), Arc::from("new")]);
        node.notification("log", DeliveryResult::Delivered);
        let page = Page { node: &node, process: None, targets: &[], passive: PassiveSample::default() };
        let page = page.render(Format::Text);
        let lines: Vec<_> = page.lines().filter(|line| line.starts_with("breakwater_notifications_total")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        breakwater_notifications_total{channel="new",outcome="delivered"} 0
        breakwater_notifications_total{channel="new",outcome="retried"} 0
        breakwater_notifications_total{channel="new",outcome="dead"} 0
        breakwater_notifications_total{channel="new",outcome="dropped"} 0
        breakwater_notifications_total{channel="ops",outcome="delivered"} 1
        breakwater_notifications_total{channel="ops",outcome="retried"} 1
        breakwater_notifications_total{channel="ops",outcome="dead"} 0
        breakwater_notifications_total{channel="ops",outcome="dropped"} 0
        "#);
    }
}
