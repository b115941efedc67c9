//! Opening a store, or saying why not.

use std::fs::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rand::TryRngCore;

use super::columns::Columns;
use super::dead_letters::DeadLetters;
use super::error::Error;
use super::keys::{self, Kind};
use super::last_commit::{self, Found, LastCommit, LastCommitFile, sync_folder};
use super::migrate::{self, FORMAT};
use super::reader::Reader;
use super::record::{ColumnBlock, Encoder, Head, Mark, ROWS_PER_BLOCK, decode_delivery};
use super::state::{Durable, State, not_decodable};
use super::writer::{BatchWritten, LastMark, Writer, WriterThread, panic_text};
use crate::clock::Clock;
use crate::domain::id::{HistoryId, Sequence};

/// As long as what HMAC-SHA256 gives.
pub(super) const SECRET_BYTES: usize = 32;

/// sled's folder within the data folder.
pub(super) const TREE_FOLDER: &str = "store";
/// A compacted copy that is to take its place.
pub(super) const COMPACTED_FOLDER: &str = "store.compacted";
/// What it takes the place of.
pub(super) const REPLACED_FOLDER: &str = "store.replaced";
/// sled gives its lock back from a thread of its own, a little after its last handle was dropped; and a node that is
/// being replaced may still be on its way out. So a lock is tried for a second before it is called another node's.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The file that holds sled's log.
const LOG_FILE: &str = "db";

/// How to open a store.
pub struct Options {
    /// The data folder; made if it is missing.
    pub folder: PathBuf,
    /// Bytes of the page cache.
    pub cache_bytes: u64,
    /// For measuring batches.
    pub clock: Clock,
    /// Called on the store's thread after each batch.
    pub on_batch: Box<dyn FnMut(BatchWritten) + Send>,
    /// Called once, on the store's thread, when a write has failed: nothing is acknowledged any more, so the process
    /// should end.
    pub on_failure: Box<dyn FnOnce(Error) + Send>,
}

/// An open store. Only one process can have it.
#[derive(Debug)]
pub struct Store {
    writer: Writer,
    reader: Reader,
    thread: std::thread::JoinHandle<()>,
}

impl Store {
    /// Opens the store in a folder, or makes one where there is none.
    ///
    /// # Errors
    /// A sentence for people: another node uses it, the folder cannot be written, something is damaged or lost.
    pub fn open(options: Options) -> Result<Self, Error> {
        let Options { folder, cache_bytes, clock, on_batch, on_failure } = options;
        let opened = open(&folder, cache_bytes)?;
        let Opened { tree, last_commit, durable, last_mark } = opened;
        let log_path = folder.join(TREE_FOLDER).join(LOG_FILE);
        let log = OpenOptions::new().write(true).open(&log_path).map_err(Error::file("open", &log_path))?;
        let state = Arc::new(State::new(tree, durable));
        let reader = Reader { state: Arc::clone(&state) };
        let thread = WriterThread { state, log, last_commit, last_mark, clock, on_batch, on_failure };
        let (writer, thread) = thread.start()?;
        Ok(Self { writer, reader, thread })
    }

    /// For whoever commits.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// For whoever asks.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Writes what was handed over before, and ends the thread. The folder is free once all readers are gone too.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the thread had ended by a failure.
    pub fn close(self) -> Result<(), Error> {
        let alive = self.writer.is_alive();
        self.writer.stop();
        let joined = self.thread.join();
        if alive && joined.is_ok() { Ok(()) } else { Err(Error::Stopped) }
    }
}

struct Opened {
    tree: sled::Db,
    last_commit: LastCommitFile,
    durable: Durable,
    last_mark: Option<LastMark>,
}

fn open(folder: &Path, cache_bytes: u64) -> Result<Opened, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    finish_compaction(folder)?;
    let last = expected(folder)?;
    let last = match last {
        Some(last) => last,
        None => {
            // The file comes first: a store without it is never taken for a new one.
            LastCommitFile::create(folder, &LastCommit::default())?;
            LastCommit::default()
        }
    };
    let last_commit = LastCommitFile::open(folder)?;
    let tree = open_tree(folder, cache_bytes)?;
    if tree.is_empty() && last.commits == 0 {
        initialize(&tree, folder)?;
    }
    let (durable, last_mark) = guarded(folder, || load(&tree, folder, last))?;
    Ok(Opened { tree, last_commit, durable, last_mark })
}

