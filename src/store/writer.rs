//! The thread that owns the disk: takes all that waits as one batch, writes it, syncs it, and only then says so.
//!
//! One thread, since `flush` waits for all writes before it anyway, and `flush_async` deadlocks. For each batch: one
//! `apply_batch` on one tree (atomic), `flush` (which does not sync on Linux), `sync_data` on our own handle of sled's
//! file, and the file of the last commit. A write that fails ends the thread: nothing is acknowledged any more, and
//! the owner is told, since sled cannot go on after an error.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::batch::{Batch, Finished};
use super::error::Error;
use super::last_commit::{LastCommit, LastCommitFile};
use super::record::Head;
use super::state::State;
use super::tidy::{Tidied, Tidy};
use crate::clock::Clock;
use crate::domain::change::{Change, Committed};
use crate::domain::id::{IdMarks, Sequence};
use crate::domain::rollup::Observed;
use crate::domain::time::Timestamp;

/// Jobs that may wait. The journal has one or two on their way, so a full queue means that the disk has stopped.
const QUEUE: usize = 1024;
/// Jobs in one batch: more gain nothing, and make the first ones wait.
const JOBS_PER_BATCH: usize = 256;
/// Changes (or targets' observations) after which no further job joins a batch.
const CHANGES_PER_BATCH: usize = 1024;
/// Targets whose observations are one job: 32 records, and 128 when a minute ends.
const OBSERVED_PER_JOB: usize = 1024;
/// How often the log's progress is written down for retention, which is right to within this time.
const MARK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Called with the changes once they are on disk; dropped uncalled if that never happens.
pub type Acknowledge = Box<dyn FnOnce(Vec<Committed<Change>>) + Send>;

/// Hands work to the store's thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    state: Arc<State>,
}

/// Changes that were not taken, to be kept or refused by the caller. Nothing of them is on disk.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Too many wait.
    #[error("the store's queue is full: the disk does not keep up")]
    Full(Vec<Change>),
    /// The store was closed, or a write has failed.
    #[error("the store takes no more commits: it was closed, or a write has failed")]
    Stopped(Vec<Change>),
}

/// When the log's progress was last written down, and how far it was.
pub(super) type LastMark = (Sequence, Timestamp);

/// What one batch was, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchWritten {
    /// Changes that were acknowledged with it.
    pub changes: usize,
    /// Records written or deleted.
    pub records: usize,
    /// From taking the first job to the last sync.
    pub took: Duration,
}

enum Job {
    Commit { changes: Vec<Change>, marks: IdMarks, now: Timestamp, acknowledge: Acknowledge },
    Observe { observed: Vec<Observed>, now: Timestamp },
    Tidy { tidy: Box<Tidy>, back: SyncSender<Box<Tidy>> },
    Pass(Box<dyn FnOnce() + Send>),
    Stop,
}

impl Writer {
    /// Hands over changes, in order. All of them are in one batch; `acknowledge` is called on the store's thread.
    /// `marks` are the highest ids that were given so far, `now` is when they are handed over. Never blocks.
    ///
    /// # Errors
    /// The changes, if the queue is full or the store has stopped.
    pub fn commit(
        &self,
        changes: Vec<Change>,
        marks: IdMarks,
        now: Timestamp,
        acknowledge: Acknowledge,
    ) -> Result<(), NotTaken> {
        let changes_of = |job| match job {
            Job::Commit { changes, .. } => changes,
            Job::Observe { .. } | Job::Tidy { .. } | Job::Pass(_) | Job::Stop => Vec::new(),
        };
        if self.state.is_stopped() {
            return Err(NotTaken::Stopped(changes));
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(Job::Commit { changes, marks, now, acknowledge }).map_err(|refused| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match refused {
                TrySendError::Full(job) => NotTaken::Full(changes_of(job)),
                TrySendError::Disconnected(job) => NotTaken::Stopped(changes_of(job)),
            }
        })
    }

