//! The outbox's other half: takes what is due, lets the channel try, and has the result committed.
//!
//! Senders: the journal (the outbox grew: a hint), its own attempts. It keeps a queue per channel, so that a channel
//! that hangs delays no other, and in a channel a line per incident, so that nobody hears of an end before the
//! beginning. What survives a restart: the outbox in the store; this actor reads it again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle};
use futures_util::FutureExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::failure_history::{FailureHistory, GivenUp};
use super::journal::{Commit, Journal, Landed};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Message as Notice, Next, Outcome};
use crate::domain::id::{DeliveryId, NoticeId};
use crate::domain::time::Timestamp;
use crate::metrics::{DeliveryResult, NodeMetrics};
use crate::notify::Sender;
use crate::store::Reader;

/// Attempts of one channel at a time: enough to empty a queue of thousands in seconds, few enough for any receiver.
const AT_ONCE: usize = 8;

/// Entries of one channel that are remembered here; the others wait on disk until there is room.
const REMEMBERED: usize = 10_000;

/// How often the outbox is measured for `/metrics`.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// The outbox has these entries, new ones or ones that wait for another attempt. A hint.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct OutboxGrew(pub(crate) Vec<Delivery>);

/// An attempt came back.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct AttemptFinished {
    delivery: Delivery,
    outcome: Outcome,
}

/// What waits in the outbox.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct OutboxRead(Vec<Delivery>);

/// Begin nothing new, and say when nothing is under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain(pub(crate) oneshot::Sender<()>);

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AdoptChannels(pub(crate) Arc<Config>);

/// What must be told in order: an incident's beginning before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Incident(u64),
    Report(u64),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    due: Timestamp,
    line: Line,
    queued_at: Timestamp,
}

#[derive(Default)]
struct Queue {
    sender: Option<Arc<Sender>>,
    lines: BTreeMap<Line, VecDeque<DeliveryId>>,
    due: BTreeSet<(Timestamp, DeliveryId, Line)>,
    remembered: BTreeMap<DeliveryId, Entry>,
    in_flight: BTreeSet<DeliveryId>,
    more_on_disk: bool,
}

/// The actor.
pub(crate) struct Notifier {
    reader: Reader,
    clock: Clock,
    journal: Addr<Journal>,
    histories: Addr<FailureHistory>,
    metrics: Arc<NodeMetrics>,
    io: tokio::runtime::Handle,
    queues: BTreeMap<Arc<str>, Queue>,
    rng: SmallRng,
    timer: Option<SpawnHandle>,
    config: Arc<Config>,
    died: CancellationToken,
    /// Notices up to this one are on disk.
    landed_up_to: NoticeId,
    reading: bool,
    /// What came while the outbox was being read.
    meanwhile: Vec<Delivery>,
    /// Told once nothing is under way; nothing new is begun then.
    draining: Option<oneshot::Sender<()>>,
}

/// What the notifier is connected to.
pub(crate) struct Wiring {
    pub(crate) reader: Reader,
    pub(crate) clock: Clock,
    pub(crate) journal: Addr<Journal>,
    pub(crate) histories: Addr<FailureHistory>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) io: tokio::runtime::Handle,
    pub(crate) config: Arc<Config>,
    /// The last notice of the process before.
    pub(crate) last_notice: NoticeId,
    /// Told if this actor dies.
    pub(crate) died: CancellationToken,
}

impl Notifier {
    pub(crate) fn start(wiring: Wiring) -> Addr<Self> {
        let Wiring { reader, clock, journal, histories, metrics, io, config, last_notice, died } = wiring;
        let rng = SmallRng::seed_from_u64(clock.now().as_nanos().unsigned_abs());
        let queues = BTreeMap::new();
        Self {
            reader,
            clock,
            journal,
            histories,
            metrics,
            io,
            queues,
            rng,
            timer: None,
            config,
            died,
            landed_up_to: last_notice,
            reading: false,
            meanwhile: Vec::new(),
            draining: None,
        }
        .start()
    }

    fn build_senders(&mut self) {
        for queue in self.queues.values_mut() {
            queue.sender = None;
        }
        for (name, channel) in &self.config.channels {
            match Sender::new(channel, self.config.node.name.clone(), self.clock) {
                Ok(sender) => self.queues.entry(name.clone()).or_default().sender = Some(Arc::new(sender)),
                Err(error) => tracing::error!(channel = %name, %error, "this channel cannot be used; mend its config"),
            }
        }
    }

