//! The rules of the house, held: who may use whom, where third-party crates live, how big a file gets, what is named
//! how, and that documents, dashboards and configuration speak of things that exist.
//!
//! A rule that is broken is told with the place, what is wrong there, and what to do. Each rule is itself tried on
//! small bad examples: a check that cannot fail is no check.

#[path = "tidy/tree.rs"]
mod tree;

#[path = "tidy/rust.rs"]
mod rust;

#[path = "tidy/floors.rs"]
mod floors;

#[path = "tidy/homes.rs"]
mod homes;

#[path = "tidy/configurations.rs"]
mod configurations;

#[path = "tidy/files.rs"]
mod files;

#[path = "tidy/promises.rs"]
mod promises;

use tree::{Finding, Tree};

#[track_caller]
fn hold(rule: fn(&Tree) -> Vec<Finding>) {
    let findings = rule(&Tree::of_this_project());
    let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
    assert!(findings.is_empty(), "{} to mend:\n{}", findings.len(), lines.join("\n"));
}

#[test]
fn modules_use_lower_floors_only() {
    hold(floors::check);
}

#[test]
fn third_party_crates_stay_at_home() {
    hold(homes::check);
}

#[test]
fn every_dependency_has_a_home() {
    hold(homes::check_table);
}

#[test]
fn the_domain_reads_nothing_of_the_machine() {
    hold(homes::check_domain);
}

#[test]
fn only_the_store_says_that_something_is_committed() {
    hold(promises::check_committed);
}

#[test]
fn no_test_is_ignored_or_waits_for_a_panic() {
    hold(promises::check_tests);
}

#[test]
fn no_file_is_too_long() {
    hold(files::check_length);
}

#[test]
fn every_module_says_what_it_is() {
    hold(files::check_docs);
}

#[test]
fn a_table_of_contents_holds_no_logic() {
    hold(files::check_contents);
}

#[test]
fn names_say_something() {
    hold(files::check_names);
}

#[test]
fn the_top_of_the_project_stays_small() {
    hold(files::check_top);
}

#[test]
fn dashboards_and_rules_ask_for_metrics_that_exist() {
    hold(promises::check_metrics);
}

#[test]
fn documents_name_files_that_exist() {
    hold(promises::check_documents);
}

#[test]
fn every_chapter_of_the_guide_is_compiled() {
    hold(promises::check_guide);
}

#[test]
fn every_configuration_that_ships_is_right() {
    hold(configurations::check);
}