    /// As [`Writer::commit`], and waits. For threads that may block.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn commit_and_wait(
        &self,
        changes: Vec<Change>,
        marks: IdMarks,
        now: Timestamp,
    ) -> Result<Vec<Committed<Change>>, Error> {
        let (sender, receiver) = sync_channel(1);
        let acknowledge: Acknowledge = Box::new(move |committed| {
            // The caller may have gone; what is on disk stays there.
            let _ = sender.send(committed);
        });
        self.send(Job::Commit { changes, marks, now, acknowledge })?;
        receiver.recv().map_err(|_| Error::Stopped)
    }

    /// Saves what moved in the targets' memory without being an event; `done` is called once all of it is on disk. It
    /// goes in portions, so that a commit that comes in between need not wait for all. Blocks while the queue is full.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn save_observed(
        &self,
        mut observed: Vec<Observed>,
        now: Timestamp,
        done: Box<dyn FnOnce() + Send>,
    ) -> Result<(), Error> {
        // Neighbours share records.
        observed.sort_unstable_by_key(|observed| observed.id);
        while !observed.is_empty() {
            let rest = observed.split_off(observed.len().min(OBSERVED_PER_JOB));
            self.send(Job::Observe { observed, now })?;
            observed = rest;
        }
        self.send(Job::Pass(done))
    }

    /// Deletes what is older than it is kept (see [`Tidied`]), in small steps between the commits. Takes as long as it
    /// takes: for a thread that may block. To be called about every ten minutes.
    ///
    /// # Errors
    /// [`Error::Stopped`], or what could not be read.
    pub fn tidy(&self, now: Timestamp, retention: Duration) -> Result<Tidied, Error> {
        let mut tidy = Box::new(Tidy::plan(&self.state, now, retention)?);
        while !tidy.is_done() {
            let (back, receiver) = sync_channel(1);
            self.send(Job::Tidy { tidy, back })?;
            tidy = receiver.recv().map_err(|_| Error::Stopped)?;
        }
        tidy.finish()
    }

    /// Waits until everything that was handed over before is on disk.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn barrier(&self) -> Result<(), Error> {
        let (sender, receiver) = sync_channel(1);
        self.send(Job::Pass(Box::new(move || {
            let _ = sender.send(());
        })))?;
        receiver.recv().map_err(|_| Error::Stopped)
    }

    /// Jobs that wait or are being written: a gauge, and a reason to refuse work at the edge.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether commits are still taken.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.state.is_stopped()
    }

    pub(super) fn stop(&self) {
        // The thread may have ended by itself.
        let _ = self.send(Job::Stop);
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        if self.state.is_stopped() {
            return Err(Error::Stopped);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            Error::Stopped
        })
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Commit { .. } => "Commit",
            Self::Observe { .. } => "Observe",
            Self::Tidy { .. } => "Tidy",
            Self::Pass(_) => "Pass",
            Self::Stop => "Stop",
        })
    }
}

/// What the thread owns.
pub(super) struct WriterThread {
    pub(super) state: Arc<State>,
    /// Our own handle of sled's file, for `sync_data`.
    pub(super) log: File,
    pub(super) last_commit: LastCommitFile,
    pub(super) last_mark: Option<LastMark>,
    pub(super) clock: Clock,
    pub(super) on_batch: Box<dyn FnMut(BatchWritten) + Send>,
    pub(super) on_failure: Box<dyn FnOnce(Error) + Send>,
}

/// What is said once a batch is on disk.
enum Answer {
    Committed(Acknowledge, Vec<Committed<Change>>),
    Done(Box<dyn FnOnce() + Send>),
    Tidied(SyncSender<Box<Tidy>>, Box<Tidy>),
}

/// What became of one batch.
struct Written {
    answers: Vec<Answer>,
    changes: usize,
    records: usize,
}

impl WriterThread {
    /// Starts the thread.
    pub(super) fn start(self) -> Result<(Writer, std::thread::JoinHandle<()>), Error> {
        let (sender, receiver) = sync_channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer { jobs: sender, waiting: Arc::clone(&waiting), state: Arc::clone(&self.state) };
        let thread = std::thread::Builder::new().name("store".into());
        let handle = thread.spawn(move || self.run(&receiver, &waiting)).map_err(Error::Thread)?;
        Ok((writer, handle))
    }

