//! One value, read as what a key needs, or told why it is not that.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use regex::bytes::Regex;

use super::section::{Reading, Section};
use super::source::Location;
use super::suggest;
use super::tree::{Kind, Origin, Text, Value};
use crate::config::units;
use crate::domain::time::Timestamp;

/// A value with the path of its key. Every reader returns `None` after it told of a problem.
#[derive(Debug, Clone)]
pub(crate) struct Field<'t> {
    reading: &'t Reading,
    parent: Rc<str>,
    name: &'t str,
    index: Option<usize>,
    value: &'t Value,
}

/// A kind of value that carries its unit.
struct WithUnit {
    what: &'static str,
    known: &'static str,
    /// What somebody who left out the unit most likely wanted to write.
    meant: fn(f64) -> Option<String>,
}

const DURATION: WithUnit = WithUnit {
    what: "a duration",
    known: "ms, s, m, h or d",
    meant: |number| {
        let seconds = Duration::try_from_secs_f64(number).ok()?;
        Some(if number.fract() == 0.0 { format!("{number}s") } else { units::write_duration(seconds) })
    },
};

/// Small numbers are rather mebibytes, large ones bytes.
const SIZE: WithUnit = WithUnit {
    what: "a size",
    known: "B, KiB, MiB or GiB",
    meant: |number| (number >= 0.0).then(|| format!("{number:.0}{}", if number < 4_096.0 { "MiB" } else { "B" })),
};

const RATE: WithUnit = WithUnit {
    what: "a rate",
    known: "/s, /m or /h",
    meant: |number| (number >= 1.0).then(|| format!("{number:.0}/s")),
};

impl<'t> Field<'t> {
    /// The value of `name` in the table at `parent`.
    pub(crate) fn new(reading: &'t Reading, parent: &Rc<str>, name: &'t str, value: &'t Value) -> Self {
        Self { reading, parent: Rc::clone(parent), name, index: None, value }
    }

    /// The path of its key.
    pub(crate) fn path(&self) -> String {
        let dot = if self.parent.is_empty() { "" } else { "." };
        let index = self.index.map(|index| format!("[{index}]")).unwrap_or_default();
        format!("{}{dot}{}{index}", self.parent, self.name)
    }

    /// Tells of a problem.
    pub(crate) fn fail(&self, detail: &str, hint: &str) {
        self.reading.findings.problem(self.value.at, &self.path(), detail, hint);
    }

    /// Tells of something that is probably not meant.
    pub(crate) fn warn(&self, detail: &str, hint: &str) {
        self.reading.findings.warning(self.value.at, &self.path(), detail, hint);
    }

    /// Tells that it is something else than what is needed; nothing if its problem was told already.
    pub(crate) fn wrong_kind(&self, needed: &str, hint: &str) {
        if !matches!(self.value.kind, Kind::Broken) {
            self.fail(&format!("{needed} is needed, and this is {}", self.value.in_words()), hint);
        }
    }

