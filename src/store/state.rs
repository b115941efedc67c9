//! What the writer and the readers share: the tree, and what of it is in memory.
//!
//! The writer changes the tree before a batch is synced and everything else here only after it. A reader that met a
//! record of the batch in between waits until that batch is on disk, so that nobody is told what could still be lost.

use parking_lot::{Condvar, Mutex, RwLock};

use super::columns::Columns;
use super::dead::DeadLetters;
use super::error::Error;
use super::keys;
use super::record::{Head, NotDecodable};
use crate::domain::id::HistoryId;

/// Everything that is open.
#[derive(Debug)]
pub(super) struct State {
    /// The one tree.
    pub(super) tree: sled::Db,
    /// As of the last synced batch.
    pub(super) durable: RwLock<Durable>,
    in_flight: Mutex<InFlight>,
    settled: Condvar,
}

/// What is in memory; only what is on disk.
#[derive(Debug, Default)]
pub(super) struct Durable {
    /// The counters.
    pub(super) head: Head,
    /// The histories' columns.
    pub(super) columns: Columns,
    /// The dead letters.
    pub(super) dead: DeadLetters,
}

/// The histories of the batch that is being written.
#[derive(Debug, Default)]
struct InFlight {
    /// Ascending.
    histories: Vec<HistoryId>,
    stopped: bool,
}

impl State {
    pub(super) fn new(tree: sled::Db, durable: Durable) -> Self {
        Self { tree, durable: RwLock::new(durable), in_flight: Mutex::default(), settled: Condvar::new() }
    }

    /// From now on a reader that meets one of these histories waits.
    pub(super) fn begin(&self, mut histories: Vec<HistoryId>) {
        histories.sort_unstable();
        self.in_flight.lock().histories = histories;
    }

    /// The batch is on disk: what was in flight may be told.
    pub(super) fn settle(&self) {
        self.in_flight.lock().histories.clear();
        self.settled.notify_all();
    }

    /// No batch will settle any more.
    pub(super) fn stop(&self) {
        self.in_flight.lock().stopped = true;
        self.settled.notify_all();
    }

    /// Whether the writer has ended.
    pub(super) fn is_stopped(&self) -> bool {
        self.in_flight.lock().stopped
    }

    /// Reads something of these histories that is on disk: a read that met the batch in flight is done again after it.
    pub(super) fn read_settled<T>(
        &self,
        histories: &[HistoryId],
        mut read: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let value = read()?;
            let mut in_flight = self.in_flight.lock();
            let met = |in_flight: &InFlight| histories.iter().any(|id| in_flight.histories.binary_search(id).is_ok());
            if !met(&in_flight) {
                return Ok(value);
            }
            while met(&in_flight) {
                if in_flight.stopped {
                    return Err(Error::Stopped);
                }
                self.settled.wait(&mut in_flight);
            }
        }
    }

    /// The value of a key, whole.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, Error> {
        get(&self.tree, key)
    }
}

/// The value of a key; one that was too long for one record is put together.
pub(super) fn get(tree: &sled::Tree, key: &[u8]) -> Result<Option<sled::IVec>, Error> {
    let value = tree.get(key).map_err(Error::sled("read a record"))?;
    value.map(|value| super::long_value::whole(tree, key, value)).transpose()
}

/// For `map_err`: the record with this key is not one.
pub(super) fn not_decodable(key: &[u8]) -> impl FnOnce(NotDecodable) -> Error + '_ {
    move |reason| Error::damaged(keys::describe(key), reason)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn state(folder: &std::path::Path) -> State {
        State::new(super::super::opening::open_tree(folder, 1 << 20).unwrap(), Durable::default())
    }

    #[test]
    fn a_read_that_met_the_batch_in_flight_is_done_again_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(folder.path());
        let synced = AtomicBool::new(false);
        state.begin(vec![HistoryId(2), HistoryId(1)]);
        std::thread::scope(|scope| {
            let (state, synced) = (&state, &synced);
            let reader = scope.spawn(move || {
                let mut times = 0;
                let told = state.read_settled(&[HistoryId(2)], || {
                    times += 1;
                    Ok(times)
                });
                (told, synced.load(Ordering::SeqCst))
            });
            // Only a reader that has read, and met the batch, can be woken; it finds the batch and waits again.
            while !state.settled.notify_one() {
                assert!(!reader.is_finished(), "it was told what is not on disk");
                std::thread::yield_now();
            }
            assert_eq!(state.read_settled(&[HistoryId(3)], || Ok("not in it")).unwrap(), "not in it");
            synced.store(true, Ordering::SeqCst);
            state.settle();
            let (told, was_synced) = reader.join().unwrap();
            assert_eq!((told.unwrap(), was_synced), (2, true));
        });
    }

    #[test]
    fn a_batch_that_never_settles_is_an_error_for_who_waits() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(folder.path());
        state.begin(vec![HistoryId(2)]);
        state.stop();
        assert!(matches!(state.read_settled(&[HistoryId(2)], || Ok(())), Err(Error::Stopped)));
        assert!(state.read_settled(&[HistoryId(1)], || Ok(())).is_ok());
    }
}
