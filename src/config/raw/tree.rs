//! A TOML document as values with places, its variables put in.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::findings::Findings;
use super::source::Place;
use crate::config::env;

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its header, or its brace.
    pub(crate) at: Place,
    /// What it holds; a list, since tens of thousands of tables with a few keys each are held at a time.
    pub(crate) entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: Box<str>,
    /// Where the key stands.
    pub(crate) key_at: Place,
    /// The value.
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug)]
pub(crate) struct Value {
    /// Where it begins.
    pub(crate) at: Place,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Text.
    Text(Text),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A date or a time, as TOML has them.
    Datetime(Box<str>),
    /// A list.
    Array(Vec<Value>),
    /// A table.
    Table(Table),
    /// A value whose problem was told already.
    Broken,
}

/// A text, and how it came to be.
#[derive(Debug)]
pub(crate) struct Text {
    /// What counts.
    pub(crate) text: Box<str>,
    /// How.
    pub(crate) origin: Origin,
}

/// How a text came to be.
#[derive(Debug)]
pub(crate) enum Origin {
    /// It stands in the file.
    Written,
    /// Variables were put into what stands in the file.
    Interpolated {
        /// What stands in the file.
        written: Box<str>,
    },
    /// It is a variable's whole value.
    Variable {
        /// Its parts between commas, for a key that wants a list.
        parts: Vec<Value>,
    },
}

impl Text {
    /// A variable's value.
    pub(crate) fn of_variable(text: &str, place: Place) -> Self {
        let part = |part: &str| Value {
            at: place,
            kind: Kind::Text(Self { text: part.trim().into(), origin: Origin::Variable { parts: Vec::new() } }),
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty()).map(part).collect();
        Self { text: text.into(), origin: Origin::Variable { parts } }
    }

    /// Whether it came from a variable: such a text may also be a number, and may be a secret.
    pub(crate) const fn is_from_environment(&self) -> bool {
        match &self.origin {
            Origin::Written => false,
            Origin::Interpolated { .. } | Origin::Variable { .. } => true,
        }
    }
}

impl Value {
    /// What it is, in words, with what a number says.
    pub(crate) fn in_words(&self) -> String {
        match &self.kind {
            Kind::Text(_) => "a text".to_owned(),
            Kind::Integer(number) => format!("the number {number}"),
            Kind::Float(number) => format!("the number {number}"),
            Kind::Boolean(truth) => truth.to_string(),
            Kind::Datetime(_) => "a date or time".to_owned(),
            Kind::Array(_) => "a list".to_owned(),
            Kind::Table(_) => "a table".to_owned(),
            Kind::Broken => "nothing".to_owned(),
        }
    }

    /// Whether it is a table or a list of tables.
    pub(crate) fn is_table_or_tables(&self) -> bool {
        match &self.kind {
            Kind::Table(_) => true,
            Kind::Array(elements) => elements.iter().any(Self::is_table_or_tables),
            Kind::Text(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) | Kind::Broken => {
                false
            }
        }
    }

    /// Its text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(&text.text) } else { None }
    }
}

impl Table {
    /// A table that nobody wrote.
    pub(crate) const EMPTY: Self = Self { at: Place::NOWHERE, entries: Vec::new() };

    /// The entry of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| *entry.key == *key)
    }

    /// The entry of a key, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| *entry.key == *key)
    }

    /// The text of its `name`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.get("name")?.value.as_text()
    }
}

/// Turns a parsed file into values, and tells of each variable that is missing.
pub(crate) struct Reader<'a> {
    /// The file's number.
    pub(crate) source: usize,
    /// Variables.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Where problems go.
    pub(crate) findings: &'a Findings,
}

impl Reader<'_> {
    /// The whole document. The parser's tree is taken apart on the way, so that only one is whole at a time.
    pub(crate) fn document(&self, table: Spanned<DeTable<'_>>) -> Table {
        self.table(table.into_inner(), Place::new(self.source, 0), &Trail::Root)
    }

    fn table(&self, table: DeTable<'_>, at: Place, trail: &Trail<'_>) -> Table {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key_at = Place::new(self.source, key.span().start);
            let value = self.value(value, &Trail::Key { before: trail, name: key.get_ref() });
            entries.push(Entry { key: key.into_inner().into(), key_at, value });
        }
        Table { at, entries }
    }

    fn array(&self, elements: DeArray<'_>, trail: &Trail<'_>) -> Vec<Value> {
        let elements = elements.into_iter().enumerate();
        elements.map(|(index, element)| self.value(element, &Trail::Index { before: trail, index })).collect()
    }

    fn value(&self, value: Spanned<DeValue<'_>>, trail: &Trail<'_>) -> Value {
        let at = Place::new(self.source, value.span().start);
        let kind = match value.into_inner() {
            DeValue::String(text) => self.text(&text, at, trail),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Kind::Integer(number),
                Err(_) => self.broken(at, trail, "a number of this size cannot be held", ""),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Kind::Float(number),
                Err(_) => self.broken(at, trail, "this number cannot be read", ""),
            },
            DeValue::Boolean(truth) => Kind::Boolean(truth),
            DeValue::Datetime(time) => Kind::Datetime(time.to_string().into()),
            DeValue::Array(elements) => Kind::Array(self.array(elements, trail)),
            DeValue::Table(table) => Kind::Table(self.table(table, at, trail)),
        };
        Value { at, kind }
    }

    fn text(&self, text: &str, at: Place, trail: &Trail<'_>) -> Kind {
        match env::interpolate(text, self.environment) {
            Ok(None) => Kind::Text(Text { text: text.into(), origin: Origin::Written }),
            Ok(Some(whole)) => {
                Kind::Text(Text { text: whole.into(), origin: Origin::Interpolated { written: text.into() } })
            }
            Err(error) => self.broken(at, trail, &error.to_string(), "For a plain `${` write `$${`"),
        }
    }

    fn broken(&self, at: Place, trail: &Trail<'_>, detail: &str, hint: &str) -> Kind {
        self.findings.problem(at, &trail.to_string(), detail, hint);
        Kind::Broken
    }
}

/// The path to a value while walking, written out only where something is wrong.
enum Trail<'a> {
    Root,
    Key { before: &'a Trail<'a>, name: &'a str },
    Index { before: &'a Trail<'a>, index: usize },
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key { before: Self::Root, name } => f.write_str(name),
            Self::Key { before, name } => write!(f, "{before}.{name}"),
            Self::Index { before, index } => write!(f, "{before}[{index}]"),
        }
    }
}
