//! Files: how long, how they begin, what they are called, and what stands at the top of the project.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::rust::regex;
use super::tree::{Finding, Tree, findings};

/// Code lines of a file: not blank, no comment, not for tests.
const CODE_LINES_MAX: usize = 400;

/// Words that say nothing.
const EMPTY_WORDS: &[&str] =
    &["utils", "util", "helpers", "helper", "common", "manager", "misc", "data", "info", "stuff"];

/// What may stand at the top, hidden files apart.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "config",
    "examples",
    "fuzz",
    "grafana",
    "src",
    "tests",
];

/// No file is longer than a reader can hold in mind.
pub(super) fn check_length(tree: &Tree) -> Vec<Finding> {
    let lengths =
        tree.program().map(|source| (source, source.shipped.lines().filter(|line| !line.trim().is_empty()).count()));
    lengths
        .filter(|(_, lines)| *lines > CODE_LINES_MAX)
        .map(|(source, lines)| Finding {
            place: source.path.clone(),
            wrong: format!("{lines} code lines, {CODE_LINES_MAX} are allowed"),
            mend: "Split it where its subject splits: a folder with a mod.rs, or a module of its own.".into(),
        })
        .collect()
}

/// Every Rust file begins with what it is.
pub(super) fn check_docs(tree: &Tree) -> Vec<Finding> {
    let undocumented = tree.sources.iter().filter(|source| {
        let first = source.text.trim_start().lines().next().unwrap_or("");
        first.strip_prefix("//!").is_none_or(|sentence| sentence.trim().is_empty())
    });
    undocumented
        .map(|source| Finding {
            place: format!("{}:1", source.path),
            wrong: "it does not begin with `//!`".into(),
            mend: "Say in one sentence what it is; then what it owns, guarantees, and leaves to others.".into(),
        })
        .collect()
}

/// `mod.rs` and `lib.rs` declare modules and pass names on, nothing else.
pub(super) fn check_contents(tree: &Tree) -> Vec<Finding> {
    static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| regex(r"#!?\[[^\]]*\]"));
    static EMPTY_MODULE: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(mod\s+\w+)\s*\{\s*\}"));
    static ALLOWED: LazyLock<Regex> =
        LazyLock::new(|| regex(r"^(?:(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+|pub(?:\([^)]*\))?\s+use\s.*)$"));
    let contents = tree.program().filter(|source| source.path.ends_with("/mod.rs") || source.path == "src/lib.rs");
    let mut findings = Vec::new();
    for source in contents {
        let items = ATTRIBUTE.replace_all(&source.shipped, "");
        let items = EMPTY_MODULE.replace_all(&items, "$1;");
        for item in items.split(';') {
            let item = item.split_whitespace().collect::<Vec<_>>().join(" ");
            if !item.is_empty() && !ALLOWED.is_match(&item) {
                let beginning: String = item.chars().take(40).collect();
                findings.push(Finding {
                    place: source.path.clone(),
                    wrong: format!("a table of contents holds `{beginning}`"),
                    mend: "Only docs, `mod` and `pub use` stand here: move it to a file with a name.".into(),
                });
                break;
            }
        }
    }
    findings
}

/// No file and no module is called by a word that says nothing.
pub(super) fn check_names(tree: &Tree) -> Vec<Finding> {
    static MODULE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bmod\s+(\w+)"));
    let mut empty = BTreeSet::new();
    for source in tree.program() {
        let inside = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let declared = MODULE.captures_iter(&source.code).map(|found| found[1].to_owned());
        for name in inside.split('/').map(str::to_owned).chain(declared) {
            if let Some(word) = name.split('_').find(|word| EMPTY_WORDS.contains(word)) {
                empty.insert((source.path.clone(), name.clone(), word.to_owned()));
            }
        }
    }
    let findings = empty.into_iter().map(|(place, name, word)| Finding {
        place,
        wrong: format!("the name {name}: \"{word}\" says nothing"),
        mend: "Call it by what it does.".into(),
    });
    findings.collect()
}

/// Nothing stands at the top of the project but what everybody looks for there.
pub(super) fn check_top(tree: &Tree) -> Vec<Finding> {
    let top: BTreeSet<&str> = tree.texts.keys().filter_map(|path| path.split('/').next()).collect();
    top.into_iter()
        .filter(|name| !TOP.contains(name))
        .map(|name| Finding {
            place: name.to_owned(),
            wrong: "it stands at the top of the project".into(),
            mend: "Documents go to src/guide, scripts to tests, tool files are hidden.".into(),
        })
        .collect()
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let full = "a();\n\n// b\n".repeat(CODE_LINES_MAX);
    let tests = format!("{full}#[cfg(test)]\nmod tests {{\n{full}}}\n");
    assert_eq!(findings(check_length, &[("src/a.rs", &tests)]), [""; 0]);
    let too_long = format!("{full}c();\n");
    assert_eq!(findings(check_length, &[("src/a.rs", &too_long)]), ["src/a.rs: 401 code lines, 400 are allowed"]);
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_found() {
    let files = [("src/a.rs", "//! It is.\n"), ("src/b.rs", "use c;\n//! Late.\n"), ("tests/d.rs", "//!\n")];
    let expected = ["src/b.rs:1: it does not begin with `//!`", "tests/d.rs:1: it does not begin with `//!`"];
    assert_eq!(findings(check_docs, &files), expected);
}

#[test]
fn logic_in_a_table_of_contents_is_found() {
    let good =
        "//! a\npub mod b;\n#[cfg(unix)]\nmod c;\npub use b::{D, E};\n#[doc = include_str!(\"f.md\")]\npub mod f {}\n";
    let files = [
        ("src/a/mod.rs", good),
        ("src/b/mod.rs", "mod c;\nuse c::D;"),
        ("src/c/mod.rs", "mod d;\npub struct E { f: u8 }\n"),
        ("src/d.rs", "pub struct E;"),
    ];
    assert_eq!(
        findings(check_contents, &files),
        [
            "src/b/mod.rs: a table of contents holds `use c::D`",
            "src/c/mod.rs: a table of contents holds `pub struct E { f: u8 }`",
        ]
    );
}

#[test]
fn an_empty_name_is_found() {
    let files = [("src/http/string_utils.rs", "mod helpers {}"), ("src/a.rs", "mod database;")];
    assert_eq!(
        findings(check_names, &files),
        [
            "src/http/string_utils.rs: the name helpers: \"helpers\" says nothing",
            "src/http/string_utils.rs: the name string_utils: \"utils\" says nothing",
        ]
    );
}

#[test]
fn a_stranger_at_the_top_is_found() {
    let files = [("src/a.rs", ""), ("NOTES.md", ""), ("scripts/a.sh", ""), ("README.md", "")];
    assert_eq!(
        findings(check_top, &files),
        ["NOTES.md: it stands at the top of the project", "scripts/a.sh: it stands at the top of the project"]
            .map(|line| line.replace("/a.sh", ""))
    );
}
