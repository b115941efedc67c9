//! The actor: which channel tries what when, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, SpawnHandle};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::entry::{May, Report};
use super::joining::{Joined, Part, delivery};
use super::lines::{self, Line};
use super::pace::Pace;
use super::queue::{Queue, Step};
use super::repeats::Repeats;
use super::voice::Voice;
use crate::actors::board::Board;
use crate::actors::correlation;
use crate::actors::failure_history::{FailureHistory, Outage, Unsaid};
use crate::actors::journal::{Journal, Landed};
use crate::actors::links::Signer;
use crate::actors::quiet::Changed;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::channel::{Channel, Grouping, Together};
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::Delivery;
use crate::domain::id::{DeliveryId, Ids, NoticeId};
use crate::domain::time::{SET_BACK, Timestamp};
use crate::domain::watch::Watch;
use crate::metrics::NodeMetrics;
use crate::store::Reader;

/// How often the outbox is measured for `/metrics`.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// The outbox has these entries, new ones or ones that wait for another attempt. A hint.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct OutboxGrew(pub(crate) Vec<Delivery>);

/// What shall leave together was read.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct FlushRead {
    channel: Arc<str>,
    line: Line,
    parts: Vec<Joined>,
    /// What is not there or cannot be read: what is not forgotten is due again at once.
    gone: Vec<DeliveryId>,
}

/// Begin nothing new, and say when nothing is under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain(pub(crate) oneshot::Sender<()>);

/// Another configuration is in force.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AdoptChannels(pub(crate) Arc<Config>);

/// Somebody wants what waits tried now; answered with whether it is known here.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(crate) struct RetryNow(pub(crate) DeliveryId);

/// The actor.
pub(crate) struct Notifier {
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    ids: Arc<Ids>,
    pub(super) journal: Addr<Journal>,
    pub(super) histories: Addr<FailureHistory>,
    pub(super) metrics: Arc<NodeMetrics>,
    pub(super) board: Arc<Board>,
    pub(super) signer: Signer,
    pub(super) io: tokio::runtime::Handle,
    pub(super) queues: BTreeMap<Arc<str>, Queue>,
    /// Channels whose outbox is looked through, since it is full.
    pub(super) making_room: BTreeSet<Arc<str>>,
    pub(super) voices: BTreeMap<Arc<str>, Voice>,
    pub(super) rng: SmallRng,
    timer: Option<SpawnHandle>,
    /// What the clock showed last.
    seen: Timestamp,
    pub(super) config: Arc<Config>,
    died: CancellationToken,
    /// Notices up to this one are on disk.
    pub(super) landed_up_to: NoticeId,
    pub(super) reading: bool,
    /// Whether the outbox of the process before was taken over.
    pub(super) restarted: bool,
    /// What need not be told any more, and is still in the outbox.
    pub(super) stale: Vec<DeliveryId>,
    /// What came while the outbox was being read.
    pub(super) meanwhile: Vec<Delivery>,
    /// Told once nothing is under way; nothing new is begun then.
    draining: Option<oneshot::Sender<()>>,
}

/// What the notifier is connected to.
pub(crate) struct Wiring<'a> {
    pub(crate) reader: Reader,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) journal: Addr<Journal>,
    pub(crate) histories: Addr<FailureHistory>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) board: Arc<Board>,
    pub(crate) signer: Signer,
    pub(crate) io: tokio::runtime::Handle,
    pub(crate) config: Arc<Config>,
    /// The targets as the store knows them.
    pub(crate) watches: &'a [Watch],
    /// Told if this actor dies.
    pub(crate) died: CancellationToken,
}

impl Notifier {
    pub(crate) fn start(wiring: Wiring<'_>) -> Addr<Self> {
        let Wiring { reader, clock, ids, journal, histories, metrics, board, signer, io, config, watches, died } =
            wiring;
        let restored = config.channels.keys().map(|name| (name.clone(), Voice::of(Repeats::restored(watches, name))));
        let voices = restored.collect();
        let rng = SmallRng::seed_from_u64(clock.now().as_nanos().unsigned_abs());
        Self {
            landed_up_to: ids.marks().notice,
            reader,
            clock,
            ids,
            journal,
            histories,
            metrics,
            board,
            signer,
            io,
            queues: BTreeMap::new(),
            making_room: BTreeSet::new(),
            voices,
            rng,
            timer: None,
            seen: Timestamp::MIN,
            config,
            died,
            reading: false,
            restarted: false,
            stale: Vec::new(),
            meanwhile: Vec::new(),
            draining: None,
        }
        .start()
    }

