//! The difference of two configurations.

use super::*;

fn config(text: &str) -> Config {
    parsed(text).config
}

const TWO: &str = "[[target]]\nname = \"a\"\nendpoint = \"https://a\"\n[[target]]\nname = \"b\"\nendpoint = \"b:1\"\n";

#[test]
fn the_same_text_changes_nothing() {
    let found = change(&config(TWO), &config(TWO));
    assert!(found.is_empty());
    assert_eq!(found.needs_restart, Vec::<String>::new());
}

#[test]
fn only_targets_that_differ_are_named() {
    let new = "[[target]]\nname = \"c\"\nendpoint = \"c:1\"\n[[target]]\nname = \"b\"\nendpoint = \"b:1\"\n\
               [[target]]\nname = \"a\"\nendpoint = \"https://a\"\nprobe = { path = \"/x\" }\n";
    let names = |names: &[std::sync::Arc<str>]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = change(&config(TWO), &config(new));
    assert_eq!(names(&found.added), ["c"]);
    assert_eq!(names(&found.altered), ["a"]);
    assert!(found.removed.is_empty() && !found.channels_changed);
    assert_eq!(names(&change(&config(new), &config(TWO)).removed), ["c"]);
}

#[test]
fn a_new_channel_alters_the_targets_that_tell_everybody() {
    let with_channel = format!("[[channel]]\nname = \"journal\"\nkind = \"log\"\n{TWO}");
    let found = change(&config(TWO), &config(&with_channel));
    assert!(found.channels_changed);
    assert_eq!(found.altered.len(), 2);
}

#[test]
fn a_setting_for_all_targets_is_a_change_also_where_there_is_no_target() {
    assert!(change(&config(""), &config("")).is_empty());
    let found = change(&config(""), &config("[monitor]\nmax_passive_targets = 1\n"));
    assert!(found.monitor_changed && !found.is_empty());
}

#[test]
fn keys_that_a_running_node_cannot_change_are_told() {
    let new = "[node]\ndata_dir = \"elsewhere\"\n[http]\nlisten = \"127.0.0.1:9\"\n";
    let found = change(&config(""), &config(new));
    assert!(found.is_empty());
    assert_eq!(
        found.needs_restart,
        [
            "`node.data_dir` was changed; it needs a restart, until then the old value stays",
            "`http.listen` was changed; it needs a restart, until then the old value stays"
        ]
    );
}
