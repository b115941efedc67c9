//! The project's files as the rules see them, read from disk or made up for a test of a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use super::rust::Source;

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) place: String,
    pub(super) wrong: String,
    pub(super) mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.place, self.wrong, self.mend)
    }
}

/// All files that are part of the project: text by path, `/` between the parts.
pub(super) struct Tree {
    pub(super) texts: BTreeMap<String, String>,
    pub(super) sources: Vec<Source>,
}

impl Tree {
    /// This project, without what is hidden or ignored at its top.
    pub(super) fn of_this_project() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ignored = fs::read_to_string(root.join(".gitignore")).expect("the project has a .gitignore");
        let ignored: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
        let mut texts = BTreeMap::new();
        for name in names_in(root) {
            if !name.starts_with('.') && !ignored.contains(name.as_str()) {
                read(root, &name, &mut texts);
            }
        }
        Self::new(texts)
    }

    /// A made-up project.
    pub(super) fn made_of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn new(texts: BTreeMap<String, String>) -> Self {
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let mut sources: Vec<Source> = rust.map(|(path, text)| Source::parse(path, text)).collect();
        let for_tests: Vec<String> = sources.iter().flat_map(Source::files_for_tests).collect();
        for source in &mut sources {
            let is_below = |stem: &String| {
                source.path.strip_prefix(stem.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            if for_tests.iter().any(is_below) {
                source.hold_for_test();
            }
        }
        Self { texts, sources }
    }

    /// The sources of the program, the library's and the binary's.
    pub(super) fn program(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.path.starts_with("src/"))
    }

    /// Whether there is a file or a folder with this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.texts.contains_key(path) || self.texts.keys().any(|file| file.starts_with(&folder))
    }
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder of the project can be read");
    entries.map(|entry| entry.expect("its entries too").file_name().to_string_lossy().into_owned()).collect()
}

fn read(root: &Path, path: &str, texts: &mut BTreeMap<String, String>) {
    let file = root.join(path);
    if file.is_dir() {
        for name in names_in(&file) {
            read(root, &format!("{path}/{name}"), texts);
        }
        return;
    }
    let text = String::from_utf8_lossy(&fs::read(&file).expect("a file of the project can be read")).into_owned();
    texts.insert(path.to_owned(), text);
}

/// Tries a rule on a made-up project: what it finds, one line a finding, without what to do about it.
pub(super) fn findings(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    let findings = rule(&Tree::made_of(files));
    assert!(findings.iter().all(|finding| !finding.mend.is_empty()), "each says what to do");
    findings.into_iter().map(|Finding { place, wrong, .. }| format!("{place}: {wrong}")).collect()
}