    fn run(mut self, jobs: &Receiver<Job>, waiting: &AtomicUsize) {
        // sled may panic on damage that it meets late; that is a failed write like any other.
        let ended = catch_unwind(AssertUnwindSafe(|| self.write_all(jobs, waiting)));
        self.state.stop();
        let failure = match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => Error::damaged("the log, while writing", panic_text(panic.as_ref())),
        };
        tracing::error!(
            error = &failure as &dyn std::error::Error,
            "a write to the store failed: nothing is acknowledged any more"
        );
        (self.on_failure)(failure);
    }

    fn write_all(&mut self, jobs: &Receiver<Job>, waiting: &AtomicUsize) -> Result<(), Error> {
        loop {
            let Ok(first) = jobs.recv() else { return Ok(()) };
            let begun = self.clock.moment();
            let (batch, stop) = drain(first, jobs);
            let count = batch.len() + usize::from(stop);
            let Written { answers, changes, records } = self.write(batch)?;
            waiting.fetch_sub(count, Ordering::Relaxed);
            if records > 0 {
                let took = self.clock.moment().since(begun);
                (self.on_batch)(BatchWritten { changes, records, took });
            }
            for answer in answers {
                answer.say();
            }
            if stop {
                return Ok(());
            }
        }
    }

    /// Writes all jobs as one batch. What it returns may be said: it is on disk.
    fn write(&mut self, jobs: Vec<Job>) -> Result<Written, Error> {
        let state = Arc::clone(&self.state);
        let mut batch = Batch::begin(&state);
        let mut written = Written { answers: Vec::with_capacity(jobs.len()), changes: 0, records: 0 };
        let answers = &mut written.answers;
        for job in jobs {
            match job {
                Job::Commit { changes, marks, now, acknowledge } => {
                    self.mark(&mut batch, now);
                    batch.raise(marks);
                    written.changes += changes.len();
                    let committed = changes.into_iter().map(|change| {
                        let first = batch.add(&change)?;
                        // Nobody sees it before the batch is synced: answers are said after that.
                        Ok(Committed::by_store(change, first))
                    });
                    answers.push(Answer::Committed(acknowledge, committed.collect::<Result<_, Error>>()?));
                }
                Job::Observe { observed, now } => {
                    self.mark(&mut batch, now);
                    observed.iter().try_for_each(|observed| batch.observe(observed))?;
                }
                Job::Tidy { mut tidy, back } => {
                    tidy.step(&mut batch);
                    answers.push(Answer::Tidied(back, tidy));
                }
                Job::Pass(done) => answers.push(Answer::Done(done)),
                Job::Stop => {}
            }
        }
        if let Some(finished) = batch.finish() {
            written.records = finished.records;
            self.sync(finished)?;
        }
        Ok(written)
    }

    fn mark(&mut self, batch: &mut Batch<'_>, now: Timestamp) {
        let next = batch.head.next_sequence();
        let due =
            self.last_mark.is_none_or(|(sequence, at)| sequence < next && (now.since(at) >= MARK_EVERY || at > now));
        if due {
            batch.mark(now);
            self.last_mark = Some((next, now));
        }
    }

    /// The order is the guarantee: the tree, its sync, the last commit and its sync, and only then the memory that
    /// readers see.
    fn sync(&mut self, finished: Finished) -> Result<(), Error> {
        let Finished { batch, records: _, head, memory } = finished;
        self.state.begin(memory.histories());
        self.state.tree.apply_batch(batch).map_err(Error::sled("write a batch"))?;
        self.state.tree.flush().map_err(Error::sled("write its log"))?;
        self.log.sync_data().map_err(Error::file("sync", std::path::Path::new("the store's log")))?;
        self.last_commit.write(&last_commit(&head))?;
        let mut durable = self.state.durable.write();
        memory.apply(&mut durable);
        durable.head = head;
        drop(durable);
        self.state.settle();
        Ok(())
    }
}

