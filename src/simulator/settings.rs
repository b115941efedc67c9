//! All that can be turned on the simulator while it runs, as one value that is right.
//!
//! The default is the original's behaviour. A change comes as names and texts, from the command line, a scenario's
//! phase or `PUT /_simulator` alike; it is taken whole or, with all its mistakes listed, not at all.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::knob::{
    Callback, CallbackSignature, CommitFailure, Idempotency, Outage, Rate, Span, Switch, Workers, Wrong,
};
use super::problem::Problems;

/// The threads of the original's pool (Spring's default executor).
const ORIGINAL_WORKERS: NonZeroU32 = NonZeroU32::new(8).expect("8 is not 0");

/// The simulator's settings.
///
/// The names in parentheses are those of the settings as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long a valid payment request waits before it is looked at (`latency_ms`, 100..500).
    pub latency: Span,
    /// How long an accepted payment is processed (`process_ms`, 1000..5000).
    pub process: Span,
    /// How often a valid payment request gets 500 and nothing is stored (`reject_rate`, 0.4).
    pub reject_rate: Rate,
    /// How often a payment fails for its limit (`limit_rate`, 0.2).
    pub limit_rate: Rate,
    /// How often a payment fails for its card (`invalid_rate`, 0.1).
    pub invalid_rate: Rate,
    /// Whether and how the merchant is called back (`callback`, on).
    pub callback: Callback,
    /// Whether callbacks are signed (`callback_signature`, off).
    pub callback_signature: CallbackSignature,
    /// Payments that are processed at a time (`workers`, 8).
    pub workers: Workers,
    /// How often a payment request fails whose payment is stored (`fail_after_commit_rate`, 0).
    pub fail_after_commit_rate: Rate,
    /// How it then fails (`fail_after_commit_with`, any).
    pub fail_after_commit_with: CommitFailure,
    /// How often a valid payment request is never answered, and nothing is stored (`hang_rate`, 0).
    pub hang_rate: Rate,
    /// How often a valid payment request's connection is reset, and nothing is stored (`reset_rate`, 0).
    pub reset_rate: Rate,
    /// Whether `Idempotency-Key` is honoured (`idempotency`, off).
    pub idempotency: Idempotency,
    /// Whether `POST /api/v1/payments/{transactionKey}/cancel` is there (`cancel_endpoint`, off).
    pub cancel_endpoint: Switch,
    /// What is wrong with the gateway as a whole, `/health` and reads included (`outage`, none).
    pub outage: Outage,
    /// What is wrong with the weather (`weather`, none).
    pub weather: Outage,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: Span::of(100, 500),
            process: Span::of(1000, 5000),
            reject_rate: Rate::of(0.4),
            limit_rate: Rate::of(0.2),
            invalid_rate: Rate::of(0.1),
            callback: Callback::On,
            callback_signature: CallbackSignature::Off,
            workers: Workers::Limited(ORIGINAL_WORKERS),
            fail_after_commit_rate: Rate::NEVER,
            fail_after_commit_with: CommitFailure::Any,
            hang_rate: Rate::NEVER,
            reset_rate: Rate::NEVER,
            idempotency: Idempotency::Off,
            cancel_endpoint: Switch::Off,
            outage: Outage::None,
            weather: Outage::None,
        }
    }
}

struct Knob {
    name: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), Wrong>,
    shown: fn(&Settings) -> String,
}

/// One line a setting, in the order of the documentation.
const KNOBS: &[Knob] = &[
    Knob { name: "latency_ms", set: |s, t| put(&mut s.latency, t), shown: |s| show(&s.latency) },
    Knob { name: "process_ms", set: |s, t| put(&mut s.process, t), shown: |s| show(&s.process) },
    Knob { name: "reject_rate", set: |s, t| put(&mut s.reject_rate, t), shown: |s| show(&s.reject_rate) },
    Knob { name: "limit_rate", set: |s, t| put(&mut s.limit_rate, t), shown: |s| show(&s.limit_rate) },
    Knob { name: "invalid_rate", set: |s, t| put(&mut s.invalid_rate, t), shown: |s| show(&s.invalid_rate) },
    Knob { name: "callback", set: |s, t| put(&mut s.callback, t), shown: |s| show(&s.callback) },
    Knob {
        name: "callback_signature",
        set: |s, t| put(&mut s.callback_signature, t),
        shown: |s| show(&s.callback_signature),
    },
    Knob { name: "workers", set: |s, t| put(&mut s.workers, t), shown: |s| show(&s.workers) },
    Knob {
        name: "fail_after_commit_rate",
        set: |s, t| put(&mut s.fail_after_commit_rate, t),
        shown: |s| show(&s.fail_after_commit_rate),
    },
    Knob {
        name: "fail_after_commit_with",
        set: |s, t| put(&mut s.fail_after_commit_with, t),
        shown: |s| show(&s.fail_after_commit_with),
    },
    Knob { name: "hang_rate", set: |s, t| put(&mut s.hang_rate, t), shown: |s| show(&s.hang_rate) },
    Knob { name: "reset_rate", set: |s, t| put(&mut s.reset_rate, t), shown: |s| show(&s.reset_rate) },
    Knob { name: "idempotency", set: |s, t| put(&mut s.idempotency, t), shown: |s| show(&s.idempotency) },
    Knob { name: "cancel_endpoint", set: |s, t| put(&mut s.cancel_endpoint, t), shown: |s| show(&s.cancel_endpoint) },
    Knob { name: "outage", set: |s, t| put_outage(&mut s.outage, t), shown: |s| show(&s.outage) },
    Knob { name: "weather", set: |s, t| put(&mut s.weather, t), shown: |s| show(&s.weather) },
];

