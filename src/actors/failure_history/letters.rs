//! What becomes of messages that nobody could be told, or that nobody needs to be told any more: dead letters, and what
//! they say of a history's `notified`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, Recipient};
use tokio::sync::oneshot;

use super::FailureHistory;
use crate::actors::answer::{Answer, Refused};
use crate::actors::journal::{Commit, Landed};
use crate::domain::alert;
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Message as Notice};
use crate::domain::event::{Event, Occurrence};
use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, NoticeId};

/// Dead letters of one commit, where a whole group is given up.
const TOGETHER: usize = 200;

/// So long the actors' thread does other things between two of these commits.
const TURN_OF_OTHERS: Duration = Duration::from_millis(1);

/// Messages left unsaid that are remembered, so that the last channel's is known as such.
const UNSAID_MAX: usize = 10_000;

/// Messages were given up.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct GivenUp {
    pub(crate) deliveries: Vec<Delivery>,
    /// The group as which they were sent, which goes with them.
    pub(crate) group: Option<DeliveryId>,
    pub(crate) landed: Recipient<Landed>,
}

/// A report ended while it was held back: nobody is told of it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Unsaid {
    pub(crate) delivery: Delivery,
    pub(crate) landed: Recipient<Landed>,
}

/// Somebody wants a dead letter sent again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Resend {
    pub(crate) id: DeliveryId,
    pub(crate) who: Box<str>,
    pub(crate) correlation: CorrelationId,
    pub(crate) answer: Answer,
}

/// Of these targets there are more or fewer dead letters. A hint.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Letters {
    pub(crate) of: BTreeSet<Arc<str>>,
}

/// Who hears of it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct TellOfLetters(pub(crate) Recipient<Letters>);

/// Nobody wants a dead letter any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Dismiss {
    pub(crate) id: DeliveryId,
    pub(crate) who: Box<str>,
    pub(crate) correlation: CorrelationId,
    pub(crate) answer: Answer,
}

impl FailureHistory {
    /// Dead letters came or went, or arrived after all.
    pub(super) fn letters_landed(&mut self, changes: &[DeliveryChange]) {
        let mut of = BTreeSet::new();
        for change in changes {
            match change {
                DeliveryChange::Dead(delivery) => {
                    self.dying.remove(&delivery.id);
                    self.going.remove(&delivery.id);
                    of.extend(delivery.message.target().cloned());
                }
                DeliveryChange::Done(id) => {
                    self.leaving.remove(id);
                    of.extend(self.going.remove(id));
                }
                DeliveryChange::Wait(delivery) => {
                    self.leaving.remove(&delivery.id);
                }
            }
        }
        if let Some(tell) = self.tell.as_ref().filter(|_| !of.is_empty()) {
            tell.do_send(Letters { of });
        }
    }

    /// Commits what becomes of a dead letter, for somebody who waits; it is looked at again when it is gone.
    fn let_go(
        &mut self,
        letter: (DeliveryId, Option<Arc<str>>),
        change: Change,
        answer: Answer,
        context: &Context<Self>,
    ) {
        let (id, target) = letter;
        if let Some(target) = target {
            self.going.insert(id, target);
        }
        self.leaving.insert(id);
        self.note_underway(&change);
        let (committed, landed) = oneshot::channel::<Arc<_>>();
        let mine = context.address().recipient();
        self.journal.do_send(Commit { change, landed: vec![mine], answer: Some(committed) });
        crate::actors::answer::pass_on(landed, answer, None);
    }

    /// Whether every delivery of a notice that went to so many channels is a dead letter, or was left unsaid.
    pub(super) fn nobody_told(&self, notice: NoticeId, siblings: u8) -> bool {
        let untold = |id| self.dying.contains(&id) || self.unsaid.contains(&id) || self.reader.is_dead_letter(id);
        (0..siblings).all(|ordinal| untold(DeliveryId { notice, ordinal }))
    }

    /// The history whose `notified` a delivery speaks of: its own, or that of an outage which was recorded after the
    /// incident had fired.
    fn history_of(&self, delivery: &Delivery) -> Option<HistoryId> {
        if delivery.history.is_some() {
            return delivery.history;
        }
        let Notice::Firing(alert) = &delivery.message else { return None };
        let attached = self.attached.get(&alert.incident).map(|(history, _)| *history);
        attached.or_else(|| self.reader.alert(alert.incident).ok().flatten().and_then(|record| record.incident.history))
    }

    fn give_up(&mut self, delivery: Delivery, change: &mut Change) {
        self.dying.insert(delivery.id);
        let history = self.history_of(&delivery);
        if self.nobody_told(delivery.id.notice, delivery.siblings) {
            self.set_notified(history, false, change);
        }
        let event = Event::NotificationDeadLettered {
            delivery: delivery.id,
            channel: delivery.channel.clone(),
            history,
            error: delivery.last_error.clone().unwrap_or_default(),
        };
        let correlation = delivery.correlation.clone();
        change.events.push(Occurrence { event, at: self.clock.now(), correlation, cause: None });
        change.deliveries.push(DeliveryChange::Dead(delivery));
    }