    /// Reads the outbox away from the actors' thread: it may be long.
    fn read_outbox(&mut self, context: &Context<Self>) {
        if std::mem::replace(&mut self.reading, true) {
            return;
        }
        let (reader, myself) = (self.reader.clone(), context.address());
        self.io.spawn_blocking(move || {
            let waiting = reader.deliveries_waiting().unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox could not be read");
                Vec::new()
            });
            myself.do_send(OutboxRead(waiting));
        });
    }

    fn remember(&mut self, delivery: &Delivery) {
        let queue = self.queues.entry(delivery.channel.clone()).or_default();
        queue.remember(delivery);
    }

    fn say_drained(&mut self) {
        if self.queues.values().all(|queue| queue.in_flight.is_empty())
            && let Some(drained) = self.draining.take()
        {
            // The one who waits may have given up.
            let _ = drained.send(());
        }
    }

    fn pump(&mut self, context: &mut Context<Self>) {
        if self.draining.is_some() {
            return self.say_drained();
        }
        let now = self.clock.now();
        let names: Vec<Arc<str>> = self.queues.keys().cloned().collect();
        for name in names {
            while let Some(id) = self.queues.get_mut(&name).and_then(|queue| queue.take_due(now)) {
                self.attempt(&name, id, context);
            }
        }
        self.arm(now, context);
    }

    fn attempt(&mut self, channel: &Arc<str>, id: DeliveryId, context: &Context<Self>) {
        let Some(queue) = self.queues.get_mut(channel) else { return };
        let delivery = match self.reader.delivery(id) {
            Ok(Some(delivery)) => delivery,
            // A hint that was doubled: it left the outbox meanwhile.
            Ok(None) => return queue.forget(id),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, %id, "this message could not be read");
                return queue.forget(id);
            }
        };
        let (sender, myself) = (queue.sender.clone(), context.address());
        self.io.spawn(async move {
            let attempt = async {
                match sender {
                    Some(sender) => sender.deliver(&delivery).await,
                    None => Outcome::Permanent { error: "no channel of this name is configured any more".into() },
                }
            };
            let outcome = AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| {
                let error = "the attempt itself fell over; the log says where".into();
                Outcome::Transient { error, retry_after: None }
            });
            myself.do_send(AttemptFinished { delivery, outcome });
        });
    }

    fn arm(&mut self, now: Timestamp, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        let next = self.queues.values().filter_map(Queue::next_due).min();
        let Some(next) = next else { return };
        self.timer = Some(context.run_later(next.since(now), |notifier, context| {
            notifier.timer = None;
            notifier.pump(context);
        }));
    }

    fn measure(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        let pending = self.queues.values().map(|queue| queue.remembered.len()).sum();
        let oldest = self.queues.values().filter_map(Queue::oldest).min();
        self.metrics.outbox(pending, oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        self.metrics.dead_letters(self.reader.dead_letter_count());
        let open: u64 = self.reader.open_histories().iter().map(|open| open.count).sum();
        self.metrics.failures_open(usize::try_from(open).unwrap_or(usize::MAX));
        if self.queues.values().any(Queue::has_room_for_more) {
            self.read_outbox(context);
        }
        context.run_later(MEASURE_EVERY, Self::measure);
    }

    fn log(delivery: &Delivery, next: &Next) {
        match next {
            Next::Done => {}
            Next::Wait(waiting) => tracing::info!(
                channel = %delivery.channel, id = %delivery.id, attempts = waiting.attempts,
                error = waiting.last_error.as_deref().unwrap_or_default(), "not delivered yet, will be tried again"
            ),
            Next::Dead(dead) => tracing::error!(
                channel = %delivery.channel, id = %delivery.id, attempts = dead.attempts,
                error = dead.last_error.as_deref().unwrap_or_default(), "given up: nobody was told over this channel"
            ),
        }
    }
}

impl Queue {
    fn remember(&mut self, delivery: &Delivery) {
        let (id, line) = (delivery.id, line_of(delivery));
        let entry = Entry { due: delivery.next_attempt_at, line, queued_at: delivery.queued_at };
        if let Some(before) = self.remembered.get_mut(&id) {
            if self.in_flight.contains(&id) && before.due == entry.due {
                // A hint that was doubled: its attempt is under way.
                return;
            }
            let before = std::mem::replace(before, entry);
            self.in_flight.remove(&id);
            self.due.remove(&(before.due, id, line));
        } else if self.more_on_disk || self.remembered.len() >= REMEMBERED {
            // What comes later than something that was left on disk waits there too, or it would overtake it.
            self.more_on_disk = true;
            return;
        } else {
            self.remembered.insert(id, entry);
            self.lines.entry(line).or_default().push_back(id);
        }
        self.make_due(line);
    }

    /// Only the first of a line may go, and not twice at once.
    fn make_due(&mut self, line: Line) {
        let Some(head) = self.lines.get(&line).and_then(VecDeque::front) else { return };
        if let (false, Some(entry)) = (self.in_flight.contains(head), self.remembered.get(head)) {
            self.due.insert((entry.due, *head, line));
        }
    }

    /// Ids are given in order, so the first that is remembered waits longest.
    fn oldest(&self) -> Option<Timestamp> {
        self.remembered.first_key_value().map(|(_, entry)| entry.queued_at)
    }