    fn pace(&self, channel: &str) -> Pace {
        let default = Grouping::default();
        Pace::from(self.config.channels.get(channel).map_or(&default, |channel| &channel.grouping))
    }

    pub(super) fn remember(&mut self, delivery: &Delivery, context: &Context<Self>) {
        let (channel, line, now) = (&delivery.channel, Line::of(delivery, &self.config), self.clock.now());
        self.has_ended(channel, &delivery.message);
        if !self.queues.contains_key(channel) {
            self.queues.insert(channel.clone(), Queue::new(self.pace(channel)));
        }
        if let Some(queue) = self.queues.get_mut(channel) {
            queue.remember(delivery, line, now);
            for id in queue.made_stale_by(delivery) {
                queue.leave(id);
                self.stale.push(id);
            }
        }
        self.make_room(channel, context);
    }

    /// An entry as it waits; `None` if it left, or could not be read.
    pub(super) fn read(&self, id: DeliveryId) -> Option<Delivery> {
        self.reader.delivery(id).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %id, "this message could not be read");
            None
        })
    }

    fn say_drained(&mut self) {
        if self.queues.values().all(Queue::is_idle)
            && let Some(drained) = self.draining.take()
        {
            // The one who waits may have given up.
            let _ = drained.send(());
        }
    }

    pub(super) fn pump(&mut self, context: &mut Context<Self>) {
        if self.draining.is_some() {
            return self.say_drained();
        }
        self.leave_out_stale(context);
        let now = self.look_at_clock();
        let names: Vec<Arc<str>> = self.queues.keys().cloned().collect();
        for name in names {
            while let Some(step) = self.next_step(&name, now) {
                match step {
                    Step::Attempt(id) => self.attempt(&name, id, context),
                    Step::Join(line, parts) => self.read_flush(&name, line, parts, context),
                    Step::Drop(id) => self.leave_unsaid(&name, id, context),
                }
            }
        }
        self.arm(now, context);
    }

    /// The time, by which pauses are reckoned; where it was set back they are reckoned anew.
    fn look_at_clock(&mut self) -> Timestamp {
        let now = self.clock.now();
        let back = std::mem::replace(&mut self.seen, now).since(now);
        if back > SET_BACK {
            tracing::warn!(
                seconds = back.as_secs(),
                "the clock was set back; messages wait for no longer than they would"
            );
            self.queues.values_mut().for_each(|queue| queue.set_back(back));
        }
        now
    }

    fn next_step(&mut self, channel: &Arc<str>, now: Timestamp) -> Option<Step> {
        let (config, board, reader) = (&self.config, &self.board, &self.reader);
        let mut may = |report: &mut Report| {
            let subject = lines::subject(&report.target, report.severity, report.failure_type, config);
            match board.holds_report(&subject, now) {
                Some(until) => {
                    report.held = true;
                    May::Wait(until)
                }
                None if report.held && is_over(reader, report) => May::Drop,
                None => May::Go,
            }
        };
        let queue = self.queues.get_mut(channel)?;
        // Asked before a line is begun: what waits for its turn was not tried, and is not counted so.
        let sender = self.voices.get(channel).and_then(Voice::sender);
        queue.set_turn(sender.map(|sender| now.plus(sender.turn_in())));
        queue.next_step(now, &mut may)
    }

    fn read_flush(&self, channel: &Arc<str>, line: Line, parts: Vec<Part>, context: &Context<Self>) {
        let (reader, channel, myself) = (self.reader.clone(), channel.clone(), context.address());
        let together = self.config.channels.get(&channel).map_or(Together::Told, |channel| channel.kind.together());
        self.io.spawn_blocking(move || {
            let (parts, gone) = Joined::read_all(&reader, &line, parts, together);
            myself.do_send(FlushRead { channel, line, parts, gone });
        });
    }

    fn leave_unsaid(&mut self, channel: &Arc<str>, id: DeliveryId, context: &Context<Self>) {
        let Some(delivery) = self.read(id) else { return self.forget(id) };
        tracing::info!(%channel, %id, "a reported failure ended while it was held back; nobody is told of it");
        self.histories.do_send(Unsaid { delivery, landed: context.address().recipient() });
    }

    pub(super) fn forget(&mut self, id: DeliveryId) {
        self.queues.values_mut().for_each(|queue| queue.forget(id));
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
        let pending = self.queues.values().map(Queue::len).sum();
        let oldest = self.queues.values().filter_map(Queue::oldest).min();
        self.metrics.outbox(pending, oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        self.metrics.dead_letters(self.reader.dead_letter_count());
        let open: u64 = self.reader.open_histories().iter().map(|open| open.count).sum();
        self.metrics.failures_open(usize::try_from(open).unwrap_or(usize::MAX));
        self.show_queues();
        self.queues.values_mut().for_each(|queue| queue.tidy(now));
        self.give_up_without_channel(context);
        if self.queues.values().any(Queue::has_room_for_more) {
            self.read_outbox(context);
        }
        context.run_later(MEASURE_EVERY, Self::measure);
    }
}

