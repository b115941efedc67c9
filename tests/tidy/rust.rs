//! Rust source, read just well enough: what is code, what is a comment or a string, and what is only compiled for
//! tests. It reads tokens and no grammar, so it can be misled by a macro that builds paths; nobody here does.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments blanked and strings emptied; line by line as in the file.
    pub(super) code: String,
    /// The code without what is only compiled for tests.
    pub(super) shipped: String,
}

/// A path that begins at the crate's root, or at another crate: its first name, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) name: String,
    pub(super) line: usize,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let code = without_comments_and_strings(text);
        let shipped = without_tests(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, shipped }
    }

    /// The top-level module it belongs to; `lib` and `main` for the roots.
    pub(super) fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Says that the whole file is only compiled for tests.
    pub(super) fn hold_for_test(&mut self) {
        self.shipped.clear();
    }

    /// Where the files are that it declares for tests only (`#[cfg(test)] mod x;`), without `.rs`.
    pub(super) fn files_for_tests(&self) -> Vec<String> {
        static DECLARED: LazyLock<Regex> = LazyLock::new(|| regex(r"#\[cfg\(test\)\]\s*(?:pub[^;{]*)?mod\s+(\w+)\s*;"));
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        DECLARED.captures_iter(&self.code).map(|found| format!("{folder}/{}", &found[1])).collect()
    }

    /// The top-level modules of our own that the shipped code names.
    pub(super) fn own_modules(&self) -> Vec<Mention> {
        static ROOT: LazyLock<Regex> =
            LazyLock::new(|| regex(r"(?:^|[^\w:])(crate|breakwater|super(?:\s*::\s*super)*)\s*::\s*"));
        let mut mentions = Vec::new();
        for found in ROOT.captures_iter(&self.shipped) {
            let root = &found[1];
            let reaches_the_root = match root {
                "crate" | "breakwater" => true,
                supers => supers.matches("super").count() == self.depth(),
            };
            if reaches_the_root {
                let end = found.get(0).map_or(0, |all| all.end());
                let line = line_of(&self.shipped, end);
                mentions.extend(first_names(&self.shipped[end..]).into_iter().map(|name| Mention { name, line }));
            }
        }
        mentions
    }

    /// How deep the file's module lies below the crate's root.
    fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let parts = inside.split('/').count();
        if inside.ends_with("/mod.rs") || matches!(inside, "lib.rs" | "main.rs") { parts - 1 } else { parts }
    }

    /// The names that stand at the beginning of a path in the shipped code and are no names of ours: other crates,
    /// and whatever else is in scope.
    pub(super) fn first_names_of_paths(&self) -> Vec<Mention> {
        static PATH: LazyLock<Regex> = LazyLock::new(|| {
            regex(r"(?:^|[^\w:$.])(?:::)?(?:use\s+(?:::)?([a-z_]\w*)\s*(?:::|;|\s+as\b)|([a-z_]\w*)\s*::)")
        });
        let foreign = OWN_IMPORT
            .replace_all(&self.shipped, |own: &regex::Captures<'_>| "\n".repeat(own[0].matches('\n').count()));
        let brought_in = self.brought_in();
        let names = PATH.captures_iter(&foreign).filter_map(|found| found.get(1).or(found.get(2)));
        names
            .filter(|name| !brought_in.contains(name.as_str()))
            .map(|name| Mention { name: name.as_str().to_owned(), line: line_of(&foreign, name.start()) })
            .collect()
    }

    /// The names of modules of ours that the file declares or imports.
    fn brought_in(&self) -> BTreeSet<&str> {
        static DECLARED: LazyLock<Regex> = LazyLock::new(|| regex(r"\bmod\s+(\w+)\s*[;{]"));
        static LAST_OF_A_PATH: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(\w+)\s*(?:[,;}]|::\s*\{\s*self\b)"));
        let imports = OWN_IMPORT.find_iter(&self.shipped);
        let imported = imports.flat_map(|import| LAST_OF_A_PATH.captures_iter(import.as_str()));
        let names = DECLARED.captures_iter(&self.shipped).chain(imported).filter_map(|found| found.get(1));
        names.map(|name| name.as_str()).collect()
    }
}

/// An import from this crate.
static OWN_IMPORT: LazyLock<Regex> = LazyLock::new(|| regex(r"\buse\s+(?:crate|super|self|breakwater)\b[^;]*;"));

/// A pattern that is written here, and so is right.
pub(super) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of the rules is one")
}