impl Answer {
    fn say(self) {
        match self {
            Self::Committed(acknowledge, committed) => acknowledge(committed),
            Self::Done(done) => done(),
            Self::Tidied(back, tidy) => {
                // Whoever tidied may have gone; the next tidying goes on.
                let _ = back.send(tidy);
            }
        }
    }
}

/// What the file of the last commit says of a batch with this head.
pub(super) const fn last_commit(head: &Head) -> LastCommit {
    LastCommit { commits: head.commits, sequence: head.last_sequence, marks: head.marks }
}

/// All that waits, up to the limits; and whether to stop after it.
fn drain(first: Job, jobs: &Receiver<Job>) -> (Vec<Job>, bool) {
    let mut batch = Vec::new();
    let mut changes = 0;
    let mut next = Some(first);
    while let Some(job) = next {
        match &job {
            Job::Stop => return (batch, true),
            Job::Commit { changes: more, .. } => changes += more.len(),
            Job::Observe { observed, .. } => changes += observed.len(),
            Job::Tidy { .. } | Job::Pass(_) => {}
        }
        batch.push(job);
        let full = batch.len() >= JOBS_PER_BATCH || changes >= CHANGES_PER_BATCH;
        next = if full { None } else { jobs.try_recv().ok() };
    }
    (batch, false)
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::super::last_commit::Found;
    use super::super::opening::{initialize, open_tree};
    use super::super::state::Durable;
    use super::*;

    #[test]
    fn a_write_that_cannot_be_synced_is_not_acknowledged_and_stops_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let tree = open_tree(folder.path(), 1 << 20).unwrap();
        initialize(&tree, folder.path()).unwrap();
        let (failed, failures) = channel();
        let thread = WriterThread {
            state: Arc::new(State::new(tree, Durable::default())),
            // A file that cannot be synced.
            log: File::options().write(true).open("/dev/null").unwrap(),
            last_commit: LastCommitFile::create(folder.path(), &LastCommit::default()).unwrap(),
            last_mark: None,
            clock: Clock::system(),
            on_batch: Box::new(|_| {}),
            on_failure: Box::new(move |error| failed.send(error).unwrap()),
        };
        let (writer, thread) = thread.start().unwrap();
        let committed = writer.commit_and_wait(vec![Change::default()], IdMarks::default(), Timestamp::default());
        assert!(matches!(committed, Err(Error::Stopped)));
        assert!(matches!(failures.recv(), Ok(Error::File { attempt: "sync", .. })));
        thread.join().unwrap();
        assert!(!writer.is_alive());
        let last = super::super::last_commit::read(folder.path()).unwrap();
        assert_eq!(last, Found::Last(LastCommit::default()));
    }

    #[test]
    fn all_that_waits_joins_one_batch_up_to_its_limits() {
        let (sender, jobs) = sync_channel(QUEUE);
        let job = |changes: usize| Job::Commit {
            changes: vec![Change::default(); changes],
            marks: IdMarks::default(),
            now: Timestamp::default(),
            acknowledge: Box::new(|_| {}),
        };
        (0..300).for_each(|_| sender.send(job(1)).unwrap());
        assert_eq!(drain(jobs.recv().unwrap(), &jobs).0.len(), JOBS_PER_BATCH);
        sender.send(Job::Stop).unwrap();
        sender.send(job(1)).unwrap();
        let (rest, stop) = drain(jobs.recv().unwrap(), &jobs);
        assert_eq!((rest.len(), stop), (300 - JOBS_PER_BATCH, true));
        sender.send(job(CHANGES_PER_BATCH)).unwrap();
        sender.send(job(1)).unwrap();
        assert_eq!(drain(jobs.recv().unwrap(), &jobs).0.len(), 2, "what came after the stop, and the large one");
        assert_eq!(drain(jobs.recv().unwrap(), &jobs).0.len(), 1);
    }
}
