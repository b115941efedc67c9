//! Promises that no type can keep: who may say "committed", what tests may not do, and that documents, dashboards and
//! alert rules speak of things that exist.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::rust::{line_of, regex};
use super::tree::{Finding, Tree, findings};

/// `Committed::by_store` is called in `src/store` alone, in tests too.
pub(super) fn check_committed(tree: &Tree) -> Vec<Finding> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| regex(r"(fn\s+)?\bby_store\b"));
    let mut findings = Vec::new();
    let outside = tree.sources.iter().filter(|source| !source.path.starts_with("src/store"));
    for source in outside.filter(|source| !source.path.starts_with("tests/tidy")) {
        for found in CALL.captures_iter(&source.code) {
            let is_definition = found.get(1).is_some() && source.path.starts_with("src/domain/");
            if !is_definition {
                let at = found.get(0).map_or(0, |all| all.start());
                findings.push(Finding {
                    place: format!("{}:{}", source.path, line_of(&source.code, at)),
                    wrong: "it says that something is committed".into(),
                    mend: "Only src/store may: take a Committed that the store gave, in tests from a real store."
                        .into(),
                });
            }
        }
    }
    findings
}

/// No test is switched off, and none passes because of a panic.
pub(super) fn check_tests(tree: &Tree) -> Vec<Finding> {
    static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| regex(r"#\[\s*(ignore|should_panic)\b"));
    let found =
        tree.sources.iter().flat_map(|source| ATTRIBUTE.captures_iter(&source.code).map(move |found| (source, found)));
    found
        .map(|(source, found)| Finding {
            place: format!("{}:{}", source.path, line_of(&source.code, found.get(0).map_or(0, |all| all.start()))),
            wrong: format!("a test is marked `{}`", &found[1]),
            mend: "Mend it or delete it; for a panic, assert on what is returned.".into(),
        })
        .collect()
}

/// Every metric that a dashboard or a rule asks for is one that `src/metrics` writes, or that a rule records.
pub(super) fn check_metrics(tree: &Tree) -> Vec<Finding> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:breakwater|probe|process)_[a-z0-9_]+\b"));
    static LITERAL: LazyLock<Regex> = LazyLock::new(|| regex(r#""((?:breakwater|probe|process)_[a-z0-9_]+)""#));
    let of_metrics = tree.program().filter(|source| source.module() == "metrics");
    let written: BTreeSet<&str> = of_metrics
        .flat_map(|source| LITERAL.captures_iter(&source.text).filter_map(|found| found.get(1)))
        .map(|name| name.as_str())
        .collect();
    let is_written = |name: &str| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        written.contains(name) || histogram.is_some_and(|histogram| written.contains(histogram))
    };

    let askers = tree.texts.iter().filter(|(path, _)| {
        path.starts_with("grafana/") && path.ends_with(".json") || path.starts_with("config/prometheus/rules/")
    });
    let asked = askers.flat_map(|(path, text)| NAME.find_iter(text).map(move |name| (path, text, name)));
    asked
        .filter(|(_, text, name)| !is_part_of_a_recorded_name(text, name) && !is_written(name.as_str()))
        .map(|(path, text, name)| Finding {
            place: format!("{path}:{}", line_of(text, name.start())),
            wrong: format!("it asks for {}, which nobody writes", name.as_str()),
            mend: "Correct the name, or write the metric in src/metrics.".into(),
        })
        .collect()
}

/// Recorded names hold colons (`target:breakwater_x:rate5m`); promtool checks those.
fn is_part_of_a_recorded_name(text: &str, name: &regex::Match<'_>) -> bool {
    let after = text[name.end()..].strip_prefix(':');
    text[..name.start()].ends_with(':') || after.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric()))
}

/// The files that the guide and the README name exist. The changelog may speak of what is gone.
pub(super) fn check_documents(tree: &Tree) -> Vec<Finding> {
    static NAMED: LazyLock<Regex> =
        LazyLock::new(|| regex(r"[`(]((?:src|tests|config|grafana|examples|benches)/[^`\s)#:]*)"));
    let documents = tree.texts.iter().filter(|(path, _)| {
        path.as_str() == "README.md"
            || path.starts_with("src/guide/") && path.ends_with(".md") && !path.ends_with("changelog.md")
    });
    let named = documents.flat_map(|(path, text)| NAMED.captures_iter(text).map(move |found| (path, text, found)));
    named
        .filter(|(_, _, found)| !tree.has(existing_part(&found[1])))
        .map(|(path, text, found)| Finding {
            place: format!("{path}:{}", line_of(text, found.get(0).map_or(0, |all| all.start()))),
            wrong: format!("it names {}, which does not exist", &found[1]),
            mend: "Name the file as it is called now.".into(),
        })
        .collect()
}

