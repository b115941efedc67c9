//! Where a value stands: a file and an offset in it, or an environment variable.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// Something that values come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file.
    File {
        /// As problems name it.
        name: String,
        /// What relative paths in it are relative to.
        folder: PathBuf,
        /// What it holds.
        text: String,
        /// Where its lines begin, once somebody asked for a line.
        lines: OnceCell<Vec<usize>>,
    },
    /// An environment variable that overrides a key.
    Variable {
        /// Its name.
        name: String,
        /// What relative paths in it are relative to: the main file's folder.
        folder: PathBuf,
    },
}

/// A place in one of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    source: u32,
    offset: u32,
}

impl Place {
    /// The place of tables that nobody wrote; never told.
    pub(crate) const NOWHERE: Self = Self { source: 0, offset: 0 };

    /// The byte at `offset` of a source.
    pub(crate) fn new(source: usize, offset: usize) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { source: narrow(source), offset: narrow(offset) }
    }
}

/// A place in words and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Location {
    pub(crate) file: String,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{}:{line}:{column}", self.file),
            (Some(_) | None, _) => f.write_str(&self.file),
        }
    }
}

/// Every source that was read.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Adds one and gives the number that places in it carry.
    pub(crate) fn add(&mut self, source: Source) -> usize {
        self.0.push(source);
        self.0.len() - 1
    }

    /// The text of a file; empty for a variable.
    pub(crate) fn text(&self, source: usize) -> &str {
        match self.0.get(source) {
            Some(Source::File { text, .. }) => text,
            Some(Source::Variable { .. }) | None => "",
        }
    }

    /// What a relative path that stands at `place` is relative to.
    pub(crate) fn folder(&self, place: Place) -> &Path {
        match self.0.get(place.source as usize) {
            Some(Source::File { folder, .. } | Source::Variable { folder, .. }) => folder,
            None => Path::new(""),
        }
    }

    /// The place for people.
    pub(crate) fn locate(&self, place: Place) -> Location {
        match self.0.get(place.source as usize) {
            Some(Source::File { name, text, lines, .. }) => {
                let lines = lines.get_or_init(|| line_beginnings(text));
                let (line, column) = line_and_column(text, lines, place.offset as usize);
                Location { file: name.clone(), line: Some(line), column: Some(column) }
            }
            Some(Source::Variable { name, .. }) => {
                Location { file: format!("environment variable {name}"), line: None, column: None }
            }
            None => Location::default(),
        }
    }
}

/// Where lines begin.
fn line_beginnings(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect()
}

/// The line and the column of a byte, both from 1, the column in characters.
fn line_and_column(text: &str, beginnings: &[usize], offset: usize) -> (u32, u32) {
    let offset = offset.min(text.len());
    let line = beginnings.partition_point(|beginning| *beginning <= offset);
    let beginning = line.checked_sub(1).and_then(|index| beginnings.get(index)).copied().unwrap_or_default();
    let before = text.get(beginning..offset).unwrap_or_default();
    let column = before.chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{line_and_column, line_beginnings};

    #[test]
    fn lines_and_columns_count_from_one_and_columns_count_characters() {
        let place = |text, offset| line_and_column(text, &line_beginnings(text), offset);
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("a\n한글 = 1", 9), (2, 4));
        assert_eq!(place("a\nb", 99), (2, 2));
        assert_eq!(place("a\n\nb", 2), (2, 1));
    }
}