/// The line of a place in a text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The first name of what follows `crate::`, or the first names if that is a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name_at_start =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(list) = rest.strip_prefix('{') else { return vec![name_at_start(rest)] };
    let mut names = vec![name_at_start(list)];
    let mut depth = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_at_start(&list[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Blanks comments and empties strings and characters. Quotes and newlines stay.
fn without_comments_and_strings(text: &str) -> String {
    static SKIPPED: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r##"(?xs)
            (?P<line>//[^\n]*)
            | (?P<block>/\*.*?\*/)
            | (?P<raw>\bb?r\#\#".*?"\#\# | \bb?r\#".*?"\# | \bb?r".*?")
            | (?P<string>b?"(?:\\.|[^"\\])*")
            | (?P<char>b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\\n])')"##,
        )
    });
    SKIPPED
        .replace_all(text, |found: &regex::Captures<'_>| {
            let all = &found[0];
            let newlines = all.matches('\n').count();
            if found.name("line").is_some() || found.name("block").is_some() {
                "\n".repeat(newlines)
            } else {
                format!("\"{}\"", "~\n".repeat(newlines))
            }
        })
        .into_owned()
}

/// Blanks each item that follows `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(at);
        kept.push_str(before);
        let (item, after) = item.split_at(end_of_item(item));
        kept.push_str(&"\n".repeat(item.matches('\n').count()));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Where the item ends that starts here: at its `;` or the `}` that closes its body, whichever comes first outside of
/// parentheses and brackets.
fn end_of_item(item: &str) -> usize {
    let mut round = 0_i32;
    let mut curly = 0_i32;
    for (at, c) in item.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            '{' => curly += 1,
            '}' => {
                curly -= 1;
                if curly <= 0 && round <= 0 {
                    return at + 1;
                }
            }
            ';' if round <= 0 && curly <= 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

fn names(mentions: &[Mention]) -> Vec<&str> {
    mentions.iter().map(|mention| mention.name.as_str()).collect()
}

#[test]
fn comments_and_strings_are_no_code() {
    let text =
        "a(\"crate::x // \\\" \"); // crate::y\n/* crate::z\n */ let c = '\"'; let l: &'static str = r#\"\"crate::\"#;";
    let code = Source::parse("src/a.rs", text).code;
    assert!(!code.contains("crate"), "{code}");
    assert!(code.contains("&'static str"), "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn what_is_compiled_for_tests_is_not_shipped() {
    let text = "a();\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n fn b() { [1; 2]; }\n}\n#[cfg(test)]\nuse c::d;\ne();\n";
    let shipped = Source::parse("src/a.rs", text).shipped;
    assert_eq!(shipped.split_whitespace().collect::<Vec<_>>(), ["a();", "e();"]);
    assert_eq!(shipped.lines().count(), text.lines().count());
}

#[test]
fn a_file_that_is_declared_for_tests_is_not_shipped() {
    let files = [("src/a/mod.rs", "#[cfg(test)]\nmod tests;"), ("src/a/tests.rs", "b();"), ("src/a/c.rs", "d();")];
    let tree = super::Tree::made_of(&files);
    let shipped: Vec<&str> = tree.sources.iter().map(|source| source.shipped.trim()).collect();
    assert_eq!(shipped, ["d();", "", ""]);
}

#[test]
fn modules_of_ours_are_found_however_they_are_named() {
    let text = "use crate::{a, b::{c, d}, e::*};\ncrate::f::g();\nuse super::h;\nuse super::super::i;\nself::j();";
    assert_eq!(names(&Source::parse("src/x/y.rs", text).own_modules()), ["a", "b", "e", "f", "i"]);
    assert_eq!(names(&Source::parse("src/x/mod.rs", text).own_modules()), ["a", "b", "e", "f", "h"]);
}

#[test]
fn other_crates_are_found_and_modules_of_the_same_name_are_not_taken_for_them() {
    let text = "use sled;\nuse warp::Filter;\nlet a = ::jiff::b();\n#[actix::main]\nuse crate::{metrics, clap::x};\nmetrics::y();\nz.sled::<c>();";
    let source = Source::parse("src/x.rs", text);
    let mentions = source.first_names_of_paths();
    let found = names(&mentions);
    for name in ["sled", "warp", "jiff", "actix"] {
        assert!(found.contains(&name), "{name} in {found:?}");
    }
    for name in ["metrics", "clap"] {
        assert!(!found.contains(&name), "{name} in {found:?}");
    }
    assert_eq!(found.iter().filter(|name| **name == "sled").count(), 1, "{found:?}");
}
