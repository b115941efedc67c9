//! The file that remembers the last acknowledged commit, beside sled's folder.
//!
//! sled drops a damaged end of its log without a word. This file is synced after the log and before the
//! acknowledgement; a store that holds fewer commits than it says has lost some, and is not opened.
//! Two places are written in turn, each in a sector of its own and with a checksum: a write that was torn is noticed,
//! and the place before it still stands.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::Error;
use crate::domain::id::{HistoryId, IdMarks, IncidentId, NoticeId, Sequence, StatusId};

/// The file's name in the data folder.
pub(super) const FILE_NAME: &str = "last-commit";

/// What becomes it: on a full disk, or by a kill, a new store would else begin with half a file and count as damaged.
const NEW_NAME: &str = "last-commit.new";

/// Larger than any sector of a disk today.
const SECTOR: u64 = 4096;
const MAGIC: [u8; 8] = *b"bwlast\x00\x01";
const NUMBERS: usize = 6;
const CONTENT: usize = MAGIC.len() + NUMBERS * 8;
const CHECKSUM: usize = 8;

/// What was acknowledged last. It holds all that must never be given twice, also where the commits themselves are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LastCommit {
    /// Batches so far.
    pub(super) commits: u64,
    /// The last event.
    pub(super) sequence: Sequence,
    /// The highest ids that were given.
    pub(super) marks: IdMarks,
}

/// The open file.
#[derive(Debug)]
pub(super) struct LastCommitFile {
    file: File,
    path: PathBuf,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No file.
    Nothing,
    /// A file, but neither place of it can be read.
    Damaged,
    /// The younger of the places that can be read.
    Last(LastCommit),
}

/// Reads the file in this data folder.
pub(super) fn read(folder: &Path) -> Result<Found, Error> {
    let path = folder.join(FILE_NAME);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(Error::file("read", &path)(error)),
    };
    let places = [0, SECTOR as usize].into_iter().filter_map(|begin| decode(bytes.get(begin..)?));
    Ok(places.max_by_key(|last| last.commits).map_or(Found::Damaged, Found::Last))
}

impl LastCommitFile {
    /// The file in this data folder as it is.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE_NAME);
        let file = OpenOptions::new().write(true).open(&path).map_err(Error::file("open", &path))?;
        Ok(Self { file, path })
    }

    /// A file that says `last` in both places; it is there whole or not at all, and takes the place of an older one.
    pub(super) fn create(folder: &Path, last: &LastCommit) -> Result<Self, Error> {
        let (path, new) = (folder.join(FILE_NAME), folder.join(NEW_NAME));
        let mut bytes = vec![0; 2 * SECTOR as usize];
        for begin in [0, SECTOR as usize] {
            bytes[begin..begin + CONTENT + CHECKSUM].copy_from_slice(&encode(last));
        }
        let written = File::create(&new).and_then(|file| {
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            Ok(file)
        });
        if written.is_err() {
            // Whoever copies into a folder wants it empty.
            drop(std::fs::remove_file(&new));
        }
        let file = written.map_err(Error::file("write", &path))?;
        sync_folder(folder)?;
        Ok(Self { file, path })
    }

    /// Remembers a commit, synced. Neighbouring commits go to different places.
    pub(super) fn write(&self, last: &LastCommit) -> Result<(), Error> {
        let written = self.file.write_all_at(&encode(last), last.commits % 2 * SECTOR);
        written.and_then(|()| self.file.sync_data()).map_err(Error::file("write", &self.path))
    }
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::file("sync", folder))
}

fn encode(last: &LastCommit) -> [u8; CONTENT + CHECKSUM] {
    let LastCommit { commits, sequence, marks: IdMarks { status, history, incident, notice } } = *last;
    let mut bytes = [0; CONTENT + CHECKSUM];
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    let numbers: [u64; NUMBERS] = [commits, sequence.0, status.0, history.0, incident.0, notice.0];
    for (place, number) in bytes[MAGIC.len()..CONTENT].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    let checksum = Sha256::digest(&bytes[..CONTENT]);
    bytes[CONTENT..].copy_from_slice(&checksum[..CHECKSUM]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<LastCommit> {
    let bytes: &[u8; CONTENT + CHECKSUM] = bytes.first_chunk()?;
    let (content, checksum) = bytes.split_at(CONTENT);
    if content[..MAGIC.len()] != MAGIC || Sha256::digest(content)[..CHECKSUM] != *checksum {
        return None;
    }
    let mut numbers = [0; NUMBERS];
    for (number, place) in numbers.iter_mut().zip(content[MAGIC.len()..].chunks_exact(8)) {
        *number = u64::from_be_bytes(*place.first_chunk()?);
    }
    let [commits, sequence, status, history, incident, notice] = numbers;
    let marks = IdMarks {
        status: StatusId(status),
        history: HistoryId(history),
        incident: IncidentId(incident),
        notice: NoticeId(notice),
    };
    Some(LastCommit { commits, sequence: Sequence(sequence), marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(commits: u64) -> LastCommit {
        LastCommit { commits, sequence: Sequence(10 * commits), marks: IdMarks::default() }
    }

    #[test]
    fn the_younger_of_the_two_places_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastCommitFile::create(folder.path(), &last(0)).unwrap();
        for commits in 1..=5 {
            file.write(&last(commits)).unwrap();
            assert_eq!(read(folder.path()).unwrap(), Found::Last(last(commits)));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_commit_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = LastCommitFile::create(folder.path(), &last(0)).unwrap();
        file.write(&last(7)).unwrap();
        for torn_after in 0..CONTENT + CHECKSUM {
            file.write(&last(6)).unwrap();
            file.file.write_all_at(&encode(&last(8))[..torn_after], 0).unwrap();
            let Found::Last(found) = read(folder.path()).unwrap() else { panic!("a place is left") };
            assert!([7, 8].contains(&found.commits), "{found:?} after {torn_after} bytes");
        }
    }

    #[test]
    fn a_file_that_could_not_be_written_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(NEW_NAME)).unwrap();
        LastCommitFile::create(folder.path(), &last(0)).unwrap_err();
        assert_eq!(read(folder.path()).unwrap(), Found::Nothing);
        std::fs::remove_dir(folder.path().join(NEW_NAME)).unwrap();
        LastCommitFile::create(folder.path(), &last(3)).unwrap().write(&last(4)).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Found::Last(last(4)));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), Found::Nothing);
        std::fs::write(folder.path().join(FILE_NAME), b"").unwrap();
        assert_eq!(read(folder.path()).unwrap(), Found::Damaged);
    }
}