    /// The value itself.
    pub(crate) const fn value(&self) -> &'t Value {
        self.value
    }

    /// Where it stands, for people.
    pub(crate) fn location(&self) -> Location {
        self.reading.sources.locate(self.value.at)
    }

    /// The regular expression that it holds, compiled once for each text.
    pub(crate) fn regex(&self) -> Option<Regex> {
        let pattern = self.filled_text()?;
        match self.reading.regex(pattern) {
            Ok(regex) => Some(regex),
            Err(reason) => {
                let hint = "Single quotes keep backslashes as they are";
                self.fail(&format!("this is not a regular expression: {reason}"), hint);
                None
            }
        }
    }

    /// What a relative path in it is relative to.
    pub(crate) fn folder(&self) -> &'t Path {
        self.reading.sources.folder(self.value.at)
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'t str> {
        self.as_text("a text", "Write it in quotes").map(|text| text.text.as_ref())
    }

    /// A text that is not empty.
    pub(crate) fn filled_text(&self) -> Option<&'t str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.fail("it is empty", "Write a value, or remove the key");
            return None;
        }
        Some(text)
    }

    /// Whether its text came from the environment.
    pub(crate) const fn is_from_environment(&self) -> bool {
        match &self.value.kind {
            Kind::Text(text) => text.is_from_environment(),
            Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime(_)
            | Kind::Array(_)
            | Kind::Table(_)
            | Kind::Broken => false,
        }
    }

    /// The text as it may be told: as the file has it, with the variables' names and not their values.
    pub(crate) fn shown(&self) -> String {
        let text = match &self.value.kind {
            Kind::Text(Text { text, origin: Origin::Written | Origin::Variable { .. } }) => text,
            Kind::Text(Text { origin: Origin::Interpolated { written }, .. }) => written,
            Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime(_)
            | Kind::Array(_)
            | Kind::Table(_)
            | Kind::Broken => return self.value.in_words(),
        };
        let mut shown: String = text.chars().filter(|letter| !letter.is_control()).take(60).collect();
        if text.chars().count() > 60 {
            shown.push('…');
        }
        format!("`{shown}`")
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match (&self.value.kind, self.environment_text()) {
            (Kind::Boolean(truth), _) => Some(*truth),
            (_, Some("true")) => Some(true),
            (_, Some("false")) => Some(false),
            (_, Some(_) | None) => {
                self.wrong_kind("true or false", &format!("Write {} = true or {} = false", self.name, self.name));
                None
            }
        }
    }

    /// A whole number within limits.
    pub(crate) fn whole(&self, limits: RangeInclusive<u32>) -> Option<u32> {
        let number = match (&self.value.kind, self.environment_text().map(str::parse::<i64>)) {
            (Kind::Integer(number), _) => *number,
            (_, Some(Ok(number))) => number,
            (_, Some(Err(_)) | None) => {
                let meant = self.value.as_text().and_then(|text| text.parse().ok()).unwrap_or(*limits.start());
                self.wrong_kind("a whole number", &format!("Write {} = {meant}", self.name));
                return None;
            }
        };
        let within = u32::try_from(number).ok().filter(|number| limits.contains(number));
        self.within(within, &number, limits.start(), limits.end())
    }

    /// A duration within limits.
    pub(crate) fn duration(&self, limits: RangeInclusive<Duration>) -> Option<Duration> {
        let [least, most] = [limits.start(), limits.end()].map(|limit| units::write_duration(*limit));
        let (duration, shown) = self.with_unit(&DURATION, &least, units::duration)?;
        let within = Some(duration).filter(|duration| limits.contains(duration));
        self.within(within, &shown, &least, &most)
    }

    /// A duration within limits, or `"off"` as the inner `None`.
    #[expect(clippy::option_option, reason = "told a problem, off, and a duration are three things")]
    pub(crate) fn duration_or_off(&self, limits: RangeInclusive<Duration>) -> Option<Option<Duration>> {
        if self.value.as_text() == Some("off") { Some(None) } else { self.duration(limits).map(Some) }
    }

    /// A date and time with its offset, as text or as TOML has them.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        let hint = format!("Write {} = \"2026-06-01T22:00:00+09:00\"", self.name);
        let text = match &self.value.kind {
            Kind::Text(text) => &text.text,
            Kind::Datetime(text) => text,
            Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Array(_) | Kind::Table(_) | Kind::Broken => {
                self.wrong_kind("a time", &hint);
                return None;
            }
        };
        let time = units::timestamp(text);
        if time.is_none() {
            let what = if matches!(self.value.kind, Kind::Text(_)) { self.shown() } else { format!("`{text}`") };
            self.fail(&format!("{what} is not a date and time with an offset, before 2262"), &hint);
        }
        time
    }

    /// A size in bytes within limits.
    pub(crate) fn size(&self, limits: RangeInclusive<u64>) -> Option<u64> {
        let [least, most] = [limits.start(), limits.end()].map(|limit| units::write_size(*limit));
        let (bytes, shown) = self.with_unit(&SIZE, &least, units::size)?;
        let within = Some(bytes).filter(|bytes| limits.contains(bytes));
        self.within(within, &shown, &least, &most)
    }

    /// A rate within limits as a number and the time it is for, or `"off"` as the inner `None`.
    #[expect(clippy::option_option, reason = "told a problem, off, and a rate are three things")]
    pub(crate) fn rate_or_off(&self, limits: RangeInclusive<u32>) -> Option<Option<(u32, Duration)>> {
        if self.value.as_text() == Some("off") {
            return Some(None);
        }
        let [least, most] = [limits.start(), limits.end()].map(|limit| format!("{limit}/s"));
        let ((number, per), shown) = self.with_unit(&RATE, &least, units::rate)?;
        let within = u32::try_from(number).ok().filter(|number| limits.contains(number));
        self.within(within, &shown, &least, &most).map(|number| Some((number, per)))
    }

    /// A part of one: `0.5` or `"50%"`.
    pub(crate) fn part(&self, limits: RangeInclusive<f64>) -> Option<f64> {
        let text = self.value.as_text();
        let number = match (&self.value.kind, text) {
            (Kind::Float(number), _) => Some(*number),
            (Kind::Integer(0), _) => Some(0.0),
            (Kind::Integer(1), _) => Some(1.0),
            (_, Some(text)) => {
                let bare = self.environment_text().and_then(|text| text.parse().ok());
                units::percentage(text).ok().or(bare)
            }
            (_, None) => None,
        };
        let Some(number) = number else {
            let hint = format!("Write {} = 0.5 or {} = \"50%\"", self.name, self.name);
            self.wrong_kind_or_text("a part of one or a percentage", &hint);
            return None;
        };
        self.within(Some(number).filter(|number| limits.contains(number)), &number, limits.start(), limits.end())
    }

    /// One of a closed set of words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let known = words.iter().map(|(word, _)| *word);
        let hint = match suggest::nearest(text, known.clone()) {
            Some(near) => format!("Did you mean \"{near}\"?"),
            None => format!("It is one of: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.fail(&format!("{} is not known here", self.shown()), &hint);
        None
    }

    /// The values of a list; of a variable, its parts between commas.
    pub(crate) fn elements(&self) -> Vec<Self> {
        let values = match &self.value.kind {
            Kind::Array(values) | Kind::Text(Text { origin: Origin::Variable { parts: values }, .. }) => values,
            Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime(_)
            | Kind::Table(_)
            | Kind::Broken => {
                let table_list = matches!(self.value.kind, Kind::Table(_));
                let hint = if table_list { format!("Write [[{}]]", self.path()) } else { "Write it in [ ]".to_owned() };
                self.wrong_kind("a list", &hint);
                return Vec::new();
            }
        };
        let element = |(index, value)| Self { index: Some(index), value, ..self.clone() };
        values.iter().enumerate().map(element).collect()
    }

    /// The values of a list, or the one value that is none.
    pub(crate) fn one_or_more(&self) -> Vec<Self> {
        match &self.value.kind {
            Kind::Array(_) | Kind::Text(Text { origin: Origin::Variable { .. }, .. }) => self.elements(),
            Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime(_)
            | Kind::Table(_) => vec![self.clone()],
            Kind::Broken => Vec::new(),
        }
    }

    /// A table, without defaults.
    pub(crate) fn section(&self) -> Option<Section<'t>> {
        if let Kind::Table(table) = &self.value.kind {
            return Some(Section::new(self.reading, table, &self.path()));
        }
        self.wrong_kind("a table", "Write it in { }");
        None
    }

    fn as_text(&self, needed: &str, hint: &str) -> Option<&'t Text> {
        if let Kind::Text(text) = &self.value.kind {
            return Some(text);
        }
        self.wrong_kind(needed, hint);
        None
    }

    /// Variables are always text: what came from one may be a number or a truth value as well.
    fn environment_text(&self) -> Option<&'t str> {
        if self.is_from_environment() { self.value.as_text() } else { None }
    }

    /// Reads a value that carries its unit, and gives it with the way to show it.
    fn with_unit<T>(
        &self,
        unit: &WithUnit,
        least: &str,
        read: impl Fn(&str) -> Result<T, units::Error>,
    ) -> Option<(T, String)> {
        let WithUnit { what, known, meant } = unit;
        let name = self.name;
        let text = self.value.as_text();
        let without_unit = match (&self.value.kind, text.map(&read)) {
            (_, Some(Ok(value))) => return Some((value, self.shown())),
            (_, Some(Err(units::Error::NoUnit))) => text.filter(|_| !self.is_from_environment()).map(str::to_owned),
            (_, Some(Err(error))) => {
                let hint = format!("The units are {known}; the least is {name} = \"{least}\"");
                self.fail(&format!("{} is not {what}: {error}", self.shown()), &hint);
                return None;
            }
            (Kind::Integer(number), None) => Some(number.to_string()),
            (Kind::Float(number), None) => Some(number.to_string()),
            (_, None) => {
                self.wrong_kind(what, &format!("The least is {name} = \"{least}\""));
                return None;
            }
        };
        let meant = without_unit.and_then(|number| meant(number.parse().ok()?)).unwrap_or_else(|| least.to_owned());
        let hint = format!("Write {name} = \"{meant}\"; the units are {known}");
        self.fail(&format!("{what} carries its unit"), &hint);
        None
    }

    fn wrong_kind_or_text(&self, needed: &str, hint: &str) {
        if let Kind::Text(_) = &self.value.kind {
            self.fail(&format!("{} is not {needed}", self.shown()), hint);
        } else {
            self.wrong_kind(needed, hint);
        }
    }

    fn within<T>(
        &self,
        value: Option<T>,
        shown: &impl Display,
        least: &impl Display,
        most: &impl Display,
    ) -> Option<T> {
        if value.is_none() {
            self.fail(&format!("{shown} is out of range"), &format!("It must be from {least} to {most}"));
        }
        value
    }
}
