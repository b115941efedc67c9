//! Every metric of this node by its name, with what it means.
//!
//! The order is the order of the page. A metric that is not in this table cannot be written.

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// A value of now.
    Gauge,
    /// Counts by size.
    Histogram,
    /// A gauge in all but the word: `promtool check metrics` wants no gauge whose name ends in `_count`, and
    /// `integration_retry_count` is the name that the aggregate, its API and its users have for it.
    Unspecified,
}

/// A metric: all series of one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One line, without quotes or backslashes: neither format has to escape it.
    pub(super) help: &'static str,
}

macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal, $help:literal;)+) => {
        $(pub(super) const $constant: Family = Family { name: $name, kind: Kind::$kind, help: $help };)+

        #[cfg(test)]
        pub(super) const FAMILIES: &[Family] = &[$($constant),+];

        /// The name of every metric on the page, in its order. A histogram is here without `_bucket`, `_sum` and
        /// `_count`.
        pub const NAMES: &[&str] = &[$($name),+];
    };
}

families! {
    PROBE_SUCCESS: Gauge "probe_success",
        "Whether the last probe found what was expected.";
    PROBE_DURATION: Gauge "probe_duration_seconds",
        "How long the last probe took, all of it.";
    PROBE_DNS_LOOKUP_TIME: Gauge "probe_dns_lookup_time_seconds",
        "How long the last probe took to look its name up; missing where there was none to look up.";
    PROBE_HTTP_STATUS_CODE: Gauge "probe_http_status_code",
        "The HTTP status of the last probe, 0 where there was none.";
    PROBE_HTTP_DURATION: Gauge "probe_http_duration_seconds",
        "How long each phase of the last HTTP probe took, 0 where it did not happen.";
    PROBE_SSL_EARLIEST_CERT_EXPIRY: Gauge "probe_ssl_earliest_cert_expiry",
        "When the first certificate of the chain ends, in Unix time.";
    PROBE_INTERVAL: Gauge "breakwater_probe_interval_seconds",
        "How often the target is probed.";
    PROBE_ATTEMPTS: Counter "breakwater_probe_attempts_total",
        "Probes by result: success, failure, or internal where this node could not run it, which says nothing of the target.";
    PROBE_FAILURES: Counter "breakwater_probe_failures_total",
        "Probes that were no success, by reason.";
    PROBE_LATENCY: Histogram "breakwater_probe_latency_seconds",
        "How long the probes took that found what was expected.";
    INTEGRATION_INFO: Gauge "breakwater_integration_info",
        "What a target is; join on target.";
    INTEGRATION_STATE: Gauge "breakwater_integration_state",
        "The state of the connection: 1 for the one it is in, 0 for the others.";
    INTEGRATION_HEALTH: Gauge "breakwater_integration_health",
        "What people see of the target: 1 for the health it has, 0 for the others.";
    INTEGRATION_RETRY_COUNT: Unspecified "breakwater_integration_retry_count",
        "Retries since the target was last connected.";
    INTEGRATION_TRANSITIONS: Counter "breakwater_integration_transitions_total",
        "Changes of state; those of targets that nobody configured are summed under _passive.";
    PASSIVE_TARGETS: Gauge "breakwater_integration_passive_targets",
        "Targets that nobody configured and that exist through reports.";
    SLO_OBJECTIVE: Gauge "breakwater_slo_objective_ratio",
        "The part of a target's probes that is to be good; only of targets with an objective.";
    SLO_BUDGET_REMAINING: Gauge "breakwater_slo_error_budget_remaining_ratio",
        "The part of the failures that the objective allows which is left; below 0 where there were more.";
    SLO_BURN_RATE: Gauge "breakwater_slo_burn_rate",
        "How fast the error budget burns, by window: at 1 it is used up exactly at the end of its time.";
    BREAKER_INFO: Gauge "breakwater_circuit_breaker_info",
        "In which mode a breaker is: enforce, dry_run, disabled, forced_open, forced_closed.";
    BREAKER_STATE: Gauge "breakwater_circuit_breaker_state",
        "The state of the breaker: 1 for the one it is in, 0 for the others.";
    BREAKER_TRANSITIONS: Counter "breakwater_circuit_breaker_transitions_total",
        "Changes of the breaker's state; those of targets that nobody configured are summed under _passive.";
    BREAKER_CALLS: Counter "breakwater_circuit_breaker_calls_total",
        "Calls that the breaker let pass or that were reported without its permit, by what came of them.";
    BREAKER_REJECTED: Counter "breakwater_circuit_breaker_rejected_total",
        "Calls that were refused before they were made, by why: the breaker, the rate limit, or the bulkhead.";
    BREAKER_FAILURE_RATE: Gauge "breakwater_circuit_breaker_failure_rate",
        "Failed calls of all in the breaker's window, 0 to 1; 0 while the window is empty.";
    BREAKER_SLOW_CALL_RATE: Gauge "breakwater_circuit_breaker_slow_call_rate",
        "Slow calls of all in the breaker's window, 0 to 1, also those still in flight; 0 while the window is empty.";
    BREAKER_HALF_OPEN_PERMITS: Gauge "breakwater_circuit_breaker_half_open_permits",
        "Trials that a half-open breaker still hands out, 0 in another state.";
    OBSERVED_CALLS: Counter "breakwater_observed_calls_total",
        "Real calls to the target by outcome; the series of a target begin with its first call, permit or route.";
    OBSERVED_CALL_DURATION: Histogram "breakwater_observed_call_duration_seconds",
        "How long real calls took, with all of their attempts and pauses.";
    OBSERVED_ATTEMPTS: Counter "breakwater_observed_attempts_total",
        "Single attempts of real calls by outcome; a call that was reported is one attempt.";
    OBSERVED_RETRIES: Counter "breakwater_observed_retries_total",
        "Further attempts of real calls that were decided on.";
    FAILURES_RECORDED: Counter "breakwater_failures_recorded_total",
        "Failure histories that were begun.";
    FAILURES_OPEN: Gauge "breakwater_failures_open",
        "Failure histories that wait for their recovery.";
    NOTIFICATIONS: Counter "breakwater_notifications_total",
        "Attempts to deliver a message, by channel and by what came of them: delivered, retried later, or given up (dead).";
    OUTBOX_PENDING: Gauge "breakwater_outbox_pending",
        "Messages that wait for their delivery.";
    OUTBOX_OLDEST_AGE: Gauge "breakwater_outbox_oldest_age_seconds",
        "How long the oldest of them waits, 0 where none does.";
    DEAD_LETTERS: Gauge "breakwater_dead_letters",
        "Messages that were given up and that nobody has dealt with.";
    PROBE_SCHEDULE_LAG: Histogram "breakwater_probe_schedule_lag_seconds",
        "How much later than planned a probe began.";
    JOURNAL_QUEUE_DEPTH: Gauge "breakwater_journal_queue_depth",
        "Changes that wait for the journal.";
    JOURNAL_COMMIT: Histogram "breakwater_journal_commit_seconds",
        "How long a batch took to be on disk.";
    JOURNAL_CHANGES: Counter "breakwater_journal_changes_total",
        "Changes that were committed; divided by the number of commits: the size of a batch.";
    ACTOR_RESTARTS: Counter "breakwater_actor_restarts_total",
        "Actors that died and were rebuilt from the store.";
    HTTP_REQUESTS: Counter "breakwater_http_requests_total",
        "Requests to this node's HTTP surface, by the class of the answer's status.";
    CONFIG_LAST_RELOAD_SUCCESSFUL: Gauge "breakwater_config_last_reload_successful",
        "Whether the last attempt to load the configuration succeeded.";
    CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP: Gauge "breakwater_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded, in Unix time.";
    NODE_BLIND: Gauge "breakwater_node_blind",
        "Whether this node is cut off: no address of monitor.connectivity answers. Targets are unknown then.";
    BUILD_INFO: Gauge "breakwater_build_info",
        "Which build this is.";
    PROCESS_CPU: Counter "process_cpu_seconds_total",
        "User and system CPU time that this process used.";
    PROCESS_RESIDENT_MEMORY: Gauge "process_resident_memory_bytes",
        "Resident memory.";
    PROCESS_VIRTUAL_MEMORY: Gauge "process_virtual_memory_bytes",
        "Virtual memory.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds",
        "Open file descriptors.";
    PROCESS_MAX_FDS: Gauge "process_max_fds",
        "How many file descriptors this process may open.";
    PROCESS_THREADS: Gauge "process_threads",
        "Threads.";
    PROCESS_START_TIME: Gauge "process_start_time_seconds",
        "When this process began, in Unix time.";
}
