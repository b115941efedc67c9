//! Backup, restore and compaction.

use super::*;
use crate::store::{backup, compact, restore};

fn filled(folder: &Path) -> Contents {
    let store = open(folder);
    let targets = Change { watches: vec![watch(1)], transitions: vec![(StatusId(1), line(1))], ..Change::default() };
    commit(&store, at(0), vec![targets]);
    for first in (1..1_000).step_by(100) {
        commit(&store, at(0), (first..first + 100).map(failure).collect());
        let done = (first..first + 100).map(|id| DeliveryChange::Done(delivery(id).id)).collect();
        commit(&store, at(0), vec![Change { deliveries: done, ..Change::default() }]);
    }
    let contents = contents(&store);
    store.close().unwrap();
    contents
}

#[track_caller]
fn check_holds(folder: &Path, expected: &Contents) {
    check_whole(folder);
    assert_eq!(contents(&open(folder)), *expected);
}

#[test]
fn a_backup_can_be_restored_and_holds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy, other) = (folder.path().join("data"), folder.path().join("copy"), folder.path().join("other"));
    let expected = filled(&data);
    let copied = backup(&data, &copy).unwrap();
    assert!(copied.records > 2_000);
    check_holds(&copy, &expected);
    restore(&copy, &other, false).unwrap();
    check_holds(&other, &expected);
    check_holds(&data, &expected);
}

#[test]
fn nothing_is_overwritten_by_a_backup_or_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let expected = filled(&data);
    backup(&data, &copy).unwrap();
    assert!(matches!(backup(&data, &copy), Err(Error::NotEmpty { .. })));
    assert!(matches!(restore(&copy, &data, false), Err(Error::NotEmpty { .. })));

    let store = open(&data);
    commit(&store, at(0), vec![failure(5_000)]);
    assert!(matches!(restore(&copy, &data, true), Err(Error::Locked { .. })));
    let newer = contents(&store);
    store.close().unwrap();
    let copied = restore(&copy, &data, true).unwrap();
    check_holds(&data, &expected);
    check_holds(&copied.kept_aside.unwrap(), &newer);
}

#[test]
fn a_backup_that_is_not_whole_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    filled(&data);
    backup(&data, &copy).unwrap();
    std::fs::remove_file(copy.join("last-commit")).unwrap();
    let refused = restore(&copy, &folder.path().join("other"), false).unwrap_err();
    assert!(matches!(refused, Error::BackupDamaged { findings: 1, .. }), "{refused}");
    assert!(matches!(backup(&folder.path().join("nothing"), &copy.join("x")), Err(Error::NoStore { .. })));
}

#[test]
fn a_compacted_store_is_smaller_and_holds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let expected = filled(folder.path());
    let copied = compact(folder.path()).unwrap();
    assert!(copied.bytes_after < copied.bytes_before, "{copied:?}");
    check_holds(folder.path(), &expected);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_compaction_that_was_interrupted_is_finished_or_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let expected = filled(&data);
    backup(&data, &copy).unwrap();
    let rename = |from: std::path::PathBuf, to: &str| std::fs::rename(from, data.join(to)).unwrap();

    // Before any name changed: the copy is thrown away by the next one.
    rename(copy.join("store"), "store.compacted");
    check_holds(&data, &expected);
    // Between the two names.
    rename(data.join("store"), "store.replaced");
    check_holds(&data, &expected);
    assert!(!data.join("store.replaced").exists() && !data.join("store.compacted").exists());
    // After both names.
    std::fs::create_dir(data.join("store.replaced")).unwrap();
    check_holds(&data, &expected);
    assert!(!data.join("store.replaced").exists());
}