/// What the store must hold at least; `None` for a new one.
fn expected(folder: &Path) -> Result<Option<LastCommit>, Error> {
    let path = folder.join(last_commit::FILE_NAME);
    let there = has_tree(folder);
    match last_commit::read(folder)? {
        Found::Nothing if there => Err(Error::LastCommitMissing { path }),
        Found::Nothing => Ok(None),
        Found::Damaged => Err(Error::LastCommitDamaged { path }),
        Found::Last(last) if !there && last.commits > 0 => Err(lost_tail(folder, &last, 0)),
        Found::Last(last) => Ok(Some(last)),
    }
}

/// Whether sled's log is there.
pub(super) fn has_tree(folder: &Path) -> bool {
    folder.join(TREE_FOLDER).join(LOG_FILE).exists()
}

/// sled's tree in a data folder.
pub(super) fn open_tree(folder: &Path, cache_bytes: u64) -> Result<sled::Db, Error> {
    let path = folder.join(TREE_FOLDER);
    std::fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
    let config = sled::Config::new()
        .path(&path)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(cache_bytes)
        // Drives the collection of freed segments; it acknowledges nothing.
        .flush_every_ms(Some(500))
        .use_compression(false);
    for _ in 0..LOCK_ATTEMPTS {
        match open_unless_locked(&config, folder) {
            Err(Error::Locked { .. }) => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
    open_unless_locked(&config, folder)
}

fn open_unless_locked(config: &sled::Config, folder: &Path) -> Result<sled::Db, Error> {
    match quietly(|| config.open()) {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(sled::Error::Io(error))) if is_lock(&error) => Err(Error::Locked { folder: folder.to_path_buf() }),
        Ok(Err(sled::Error::Io(source))) => Err(Error::file("open the store in", folder)(source)),
        Ok(Err(error)) => Err(Error::Unreadable { folder: folder.to_path_buf(), reason: error.to_string() }),
        Err(reason) => Err(Error::Unreadable { folder: folder.to_path_buf(), reason }),
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// The first records of a new store.
pub(super) fn initialize(tree: &sled::Db, folder: &Path) -> Result<(), Error> {
    let mut batch = sled::Batch::default();
    batch.insert(keys::FORMAT, &FORMAT.to_be_bytes());
    batch.insert(keys::HEAD, Head::default().encode(&mut Encoder::default()));
    tree.apply_batch(batch).map_err(Error::sled("write its first records"))?;
    sync_tree(tree, folder)
}

/// Everything that was written to a tree, and the names of its files, to disk.
pub(super) fn sync_tree(tree: &sled::Db, folder: &Path) -> Result<(), Error> {
    tree.flush().map_err(Error::sled("write its log"))?;
    let path = folder.join(TREE_FOLDER);
    let log = path.join(LOG_FILE);
    let synced = OpenOptions::new().write(true).open(&log).and_then(|file| file.sync_all());
    synced.map_err(Error::file("sync", &log))?;
    sync_folder(&path)?;
    sync_folder(folder)
}

fn load(tree: &sled::Db, folder: &Path, last: LastCommit) -> Result<(Durable, Option<LastMark>), Error> {
    let head = read_head(tree)?;
    if head.is_none_or(|head| head.commits < last.commits) {
        return Err(lost_tail(folder, &last, head.map_or(0, |head| head.commits)));
    }
    migrate::migrate(tree, folder)?;
    let head = head.unwrap_or_default();
    make_secret(tree, folder)?;
    let durable = Durable { head, columns: load_columns(tree)?, dead: load_dead(tree)? };
    Ok((durable, load_last_mark(tree)?))
}

/// Makes what signs links, once in a store's life.
fn make_secret(tree: &sled::Db, folder: &Path) -> Result<(), Error> {
    if tree.contains_key(keys::SECRET).map_err(Error::sled("read its secret"))? {
        return Ok(());
    }
    // From the system: a seeded generator would be known to who knows its seed.
    let mut secret = [0; SECRET_BYTES];
    rand::rngs::OsRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| Error::file("make the secret of", folder)(std::io::Error::other(error)))?;
    tree.insert(keys::SECRET, &secret).map_err(Error::sled("write its secret"))?;
    sync_tree(tree, folder)
}

/// The counters of the last batch.
pub(super) fn read_head(tree: &sled::Db) -> Result<Option<Head>, Error> {
    let bytes = tree.get(keys::HEAD).map_err(Error::sled("read its counters"))?;
    bytes.map(|bytes| Head::decode(&bytes).map_err(not_decodable(keys::HEAD))).transpose()
}

fn load_columns(tree: &sled::Db) -> Result<Columns, Error> {
    let mut rows = Vec::new();
    for pair in tree.scan_prefix([Kind::Columns.letter()]) {
        let (key, value) = pair.map_err(Error::sled("read the columns of the histories"))?;
        let block = keys::number_at(&key, 1).ok_or_else(|| Error::damaged(keys::describe(&key), "its key is short"))?;
        let columns = ColumnBlock::decode(&value).map_err(not_decodable(&key))?;
        let id = |place: usize| HistoryId(block * ROWS_PER_BLOCK + place as u64);
        rows.extend(columns.rows().map(|(place, row)| (id(place), row)));
    }
    let mut columns = Columns::load(rows);
    for pair in tree.scan_prefix([Kind::Name.letter()]) {
        let (key, value) = pair.map_err(Error::sled("read the names of the systems"))?;
        let value = super::long_value::whole(tree, &key, value)?;
        let (number, name) = read_name(&key, &value)?;
        columns.name(name, number);
    }
    Ok(columns)
}

/// A system's number and name.
pub(super) fn read_name<'a>(key: &[u8], value: &'a [u8]) -> Result<(u32, &'a str), Error> {
    let number = keys::number_at(key, 1).and_then(|number| u32::try_from(number).ok());
    let name = value.strip_prefix(&[1]).and_then(|name| std::str::from_utf8(name).ok());
    number.zip(name).ok_or_else(|| Error::damaged(keys::describe(key), "it is no name"))
}

fn load_dead(tree: &sled::Db) -> Result<DeadLetters, Error> {
    let mut dead = DeadLetters::default();
    for pair in tree.scan_prefix([Kind::Dead.letter()]) {
        let (key, value) = pair.map_err(Error::sled("read the dead letters"))?;
        let id = keys::delivery_of(&key).ok_or_else(|| Error::damaged(keys::describe(&key), "its key has no id"))?;
        let value = super::long_value::whole(tree, &key, value)?;
        dead.insert(&decode_delivery(id, &value).map_err(not_decodable(&key))?);
    }
    Ok(dead)
}

fn load_last_mark(tree: &sled::Db) -> Result<Option<LastMark>, Error> {
    let last = tree.scan_prefix([Kind::Mark.letter()]).next_back().transpose();
    let Some((key, value)) = last.map_err(Error::sled("read the time marks"))? else { return Ok(None) };
    let mark = Mark::decode(&value).map_err(not_decodable(&key))?;
    Ok(keys::number_at(&key, 1).map(|sequence| (Sequence(sequence), mark.at)))
}

fn lost_tail(folder: &Path, last: &LastCommit, found: u64) -> Error {
    Error::LostTail { folder: folder.to_path_buf(), acknowledged: last.commits, sequence: last.sequence, found }
}

/// A compaction that was interrupted while it changed the folders' names is finished: the copy was whole before the
/// first name changed.
pub(super) fn finish_compaction(folder: &Path) -> Result<(), Error> {
    let (tree, compacted, replaced) =
        (folder.join(TREE_FOLDER), folder.join(COMPACTED_FOLDER), folder.join(REPLACED_FOLDER));
    if !tree.exists() && replaced.exists() && compacted.exists() {
        std::fs::rename(&compacted, &tree).map_err(Error::file("rename", &compacted))?;
        sync_folder(folder)?;
    }
    if tree.exists() && replaced.exists() {
        std::fs::remove_dir_all(&replaced).map_err(Error::file("remove", &replaced))?;
        sync_folder(folder)?;
    }
    Ok(())
}

/// Reads through damage that makes sled panic: that is an error like any other.
pub(super) fn guarded<T>(folder: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    quietly(read).unwrap_or_else(|reason| Err(Error::Unreadable { folder: folder.to_path_buf(), reason }))
}

/// Runs what may panic, and gives the panic's text back instead of printing it.
///
/// The process's panic hook is replaced for as long as it runs, one caller at a time; panics of other threads go to the
/// hook that was there before, which is put back itself: wrapped, it would grow deeper with every call.
pub(super) fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let turn = ONE_AT_A_TIME.lock();
    let quiet = std::thread::current().id();
    let before = Arc::new(RwLock::new(Some(std::panic::take_hook())));
    let others = Arc::clone(&before);
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() != quiet
            && let Some(before) = others.read().as_ref()
        {
            before(panic);
        }
    }));
    let result = catch_unwind(AssertUnwindSafe(run));
    drop(std::panic::take_hook());
    if let Some(before) = before.write().take() {
        std::panic::set_hook(before);
    }
    drop(turn);
    result.map_err(|panic| panic_text(panic.as_ref()))
}
