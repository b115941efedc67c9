//! The floors: a module uses modules on lower floors and itself, never a neighbour, never upstairs.

use super::tree::{Finding, Tree, findings};

/// Who lives where. A module that is not built yet has its place all the same.
const FLOORS: [&[&str]; 7] = [
    &["domain"],
    &["clock"],
    &["config", "metrics"],
    &["breaker", "probes", "store", "notify", "gateway", "cluster", "listener"],
    &["actors", "guard"],
    &["http", "proxy", "simulator"],
    &["main", "cli", "app", "lib", "guide"],
];

/// The top floor is one flat: `main` calls `cli`, which calls `app`.
const TOP: usize = FLOORS.len() - 1;

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Every use of a module by another one goes down.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.program() {
        let module = source.module();
        let Some(floor) = floor_of(module) else {
            findings.push(Finding {
                place: source.path.clone(),
                wrong: format!("the module {module} has no floor"),
                mend: "Put it on one in tests/tidy/floors.rs and in src/guide/architecture.md.".into(),
            });
            continue;
        };
        for mention in source.own_modules() {
            let Some(below) = floor_of(&mention.name) else { continue };
            if mention.name == module || below < floor || floor == TOP {
                continue;
            }
            let where_ = if below == floor { "its neighbour on floor" } else { "upstairs on floor" };
            findings.push(Finding {
                place: format!("{}:{}", source.path, mention.line),
                wrong: format!("{module} (floor {floor}) uses {}, {where_} {below}", mention.name),
                mend: "Move what both need to a lower floor, or let a higher floor connect the two.".into(),
            });
        }
    }
    findings
}

#[test]
fn a_use_upstairs_or_next_door_is_found() {
    let files = [
        ("src/domain/a.rs", "fn a() { crate::clock::now() }"),
        ("src/store/mod.rs", "use crate::{domain::id, notify};\nuse super::actors;"),
        ("src/http/a.rs", "use crate::{actors, clock, domain, http::b};"),
        ("src/app.rs", "use crate::{cli, http};"),
    ];
    assert_eq!(
        findings(check, &files),
        [
            "src/domain/a.rs:1: domain (floor 0) uses clock, upstairs on floor 1",
            "src/store/mod.rs:1: store (floor 3) uses notify, its neighbour on floor 3",
            "src/store/mod.rs:2: store (floor 3) uses actors, upstairs on floor 4",
        ]
    );
}

#[test]
fn a_use_in_a_test_or_a_comment_is_free() {
    let text = "//! See [`crate::http`].\n#[cfg(test)]\nmod tests {\n use crate::http;\n}\n";
    assert_eq!(findings(check, &[("src/clock.rs", text)]), [""; 0]);
}

#[test]
fn a_module_without_a_floor_is_found() {
    assert_eq!(findings(check, &[("src/misty/a.rs", "")]), ["src/misty/a.rs: the module misty has no floor"]);
}
