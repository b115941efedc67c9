//! The kinds of values that a setting can have, each with its text.
//!
//! A value's text is the same on the command line, in a scenario and in `PUT /_simulator`, and what
//! [`Display`](fmt::Display) writes is read back as the same value.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The longest time that can be asked for: an hour. More is a mistake in the unit.
const LONGEST_MS: u64 = 3_600_000;

/// The most often that one callback can be sent.
const MOST_DUPLICATES: u32 = 100;

/// A text that is no such value: what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Wrong {
    pub(super) fn new(text: &str, expected: &str) -> Self {
        Self(format!("{text:?} is not {expected}"))
    }
}

/// A probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// Never.
    pub const NEVER: Self = Self(0.0);
    /// Always.
    pub const ALWAYS: Self = Self(1.0);

    pub(super) const fn of(rate: f64) -> Self {
        Self(rate)
    }

    /// As a number from 0 to 1.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether a roll, drawn evenly from 0 up to but not including 1, hits.
    pub(super) fn hits(self, roll: f64) -> bool {
        roll < self.0
    }
}

impl FromStr for Rate {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let rate = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse::<f64>(),
        };
        match rate {
            Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(Self(rate)),
            _ => Err(Wrong::new(text, "a rate; write a number from 0 to 1, such as 0.4, or 40%")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time that is drawn evenly from a range, in whole milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span(RangeInclusive<u64>);

impl Span {
    pub(super) const fn of(low_ms: u64, high_ms: u64) -> Self {
        Self(low_ms..=high_ms)
    }

    pub(super) fn range_ms(&self) -> RangeInclusive<u64> {
        self.0.clone()
    }
}

impl FromStr for Span {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        match (low.trim().parse(), high.trim_start_matches('=').trim().parse()) {
            (Ok(low), Ok(high)) if low <= high && high <= LONGEST_MS => Ok(Self(low..=high)),
            _ => Err(Wrong::new(
                text,
                "a time in milliseconds; write one such as 250, or a range such as 100..500, up to 3600000",
            )),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.0.start(), self.0.end());
        if low == high { write!(f, "{low}") } else { write!(f, "{low}..{high}") }
    }
}

/// Whether and how the merchant is called back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Callback {
    /// Once.
    On,
    /// Never.
    Off,
    /// Once, but not at all this often.
    Drop(Rate),
    /// This many times in a row.
    Dup(u32),
    /// Once, this much later.
    Delay(Duration),
    /// Each second one before the one that was due before it.
    Reorder,
}

impl FromStr for Callback {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(text, "one of on, off, drop(0.1), dup(2), delay(500), reorder");
        match split(text).ok_or_else(wrong)? {
            ("on", None) => Ok(Self::On),
            ("off", None) => Ok(Self::Off),
            ("reorder", None) => Ok(Self::Reorder),
            ("drop", Some(rate)) => rate.parse().map(Self::Drop),
            ("dup", Some(times)) => match times.parse() {
                Ok(times) if (1..=MOST_DUPLICATES).contains(&times) => Ok(Self::Dup(times)),
                _ => Err(Wrong::new(times, "how many times a callback is sent; write a number from 1 to 100")),
            },
            ("delay", Some(ms)) => match ms.parse() {
                Ok(ms) if ms <= LONGEST_MS => Ok(Self::Delay(Duration::from_millis(ms))),
                _ => Err(Wrong::new(ms, "a time in milliseconds up to 3600000")),
            },
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::Off => f.write_str("off"),
            Self::Drop(rate) => write!(f, "drop({rate})"),
            Self::Dup(times) => write!(f, "dup({times})"),
            Self::Delay(time) => write!(f, "delay({})", time.as_millis()),
            Self::Reorder => f.write_str("reorder"),
        }
    }
}

/// Whether callbacks are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackSignature {
    /// They are not.
    Off,
    /// `X-PG-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.
    Hmac,
}

impl FromStr for CallbackSignature {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        match text {
            "off" => Ok(Self::Off),
            "hmac" => Ok(Self::Hmac),
            _ => Err(Wrong::new(text, "one of off, hmac")),
        }
    }
}

impl fmt::Display for CallbackSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Hmac => "hmac",
        })
    }
}

/// Transactions that are processed at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// This many; the others wait, as long as it takes.
    Limited(NonZeroU32),
    /// All of them.
    Unlimited,
}

impl FromStr for Workers {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        match (text, text.parse()) {
            ("unlimited" | "∞", _) => Ok(Self::Unlimited),
            (_, Ok(workers)) => Ok(Self::Limited(workers)),
            (_, Err(_)) => Err(Wrong::new(text, "a number of workers; write one from 1 on, or unlimited")),
        }
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(workers) => workers.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// How a request fails whose payment is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFailure {
    /// One of the others, drawn evenly.
    Any,
    /// With 500.
    Error,
    /// With no answer at all.
    Hang,
    /// With a connection that is reset.
    Reset,
}

impl FromStr for CommitFailure {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        match text {
            "any" => Ok(Self::Any),
            "500" => Ok(Self::Error),
            "hang" => Ok(Self::Hang),
            "reset" => Ok(Self::Reset),
            _ => Err(Wrong::new(text, "one of any, 500, hang, reset")),
        }
    }
}

impl fmt::Display for CommitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Error => "500",
            Self::Hang => "hang",
            Self::Reset => "reset",
        })
    }
}

/// Whether the `Idempotency-Key` header is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// The same order posted twice is charged twice.
    Off,
    /// A key that was seen answers what it answered.
    Header,
}

