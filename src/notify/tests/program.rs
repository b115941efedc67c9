//! The `exec` channel with real programs.

use std::os::unix::fs::PermissionsExt as _;

use super::super::examples::{delivery, firing};
use super::*;
use crate::domain::delivery::Outcome;

/// A program of these lines, and a channel that starts it.
fn program(folder: &Path, lines: &str, timeout: &str) -> Sender {
    let path = folder.join("tell");
    let written = folder.join("tell.new");
    std::fs::write(&written, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&written, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&written, &path).unwrap();
    let (path, output) = (path.display(), folder.join("got"));
    sender(&format!(
        "kind = \"exec\"\ncommand = [\"/bin/sh\", \"{path}\", \"{}\", \"a b; $(id)\"]\ntimeout = \"{timeout}\"",
        output.display()
    ))
}

async fn outcome_of(lines: &str, timeout: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), lines, timeout).deliver(&delivery(firing())).await
}

#[tokio::test]
async fn a_program_gets_the_event_and_its_arguments_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let sender = program(
        folder.path(),
        "cat > \"$1\"; printf '|%s|%s' \"$2\" \"$(env | cut -d= -f1 | sort | tr '\\n' ' ')\" >> \"$1\"",
        "20s",
    );
    assert_eq!(sender.deliver(&delivery(firing())).await, Outcome::Delivered);
    let got = std::fs::read_to_string(folder.path().join("got")).unwrap();
    let (event, rest) = got.split_once('|').unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["type"], "breakwater.alert.firing");
    let (argument, variables) = rest.split_once('|').unwrap();
    assert_eq!(argument, "a b; $(id)");
    assert!(!variables.contains("CARGO"), "{variables}");
}

#[tokio::test]
async fn how_a_program_ends_says_what_came_of_it() {
    assert_eq!(outcome_of("exit 0", "20s").await, Outcome::Delivered);
    assert_eq!(
        outcome_of("echo busy; exit 75", "20s").await,
        Outcome::Transient { error: "exit status: 75: busy".into(), retry_after: None }
    );
    assert_eq!(
        outcome_of("echo no; echo 'bad  number' >&2; exit 1", "20s").await,
        Outcome::Permanent { error: "exit status: 1: bad number".into() }
    );
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed() {
    let outcome = outcome_of("exec sleep 600", "100ms").await;
    let error = "the program did not end within 100ms and was killed".into();
    assert_eq!(outcome, Outcome::Transient { error, retry_after: None });
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_not_waited_for() {
    assert_eq!(outcome_of("sleep 60 & exit 0", "20s").await, Outcome::Delivered);
    assert_eq!(
        outcome_of("sleep 60 & echo no; exit 1", "20s").await,
        Outcome::Permanent { error: "exit status: 1: no".into() }
    );
}

#[tokio::test]
async fn a_program_is_killed_with_what_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("alive");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut alive = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let lines = format!("echo begun > {0}; sleep 600 > {0} & wait", fifo.display());
    let outcome = program(folder.path(), &lines, "500ms").deliver(&delivery(firing())).await;
    assert!(matches!(outcome, Outcome::Transient { .. }), "{outcome:?}");
    // It ends when nobody is left who could write.
    let mut got = String::new();
    let end = tokio::io::AsyncReadExt::read_to_string(&mut alive, &mut got);
    tokio::time::timeout(std::time::Duration::from_secs(20), end).await.expect("a program lives on").unwrap();
    assert_eq!(got, "begun\n");
}

#[tokio::test]
async fn a_program_that_talks_without_end_is_read_and_cut() {
    let outcome =
        outcome_of("i=0; while [ $i -lt 20000 ]; do echo wwwwwwwwwwwwwwww; i=$((i+1)); done; exit 2", "60s").await;
    let Outcome::Permanent { error } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.chars().count(), "exit status: 2: ".len() + 300);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let outcome = sender("kind = \"exec\"\ncommand = [\"/no/such/program\"]").deliver(&delivery(firing())).await;
    let Outcome::Permanent { error } = outcome else { panic!("{outcome:?}") };
    assert!(error.starts_with("the program cannot be started: "), "{error}");
}
