//! What can go wrong with a store, in sentences that say what to do.

use std::path::PathBuf;

use crate::domain::id::Sequence;

/// Why the store could not be opened, read, written or copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A second process.
    #[error("another node uses the store in {folder}: stop it first, or give this node a data folder of its own")]
    Locked {
        /// Where.
        folder: PathBuf,
    },
    /// The file system refused.
    #[error(
        "could not {attempt} {path}; check that the folder exists on a writable disk with free space and belongs to this user"
    )]
    File {
        /// What was tried.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// sled could not open its own files.
    #[error(
        "the store in {folder} is damaged: its log could not be read ({reason}). Restore a backup with `breakwater store restore <backup> {folder} --force`, which keeps the damaged files aside"
    )]
    Unreadable {
        /// Where.
        folder: PathBuf,
        /// In sled's words.
        reason: String,
    },
    /// One record is not what it should be.
    #[error(
        "the store is damaged at {place}: {reason}. `breakwater store verify <folder>` lists all that is wrong; `breakwater store restore <backup> <folder> --force` puts a backup in its place and keeps the damaged files aside"
    )]
    Damaged {
        /// The tree's part and the record.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Acknowledged commits are gone.
    #[error(
        "the store in {folder} has lost its newest commits: commit {acknowledged} (up to event {sequence}) was acknowledged, but only {found} are there. Restore a backup with `breakwater store restore`, or go on without them with `breakwater store verify {folder} --accept-loss`"
    )]
    LostTail {
        /// Where.
        folder: PathBuf,
        /// The last commit that was acknowledged.
        acknowledged: u64,
        /// Its last event.
        sequence: Sequence,
        /// The last commit that is there.
        found: u64,
    },
    /// The file that remembers the last commit is not there.
    #[error(
        "{path} is missing, so nobody can say whether the store beside it is whole. Put the file back, restore a backup with `breakwater store restore`, or take the store as it is with `breakwater store verify <folder> --accept-loss`"
    )]
    LastCommitMissing {
        /// Which file.
        path: PathBuf,
    },
    /// The file that remembers the last commit cannot be read.
    #[error(
        "{path} is damaged in both of its places, so nobody can say whether the store beside it is whole. Restore a backup with `breakwater store restore`, or take the store as it is with `breakwater store verify <folder> --accept-loss`"
    )]
    LastCommitDamaged {
        /// Which file.
        path: PathBuf,
    },
    /// There is no store where one is needed.
    #[error("there is no store in {folder}")]
    NoStore {
        /// Where.
        folder: PathBuf,
    },
    /// Written by a newer program.
    #[error(
        "the store in {folder} has format {found}, and this program knows formats up to {known}: use a newer breakwater, or restore a backup made by this one"
    )]
    NewerFormat {
        /// Where.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Something is where a copy should go.
    #[error("{folder} is not empty: choose another folder{hint}")]
    NotEmpty {
        /// Where.
        folder: PathBuf,
        /// What else could be done.
        hint: &'static str,
    },
    /// A backup that is not whole is not restored.
    #[error("the backup in {folder} is not whole ({findings} findings, the first: {first}); nothing was changed")]
    BackupDamaged {
        /// Where.
        folder: PathBuf,
        /// How much is wrong.
        findings: usize,
        /// The first thing.
        first: String,
    },
    /// sled refused a read or a write.
    #[error("the store could not {attempt}")]
    Sled {
        /// What was tried.
        attempt: &'static str,
        /// Why not.
        #[source]
        source: sled::Error,
    },
    /// The writer's thread could not be started.
    #[error("could not start the store's thread")]
    Thread(#[source] std::io::Error),
    /// The events that were asked for are not kept any more.
    #[error("the log begins with event {first}: older events are not kept")]
    Gone {
        /// The first one that is there.
        first: Sequence,
    },
    /// The store has been closed, or a write failed and nothing is acknowledged any more.
    #[error("the store takes no more commits: it was closed, or a write has failed")]
    Stopped,
}

impl Error {
    pub(super) fn damaged(place: impl ToString, reason: impl ToString) -> Self {
        Self::Damaged { place: place.to_string(), reason: reason.to_string() }
    }

    /// For `map_err`: a read or a write that sled refused.
    pub(super) fn sled(attempt: &'static str) -> impl FnOnce(sled::Error) -> Self {
        move |source| Self::Sled { attempt, source }
    }

    /// For `map_err`: a file that could not be handled.
    pub(super) fn file(attempt: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { attempt, path, source }
    }
}
