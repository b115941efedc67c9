//! The files of a configuration: the main one and those that it includes.
//!
//! A pattern may hold `*` and `?` in its last part; what it matches is read in the order of the names. Includes do
//! not include further files.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::findings::Findings;
use super::source::{Place, Source, Sources};
use super::tree::{Kind, Reader, Table};

/// A file may be this large: 20,000 targets of 800 bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// So many files may be included.
const MAX_FILES: usize = 1_000;

/// Everything that was read.
#[derive(Debug)]
pub(crate) struct Documents {
    /// The places' texts.
    pub(crate) sources: Sources,
    /// What was wrong so far.
    pub(crate) findings: Findings,
    /// The tables, the main file's first.
    pub(crate) tables: Vec<Table>,
    /// Whether a file is not among them, so that names may be missing that are not.
    pub(crate) incomplete: bool,
    /// The files.
    pub(crate) files: Vec<PathBuf>,
    /// The folders in which a new file could match a pattern.
    pub(crate) folders: BTreeSet<PathBuf>,
}

/// Reads a text as the main file, then what it includes.
pub(crate) fn documents(
    text: String,
    file_name: &str,
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Documents {
    let mut documents = Documents {
        sources: Sources::default(),
        findings: Findings::default(),
        tables: Vec::new(),
        incomplete: false,
        files: Vec::new(),
        folders: BTreeSet::new(),
    };
    documents.add(text, file_name, folder, environment);
    let mut included = Vec::new();
    for (pattern, place, key) in includes(documents.tables.first()) {
        included.extend(documents.expand(&pattern, place, &key, folder));
    }
    let mut seen: BTreeSet<PathBuf> = canonical(Path::new(file_name)).into_iter().collect();
    for (path, place, key) in included {
        if canonical(&path).is_none_or(|canonical| seen.insert(canonical)) {
            documents.include(&path, place, &key, environment);
        }
    }
    documents
}

/// Reads a file that must be there, be text, and not be larger than it may be.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let bytes = read_bytes(path, MAX_FILE_BYTES)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8 text")
    })
}

/// Reads at most `limit` bytes of an ordinary file.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    // A pipe would be waited for, so the kind is asked before the file is opened.
    if !std::fs::metadata(path).map_err(in_words)?.is_file() {
        return Err("it is not an ordinary file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(in_words)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(in_words)?;
    if bytes.len() as u64 > limit {
        return Err(format!("it is larger than {}", crate::config::units::write_size(limit)));
    }
    Ok(bytes)
}

fn in_words(error: std::io::Error) -> String {
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        "there is no such file".to_owned()
    } else if kind == ErrorKind::PermissionDenied {
        "this user may not read it".to_owned()
    } else {
        error.to_string()
    }
}

type Included = (PathBuf, Place, String);

impl Documents {
    fn add(&mut self, text: String, file_name: &str, folder: &Path, environment: &BTreeMap<String, String>) {
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let name = file_name.to_owned();
        let source = self.sources.add(Source::File { name, folder: folder.to_owned(), text, lines: OnceCell::new() });
        let (table, errors) = DeTable::parse_recoverable(self.sources.text(source));
        // What follows a mistake in the syntax is guessed by the parser, so only the first is told.
        let first = errors.iter().min_by_key(|error| error.span().map_or(usize::MAX, |span| span.start));
        if let Some(error) = first {
            let place = Place::new(source, error.span().map_or(0, |span| span.start));
            self.findings.problem(place, "", &format!("this is not TOML: {}", error.message()), "");
            self.incomplete = true;
        }
        let silent = Findings::default();
        let findings = if first.is_some() { &silent } else { &self.findings };
        let mut table = Reader { source, environment, findings }.document(table);
        if first.is_some() {
            table.entries.retain(|entry| &*entry.key == "include");
        }
        self.tables.push(table);
    }

    fn include(&mut self, path: &Path, place: Place, key: &str, environment: &BTreeMap<String, String>) {
        if self.files.len() >= MAX_FILES {
            self.findings.problem(place, key, &format!("more than {MAX_FILES} files are included"), "Join some");
            return;
        }
        self.files.push(path.to_owned());
        match read(path) {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                self.add(text, &path.display().to_string(), &folder, environment);
            }
            Err(reason) => {
                let detail = format!("the file `{}` cannot be read: {reason}", path.display());
                self.findings.problem(place, key, &detail, "");
                self.incomplete = true;
            }
        }
    }

    fn expand(&mut self, pattern: &str, place: Place, key: &str, folder: &Path) -> Vec<Included> {
        let whole = folder.join(pattern);
        let (Some(parent), Some(last)) = (whole.parent(), whole.file_name().and_then(|last| last.to_str())) else {
            self.findings.problem(place, key, "this names no file", "Write include = [\"targets/*.toml\"]");
            return Vec::new();
        };
        if parent.to_str().is_some_and(has_wildcard) {
            let detail = "`*` and `?` may stand only in the last part of a path";
            self.findings.problem(place, key, detail, "Name each folder");
            return Vec::new();
        }
        self.folders.insert(parent.to_owned());
        if !has_wildcard(last) {
            return vec![(whole.clone(), place, key.to_owned())];
        }
        let found = matching(parent, last);
        if found.is_empty() {
            self.findings.warning(
                place,
                key,
                "this matches no file",
                "Files are looked for beside the one that names them",
            );
        }
        found.into_iter().map(|path| (path, place, key.to_owned())).collect()
    }
}

/// The patterns of the main file. What is no list of texts is told later, with all other keys.
fn includes(main: Option<&Table>) -> Vec<(String, Place, String)> {
    let Some(Kind::Array(patterns)) = main.and_then(|main| main.get("include")).map(|entry| &entry.value.kind) else {
        return Vec::new();
    };
    let numbered = patterns.iter().enumerate();
    numbered
        .filter_map(|(index, value)| Some((value.as_text()?.to_owned(), value.at, format!("include[{index}]"))))
        .collect()
}

fn canonical(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The files of a folder whose names match, sorted; hidden ones (an editor's swap file) only if the pattern says so.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(here) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| matches(pattern, name) && (pattern.starts_with('.') || !name.starts_with('.')))
        .filter(|name| here.join(name).is_file())
        .collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether a name matches: on a mismatch the last `*` takes one letter more.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut letter) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while letter < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, letter));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == name[letter] => {
                at += 1;
                letter += 1;
            }
            Some(_) | None => {
                let Some((after_star, taken)) = star else { return false };
                star = Some((after_star, taken + 1));
                at = after_star;
                letter = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_letters_and_a_question_mark_is_one() {
        for (pattern, name) in
            [("*.toml", "a.toml"), ("*", ""), ("a*b*c", "a-b-b-c"), ("?.toml", "가.toml"), ("a", "a")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.toml", "a.tom"), ("?", ""), ("a*b", "abc"), ("a", "b"), ("*.toml", "a.toml~")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