    /// Whether a message says that an incident lasts which is over, or whose end is on its way to the disk. One that
    /// is not kept any more was over long ago.
    fn would_open_what_is_over(&self, message: &Notice) -> bool {
        let alert = match message {
            Notice::Firing(alert) | Notice::Reminder(alert) | Notice::Escalated(alert) => alert,
            Notice::Resolved { .. } | Notice::FailureRecorded { .. } | Notice::Grouped(_) => return false,
        };
        let lasts = |record: alert::Record| record.until.is_none();
        let known = self.reader.alert(alert.incident);
        self.ending.contains(&alert.incident) || !known.is_ok_and(|record| record.is_some_and(lasts))
    }

    fn set_notified(&self, history: Option<HistoryId>, notified: bool, change: &mut Change) {
        if let Some(mut history) = history.and_then(|id| self.take(id, change)) {
            history.notified = notified;
            change.histories.push(history);
        }
    }

    /// Whether what the disk says of a dead letter is the last word: one that is dying, or is sent again or let go of, is
    /// about to be another. Who asks again finds it as it is then.
    fn is_settled(&self, id: DeliveryId) -> bool {
        !self.dying.contains(&id) && !self.leaving.contains(&id)
    }

    fn commit(&mut self, change: Change, landed: Recipient<Landed>, context: &Context<Self>) {
        let mine = context.address().recipient();
        self.note_underway(&change);
        self.journal.do_send(Commit { change, landed: vec![mine, landed], answer: None });
    }
}

impl Handler<TellOfLetters> for FailureHistory {
    type Result = ();

    fn handle(&mut self, tell: TellOfLetters, _: &mut Context<Self>) {
        self.tell = Some(tell.0);
    }
}

impl Handler<GivenUp> for FailureHistory {
    type Result = ();

    fn handle(&mut self, given_up: GivenUp, context: &mut Context<Self>) {
        let GivenUp { mut deliveries, group, landed } = given_up;
        if deliveries.is_empty() && group.is_none() {
            return;
        }
        let rest = deliveries.split_off(deliveries.len().min(TOGETHER));
        let mut change = Change::default();
        for delivery in deliveries {
            self.give_up(delivery, &mut change);
        }
        if rest.is_empty() {
            // A group goes with the last of its members, so that none of them is left without it.
            change.deliveries.extend(group.map(DeliveryChange::Done));
        } else {
            let rest = GivenUp { deliveries: rest, group, landed: landed.clone() };
            context.run_later(TURN_OF_OTHERS, |_, context| context.notify(rest));
        }
        self.commit(change, landed, context);
    }
}

impl Handler<Unsaid> for FailureHistory {
    type Result = ();

    fn handle(&mut self, unsaid: Unsaid, context: &mut Context<Self>) {
        let Unsaid { delivery, landed } = unsaid;
        let mut change = Change::default();
        self.unsaid.insert(delivery.id);
        if self.unsaid.len() > UNSAID_MAX {
            self.unsaid.pop_first();
        }
        // Another channel may have been told before the silence began.
        if self.nobody_told(delivery.id.notice, delivery.siblings) {
            self.set_notified(delivery.history, false, &mut change);
        }
        change.deliveries.push(DeliveryChange::Done(delivery.id));
        self.commit(change, landed, context);
    }
}

impl Handler<Resend> for FailureHistory {
    type Result = ();

    fn handle(&mut self, resend: Resend, context: &mut Context<Self>) {
        let Resend { id, who, correlation, answer } = resend;
        let dead = match self.reader.dead_letter(id) {
            Ok(Some(delivery)) if self.is_settled(id) => delivery,
            Ok(_) => return drop(answer.send(Err(Refused::NoSuchDelivery))),
            Err(error) => return drop(answer.send(Err(super::unreadable(error)))),
        };
        if self.would_open_what_is_over(&dead.message) {
            return drop(answer.send(Err(Refused::IncidentOver)));
        }
        let mut change = Change::default();
        self.set_notified(self.history_of(&dead), true, &mut change);
        let now = self.clock.now();
        let event = Event::NotificationResent { delivery: id, channel: dead.channel.clone(), who };
        change.events.push(Occurrence { event, at: now, correlation, cause: None });
        let target = dead.message.target().cloned();
        change.deliveries.push(DeliveryChange::Wait(dead.again(now)));
        self.let_go((id, target), change, answer, context);
    }
}

impl Handler<Dismiss> for FailureHistory {
    type Result = ();

    /// What it says of its history stays: nobody was told.
    fn handle(&mut self, dismiss: Dismiss, context: &mut Context<Self>) {
        let Dismiss { id, who, correlation, answer } = dismiss;
        let dead = match self.reader.dead_letter(id) {
            Ok(Some(delivery)) if self.is_settled(id) => delivery,
            Ok(_) => return drop(answer.send(Err(Refused::NoSuchDelivery))),
            Err(error) => return drop(answer.send(Err(super::unreadable(error)))),
        };
        let mut change = Change::default();
        let event = Event::NotificationDismissed { delivery: id, channel: dead.channel.clone(), who };
        change.events.push(Occurrence { event, at: self.clock.now(), correlation, cause: None });
        let target = dead.message.target().cloned();
        change.deliveries.push(DeliveryChange::Done(id));
        self.let_go((id, target), change, answer, context);
    }
}
