//! What happens to a payment after it was accepted: it waits for a worker, is processed, settled, called back.
//!
//! The original's pool has eight threads and a queue without an end, and each payment holds a thread for one to five
//! seconds: about 2.7 payments a second. Under more load "pending" lasts far longer than five seconds, and so it does
//! here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::card::masked;
use super::dice::Verdict;
use super::knob::Workers;
use super::ledger::Position;
use super::simulation::Simulation;

/// As many payments at a time as "unlimited" means: tasks cost memory.
const UNLIMITED: usize = 100_000;

/// A payment that was accepted.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) position: Position,
    pub(super) process: Duration,
    pub(super) verdict: Verdict,
    pub(super) callback_roll: f64,
}

/// Payments that wait for a worker, oldest first.
///
/// At most as many as the ledger remembers; one more drops the oldest, whose transaction is then forgotten too.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    pool: Mutex<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    waiting: VecDeque<Job>,
    at_work: usize,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), pool: Mutex::default() }
    }

    fn push(&self, job: Job) {
        let mut pool = self.pool.lock();
        if pool.waiting.len() >= self.capacity {
            pool.waiting.pop_front();
        }
        pool.waiting.push_back(job);
    }

    /// The next payment, if a worker is free for it.
    fn begin_next(&self, workers: usize) -> Option<Job> {
        let mut pool = self.pool.lock();
        if pool.at_work >= workers {
            return None;
        }
        let job = pool.waiting.pop_front()?;
        pool.at_work += 1;
        Some(job)
    }

    fn end(&self) {
        self.pool.lock().at_work -= 1;
    }
}

/// Accepts a payment for processing.
pub(super) fn submit(simulation: &Arc<Simulation>, job: Job) {
    simulation.queue.push(job);
    start_waiting(simulation);
}

/// Gives work to the workers that are free: after a payment came or went, and after their number was changed.
pub(super) fn start_waiting(simulation: &Arc<Simulation>) {
    let workers = match simulation.settings().workers {
        Workers::Limited(workers) => usize::try_from(workers.get()).unwrap_or(UNLIMITED).min(UNLIMITED),
        Workers::Unlimited => UNLIMITED,
    };
    while let Some(job) = simulation.queue.begin_next(workers) {
        let for_task = Arc::clone(simulation);
        simulation.spawn(async move {
            tokio::time::sleep(job.process).await;
            finish(&for_task, &job);
        });
    }
}

fn finish(simulation: &Arc<Simulation>, job: &Job) {
    let settled = simulation.ledger.lock().settle(job.position, job.verdict);
    simulation.queue.end();
    start_waiting(simulation);
    // None: it was canceled in the meantime, or forgotten.
    if let Some(transaction) = settled {
        tracing::debug!(
            key = &*transaction.key,
            order = masked(&transaction.purchase.order_id),
            card = %transaction.purchase.card_no,
            status = transaction.status.name(),
            "a payment was settled"
        );
        // After the commit, so that a merchant who asks from within the callback's handler sees the final state.
        super::callbacks::dispatch(simulation, &transaction, job.callback_roll);
    }
}
