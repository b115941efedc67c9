//! One attempt: the channel tries on the other runtime, and what came of it is committed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message, Recipient};
use futures_util::FutureExt;
use rand::Rng;

use super::actor::Notifier;
use super::voice::Voice;
use crate::actors::channels::NO_CHANNEL;
use crate::actors::failure_history::GivenUp;
use crate::actors::journal::{Commit, Landed};
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Message as Notice, Next, Of, Outcome};
use crate::domain::id::DeliveryId;
use crate::metrics::DeliveryResult;
use crate::store::Reader;

/// An attempt came back.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct AttemptFinished {
    delivery: Delivery,
    outcome: Outcome,
}

/// What is given up was read: the members of a group, or what waited for too long.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct DeadRead {
    group: Option<DeliveryId>,
    members: Vec<Delivery>,
}

impl Notifier {
    /// Lets the channel try it once.
    pub(super) fn attempt(&mut self, channel: &Arc<str>, id: DeliveryId, context: &Context<Self>) {
        let Some(mut delivery) = self.read(id) else {
            // A hint that was doubled: it left the outbox meanwhile.
            return self.forget(id);
        };
        self.signer.link(&mut delivery.message, self.config.alerting.external_url.as_deref());
        let (voice, myself) = (self.voices.get(channel), context.address());
        let sender = voice.and_then(Voice::sender);
        let said = voice.filter(|_| is_end(&delivery)).map(Voice::has_said);
        if let Some(sender) = &sender {
            sender.take_turn();
        }
        self.io.spawn(async move {
            let attempt = async {
                if let Some(said) = said {
                    said.await;
                }
                match sender {
                    Some(sender) => sender.deliver(&delivery).await,
                    // It is not reached: nothing is tried where there is no channel.
                    None => Outcome::Transient { error: NO_CHANNEL.into(), retry_after: None },
                }
            };
            let outcome = AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| {
                let error = "the attempt itself fell over; the log says where".into();
                Outcome::Transient { error, retry_after: None }
            });
            myself.do_send(AttemptFinished { delivery, outcome });
        });
    }

    /// Tells those who look what waits for each channel.
    pub(super) fn show_queues(&self) {
        for (channel, queue) in &self.queues {
            self.board.channels().waits(channel, queue.len(), queue.oldest(), queue.next_due());
        }
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

impl Handler<AttemptFinished> for Notifier {
    type Result = ();

    fn handle(&mut self, finished: AttemptFinished, context: &mut Context<Self>) {
        let AttemptFinished { delivery, outcome } = finished;
        self.was_tried(&delivery, &outcome);
        self.board.channels().was_tried(&delivery.channel, &outcome, self.clock.now());
        let (id, jitter) = (delivery.id, self.rng.random_range(0.0..=1.0));
        self.note_health(&delivery, &outcome, jitter, context);
        let next = delivery.clone().after(outcome, jitter, self.clock.now());
        Self::log(&delivery, &next);
        let mut landed: Vec<Recipient<Landed>> = vec![context.address().recipient()];
        let (result, changes) = match next {
            Next::Done => {
                // It may be a dead letter that was sent again: who was told of that hears that it has arrived.
                landed.push(self.histories.clone().recipient());
                let members = members(&delivery).iter().copied();
                let done = std::iter::once(id).chain(members).map(DeliveryChange::Done).collect();
                (DeliveryResult::Delivered, done)
            }
            Next::Wait(delivery) => (DeliveryResult::Retried, vec![DeliveryChange::Wait(delivery)]),
            Next::Dead(delivery) => {
                self.metrics.notification(&delivery.channel, DeliveryResult::Dead);
                return self.give_up(delivery, context);
            }
        };
        self.metrics.notification(&delivery.channel, result);
        let change = Change { deliveries: changes, ..Change::default() };
        self.journal.do_send(Commit { change, landed, answer: None });
    }
}

impl Notifier {
    /// What the outcome says of the channel. While it is down, what has waited for as long as a message is tried is
    /// given up although its own turn has not come; a receiver that only asks for pauses is there.
    fn note_health(&mut self, delivery: &Delivery, outcome: &Outcome, jitter: f64, context: &Context<Self>) {
        let now = self.clock.now();
        let Some(queue) = self.queues.get_mut(&delivery.channel) else { return };
        let (error, asked) = match outcome {
            Outcome::Delivered | Outcome::Permanent { .. } => return queue.answered(now),
            Outcome::Transient { error, retry_after } => (error.clone(), *retry_after),
        };
        queue.failed(delivery.id, asked, jitter, now);
        let overdue = queue.overdue(now);
        if asked.is_some() || overdue.is_empty() {
            return;
        }
        self.give_up_overdue(&delivery.channel, overdue, error, context);
    }

    /// What waits for a channel that is not configured, or cannot be used as it is, waits for as long as it would be
    /// tried: its configuration may be mended.
    pub(super) fn give_up_without_channel(&mut self, context: &Context<Self>) {
        let now = self.clock.now();
        let gone = self.queues.iter().filter(|(name, _)| self.voices.get(*name).and_then(Voice::sender).is_none());
        let gone: Vec<_> = gone.map(|(name, queue)| (name.clone(), queue.overdue(now))).collect();
        for (channel, overdue) in gone.into_iter().filter(|(_, overdue)| !overdue.is_empty()) {
            self.give_up_overdue(&channel, overdue, NO_CHANNEL.into(), context);
        }
    }

    fn give_up_overdue(
        &mut self,
        channel: &Arc<str>,
        overdue: Vec<DeliveryId>,
        error: Box<str>,
        context: &Context<Self>,
    ) {
        let Some(queue) = self.queues.get_mut(channel) else { return };
        for id in &overdue {
            queue.leave(*id);
            self.metrics.notification(channel, DeliveryResult::Dead);
        }
        tracing::error!(%channel, given_up = overdue.len(), %error, "nobody could be told over this channel for too long");
        let (reader, myself) = (self.reader.clone(), context.address());
        self.io.spawn_blocking(move || {
            let read = overdue.iter().filter_map(|id| reader.delivery(*id).ok().flatten());
            let as_tried = read.map(|overdue| Delivery { last_error: Some(error.clone()), ..overdue });
            let (groups, members) = as_tried.partition(|overdue| !members(overdue).is_empty());
            myself.do_send(DeadRead { group: None, members });
            let groups: Vec<Delivery> = groups;
            groups.iter().for_each(|group| myself.do_send(DeadRead::of(&reader, group)));
        });
    }

    /// Who could not be told of a group could not be told of any of its members, which become dead letters each.
    fn give_up(&self, delivery: Delivery, context: &Context<Self>) {
        if members(&delivery).is_empty() {
            let landed = context.address().recipient();
            return self.histories.do_send(GivenUp { deliveries: vec![delivery], group: None, landed });
        }
        let (reader, myself) = (self.reader.clone(), context.address());
        self.io.spawn_blocking(move || myself.do_send(DeadRead::of(&reader, &delivery)));
    }
}

impl DeadRead {
    /// A group's. Blocks for as long as reading takes.
    fn of(reader: &Reader, group: &Delivery) -> Self {
        let read = members(group).iter().filter_map(|id| reader.delivery(*id).ok().flatten());
        let as_tried =
            |member: Delivery| Delivery { attempts: group.attempts, last_error: group.last_error.clone(), ..member };
        Self { group: Some(group.id), members: read.map(as_tried).collect() }
    }
}

fn is_end(delivery: &Delivery) -> bool {
    let of = if let Notice::Grouped(group) = &delivery.message { Some(group.of) } else { delivery.message.of() };
    of == Some(Of::Ends)
}

fn members(delivery: &Delivery) -> &[DeliveryId] {
    match &delivery.message {
        Notice::Grouped(group) => &group.members,
        Notice::Firing(_)
        | Notice::Reminder(_)
        | Notice::Escalated(_)
        | Notice::Resolved { .. }
        | Notice::FailureRecorded { .. } => &[],
    }
}

impl Handler<DeadRead> for Notifier {
    type Result = ();

    fn handle(&mut self, read: DeadRead, context: &mut Context<Self>) {
        let DeadRead { group, members } = read;
        let landed = context.address().recipient();
        self.histories.do_send(GivenUp { deliveries: members, group, landed });
    }
}