impl FromStr for Idempotency {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        match text {
            "off" => Ok(Self::Off),
            "header" => Ok(Self::Header),
            _ => Err(Wrong::new(text, "one of off, header")),
        }
    }
}

impl fmt::Display for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Header => "header",
        })
    }
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl FromStr for Switch {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(Wrong::new(text, "one of on, off")),
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// What is wrong with a whole service, before it has looked at a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outage {
    /// Nothing.
    None,
    /// Each request waits this long first.
    Slow(Span),
    /// This often 500.
    Errors(Rate),
    /// This often 503.
    Unavailable(Rate),
    /// This often 429, with a Retry-After of a second.
    RateLimited(Rate),
    /// This often no answer.
    Hang(Rate),
    /// This often the connection is reset: as near to a refused one as a bound socket comes.
    Down(Rate),
    /// This often a place is unknown (404). Only the weather has this.
    NoLocation(Rate),
}

impl FromStr for Outage {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(
                text,
                "one of none, slow(1000..3000), errors(0.4), unavailable, rate-limited, hang, down, no-location; \
                 a rate in parentheses says how often",
            )
        };
        let (name, argument) = split(text).ok_or_else(wrong)?;
        let rate = || argument.map_or(Ok(Rate::ALWAYS), Rate::from_str);
        match (name, argument) {
            ("none", None) => Ok(Self::None),
            ("slow", Some(span)) => span.parse().map(Self::Slow),
            ("errors", _) => rate().map(Self::Errors),
            ("unavailable", _) => rate().map(Self::Unavailable),
            ("rate-limited", _) => rate().map(Self::RateLimited),
            ("hang", _) => rate().map(Self::Hang),
            ("down", _) => rate().map(Self::Down),
            ("no-location", _) => rate().map(Self::NoLocation),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Slow(span) => write!(f, "slow({span})"),
            Self::Errors(rate) => write!(f, "errors({rate})"),
            Self::Unavailable(rate) => write!(f, "unavailable({rate})"),
            Self::RateLimited(rate) => write!(f, "rate-limited({rate})"),
            Self::Hang(rate) => write!(f, "hang({rate})"),
            Self::Down(rate) => write!(f, "down({rate})"),
            Self::NoLocation(rate) => write!(f, "no-location({rate})"),
        }
    }
}

/// `name(argument)` or `name`.
pub(super) fn split(text: &str) -> Option<(&str, Option<&str>)> {
    match text.split_once('(') {
        None => Some((text.trim(), None)),
        Some((name, rest)) => Some((name.trim(), Some(rest.trim_end().strip_suffix(')')?.trim()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr<Err = Wrong> + fmt::Display>(texts: &[(&str, &str)]) {
        for (text, shown) in texts {
            assert_eq!(text.parse::<T>().map(|value| value.to_string()).as_deref(), Ok(*shown), "{text}");
            assert_eq!(shown.parse::<T>().map(|value| value.to_string()).as_deref(), Ok(*shown), "{shown}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        check::<Rate>(&[("0", "0"), ("0.40", "0.4"), ("40%", "0.4"), ("1.0", "1")]);
        check::<Span>(&[("100..500", "100..500"), ("100..=500", "100..500"), ("250", "250"), ("7..7", "7")]);
        check::<Callback>(&[
            ("on", "on"),
            ("drop(0.1)", "drop(0.1)"),
            ("dup( 2 )", "dup(2)"),
            ("delay(500)", "delay(500)"),
        ]);
        check::<Workers>(&[("8", "8"), ("∞", "unlimited")]);
        check::<CommitFailure>(&[("any", "any"), ("500", "500")]);
        check::<Outage>(&[
            ("none", "none"),
            ("slow(10..20)", "slow(10..20)"),
            ("down", "down(1)"),
            ("errors(40%)", "errors(0.4)"),
        ]);
    }

    #[test]
    fn what_is_wrong_says_what_would_be_right() {
        let wrong: Vec<String> = [
            "1.5".parse::<Rate>().err(),
            "NaN".parse::<Rate>().err(),
            "500..100".parse::<Span>().err(),
            "1s".parse::<Span>().err(),
            "drop(2)".parse::<Callback>().err(),
            "dup(0)".parse::<Callback>().err(),
            "on(1)".parse::<Callback>().err(),
            "delay(5".parse::<Callback>().err(),
            "0".parse::<Workers>().err(),
            "slow".parse::<Outage>().err(),
        ]
        .into_iter()
        .map(|wrong| wrong.unwrap().to_string())
        .collect();
        insta::assert_snapshot!(wrong.join("\n"), @r#"
        "1.5" is not a rate; write a number from 0 to 1, such as 0.4, or 40%
        "NaN" is not a rate; write a number from 0 to 1, such as 0.4, or 40%
        "500..100" is not a time in milliseconds; write one such as 250, or a range such as 100..500, up to 3600000
        "1s" is not a time in milliseconds; write one such as 250, or a range such as 100..500, up to 3600000
        "2" is not a rate; write a number from 0 to 1, such as 0.4, or 40%
        "0" is not how many times a callback is sent; write a number from 1 to 100
        "on(1)" is not one of on, off, drop(0.1), dup(2), delay(500), reorder
        "delay(5" is not one of on, off, drop(0.1), dup(2), delay(500), reorder
        "0" is not a number of workers; write one from 1 on, or unlimited
        "slow" is not one of none, slow(1000..3000), errors(0.4), unavailable, rate-limited, hang, down, no-location; a rate in parentheses says how often
        "#);
    }
}
