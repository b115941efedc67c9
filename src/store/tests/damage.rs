//! A store that is in use, damaged, or not what it was.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::store::{Unreadable, accept_loss, keys, verify};

/// A sentence without this machine's folder.
fn sentence(error: &impl std::fmt::Display, folder: &Path) -> String {
    error.to_string().replace(&folder.display().to_string(), "<folder>")
}

#[track_caller]
fn refusal(folder: &Path) -> String {
    match try_open(folder) {
        Ok(_) => panic!("it opened"),
        Err(error) => sentence(&error, folder),
    }
}

fn filled(folder: &Path, failures: std::ops::RangeInclusive<u64>) -> Contents {
    let store = open(folder);
    for id in failures {
        commit(&store, at(0), vec![failure(id)]);
    }
    let contents = contents(&store);
    store.close().unwrap();
    contents
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("store/db")
}

#[test]
fn a_message_that_cannot_be_read_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for id in 1..=3 {
        commit(&store, at(0), vec![failure(id)]);
    }
    let reader = store.reader();
    let key = keys::delivery(keys::Kind::Waiting, delivery(2).id);
    reader.state.tree.insert(key, b"no message").unwrap();
    let (mut whole, mut broken) = (Vec::new(), Vec::new());
    let mut show = |shown: Result<Delivery, Error>| match shown {
        Ok(delivery) => whole.push(delivery.id.notice.0),
        Err(error) => broken.push(error.to_string()),
    };
    reader.look_through_outbox(&mut show).unwrap();
    assert_eq!((whole, broken.len()), (vec![1, 3], 1), "{broken:?}");
    assert!(reader.deliveries_waiting().is_err());

    let list = |wanted: DeliveryFilter, page, size| {
        let page = reader.deliveries(&wanted, page, size).unwrap();
        let number = |listed: Listed| listed.map(|one| one.id.notice.0).map_err(|one| one.id.notice.0);
        (page.items.into_iter().map(number).collect::<Vec<_>>(), page.total)
    };
    let everything = DeliveryFilter::default;
    assert_eq!(list(everything(), 0, 10), (vec![Ok(1), Err(2), Ok(3)], 3));
    assert_eq!(list(everything(), 1, 1), (vec![Err(2)], 3), "in its place");
    let of = |channel: &str| DeliveryFilter { channel: Some(channel.into()), target: None };
    assert_eq!(list(of(&delivery(1).channel), 0, 10), (vec![Ok(1), Err(2), Ok(3)], 3));
    assert_eq!(list(of("nobody"), 0, 10), (vec![Err(2)], 1), "nobody knows whose it is");

    commit(&store, at(0), vec![Change { deliveries: vec![DeliveryChange::Dead(delivery(3))], ..Change::default() }]);
    reader.state.tree.insert(keys::delivery(keys::Kind::Dead, delivery(3).id), b"no message").unwrap();
    let page = reader.dead_letters(&everything(), 0, 10).unwrap();
    assert!(matches!(page.items.as_slice(), [Err(Unreadable { id, .. })] if *id == delivery(3).id), "{page:?}");
}

#[test]
fn a_second_node_on_the_same_folder_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    insta::assert_snapshot!(refusal(folder.path()), @"another node uses the store in <folder>: stop it first, or give this node a data folder of its own");
    commit(&store, at(0), vec![failure(1)]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let Err(error) = try_open(&folder.path().join("file/data")) else { panic!("it opened") };
    insta::assert_snapshot!(sentence(&error, folder.path()), @"could not create <folder>/file/data; check that the folder exists on a writable disk with free space and belongs to this user");
}

#[test]
fn a_store_that_lost_its_newest_commits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1..=3);
    let (kept, log) = (folder.path().join("kept"), folder.path().join("store"));
    copy_folder(&log, &kept);
    filled(folder.path(), 4..=6);
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&kept, &log).unwrap();
    insta::assert_snapshot!(refusal(folder.path()), @"the store in <folder> has lost its newest commits: commit 6 (up to event 6) was acknowledged, but only 3 are there. Restore a backup with `breakwater store restore`, or go on without them with `breakwater store verify <folder> --accept-loss`");
    assert_eq!(verify(folder.path()).unwrap().findings.len(), 1);
}

#[test]
fn a_store_whose_log_is_gone_is_refused_and_not_started_empty() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1..=3);
    std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    insta::assert_snapshot!(refusal(folder.path()), @"the store in <folder> has lost its newest commits: commit 3 (up to event 3) was acknowledged, but only 0 are there. Restore a backup with `breakwater store restore`, or go on without them with `breakwater store verify <folder> --accept-loss`");
    std::fs::create_dir(folder.path().join("store")).unwrap();
    std::fs::write(log_of(folder.path()), b"").unwrap();
    assert!(refusal(folder.path()).contains("lost its newest commits"));
}

#[test]
fn a_cut_off_log_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    filled(&whole, 1..=40);
    let length = std::fs::metadata(log_of(&whole)).unwrap().len();
    let used = used_length(&log_of(&whole));
    for part in 1..20 {
        let cut = folder.path().join(format!("cut-{part}"));
        copy_folder(&whole, &cut);
        let file = std::fs::OpenOptions::new().write(true).open(log_of(&cut)).unwrap();
        file.set_len(used * part / 20).unwrap();
        assert!(used <= length && try_open(&cut).is_err(), "cut to {part}/20");
    }
}