/// Whether a reported failure has ended. One that cannot be read is told.
fn is_over(reader: &Reader, report: &Report) -> bool {
    matches!(reader.history(report.history), Ok(Some(history)) if !history.is_open())
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.build_senders(None, context);
        self.read_outbox(context);
        self.measure(context);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.died.cancel();
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
            self.remember(delivery, context);
        }
        self.pump(context);
    }
}

impl Handler<FlushRead> for Notifier {
    type Result = ();

    fn handle(&mut self, read: FlushRead, context: &mut Context<Self>) {
        let FlushRead { channel, line, parts, gone } = read;
        let now = self.clock.now();
        let (mut order, mut groups) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Joined::One(id) => order.push(id),
                Joined::Group(group, correlation) => {
                    let group = delivery(group, correlation, &channel, self.ids.notice(), now);
                    order.push(group.id);
                    groups.push(group);
                }
            }
        }
        let Some(queue) = self.queues.get_mut(&channel) else { return };
        queue.joined(&line, &order, &groups);
        gone.iter().for_each(|id| queue.forget(*id));
        if groups.is_empty() {
            queue.landed(&line);
            return self.pump(context);
        }
        // By the way that every notice takes, so that they are on disk in the order of their ids.
        let deliveries = groups.into_iter().map(DeliveryChange::Wait).collect();
        let change = Change { deliveries, ..Change::default() };
        let landed = Some(context.address().recipient());
        self.histories.do_send(Outage::of(change, correlation::fresh(), landed, None));
    }
}

impl Handler<Landed> for Notifier {
    type Result = ();

    fn handle(&mut self, landed: Landed, context: &mut Context<Self>) {
        for change in &landed.0.get().deliveries {
            match change {
                DeliveryChange::Done(id) => self.forget(*id),
                DeliveryChange::Dead(delivery) => self.forget(delivery.id),
                // A group that was just made; any other comes back with the journal's hint.
                DeliveryChange::Wait(delivery) if delivery.attempts == 0 => {
                    if let Some(queue) = self.queues.get_mut(&delivery.channel) {
                        queue.group_landed(delivery.id);
                    }
                }
                DeliveryChange::Wait(_) => {}
            }
        }
        self.pump(context);
    }
}

impl Handler<Changed> for Notifier {
    type Result = ();

    fn handle(&mut self, _: Changed, context: &mut Context<Self>) {
        let now = self.clock.now();
        self.queues.values_mut().for_each(|queue| queue.release(now));
        self.pump(context);
    }
}

impl Handler<RetryNow> for Notifier {
    type Result = bool;

    fn handle(&mut self, retry: RetryNow, context: &mut Context<Self>) -> bool {
        let queue = self.queues.iter_mut().find_map(|(name, queue)| queue.hurry(retry.0).then_some(name));
        if let Some(sender) = queue.and_then(|name| self.voices.get(name)).and_then(Voice::sender) {
            sender.end_pause();
        }
        let known = queue.is_some();
        self.pump(context);
        known
    }
}

impl Handler<AdoptChannels> for Notifier {
    type Result = ();

    fn handle(&mut self, adopt: AdoptChannels, context: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.config, adopt.0);
        self.build_senders(Some(&before), context);
        let now = self.clock.now();
        let sorted = lines::Sorting::of(&before) == lines::Sorting::of(&self.config);
        let mut read = false;
        for (name, queue) in &mut self.queues {
            let (was, is) = (before.channels.get(name), self.config.channels.get(name));
            if was == is && (sorted || !is.is_some_and(|channel| channel.grouping.joins_targets())) {
                continue;
            }
            if let Some(channel) = is {
                queue.set_pace(Pace::from(&channel.grouping));
            }
            if was != is {
                queue.mended(now);
            }
            let sorting = |channel: Option<&Arc<Channel>>| {
                channel.map(|channel| (channel.grouping.by.clone(), channel.kind.together()))
            };
            if !sorted || sorting(was) != sorting(is) {
                queue.forget_idle();
                read = true;
            }
        }
        if read {
            self.read_outbox(context);
        }
        self.pump(context);
    }
}
