//! Copies of a whole store, made while no node uses it: backup, restore, and compaction, which is a copy that takes
//! the place of what it was made from.
//!
//! A copy holds the live records only. sled reuses freed space but never gives it back, so a copy is also the way to
//! make a store smaller.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::last_commit::{self, Found, LastCommitFile};
use super::opening::{
    COMPACTED_FOLDER, REPLACED_FOLDER, TREE_FOLDER, finish_compaction, guarded, has_tree, open_tree, read_head,
    sync_tree,
};
use super::verify::verify;
use super::writer::last_commit;

/// Enough for copying, which reads and writes everything once in order.
const CACHE: u64 = 64 * 1024 * 1024;
/// Records in one batch of a copy.
const RECORDS_PER_BATCH: usize = 1_000;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Records.
    pub records: u64,
    /// Bytes of the store before.
    pub bytes_before: u64,
    /// Bytes of the copy.
    pub bytes_after: u64,
    /// Where what was replaced has been put.
    pub kept_aside: Option<PathBuf>,
}

/// Copies the store in `folder` to `to`, which must not exist or be empty.
///
/// # Errors
/// A store that is in use, damaged, or not there; a `to` that is not empty or cannot be written.
pub fn backup(folder: &Path, to: &Path) -> Result<Copied, Error> {
    refuse_if_not_empty(to, "")?;
    copy(folder, to)
}

/// Puts a backup in the place of the store in `folder`. What is there is kept aside if `force` is set, else nothing
/// may be there.
///
/// # Errors
/// A backup that is not whole, a store that is in use, a folder that is not empty.
pub fn restore(from: &Path, folder: &Path, force: bool) -> Result<Copied, Error> {
    let report = verify(from)?;
    if let Some(first) = report.findings.first() {
        let findings = report.findings.len();
        return Err(Error::BackupDamaged { folder: from.to_path_buf(), findings, first: first.clone() });
    }
    if !force {
        refuse_if_not_empty(folder, ", or move what is there aside with --force")?;
    }
    let kept_aside = move_aside(folder)?;
    Ok(Copied { kept_aside, ..copy(from, folder)? })
}

/// Makes the store in `folder` as small as it can be. It can be interrupted at any moment: the old files are there until
/// the new ones are synced.
///
/// # Errors
/// A store that is in use, damaged, or not there; a disk without room for a copy.
pub fn compact(folder: &Path) -> Result<Copied, Error> {
    finish_compaction(folder)?;
    let compacted = folder.join(COMPACTED_FOLDER);
    remove_if_there(&compacted)?;
    let copied = {
        // Held until the names have changed: nobody may write to what is about to be replaced.
        let source = open_source(folder)?;
        let made = folder.join("compacting");
        remove_if_there(&made)?;
        let copied = copy_tree(&source, folder, &made)?;
        rename(&made.join(TREE_FOLDER), &compacted)?;
        remove_if_there(&made)?;
        rename(&folder.join(TREE_FOLDER), &folder.join(REPLACED_FOLDER))?;
        last_commit::sync_folder(folder)?;
        copied
    };
    finish_compaction(folder)?;
    Ok(copied)
}

fn copy(from: &Path, to: &Path) -> Result<Copied, Error> {
    let source = open_source(from)?;
    copy_tree(&source, from, to)
}

fn open_source(folder: &Path) -> Result<sled::Db, Error> {
    if !has_tree(folder) {
        return Err(Error::NoStore { folder: folder.to_path_buf() });
    }
    let path = folder.join(last_commit::FILE_NAME);
    let last = match last_commit::read(folder)? {
        Found::Nothing => return Err(Error::LastCommitMissing { path }),
        Found::Damaged => return Err(Error::LastCommitDamaged { path }),
        Found::Last(last) => last,
    };
    let source = open_tree(folder, CACHE)?;
    let found = guarded(folder, || read_head(&source))?.unwrap_or_default().commits;
    if found < last.commits {
        return Err(Error::LostTail {
            folder: folder.to_path_buf(),
            acknowledged: last.commits,
            sequence: last.sequence,
            found,
        });
    }
    Ok(source)
}

fn copy_tree(source: &sled::Db, from: &Path, to: &Path) -> Result<Copied, Error> {
    std::fs::create_dir_all(to).map_err(Error::file("create", to))?;
    let target = open_tree(to, CACHE)?;
    let records = guarded(from, || copy_records(source, &target))?;
    sync_tree(&target, to)?;
    let head = read_head(&target)?.unwrap_or_default();
    // Last: a copy without it is refused, so half a copy is never taken for a whole one.
    LastCommitFile::create(to, &last_commit(&head))?;
    let bytes = |tree: &sled::Db| tree.size_on_disk().map_err(Error::sled("measure itself"));
    Ok(Copied { records, bytes_before: bytes(source)?, bytes_after: bytes(&target)?, kept_aside: None })
}

fn copy_records(source: &sled::Db, target: &sled::Db) -> Result<u64, Error> {
    let mut batch = sled::Batch::default();
    let (mut records, mut waiting) = (0, 0);
    for pair in source.iter() {
        let (key, value) = pair.map_err(Error::sled("read a record"))?;
        batch.insert(key, value);
        waiting += 1;
        records += 1;
        if waiting == RECORDS_PER_BATCH {
            target.apply_batch(std::mem::take(&mut batch)).map_err(Error::sled("write the copy"))?;
            waiting = 0;
        }
    }
    target.apply_batch(batch).map_err(Error::sled("write the copy"))?;
    Ok(records)
}

fn refuse_if_not_empty(folder: &Path, hint: &'static str) -> Result<(), Error> {
    let empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(Error::file("read", folder)(error)),
    };
    if empty { Ok(()) } else { Err(Error::NotEmpty { folder: folder.to_path_buf(), hint }) }
}

/// Moves what belongs to a store into a folder beside it, if there is anything.
fn move_aside(folder: &Path) -> Result<Option<PathBuf>, Error> {
    let ours = [TREE_FOLDER, COMPACTED_FOLDER, REPLACED_FOLDER, last_commit::FILE_NAME];
    let there: Vec<_> = ours.into_iter().filter(|name| folder.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(None);
    }
    if has_tree(folder) {
        refuse_if_in_use(folder)?;
    }
    let free = (1..).map(|number: u32| folder.join(format!("replaced-{number}"))).find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| folder.join("replaced"));
    std::fs::create_dir(&aside).map_err(Error::file("create", &aside))?;
    // The tree first: without it and with the file of the last commit, nobody takes the folder for a new store.
    for name in there {
        rename(&folder.join(name), &aside.join(name))?;
    }
    last_commit::sync_folder(folder)?;
    Ok(Some(aside))
}

/// Only a node that runs is a reason not to move a store aside; damage is why one would.
fn refuse_if_in_use(folder: &Path) -> Result<(), Error> {
    match open_tree(folder, CACHE) {
        Err(error @ Error::Locked { .. }) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(Error::file("rename", from))
}

fn remove_if_there(folder: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", folder)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
