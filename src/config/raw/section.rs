//! A table from which keys are taken by name, with a table of defaults behind it.
//!
//! What was never asked for is unknown, and told as such by [`Section::finish`]. So the code that reads the keys is
//! the only list of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use regex::bytes::{Regex, RegexBuilder};

use super::field::Field;
use super::findings::Findings;
use super::source::Sources;
use super::suggest;
use super::tree::{Entry, Kind, Table};

/// A compiled expression may take this much memory.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// What every section and field needs to tell of a problem.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Where places are.
    pub(crate) sources: Sources,
    /// Where problems go.
    pub(crate) findings: Findings,
    /// Compiled expressions by their text: thousands of targets that check the same thing share one.
    regexes: RefCell<BTreeMap<Box<str>, Result<Regex, String>>>,
    /// Every key that was ever asked for, so that a test can look for it in the documentation.
    #[cfg(test)]
    pub(crate) asked: RefCell<std::collections::BTreeSet<String>>,
}

impl Reading {
    /// Nothing found yet.
    pub(crate) fn new(sources: Sources, findings: Findings) -> Self {
        Self {
            sources,
            findings,
            regexes: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Compiles an expression, or says in one line why it cannot.
    pub(crate) fn regex(&self, pattern: &str) -> Result<Regex, String> {
        let mut regexes = self.regexes.borrow_mut();
        regexes.entry(pattern.into()).or_insert_with(|| compile(pattern)).clone()
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build().map_err(|error| {
        // The library's report repeats the pattern over several lines; its last line says what is wrong.
        let report = error.to_string();
        report.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
    })
}

static EMPTY: Table = Table::EMPTY;

/// A table that is being read.
#[derive(Debug)]
pub(crate) struct Section<'t> {
    reading: &'t Reading,
    own: Layer<'t>,
    inherited: Option<Layer<'t>>,
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

/// One of the tables of a section.
#[derive(Debug, Clone)]
struct Layer<'t> {
    table: &'t Table,
    path: Rc<str>,
}

impl<'t> Section<'t> {
    /// A table at a path, without defaults.
    pub(crate) fn new(reading: &'t Reading, table: &'t Table, path: &str) -> Self {
        Self {
            reading,
            own: Layer { table, path: path.into() },
            inherited: None,
            asked: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The same table with another one's values behind its own.
    pub(crate) fn inheriting(mut self, defaults: &Section<'t>) -> Self {
        self.inherited = Some(defaults.own.clone());
        self
    }

    /// The value of a key, its own or the inherited one.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.ask(key);
        let layers = std::iter::once(&self.own).chain(&self.inherited);
        layers.into_iter().find_map(|layer| Some(self.field(layer, layer.table.get(key)?)))
    }

    /// The value of a key of this table itself.
    pub(crate) fn take_own(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.ask(key);
        Some(self.field(&self.own, self.own.table.get(key)?))
    }

    /// The value of a key that must be there in this table itself.
    pub(crate) fn require(&mut self, key: &'static str, hint: &str) -> Option<Field<'t>> {
        let field = self.take_own(key);
        if field.is_none() {
            self.fail(&format!("`{key}` is missing"), hint);
        }
        field
    }

    /// The table at a key; an empty one if there is none. Its defaults are the table at the same key of ours.
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'t> {
        self.ask(key);
        let own = self.layer(&self.own, key).unwrap_or_else(|| Layer { table: &EMPTY, path: self.path_of(key).into() });
        let inherited = self.inherited.as_ref().and_then(|layer| self.layer(layer, key));
        Section { reading: self.reading, own, inherited, asked: Vec::new(), refused: Vec::new() }
    }

    /// The tables of a list of tables.
    pub(crate) fn sections(&mut self, key: &'static str) -> Vec<Section<'t>> {
        let Some(field) = self.take_own(key) else { return Vec::new() };
        field.elements().into_iter().filter_map(|element| element.section()).collect()
    }

    /// Every entry, where the keys are the user's own; those that are inherited and not said anew come first. Keys are
    /// names of headers, so capitals do not count.
    pub(crate) fn entries(&self) -> Vec<(&'t str, Field<'t>)> {
        let inherited = self.inherited.iter().flat_map(|layer| {
            let said_anew = |key: &str| self.own.table.entries.iter().any(|own| own.key.eq_ignore_ascii_case(key));
            let inherited = layer.table.entries.iter().filter(move |entry| !said_anew(&entry.key));
            inherited.map(move |entry| (layer, entry))
        });
        let own = self.own.table.entries.iter().map(|entry| (&self.own, entry));
        inherited.chain(own).map(|(layer, entry)| (&*entry.key, self.field(layer, entry))).collect()
    }

    /// Whether this table itself is written, and not only its defaults.
    pub(crate) fn is_written(&self) -> bool {
        !std::ptr::eq(self.own.table, &raw const EMPTY)
    }

    /// Whether this table itself has a key.
    pub(crate) fn has_own(&self, key: &str) -> bool {
        self.own.table.get(key).is_some()
    }

    /// Refuses keys that belong to another version.
    pub(crate) fn not_in_this_version(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.refused.push(key);
            if let Some(entry) = self.own.table.get(key) {
                let detail = "this is not in this version of Breakwater";
                self.reading.findings.problem(entry.key_at, &self.path_of(key), detail, "Remove it");
            }
        }
    }

    /// Tells of every key that nobody asked for.
    pub(crate) fn finish(self) {
        for entry in &self.own.table.entries {
            let key = &*entry.key;
            let known = self.asked.iter().chain(&self.refused);
            if known.clone().any(|known| *known == key) {
                continue;
            }
            let hint = match suggest::nearest(key, self.asked.iter().copied()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("The keys here are: {}", known.join(", "))
                }
            };
            self.reading.findings.problem(entry.key_at, &self.path_of(key), "this key is not known", &hint);
        }
    }

    /// Tells of a problem of the table as a whole.
    pub(crate) fn fail(&self, detail: &str, hint: &str) {
        self.reading.findings.problem(self.own.table.at, &self.own.path, detail, hint);
    }

    /// Tells of something that is probably not meant.
    pub(crate) fn warn(&self, detail: &str, hint: &str) {
        self.reading.findings.warning(self.own.table.at, &self.own.path, detail, hint);
    }

    fn ask(&mut self, key: &'static str) {
        self.asked.push(key);
        #[cfg(test)]
        self.reading.asked.borrow_mut().insert(key.to_owned());
    }

    fn field(&self, layer: &Layer<'t>, entry: &'t Entry) -> Field<'t> {
        Field::new(self.reading, &layer.path, &entry.key, &entry.value)
    }

    fn layer(&self, layer: &Layer<'t>, key: &'static str) -> Option<Layer<'t>> {
        let entry = layer.table.get(key)?;
        let field = self.field(layer, entry);
        match &entry.value.kind {
            Kind::Table(table) => Some(Layer { table, path: field.path().into() }),
            Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime(_)
            | Kind::Array(_)
            | Kind::Broken => {
                field.wrong_kind("a table", &format!("Write {key} = {{ key = value }}"));
                None
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.own.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.own.path) }
    }
}
