//! The simulator's switches on the command line, each named as in its own settings.

use clap::Args;

/// One option a switch; what is not given stays as the original behaves.
#[derive(Debug, Args)]
pub(super) struct Switches {
    /// Pause before an answer, in ms, evenly spread.
    #[arg(long, value_name = "FROM..TO")]
    latency_ms: Option<String>,
    /// Time to a payment's result, in ms, evenly spread.
    #[arg(long, value_name = "FROM..TO")]
    process_ms: Option<String>,
    /// Part of the payments answered with 500 before anything is stored.
    #[arg(long, value_name = "0..1")]
    reject_rate: Option<String>,
    /// Part of the payments that end with "limit exceeded".
    #[arg(long, value_name = "0..1")]
    limit_rate: Option<String>,
    /// Part of the payments that end with "invalid card".
    #[arg(long, value_name = "0..1")]
    invalid_rate: Option<String>,
    /// on, off, drop(P), dup(N), delay(MS) or reorder.
    #[arg(long)]
    callback: Option<String>,
    /// off or hmac.
    #[arg(long)]
    callback_signature: Option<String>,
    /// Payments that are processed at a time; the original has 8.
    #[arg(long)]
    workers: Option<String>,
    /// Part of the payments that are stored and then answered with an error.
    #[arg(long, value_name = "0..1")]
    fail_after_commit_rate: Option<String>,
    /// Part of the requests that get no answer.
    #[arg(long, value_name = "0..1")]
    hang_rate: Option<String>,
    /// Part of the requests whose connection is reset.
    #[arg(long, value_name = "0..1")]
    reset_rate: Option<String>,
    /// off or header.
    #[arg(long)]
    idempotency: Option<String>,
    /// off or on.
    #[arg(long)]
    cancel_endpoint: Option<String>,
    /// Where chance begins: the same seed gives the same run.
    #[arg(long)]
    seed: Option<String>,
    /// The gateway that is spoken: pg-simulator.
    #[arg(long)]
    dialect: Option<String>,
    /// A timeline of phases (TOML).
    #[arg(long, value_name = "FILE")]
    scenario: Option<String>,
    /// Where callbacks may go: origins, separated by commas; loopback unless said.
    #[arg(long)]
    callback_allow: Option<String>,
}

impl Switches {
    /// What was given, by the settings' names.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let Self {
            latency_ms,
            process_ms,
            reject_rate,
            limit_rate,
            invalid_rate,
            callback,
            callback_signature,
            workers,
            fail_after_commit_rate,
            hang_rate,
            reset_rate,
            idempotency,
            cancel_endpoint,
            seed,
            dialect,
            scenario,
            callback_allow,
        } = self;
        [
            ("latency-ms", latency_ms),
            ("process-ms", process_ms),
            ("reject-rate", reject_rate),
            ("limit-rate", limit_rate),
            ("invalid-rate", invalid_rate),
            ("callback", callback),
            ("callback-signature", callback_signature),
            ("workers", workers),
            ("fail-after-commit-rate", fail_after_commit_rate),
            ("hang-rate", hang_rate),
            ("reset-rate", reset_rate),
            ("idempotency", idempotency),
            ("cancel-endpoint", cancel_endpoint),
            ("seed", seed),
            ("dialect", dialect),
            ("scenario", scenario),
            ("callback-allow", callback_allow),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.clone()?)))
        .collect()
    }
}