    fn take_due(&mut self, now: Timestamp) -> Option<DeliveryId> {
        if self.in_flight.len() >= AT_ONCE {
            return None;
        }
        let first = self.due.first().copied().filter(|(due, ..)| *due <= now)?;
        self.due.remove(&first);
        self.in_flight.insert(first.1);
        Some(first.1)
    }

    fn next_due(&self) -> Option<Timestamp> {
        if self.in_flight.len() >= AT_ONCE { None } else { self.due.first().map(|(due, ..)| *due) }
    }

    fn forget(&mut self, id: DeliveryId) {
        self.in_flight.remove(&id);
        let Some(Entry { due, line, .. }) = self.remembered.remove(&id) else { return };
        self.due.remove(&(due, id, line));
        if let Some(ids) = self.lines.get_mut(&line) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.lines.remove(&line);
            }
        }
        self.make_due(line);
    }

    fn has_room_for_more(&self) -> bool {
        self.more_on_disk && self.remembered.len() < REMEMBERED / 2
    }
}

fn line_of(delivery: &Delivery) -> Line {
    match &delivery.message {
        Notice::Firing(alert) | Notice::Reminder(alert) | Notice::Escalated(alert) | Notice::Resolved { alert, .. } => {
            Line::Incident(alert.incident.0)
        }
        Notice::FailureRecorded { history, .. } => Line::Report(history.0),
        Notice::Grouped(_) => Line::Report(0),
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.build_senders();
        self.read_outbox(context);
        self.measure(context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.died.cancel();
    }
}

impl Handler<OutboxRead> for Notifier {
    type Result = ();

    fn handle(&mut self, read: OutboxRead, context: &mut Context<Self>) {
        self.reading = false;
        for queue in self.queues.values_mut() {
            queue.more_on_disk = false;
        }
        // The tree shows a message a moment before its commit is synced: that one comes with the journal's hint.
        let landed_up_to = self.landed_up_to;
        for delivery in read.0.iter().filter(|delivery| delivery.id.notice <= landed_up_to) {
            self.remember(delivery);
        }
        for delivery in std::mem::take(&mut self.meanwhile) {
            self.remember(&delivery);
        }
        self.pump(context);
    }
}

impl Handler<Drain> for Notifier {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Context<Self>) {
        self.draining = Some(drain.0);
        self.say_drained();
    }
}

impl Handler<OutboxGrew> for Notifier {
    type Result = ();

    fn handle(&mut self, grew: OutboxGrew, context: &mut Context<Self>) {
        for delivery in &grew.0 {
            self.landed_up_to = self.landed_up_to.max(delivery.id.notice);
        }
        if self.reading {
            // What is read now is older, and goes first.
            return self.meanwhile.extend(grew.0);
        }
        for delivery in &grew.0 {
            self.remember(delivery);
        }
        self.pump(context);
    }
}

impl Handler<AttemptFinished> for Notifier {
    type Result = ();

    fn handle(&mut self, finished: AttemptFinished, context: &mut Context<Self>) {
        let AttemptFinished { delivery, outcome } = finished;
        let (id, jitter) = (delivery.id, self.rng.random_range(0.0..=1.0));
        let next = delivery.clone().after(outcome, jitter, self.clock.now());
        Self::log(&delivery, &next);
        let landed: Recipient<Landed> = context.address().recipient();
        let (result, change) = match next {
            Next::Done => (DeliveryResult::Delivered, DeliveryChange::Done(id)),
            Next::Wait(delivery) => (DeliveryResult::Retried, DeliveryChange::Wait(delivery)),
            Next::Dead(delivery) => {
                self.metrics.notification(&delivery.channel, DeliveryResult::Dead);
                return self.histories.do_send(GivenUp { delivery, landed });
            }
        };
        self.metrics.notification(&delivery.channel, result);
        let change = Change { deliveries: vec![change], ..Change::default() };
        self.journal.do_send(Commit { change, landed: vec![landed], answer: None });
    }
}

impl Handler<Landed> for Notifier {
    type Result = ();

    fn handle(&mut self, landed: Landed, context: &mut Context<Self>) {
        for change in &landed.0.get().deliveries {
            let gone = match change {
                DeliveryChange::Done(id) => *id,
                DeliveryChange::Dead(delivery) => delivery.id,
                // It comes back with the journal's hint.
                DeliveryChange::Wait(_) => continue,
            };
            for queue in self.queues.values_mut() {
                queue.forget(gone);
            }
        }
        self.pump(context);
    }
}

impl Handler<AdoptChannels> for Notifier {
    type Result = ();

    fn handle(&mut self, adopt: AdoptChannels, context: &mut Context<Self>) {
        self.config = adopt.0;
        self.build_senders();
        self.pump(context);
    }
}
