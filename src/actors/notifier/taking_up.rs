//! What waits on disk is taken up: at a start, when there is room for more, and when it is to be sorted anew.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message};

use super::actor::Notifier;
use super::queue::{Queue, REMEMBERED};
use crate::domain::delivery::{Delivery, Message as Notice};
use crate::domain::id::NoticeId;
use crate::store::Reader;

/// What waits in the outbox; nothing and not whole where reading fell over.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
struct OutboxRead {
    /// Groups, and of what is none the oldest of each channel, as many as a queue remembers.
    waiting: Vec<Delivery>,
    /// How many more there are.
    left: BTreeMap<Arc<str>, usize>,
    /// Whether it could be read to its end.
    is_whole: bool,
}

/// An outbox that could not be read is read again after this time.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl OutboxRead {
    /// Reads those whose commit has answered; blocks for as long as that takes. The tree shows others a moment before
    /// they are synced; they come with the journal's hint.
    fn read(reader: &Reader, landed_up_to: NoticeId) -> Self {
        let mut read = Self { waiting: Vec::new(), left: BTreeMap::new(), is_whole: true };
        let mut taken = BTreeMap::<Arc<str>, usize>::new();
        let looked = reader.look_through_outbox(|delivery| {
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a message that waits cannot be read, and nobody is told of it; the others are"
                    );
                    return;
                }
            };
            let is_group = matches!(delivery.message, Notice::Grouped(_));
            if delivery.id.notice > landed_up_to {
                return;
            }
            let taken = taken.entry(delivery.channel.clone()).or_default();
            if is_group || *taken < REMEMBERED {
                *taken += usize::from(!is_group);
                read.waiting.push(delivery);
            } else {
                *read.left.entry(delivery.channel).or_default() += 1;
            }
        });
        if let Err(error) = looked {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the outbox could not be read; it is tried again"
            );
            read.is_whole = false;
        }
        read
    }
}

impl Notifier {
    /// Reads the outbox away from the actors' thread: it may be long.
    pub(super) fn read_outbox(&mut self, context: &Context<Self>) {
        if std::mem::replace(&mut self.reading, true) {
            return;
        }
        let (reader, myself, landed_up_to) = (self.reader.clone(), context.address(), self.landed_up_to);
        self.io.spawn_blocking(move || {
            let read = AssertUnwindSafe(|| OutboxRead::read(&reader, landed_up_to));
            // Whoever waits for the answer would wait for ever.
            myself.do_send(catch_unwind(read).unwrap_or_default());
        });
    }
}

impl Handler<OutboxRead> for Notifier {
    type Result = ();

    fn handle(&mut self, read: OutboxRead, context: &mut Context<Self>) {
        self.reading = false;
        for queue in self.queues.values_mut() {
            queue.reading_again();
        }
        let OutboxRead { waiting, left, is_whole } = read;
        if !is_whole {
            context.run_later(READ_AGAIN_AFTER, |notifier, context| notifier.read_outbox(context));
        }
        // What was joined goes first: its members wait with it, and whatever else is in its line came later.
        let is_group = |delivery: &&Delivery| matches!(delivery.message, Notice::Grouped(_));
        for delivery in waiting.iter().filter(is_group).chain(waiting.iter().filter(|delivery| !is_group(delivery))) {
            self.remember(delivery, context);
        }
        for (channel, entries) in left {
            if let Some(queue) = self.queues.get_mut(&channel) {
                queue.left_on_disk(entries);
            }
            self.make_room(&channel, context);
        }
        if !std::mem::replace(&mut self.restarted, true) {
            self.queues.values_mut().for_each(Queue::release_firsts);
        }
        for delivery in std::mem::take(&mut self.meanwhile) {
            self.remember(&delivery, context);
        }
        self.pump(context);
    }
}
