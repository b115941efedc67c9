//! The bound of a channel's outbox, and who goes where it is reached, or since a later message says more.
//!
//! Who goes is decided by all that waits for the channel, also by what is only on disk, so the outbox is looked through,
//! away from the actors' thread; one look makes room for many, so that a full outbox costs no look a message. Until it
//! has come back the outbox is over its bound by what came meanwhile. The order is that of [`victims`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message};

use super::actor::Notifier;
use crate::actors::failure_history::GivenUp;
use crate::actors::journal::Commit;
use crate::domain::change::{Change, DeliveryChange};
use crate::domain::delivery::{Delivery, Message as Notice};
use crate::domain::id::{DeliveryId, IncidentId};
use crate::metrics::DeliveryResult;
use crate::store::{Error, Reader};

/// Messages for which one look makes room at most: the actors' thread reads each of them once more.
const ONE_LOOK: usize = 500;

/// This part of the bound is made free beyond what is needed.
const SPARE: usize = 100;

/// Who goes was found.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Looked {
    channel: Arc<str>,
    going: Vec<Going>,
}

/// What leaves the outbox for want of room, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Going {
    /// It is left out.
    Reminder(DeliveryId),
    /// They become dead letters, which are listed.
    Letters(Vec<DeliveryId>),
}

/// What waits, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Beginning(IncidentId),
    Reminder,
    Escalation(IncidentId),
    End(IncidentId),
    Report,
}

impl What {
    /// `None` for a group, which is on its way.
    pub(super) const fn of(message: &Notice) -> Option<Self> {
        match message {
            Notice::Firing(alert) => Some(Self::Beginning(alert.incident)),
            Notice::Reminder(_) => Some(Self::Reminder),
            Notice::Escalated(alert) => Some(Self::Escalation(alert.incident)),
            Notice::Resolved { alert, .. } => Some(Self::End(alert.incident)),
            Notice::FailureRecorded { .. } => Some(Self::Report),
            Notice::Grouped(_) => None,
        }
    }
}

/// An incident by what waits of it.
#[derive(Debug, Default)]
struct Told {
    begins: bool,
    ends: bool,
    messages: Vec<DeliveryId>,
}

/// Who goes to make room for `wanted`, of what waits for one channel in the order of its ids:
///
/// 1. reminders: what they say was said;
/// 2. incidents whose beginning and end both wait, or whose beginning was given up before (`never_told`): nobody knows
///    of them, so all of theirs goes, and nothing stays that speaks of an unknown beginning or end;
/// 3. reports, which have no end;
/// 4. beginnings and escalations of what lasts;
/// 5. ends, only where nothing else is left: without its end what was told to begin lasts for ever at a pager.
///
/// The oldest of each first.
pub(super) fn victims(
    waiting: &[(DeliveryId, What)],
    never_told: impl Fn(IncidentId) -> bool,
    wanted: usize,
) -> Vec<Going> {
    let mut incidents: BTreeMap<IncidentId, Told> = BTreeMap::new();
    for (id, what) in waiting {
        let (incident, begins, ends) = match what {
            What::Beginning(incident) => (incident, true, false),
            What::Escalation(incident) => (incident, false, false),
            What::End(incident) => (incident, false, true),
            What::Reminder | What::Report => continue,
        };
        let told = incidents.entry(*incident).or_default();
        told.begins |= begins;
        told.ends |= ends;
        told.messages.push(*id);
    }
    let of = |wanted: fn(&What) -> bool| waiting.iter().filter(move |(_, what)| wanted(what)).map(|(id, _)| *id);
    let reminders = of(|what| matches!(what, What::Reminder)).map(Going::Reminder);
    let unknown = incidents.iter().filter(|(id, told)| told.ends && (told.begins || never_told(**id)));
    let unknown = unknown.map(|(_, told)| Going::Letters(told.messages.clone()));
    let reports = of(|what| matches!(what, What::Report));
    let beginnings = of(|what| matches!(what, What::Beginning(_) | What::Escalation(_)));
    let ends = of(|what| matches!(what, What::End(_)));
    let single = reports.chain(beginnings).chain(ends).map(|id| Going::Letters(vec![id]));
    let mut seen: BTreeSet<DeliveryId> = BTreeSet::new();
    let not_yet = move |going: &Going| match going {
        Going::Reminder(_) => true,
        Going::Letters(ids) => ids.iter().all(|id| seen.insert(*id)),
    };
    let mut room = 0;
    let enough = move |going: &Going| {
        let has_room = room < wanted;
        room += going.messages();
        has_room
    };
    reminders.chain(unknown).chain(single).filter(not_yet).take_while(enough).collect()
}