/// Every chapter of the guide is compiled, so that its links are checked.
pub(super) fn check_guide(tree: &Tree) -> Vec<Finding> {
    let modules: Vec<&str> = tree.program().filter(|file| file.module() == "guide").map(|file| &*file.text).collect();
    let chapters = tree.texts.keys().filter(|path| path.starts_with("src/guide/") && path.ends_with(".md"));
    let is_included = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        modules.iter().any(|text| text.contains(&format!("include_str!(\"{name}\")")))
    };
    chapters
        .filter(|path| !is_included(path))
        .map(|path| Finding {
            place: path.clone(),
            wrong: "this chapter is not compiled".into(),
            mend: "Add `#[doc = include_str!(..)] pub mod ..` to the mod.rs beside it.".into(),
        })
        .collect()
}

/// Of a pattern (`src/domain/*.rs`) the folder, of a path all of it.
fn existing_part(path: &str) -> &str {
    let Some(at) = path.find(['*', '{', '<']) else { return path };
    path[..at].rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[test]
fn a_commit_that_the_store_did_not_make_is_found() {
    let files = [
        ("src/domain/change.rs", "pub fn by_store() {}\nfn a() { by_store() }"),
        ("src/store/log.rs", "Committed::by_store(a, b)"),
        ("src/actors/a.rs", "//! by_store\n#[cfg(test)]\nmod tests { fn a() { Committed::by_store(1, 2); } }"),
    ];
    assert_eq!(
        findings(check_committed, &files),
        [
            "src/actors/a.rs:3: it says that something is committed",
            "src/domain/change.rs:2: it says that something is committed",
        ]
    );
}

#[test]
fn a_test_that_is_switched_off_is_found() {
    let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]\n#[should_panic(expected = \"b\")]\nfn c() {}";
    assert_eq!(
        findings(check_tests, &[("tests/a.rs", text)]),
        ["tests/a.rs:2: a test is marked `ignore`", "tests/a.rs:5: a test is marked `should_panic`"]
    );
}

#[test]
fn a_metric_that_nobody_writes_is_found() {
    let files = [
        ("src/metrics/names.rs", "A: \"breakwater_a_seconds\"; B: \"probe_success\";"),
        ("src/http/a.rs", "\"breakwater_not_here\""),
        ("grafana/dashboards/a.json", "{\"expr\": \"rate(breakwater_a_seconds_bucket[5m]) + probe_sucess\"}"),
        (
            "config/prometheus/rules/a.yml",
            "record: target:breakwater_b:rate5m\nexpr: breakwater_not_here{target=\"x\"} > breakwater_a_seconds\n",
        ),
    ];
    assert_eq!(
        findings(check_metrics, &files),
        [
            "config/prometheus/rules/a.yml:2: it asks for breakwater_not_here, which nobody writes",
            "grafana/dashboards/a.json:1: it asks for probe_sucess, which nobody writes",
        ]
    );
}

#[test]
fn a_document_that_names_a_missing_file_is_found() {
    let files = [
        ("src/a/mod.rs", ""),
        ("README.md", "See `src/a`, `src/a/*.rs`, [b](src/a/mod.rs) and `src/b/*.rs`."),
        ("src/guide/c.md", "`src/a/mod.rs` calls\n`src/a/d.rs`."),
        ("src/guide/changelog.md", "`src/gone.rs`"),
    ];
    assert_eq!(
        findings(check_documents, &files),
        [
            "README.md:1: it names src/b/*.rs, which does not exist",
            "src/guide/c.md:2: it names src/a/d.rs, which does not exist",
        ]
    );
}

#[test]
fn a_chapter_that_is_not_compiled_is_found() {
    let module = "#[doc = include_str!(\"a.md\")]\npub mod a {}";
    let files = [("src/guide/mod.rs", module), ("src/guide/a.md", ""), ("src/guide/decisions/b.md", "")];
    assert_eq!(findings(check_guide, &files), ["src/guide/decisions/b.md: this chapter is not compiled"]);
}
