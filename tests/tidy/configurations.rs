//! The configurations that ship are right: a user's first file is one of them.

use std::collections::BTreeMap;
use std::path::Path;

use breakwater::config::Config;

use super::tree::{Finding, Tree};

/// Every file directly under `config/` is a whole configuration; those in folders are included by them.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = tree.texts.iter().filter(|(path, _)| {
        path.strip_prefix("config/").is_some_and(|name| name.ends_with(".toml") && !name.contains('/'))
    });
    let read = names.map(|(path, text)| {
        let folder = root.join(path);
        let folder = folder.parent().unwrap_or(root);
        (path, Config::parse(text, path, folder, &BTreeMap::new()))
    });
    read.filter_map(|(path, result)| Some((path, result.err()?)))
        .map(|(path, problems)| Finding {
            place: path.clone(),
            wrong: format!("this configuration is refused:\n{problems}"),
            mend: "Mend it as it says; users start from this file.".into(),
        })
        .collect()
}

#[test]
fn a_configuration_that_is_refused_is_found() {
    let files = [("config/a.toml", "[nod]\n"), ("config/targets/b.toml", "[nod]\n"), ("config/c.toml", "[node]\n")];
    let places: Vec<String> = check(&Tree::made_of(&files)).into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, ["config/a.toml"]);
}