impl Going {
    fn messages(&self) -> usize {
        match self {
            Self::Reminder(_) => 1,
            Self::Letters(ids) => ids.len(),
        }
    }
}

/// Looks through the outbox of a channel. Blocks for as long as reading takes.
fn look(reader: &Reader, channel: &str, wanted: usize) -> Result<Vec<Going>, Error> {
    let (mut waiting, mut joined) = (Vec::new(), BTreeSet::new());
    reader.look_through_outbox(|delivery| {
        // One that cannot be read is of no channel that is known; whoever takes up the outbox says so.
        if let Ok(delivery) = delivery
            && *delivery.channel == *channel
        {
            if let Notice::Grouped(group) = &delivery.message {
                joined.extend(group.members.iter().copied());
            }
            waiting.extend(What::of(&delivery.message).map(|what| (delivery.id, what)));
        }
    })?;
    waiting.retain(|(id, _)| !joined.contains(id));
    Ok(victims(&waiting, |incident| was_given_up(reader, channel, incident), wanted))
}

/// Whether an incident's beginning is a dead letter of this channel.
fn was_given_up(reader: &Reader, channel: &str, incident: IncidentId) -> bool {
    let Ok(Some(record)) = reader.alert(incident) else { return false };
    let (notice, siblings) = (record.incident.notice, record.incident.siblings);
    let letters = (0..siblings).map(|ordinal| reader.dead_letter(DeliveryId { notice, ordinal }));
    letters.flatten().flatten().any(|letter| *letter.channel == *channel)
}

impl Notifier {
    /// Begins to make room where the outbox of a channel is over its bound.
    pub(super) fn make_room(&mut self, channel: &Arc<str>, context: &Context<Self>) {
        let limit = self.config.alerting.outbox_max;
        let over = self.queues.get(channel).map_or(0, |queue| queue.len().saturating_sub(limit));
        if over == 0 || !self.making_room.insert(channel.clone()) {
            return;
        }
        let wanted = (over + limit / SPARE).min(ONE_LOOK);
        let (reader, channel, myself) = (self.reader.clone(), channel.clone(), context.address());
        self.io.spawn_blocking(move || {
            let going = look(&reader, &channel, wanted).unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox could not be read");
                Vec::new()
            });
            myself.do_send(Looked { channel, going });
        });
    }

    /// Takes out of the outbox what later messages made superfluous.
    pub(super) fn leave_out_stale(&mut self, context: &Context<Self>) {
        let stale = std::mem::take(&mut self.stale);
        if !stale.is_empty() {
            tracing::info!(
                left_out = stale.len(),
                "reminders that were not sent yet are left out: later messages say more"
            );
        }
        for stale in stale.chunks(ONE_LOOK) {
            self.take_off_disk(stale.iter().copied(), context);
        }
    }

    fn take_off_disk(&self, ids: impl Iterator<Item = DeliveryId>, context: &Context<Self>) {
        let change = Change { deliveries: ids.map(DeliveryChange::Done).collect(), ..Change::default() };
        self.journal.do_send(Commit { change, landed: vec![context.address().recipient()], answer: None });
    }

    /// These, with what is to be said of why they go; nothing where one of them left meanwhile, or is being sent: then
    /// the others may be needed.
    fn take_out(&mut self, channel: &Arc<str>, ids: &[DeliveryId]) -> Option<Vec<Delivery>> {
        let mut deliveries: Vec<Delivery> = ids.iter().map(|id| self.read(*id)).collect::<Option<_>>()?;
        let limit = self.config.alerting.outbox_max;
        let queue = self.queues.get_mut(channel)?;
        if !deliveries.iter().all(|delivery| queue.may_leave(delivery)) {
            return None;
        }
        for delivery in &mut deliveries {
            queue.leave(delivery.id);
            delivery.last_error = Some(format!("the outbox of this channel held {limit} messages").into());
            self.metrics.notification(channel, DeliveryResult::Dropped);
        }
        Some(deliveries)
    }
}

impl Handler<Looked> for Notifier {
    type Result = ();

