//! Lines of TOML, and how single values are written in them.

use std::fmt::Write as _;
use std::time::Duration;

use toml::{Table, Value};

use crate::config::Secret;
use crate::config::probe::Tls;
use crate::config::units::write_duration;

/// What stands for every secret.
pub(super) const SECRET: &str = "<secret>";
/// What stands for a file that was read: its content is kept, and its name is not.
const FILE: &str = "<file>";

/// A file as it grows.
pub(super) struct Sheet {
    text: String,
}

impl Sheet {
    pub(super) fn new(head: &str) -> Self {
        Self { text: head.to_owned() }
    }

    /// Begins `[name]`, or `[[name]]` where the name says so itself.
    pub(super) fn table(&mut self, name: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "\n[{name}]");
    }

    pub(super) fn key(&mut self, key: &str, value: impl Into<Value>) {
        let _ = writeln!(self.text, "{key} = {}", value.into());
    }

    /// A key that is left out where there is nothing that its value could be.
    pub(super) fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    /// A key that is left out where its list is empty.
    pub(super) fn list(&mut self, key: &str, values: Vec<impl Into<Value>>) {
        self.maybe(key, (!values.is_empty()).then(|| array(values)));
    }

    /// Whole numbers, which TOML has as `i64`.
    pub(super) fn number(&mut self, key: &str, number: impl TryInto<i64>) {
        self.key(key, number.try_into().unwrap_or(i64::MAX));
    }

    pub(super) fn duration(&mut self, key: &str, duration: Duration) {
        self.key(key, write_duration(duration));
    }

    pub(super) fn duration_or_off(&mut self, key: &str, duration: Option<Duration>) {
        self.key(key, duration.map_or_else(|| "off".to_owned(), write_duration));
    }

    /// `tls`, which is left out where it says nothing.
    pub(super) fn tls(&mut self, tls: &Tls) {
        let Tls { ca_pem, identity_pem, server_name } = tls;
        let mut table = Table::new();
        if ca_pem.is_some() {
            table.insert("ca_file".into(), FILE.into());
        }
        if identity_pem.is_some() {
            table.insert("cert_file".into(), FILE.into());
            table.insert("key_file".into(), SECRET.into());
        }
        if let Some(name) = server_name {
            table.insert("server_name".into(), text(name));
        }
        self.maybe("tls", (!table.is_empty()).then_some(table));
    }

    pub(super) fn file(&mut self, key: &str, is_there: bool) {
        self.maybe(key, is_there.then_some(FILE));
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

pub(super) fn array(values: Vec<impl Into<Value>>) -> Value {
    Value::Array(values.into_iter().map(Into::into).collect())
}

pub(super) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<Value> {
    texts.into_iter().map(|one| text(one.as_ref())).collect()
}

/// An inline table of the user's own keys.
pub(super) fn table<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.as_ref().to_owned(), value)).collect())
}

/// Who is spoken to. Addresses with a user or a password are refused where they are read.
pub(super) fn origin(url: &http::Uri) -> String {
    let (scheme, host) = (url.scheme_str().unwrap_or("http"), url.host().unwrap_or_default());
    url.port_u16().map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"))
}

/// An address with its path; a query may hold a key.
pub(super) fn address(url: &http::Uri) -> String {
    let query = if url.query().is_some() { format!("?{SECRET}") } else { String::new() };
    format!("{}{}{query}", origin(url), url.path())
}

/// The address of a service that wants a token besides: who it is, without what may be one, too.
pub(super) fn server(url: &Secret) -> String {
    let Ok(url) = url.text().parse::<http::Uri>() else { return SECRET.to_owned() };
    let has_more = url.path_and_query().is_some_and(|path| path.as_str().len() > 1);
    if has_more { format!("{}/{SECRET}", origin(&url)) } else { origin(&url) }
}

/// What JSON was taken from TOML, as it was. There is no `null` in TOML.
pub(super) fn of_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => text("null"),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(string) => text(string),
        Json::Array(values) => array(values.iter().map(of_json).collect()),
        Json::Object(members) => table(members.iter().map(|(key, value)| (key, of_json(value)))),
    }
}

/// `200-299`, or `204`.
pub(super) fn statuses(ranges: &[std::ops::RangeInclusive<u16>]) -> Vec<Value> {
    let one = |range: &std::ops::RangeInclusive<u16>| match (range.start(), range.end()) {
        (first, last) if first == last => Value::from(i64::from(*first)),
        (first, last) => Value::from(format!("{first}-{last}")),
    };
    ranges.iter().map(one).collect()
}