/// Where the zeros at the end of a file begin.
fn used_length(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

#[test]
fn a_changed_byte_is_noticed_or_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let expected = filled(&whole, 1..=60);
    let used = used_length(&log_of(&whole));
    for step in 0..48 {
        let place = used * step / 48 + 7;
        let broken = folder.path().join(format!("broken-{step}"));
        copy_folder(&whole, &broken);
        let file = std::fs::OpenOptions::new().read(true).write(true).open(log_of(&broken)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[!byte[0]], place).unwrap();
        let Ok(store) = try_open(&broken) else { continue };
        let reader = store.reader();
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| try_contents(&reader)));
        if let Ok(Ok(contents)) = read {
            assert_eq!(contents, expected, "byte {place}");
        }
    }
}

#[test]
fn a_missing_file_of_the_last_commit_is_said() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1..=3);
    let last = folder.path().join("last-commit");
    std::fs::remove_file(&last).unwrap();
    insta::assert_snapshot!(refusal(folder.path()), @"<folder>/last-commit is missing, so nobody can say whether the store beside it is whole. Put the file back, restore a backup with `breakwater store restore`, or take the store as it is with `breakwater store verify <folder> --accept-loss`");
    std::fs::write(&last, b"nonsense").unwrap();
    insta::assert_snapshot!(refusal(folder.path()), @"<folder>/last-commit is damaged in both of its places, so nobody can say whether the store beside it is whole. Restore a backup with `breakwater store restore`, or take the store as it is with `breakwater store verify <folder> --accept-loss`");
}

#[test]
fn a_torn_file_of_the_last_commit_does_not_stop_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let expected = filled(folder.path(), 1..=4);
    let last = std::fs::OpenOptions::new().write(true).open(folder.path().join("last-commit")).unwrap();
    for place in [20, 4096 + 20] {
        last.write_all_at(b"torn", place).unwrap();
        if place == 20 {
            assert_eq!(contents(&open(folder.path())), expected);
        }
    }
    assert!(refusal(folder.path()).contains("damaged in both of its places"));
}

#[test]
fn after_a_loss_is_accepted_nothing_that_was_given_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let before = filled(folder.path(), 1..=3);
    let (kept, log) = (folder.path().join("kept"), folder.path().join("store"));
    copy_folder(&log, &kept);
    filled(folder.path(), 4..=6);
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&kept, &log).unwrap();

    accept_loss(folder.path()).unwrap();
    check_whole(folder.path());
    let store = open(folder.path());
    assert_eq!(contents(&store).histories, before.histories);
    assert_eq!(store.reader().id_marks().history, HistoryId(6));
    assert_eq!(commit(&store, at(0), vec![failure(7)])[0].sequence, Sequence(7));
    let sequences = store.reader().events_after(Sequence(0), 10).unwrap();
    assert_eq!(sequences.iter().map(|event| event.sequence.0).collect::<Vec<_>>(), [1, 2, 3, 7]);
    let after_the_gap = store.reader().events_after(Sequence(4), 10).unwrap();
    assert_eq!(after_the_gap.iter().map(|event| event.sequence.0).collect::<Vec<_>>(), [7]);
    store.close().unwrap();
    check_whole(folder.path());
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1..=1);
    edit(folder.path(), |tree| {
        tree.insert("mformat", &2_u32.to_be_bytes()).unwrap();
    });
    insta::assert_snapshot!(refusal(folder.path()), @"the store in <folder> has format 2, and this program knows formats up to 1: use a newer breakwater, or restore a backup made by this one");
}

/// Changes records behind the store's back.
fn edit(folder: &Path, change: impl FnOnce(&sled::Db)) {
    let tree = crate::store::opening::open_tree(folder, 1 << 20).unwrap();
    change(&tree);
    tree.flush().unwrap();
}

#[test]
fn verification_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1..=6);
    let key = |letter: u8, number: u64| [&[letter][..], &number.to_be_bytes()].concat();
    edit(folder.path(), |tree| {
        tree.insert(key(b'h', 2), b"\x01garbage").unwrap();
        tree.insert(key(b'h', 3), b"\x07").unwrap();
        tree.remove(key(b'h', 4)).unwrap();
        tree.remove(key(b'e', 5)).unwrap();
        tree.insert(b"?", b"what").unwrap();
    });
    let report = verify(folder.path()).unwrap();
    insta::assert_snapshot!(report.findings.join("\n"), @r"
    the unknown key 3f is no record of this store
    event 4: its history 4 is missing
    events 5 to 5 are missing
    history 2 (prefix h): its bytes are not those of such a record
    history 3 (prefix h): it has version 7, which this program does not know
    the index of correlations has 6 entries for 5 events
    the columns have 6 rows for 5 histories
    ");
    let store = open(folder.path());
    let error = store.reader().history(HistoryId(2)).unwrap_err();
    insta::assert_snapshot!(error, @"the store is damaged at history 2 (prefix h): its bytes are not those of such a record. `breakwater store verify <folder>` lists all that is wrong; `breakwater store restore <backup> <folder> --force` puts a backup in its place and keeps the damaged files aside");
}

#[test]
fn verification_compares_the_projections_with_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    commit(&store, at(0), vec![failure(1)]);
    // A projection that moved without its event.
    let silent = Change { events: Vec::new(), ..recovered(1, at(60)) };
    commit(&store, at(0), vec![silent]);
    store.close().unwrap();
    let report = verify(folder.path()).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(report.findings[0].contains("where its events say"), "{report:?}");
}

#[test]
fn a_panic_is_told_also_after_much_was_looked_at() {
    for _ in 0..50_000 {
        crate::store::opening::quietly(|| ()).unwrap();
    }
    // Through as many hooks it would overflow its stack, which ends the process.
    let panics = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| panic!("it is told")).unwrap();
    assert!(panics.join().is_err());
}