impl Settings {
    /// These settings with `changes` made: pairs of a name and a text. A name may be written `reject_rate`,
    /// `reject-rate` or `rejectRate`.
    ///
    /// # Errors
    /// All that is wrong with the changes.
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Problems> {
        let mut changed = self.clone();
        let mut problems = Problems::default();
        for (name, text) in changes {
            if let Err(what) = changed.set(name, text) {
                problems.add(name, what);
            }
        }
        if changed.limit_rate.get() + changed.invalid_rate.get() > 1.0 {
            problems.add(
                "limit_rate",
                format!(
                    "limit_rate ({}) and invalid_rate ({}) are parts of one draw; make them 1 or less together",
                    changed.limit_rate, changed.invalid_rate
                ),
            );
        }
        problems.or(changed)
    }

    /// What is wrong with one change, whatever the other settings are.
    pub(super) fn check(name: &str, text: &str) -> Result<(), String> {
        Self::default().set(name, text)
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let plain = plain_name(name);
        let Some(knob) = KNOBS.iter().find(|knob| knob.name == plain) else {
            return Err(format!("there is no such setting; there are {}", names()));
        };
        (knob.set)(self, text.trim()).map_err(|wrong| wrong.to_string())
    }

    /// Whether a setting has this name, however it is written.
    #[must_use]
    pub fn has(name: &str) -> bool {
        let plain = plain_name(name);
        KNOBS.iter().any(|knob| knob.name == plain)
    }

    /// Each setting's text by its name.
    #[must_use]
    pub fn texts(&self) -> BTreeMap<&'static str, String> {
        KNOBS.iter().map(|knob| (knob.name, (knob.shown)(self))).collect()
    }
}

/// `reject_rate` for `reject-rate` and `rejectRate`.
pub(super) fn plain_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            plain.push('_');
            plain.push(character.to_ascii_lowercase());
        } else {
            plain.push(if character == '-' { '_' } else { character });
        }
    }
    plain
}

pub(super) fn names() -> String {
    KNOBS.iter().map(|knob| knob.name).collect::<Vec<_>>().join(", ")
}

fn put<T: FromStr<Err = Wrong>>(place: &mut T, text: &str) -> Result<(), Wrong> {
    *place = text.parse()?;
    Ok(())
}

fn put_outage(place: &mut Outage, text: &str) -> Result<(), Wrong> {
    match text.parse()? {
        Outage::NoLocation(_) => Err(Wrong::new(text, "an outage of a gateway; only the weather knows places")),
        outage @ (Outage::None
        | Outage::Slow(_)
        | Outage::Errors(_)
        | Outage::Unavailable(_)
        | Outage::RateLimited(_)
        | Outage::Hang(_)
        | Outage::Down(_)) => {
            *place = outage;
            Ok(())
        }
    }
}

fn show(value: &impl Display) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_originals_behaviour() {
        let shown: Vec<String> =
            Settings::default().texts().into_iter().map(|(name, text)| format!("{name}={text}")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        callback=on
        callback_signature=off
        cancel_endpoint=off
        fail_after_commit_rate=0
        fail_after_commit_with=any
        hang_rate=0
        idempotency=off
        invalid_rate=0.1
        latency_ms=100..500
        limit_rate=0.2
        outage=none
        process_ms=1000..5000
        reject_rate=0.4
        reset_rate=0
        weather=none
        workers=8
        "#);
    }

    #[test]
    fn all_settings_can_be_read_back() {
        let settings = Settings::default();
        let texts = settings.texts();
        let changes = texts.iter().map(|(name, text)| (*name, text.as_str()));
        let other = settings.with([("reject_rate", "1"), ("outage", "down"), ("workers", "∞")]).unwrap();
        assert_eq!(other.with(changes), Ok(settings));
    }

    #[test]
    fn a_name_may_be_written_three_ways() {
        for name in ["reject_rate", "reject-rate", "rejectRate"] {
            assert_eq!(Settings::default().with([(name, "0.5")]).unwrap().reject_rate, Rate::of(0.5), "{name}");
        }
    }

    #[test]
    fn all_mistakes_are_listed_at_once() {
        let problems = Settings::default()
            .with([
                ("reject-rate", "2"),
                ("latency_ms", "fast"),
                ("color", "red"),
                ("limit_rate", "0.8"),
                ("invalid_rate", "0.3"),
                ("outage", "no-location"),
            ])
            .unwrap_err();
        insta::assert_snapshot!(problems, @r#"
        reject-rate: "2" is not a rate; write a number from 0 to 1, such as 0.4, or 40%
        latency_ms: "fast" is not a time in milliseconds; write one such as 250, or a range such as 100..500, up to 3600000
        color: there is no such setting; there are latency_ms, process_ms, reject_rate, limit_rate, invalid_rate, callback, callback_signature, workers, fail_after_commit_rate, fail_after_commit_with, hang_rate, reset_rate, idempotency, cancel_endpoint, outage, weather
        outage: "no-location" is not an outage of a gateway; only the weather knows places
        limit_rate: limit_rate (0.8) and invalid_rate (0.3) are parts of one draw; make them 1 or less together
        "#);
    }
}