    fn handle(&mut self, looked: Looked, context: &mut Context<Self>) {
        let Looked { channel, going } = looked;
        self.making_room.remove(&channel);
        let (mut reminders, mut letters) = (Vec::new(), Vec::new());
        for going in going {
            match going {
                Going::Reminder(id) => reminders.extend(self.take_out(&channel, &[id]).unwrap_or_default()),
                Going::Letters(ids) => letters.extend(self.take_out(&channel, &ids).unwrap_or_default()),
            }
        }
        let limit = self.config.alerting.outbox_max;
        if !reminders.is_empty() {
            let left_out = reminders.len();
            tracing::warn!(%channel, limit, left_out, "the outbox of this channel is full: reminders are left out");
            self.take_off_disk(reminders.into_iter().map(|delivery| delivery.id), context);
        }
        if !letters.is_empty() {
            let given_up = letters.len();
            tracing::error!(%channel, limit, given_up, "the outbox of this channel is full: messages are given up");
            let landed = context.address().recipient();
            self.histories.do_send(GivenUp { deliveries: letters, group: None, landed });
        }
        self.pump(context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::NoticeId;

    const fn id(notice: u64) -> DeliveryId {
        DeliveryId { notice: NoticeId(notice), ordinal: 0 }
    }

    const fn begins(incident: u64) -> What {
        What::Beginning(IncidentId(incident))
    }

    const fn ends(incident: u64) -> What {
        What::End(IncidentId(incident))
    }

    /// Who goes, one after the other, of what waits under the ids 1, 2, 3 and so on; the beginning of incident 99 was
    /// given up before.
    #[track_caller]
    fn check(waiting: &[What], wanted: usize, expected: &[u64]) {
        let waiting: Vec<(DeliveryId, What)> = (1..).map(id).zip(waiting.iter().copied()).collect();
        let found = victims(&waiting, |incident| incident == IncidentId(99), wanted);
        let ids = found.iter().flat_map(|going| match going {
            Going::Reminder(id) => vec![*id],
            Going::Letters(ids) => ids.clone(),
        });
        assert_eq!(ids.map(|id| id.notice.0).collect::<Vec<_>>(), expected);
        let is_reminder = |id: &DeliveryId| waiting.iter().any(|(other, what)| other == id && *what == What::Reminder);
        for going in found {
            match going {
                Going::Reminder(id) => assert!(is_reminder(&id), "{id} is lost"),
                Going::Letters(ids) => assert!(!ids.iter().any(is_reminder), "{ids:?}"),
            }
        }
    }

    #[test]
    fn reminders_go_first_the_oldest_first() {
        check(&[begins(1), What::Reminder, What::Report, What::Reminder], 1, &[2]);
        check(&[begins(1), What::Reminder, What::Report, What::Reminder], 2, &[2, 4]);
    }

    #[test]
    fn an_incident_of_which_nobody_was_told_goes_whole_also_where_one_message_would_do() {
        let escalated = What::Escalation(IncidentId(1));
        check(&[What::Report, begins(1), begins(2), escalated, ends(1), ends(2)], 1, &[2, 4, 5]);
        check(&[What::Report, begins(1), begins(2), escalated, ends(1), ends(2)], 4, &[2, 4, 5, 3, 6]);
        check(&[What::Report, begins(1), begins(2), escalated, ends(1), ends(2)], 9, &[2, 4, 5, 3, 6, 1]);
    }

    #[test]
    fn an_end_whose_beginning_was_given_up_is_as_unknown() {
        check(&[begins(1), ends(2), ends(99)], 1, &[3]);
        check(&[begins(1), ends(2), ends(99)], 9, &[3, 1, 2]);
    }

    #[test]
    fn reports_go_before_beginnings_and_these_before_ends_of_what_was_told() {
        let all = [ends(1), begins(2), What::Escalation(IncidentId(3)), What::Report, ends(3)];
        check(&all, 1, &[4]);
        check(&all, 2, &[4, 2]);
        check(&all, 3, &[4, 2, 3]);
        check(&all, 4, &[4, 2, 3, 1]);
        check(&all, 9, &[4, 2, 3, 1, 5]);
    }

    #[test]
    fn an_escalation_does_not_make_an_incident_unknown() {
        let all = [What::Escalation(IncidentId(1)), ends(1), begins(2)];
        check(&all, 2, &[1, 3]);
    }

    #[test]
    fn nothing_waits_and_nothing_goes() {
        check(&[], 3, &[]);
    }
}
