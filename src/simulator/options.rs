//! How a simulator is started.

use std::path::Path;

use super::callback_allow::CallbackAllow;
use super::problem::{Error, Problems};
use super::scenario::Scenario;
use super::settings::{Settings, names, plain_name};
use crate::config::Secret;
use crate::listener::Limits;

/// The only gateway that is spoken.
const DIALECT: &str = "pg-simulator";

/// What signs callbacks where nobody chose a secret. It protects nothing and is no secret.
const PUBLIC_SECRET: &[u8] = b"pg-simulator";

/// Transactions that are remembered where nobody chose a number: some 500 MB at most.
const MAX_TRANSACTIONS: usize = 1_000_000;

/// How a simulator is started. The default is the original.
#[derive(Debug, Clone)]
pub struct Options {
    /// What holds from the start.
    pub settings: Settings,
    /// Where chance begins; from the scenario, or else from the machine's own, if `None`.
    pub seed: Option<u64>,
    /// What is played.
    pub scenario: Option<Scenario>,
    /// Where callbacks may go.
    pub callback_allow: CallbackAllow,
    /// What signs callbacks where they are signed.
    pub callback_secret: Secret,
    /// Transactions, and idempotency keys, that are remembered. One more makes the oldest be forgotten.
    pub max_transactions: usize,
    /// What a client may take.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            seed: None,
            scenario: None,
            callback_allow: CallbackAllow::default(),
            callback_secret: Secret::new(PUBLIC_SECRET),
            max_transactions: MAX_TRANSACTIONS,
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// Reads pairs of a name and a text, as a command line has them: the settings' names, and `seed`, `dialect`,
    /// `scenario` (a file), `callback-allow` (see [`CallbackAllow::parse`]), `callback-secret`.
    ///
    /// # Errors
    /// All that is wrong with the pairs, or what is wrong with the scenario's file.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut problems = Problems::default();
        let mut changes = Vec::new();
        for (name, text) in pairs {
            match plain_name(name).as_str() {
                "seed" => match text.parse() {
                    Ok(seed) => options.seed = Some(seed),
                    Err(_) => problems.add(name, format!("{text:?} is not a whole number from 0 on")),
                },
                "dialect" if text == DIALECT => {}
                "dialect" => problems.add(name, format!("{text:?} is not spoken; the only dialect is {DIALECT}")),
                "scenario" => options.scenario = Some(Scenario::read(Path::new(text))?),
                "callback_allow" => match CallbackAllow::parse(text) {
                    Ok(allow) => options.callback_allow = allow,
                    Err(wrong) => problems.add(name, wrong.to_string()),
                },
                "callback_secret" => options.callback_secret = Secret::new(text.as_bytes()),
                _ if Settings::has(name) => changes.push((name, text)),
                _ => problems.add(
                    name,
                    format!("there is no such option; there are {}, seed, dialect, scenario, callback_allow, callback_secret", names()),
                ),
            }
        }
        match options.settings.with(changes) {
            Ok(settings) => options.settings = settings,
            Err(wrong) => problems.0.extend(wrong.0),
        }
        problems.or(options).map_err(Error::Settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_read() {
        let options = Options::from_pairs([
            ("latency-ms", "0"),
            ("callback", "dup(2)"),
            ("seed", "7"),
            ("dialect", "pg-simulator"),
            ("callback-allow", "http://shop:8080"),
        ])
        .unwrap();
        assert_eq!(options.seed, Some(7));
        assert_eq!(options.settings.texts()["callback"], "dup(2)");
        assert_eq!(options.callback_allow.to_string(), "http://shop:8080");
    }

    #[test]
    fn all_mistakes_of_a_command_line_are_listed() {
        let error = Options::from_pairs([
            ("dialect", "toss"),
            ("seed", "-1"),
            ("reject-rate", "4"),
            ("callback-allow", "https://shop"),
            ("speed", "1"),
        ])
        .unwrap_err();
        insta::assert_snapshot!(error, @r#"
        the simulator's settings are wrong:
        dialect: "toss" is not spoken; the only dialect is pg-simulator
        seed: "-1" is not a whole number from 0 on
        callback-allow: "https://shop" is nowhere to call back to; write loopback, or an origin such as http://shop.internal:8080 (no path, no https), several separated by commas
        speed: there is no such option; there are latency_ms, process_ms, reject_rate, limit_rate, invalid_rate, callback, callback_signature, workers, fail_after_commit_rate, fail_after_commit_with, hang_rate, reset_rate, idempotency, cancel_endpoint, outage, weather, seed, dialect, scenario, callback_allow, callback_secret
        reject-rate: "4" is not a rate; write a number from 0 to 1, such as 0.4, or 40%
        "#);
    }

    #[test]
    fn a_scenario_that_is_not_there_is_named() {
        let error = Options::from_pairs([("scenario", "no/such.toml")]).unwrap_err();
        insta::assert_snapshot!(error, @"cannot read the scenario no/such.toml; check the path and its permissions");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let options = Options::from_pairs([("callback-secret", "hush")]).unwrap();
        assert!(!format!("{options:?}").contains("hush"));
    }
}
