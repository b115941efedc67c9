//! The write path: takes all that waits as one batch, has it committed off the actors' thread, and hands back proof.
//!
//! Senders: the failure histories (for themselves and for every target), the notifier, the registry. First in, first
//! out: what was sent earlier is on disk earlier, so a sender may go on deciding by what it has sent. Nothing survives
//! a restart here; what was not committed was not answered. If the store cannot commit, the process ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::notifier::OutboxGrew;
use crate::clock::Clock;
use crate::domain::change::{Change, Committed, DeliveryChange};
use crate::domain::event::Event;
use crate::domain::id::{Ids, Sequence};
use crate::domain::time::Moment;
use crate::metrics::NodeMetrics;
use crate::store::Writer;

/// Changes that are committed together at most: more would make the first of them wait for the last.
const BATCH: usize = 256;

/// Batches on their way at a time: the second is encoded while the first is synced.
const FLIGHTS: usize = 2;

/// Changes that may wait before the edge is told to refuse work.
pub(crate) const CROWDED: usize = 10_000;

/// A change that shall be on disk.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Commit {
    pub(crate) change: Change,
    /// Actors that go on once it is there.
    pub(crate) landed: Vec<Recipient<Landed>>,
    /// Somebody outside who waits for it.
    pub(crate) answer: Option<oneshot::Sender<Arc<Committed<Change>>>>,
}

/// A change is on disk.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct Landed(pub(crate) Arc<Committed<Change>>);

/// Where to send the hint that the outbox grew.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Wire(pub(crate) Recipient<OutboxGrew>);

/// What everybody may know of the journal.
#[derive(Debug, Clone)]
pub struct JournalHandle {
    depth: Arc<AtomicUsize>,
    last: watch::Receiver<Sequence>,
}

impl JournalHandle {
    /// Changes that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Whether so much waits that new work should be refused.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.depth() >= CROWDED
    }

    /// The last event that is on disk; changes when one is added. A hint: the log is read from the store.
    #[must_use]
    pub fn last_sequence(&self) -> watch::Receiver<Sequence> {
        self.last.clone()
    }
}

/// A batch is on disk.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Flown(Vec<Committed<Change>>);

struct Waiter {
    landed: Vec<Recipient<Landed>>,
    answer: Option<oneshot::Sender<Arc<Committed<Change>>>>,
}

struct Flight {
    began: Moment,
    waiters: Vec<Waiter>,
}

/// The actor.
pub(crate) struct Journal {
    writer: Writer,
    ids: Arc<Ids>,
    clock: Clock,
    metrics: Arc<NodeMetrics>,
    waiting: VecDeque<Commit>,
    in_flight: VecDeque<Flight>,
    notifier: Option<Recipient<OutboxGrew>>,
    depth: Arc<AtomicUsize>,
    last: watch::Sender<Sequence>,
    died: CancellationToken,
}

impl Journal {
    pub(crate) fn start(
        writer: Writer,
        ids: Arc<Ids>,
        clock: Clock,
        metrics: Arc<NodeMetrics>,
        last: Sequence,
        died: CancellationToken,
    ) -> (Addr<Self>, JournalHandle) {
        let (last, receiver) = watch::channel(last);
        let depth = Arc::new(AtomicUsize::new(0));
        let handle = JournalHandle { depth: depth.clone(), last: receiver };
        let (waiting, in_flight) = (VecDeque::new(), VecDeque::new());
        let journal = Self { writer, ids, clock, metrics, waiting, in_flight, notifier: None, depth, last, died };
        (journal.start_with_room(), handle)
    }

    fn start_with_room(self) -> Addr<Self> {
        Self::create(move |context| {
            context.set_mailbox_capacity(CROWDED);
            self
        })
    }

    fn take_off(&mut self, context: &Context<Self>) {
        while self.in_flight.len() < FLIGHTS && !self.waiting.is_empty() {
            let batch = self.waiting.drain(..self.waiting.len().min(BATCH));
            let (changes, waiters): (Vec<_>, Vec<_>) =
                batch.map(|Commit { change, landed, answer }| (change, Waiter { landed, answer })).unzip();
            self.in_flight.push_back(Flight { began: self.clock.moment(), waiters });
            let myself = context.address();
            let acknowledge = Box::new(move |committed| myself.do_send(Flown(committed)));
            if let Err(error) = self.writer.commit(changes, self.ids.marks(), self.clock.now(), acknowledge) {
                // Nothing is answered from here on: the store tells the owner, who ends the process.
                tracing::error!(%error, "the store takes no commits");
            }
        }
        self.depth.store(self.waiting.len(), Ordering::Relaxed);
        self.metrics.journal_queue_depth(self.waiting.len());
    }

    fn land(&self, committed: Committed<Change>, Waiter { landed, answer }: Waiter) {
        self.count(committed.get());
        let queued: Vec<_> = committed.get().deliveries.iter().filter_map(waiting).collect();
        if let (Some(notifier), false) = (&self.notifier, queued.is_empty()) {
            notifier.do_send(OutboxGrew(queued));
        }
        let events = committed.get().events.len();
        if events > 0 {
            self.last.send_replace(committed.sequence(events - 1));
        }
        let committed = Arc::new(committed);
        for recipient in landed {
            recipient.do_send(Landed(committed.clone()));
        }
        if let Some(answer) = answer {
            // The one who asked may be gone; the change is on disk all the same.
            drop(answer.send(committed));
        }
    }

    fn count(&self, change: &Change) {
        for occurrence in &change.events {
            if let Event::FailureRecorded(history) = &occurrence.event {
                self.metrics.failure_recorded(history.failure_type);
            }
        }
    }
}

fn waiting(change: &DeliveryChange) -> Option<crate::domain::delivery::Delivery> {
    match change {
        DeliveryChange::Wait(delivery) => Some(delivery.clone()),
        DeliveryChange::Done(_) | DeliveryChange::Dead(_) => None,
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.died.cancel();
    }
}

impl Handler<Commit> for Journal {
    type Result = ();

    fn handle(&mut self, commit: Commit, context: &mut Context<Self>) {
        self.waiting.push_back(commit);
        self.take_off(context);
    }
}

impl Handler<Flown> for Journal {
    type Result = ();

    fn handle(&mut self, flown: Flown, context: &mut Context<Self>) {
        // The store answers in the order in which it was asked.
        let Some(Flight { began, waiters }) = self.in_flight.pop_front() else { return };
        self.metrics.journal_commit(self.clock.moment().since(began), waiters.len());
        for (change, waiter) in flown.0.into_iter().zip(waiters) {
            self.land(change, waiter);
        }
        self.take_off(context);
    }
}

impl Handler<Wire> for Journal {
    type Result = ();

    fn handle(&mut self, wire: Wire, _: &mut Context<Self>) {
        self.notifier = Some(wire.0);
    }
}
