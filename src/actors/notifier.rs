//! The outbox's other half: takes what is due, lets the channel try, and has the result committed.
//!
//! Senders: the journal (the outbox grew: a hint), its own attempts. It keeps a queue per channel, so that a channel
//! that hangs delays no other, and in a channel a line per incident, so that nobody hears of an end before the
//! beginning. To a channel that takes silence for the end it says again what fires. What survives a restart: the outbox
//! and the incidents in the store; this actor reads them again.

use std::collections::BTreeMap;
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
use super::queue::Queue;
use super::repeats::Repeats;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Next, Outcome};
use crate::domain::id::{DeliveryId, NoticeId};
use crate::domain::time::Timestamp;
use crate::domain::watch::Watch;
use crate::metrics::{DeliveryResult, NodeMetrics};
use crate::notify::Sender;
use crate::store::Reader;

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

/// A channel was told again; next time after this pause.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct SaidAgain {
    channel: Arc<str>,
    pause: Duration,
}

/// Begin nothing new, and say when nothing is under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain(pub(crate) oneshot::Sender<()>);

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AdoptChannels(pub(crate) Arc<Config>);

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
pub(crate) struct Wiring<'a> {
    pub(crate) reader: Reader,
    pub(crate) clock: Clock,
    pub(crate) journal: Addr<Journal>,
    pub(crate) histories: Addr<FailureHistory>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) io: tokio::runtime::Handle,
    pub(crate) config: Arc<Config>,
    /// The targets as the store knows them.
    pub(crate) watches: &'a [Watch],
    /// The last notice of the process before.
    pub(crate) last_notice: NoticeId,
    /// Told if this actor dies.
    pub(crate) died: CancellationToken,
}

impl Notifier {
    pub(crate) fn start(wiring: Wiring<'_>) -> Addr<Self> {
        let Wiring { reader, clock, journal, histories, metrics, io, config, watches, last_notice, died } = wiring;
        let rng = SmallRng::seed_from_u64(clock.now().as_nanos().unsigned_abs());
        let restored = config.channels.keys().map(|name| {
            let repeats = Some(Repeats::restored(watches, name));
            (name.clone(), Queue { repeats, ..Queue::default() })
        });
        let queues = restored.collect();
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

    fn build_senders(&mut self, context: &mut Context<Self>) {
        for queue in self.queues.values_mut() {
            queue.sender = None;
            if let Some(timer) = queue.repeating.take() {
                context.cancel_future(timer);
            }
        }
        for (name, channel) in &self.config.channels {
            match Sender::new(&self.config, channel, self.clock) {
                Ok(sender) => {
                    let queue = self.queues.entry(name.clone()).or_default();
                    if sender.repeats_every().is_none() {
                        queue.repeats = None;
                    } else {
                        queue.repeats.get_or_insert_default();
                        let channel = name.clone();
                        queue.repeating = Some(context.run_later(Duration::ZERO, |notifier, context| {
                            notifier.say_again(channel, context);
                        }));
                    }
                    queue.sender = Some(Arc::new(sender));
                }
                Err(error) => tracing::error!(channel = %name, %error, "this channel cannot be used; mend its config"),
            }
        }
    }

    /// Says again what fires. The next time comes when this one is done, so that they never pile up.
    fn say_again(&mut self, channel: Arc<str>, context: &Context<Self>) {
        let Some(queue) = self.queues.get_mut(&channel) else { return };
        let (Some(sender), Some(repeats)) = (queue.sender.clone(), queue.repeats.as_mut()) else { return };
        let Some(pause) = sender.repeats_every() else { return };
        let (standing, myself) = (repeats.due(self.clock.now()), context.address());
        self.io.spawn(async move {
            if AssertUnwindSafe(sender.say_again(&standing)).catch_unwind().await.is_err() {
                tracing::error!(%channel, "saying again what fires fell over; the log says where");
            }
            myself.do_send(SaidAgain { channel, pause });
        });
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
        let now = self.clock.now();
        let queue = self.queues.entry(delivery.channel.clone()).or_default();
        if let Some(repeats) = queue.repeats.as_mut() {
            repeats.ended(&delivery.message, now);
        }
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

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.build_senders(context);
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
        let now = self.clock.now();
        if let Some(repeats) = self.queues.get_mut(&delivery.channel).and_then(|queue| queue.repeats.as_mut()) {
            if outcome == Outcome::Delivered {
                repeats.delivered(&delivery.message, now);
            } else {
                repeats.ended(&delivery.message, now);
            }
        }
        let (id, jitter) = (delivery.id, self.rng.random_range(0.0..=1.0));
        let next = delivery.clone().after(outcome, jitter, now);
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

impl Handler<SaidAgain> for Notifier {
    type Result = ();

    fn handle(&mut self, said: SaidAgain, context: &mut Context<Self>) {
        let SaidAgain { channel, pause } = said;
        let Some(queue) = self.queues.get_mut(&channel) else { return };
        if let Some(other) = queue.repeating.take() {
            context.cancel_future(other);
        }
        queue.repeating = Some(context.run_later(pause, |notifier, context| notifier.say_again(channel, context)));
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
        self.build_senders(context);
        self.pump(context);
    }
}
