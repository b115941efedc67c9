//! What waits for one channel, in lines: the next of a line goes when the one before it is gone.
//!
//! An incident's line sends what it has as soon as it is due. The line of a group waits for more before its first
//! message (`group_wait`) and after it (`group_interval`), and what waited leaves as one message; so do reports of one
//! target, which wait for nothing but the report before them. Which messages are joined is decided here, and stored
//! before the first attempt.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::joining::Part;
use super::lines::Line;
use crate::domain::delivery::{Delivery, Message, Of};
use crate::domain::failure_history::FailureType;
use crate::domain::id::{DeliveryId, HistoryId};
use crate::domain::time::Timestamp;

/// Lines of one channel that are busy at a time: enough to empty a queue of thousands in seconds, few enough for any
/// receiver.
const AT_ONCE: usize = 8;

/// Entries of one channel that are remembered here; the others wait on disk until there is room.
pub(super) const REMEMBERED: usize = 10_000;

/// How long a group waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Before its first message.
    pub(super) wait: Duration,
    /// From one message to the next.
    pub(super) interval: Duration,
}

/// A failure that an application reported: it may be held back when it is sent, since it has no end of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) target: Arc<str>,
    pub(super) failure_type: FailureType,
    pub(super) history: HistoryId,
    /// Whether something has held it back.
    pub(super) held: bool,
}

/// What may be done with a report now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// It may go.
    Go,
    /// Not before this time.
    Wait(Timestamp),
    /// It ended while it was held back: it is not told any more.
    Drop,
}

#[derive(Debug, Clone)]
struct Entry {
    due: Timestamp,
    /// When it is due as it is stored: what comes with the same time is a doubled hint.
    stored: Timestamp,
    line: Line,
    queued_at: Timestamp,
    of: Option<Of>,
    is_reminder: bool,
    report: Option<Box<Report>>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Let the channel try this.
    Attempt(DeliveryId),
    /// Join these, part by part, in this order; then tell [`Queue::joined`].
    Join(Line, Vec<Part>),
    /// Take this out of the outbox.
    Drop(DeliveryId),
}

#[derive(Debug, Default)]
struct Waiting {
    /// What goes next, in order; it was tried before, or is a group, or its line waits for nothing.
    ready: VecDeque<DeliveryId>,
    /// What may still be joined, in the order in which it was queued.
    fresh: BTreeSet<DeliveryId>,
    /// Something of it is under way.
    busy: bool,
    /// When it is to be looked at; its place in the queue's schedule.
    look_at: Option<Timestamp>,
}

/// One channel's.
#[derive(Default)]
pub(super) struct Queue {
    lines: BTreeMap<Line, Waiting>,
    due: BTreeSet<(Timestamp, Line)>,
    remembered: BTreeMap<DeliveryId, Entry>,
    /// Entries whose group is on its way.
    members: BTreeSet<DeliveryId>,
    /// When a group's last message left. After a restart it is not known, and the group waits as for its first.
    flushed: BTreeMap<Line, Timestamp>,
    /// Groups among the remembered.
    groups: usize,
    busy: usize,
    more_on_disk: usize,
}

impl Queue {
    /// A new entry, or one after an attempt. `false` where there is no room: it waits on disk.
    pub(super) fn remember(&mut self, delivery: &Delivery, line: Line, pace: Pace) -> bool {
        let id = delivery.id;
        if self.members.contains(&id) {
            return true;
        }
        if let Some(before) = self.remembered.get_mut(&id) {
            let waiting = self.lines.get_mut(&before.line);
            if before.stored == delivery.next_attempt_at {
                // A hint that was doubled.
                return true;
            }
            (before.due, before.stored) = (delivery.next_attempt_at, delivery.next_attempt_at);
            let line = before.line.clone();
            // Who had it tried is answered; what is due later is no doubled hint.
            if let Some(waiting) = waiting.filter(|waiting| waiting.ready.front() == Some(&id))
                && std::mem::replace(&mut waiting.busy, false)
            {
                self.busy -= 1;
            }
            self.schedule(&line, pace);
            return true;
        }
        if self.more_on_disk > 0 || self.remembered.len() >= REMEMBERED {
            // What comes later than something that was left on disk waits there too, or it would overtake it.
            self.more_on_disk += 1;
            return false;
        }
        if let Message::Grouped(group) = &delivery.message {
            self.take_members(&group.members);
        }
        let waits = line.waits() && delivery.attempts == 0 && delivery.message.of().is_some();
        self.insert(delivery, line.clone());
        let waiting = self.lines.entry(line.clone()).or_default();
        if waits {
            waiting.fresh.insert(id);
        } else {
            waiting.ready.push_back(id);
        }
        self.schedule(&line, pace);
        true
    }

    fn insert(&mut self, delivery: &Delivery, line: Line) {
        let report = match &delivery.message {
            Message::FailureRecorded { history, failure_type, target, .. } => Some(Box::new(Report {
                target: target.clone(),
                failure_type: *failure_type,
                history: *history,
                held: false,
            })),
            Message::Firing(_)
            | Message::Reminder(_)
            | Message::Escalated(_)
            | Message::Resolved { .. }
            | Message::Grouped(_) => None,
        };
        let entry = Entry {
            due: delivery.next_attempt_at,
            stored: delivery.next_attempt_at,
            line,
            queued_at: delivery.queued_at,
            of: delivery.message.of(),
            is_reminder: matches!(delivery.message, Message::Reminder(_)),
            report,
        };
        self.groups += usize::from(entry.of.is_none());
        self.remembered.insert(delivery.id, entry);
    }

    fn remove(&mut self, id: DeliveryId) -> Option<Entry> {
        let entry = self.remembered.remove(&id)?;
        self.groups -= usize::from(entry.of.is_none());
        Some(entry)
    }

    fn take_members(&mut self, members: &[DeliveryId]) {
        for member in members {
            self.members.insert(*member);
            if let Some(entry) = self.remove(*member)
                && let Some(waiting) = self.lines.get_mut(&entry.line)
            {
                waiting.fresh.remove(member);
                waiting.ready.retain(|ready| ready != member);
            }
        }
    }

    /// Puts a line where it belongs in the schedule.
    fn schedule(&mut self, line: &Line, pace: Pace) {
        let Some(waiting) = self.lines.get(line) else { return };
        let next = match (waiting.busy, waiting.ready.front(), waiting.fresh.first()) {
            (true, ..) | (false, None, None) => None,
            (false, Some(head), _) => self.remembered.get(head).map(|entry| entry.due),
            (false, None, Some(_)) => self.flush_at(line, waiting, pace),
        };
        let is_empty = !waiting.busy && waiting.ready.is_empty() && waiting.fresh.is_empty();
        let before = waiting.look_at;
        if let Some(before) = before.filter(|_| before != next) {
            self.due.remove(&(before, line.clone()));
        }
        if let Some(next) = next {
            self.due.insert((next, line.clone()));
        }
        if is_empty {
            self.lines.remove(line);
        } else if let Some(waiting) = self.lines.get_mut(line) {
            waiting.look_at = next;
        }
    }

    /// When what is fresh may leave: the first that is not held back decides.
    fn flush_at(&self, line: &Line, waiting: &Waiting, pace: Pace) -> Option<Timestamp> {
        let first = waiting.fresh.iter().filter_map(|id| self.remembered.get(id)).map(|entry| entry.due).min()?;
        if !line.is_paced() {
            return Some(first);
        }
        let after_last = self.flushed.get(line).map(|last| last.plus(pace.interval));
        Some(after_last.unwrap_or(Timestamp::MIN).max(first.plus(pace.wait)))
    }

    /// What is to be done now; `None` where nothing is.
    pub(super) fn next_step(
        &mut self,
        now: Timestamp,
        pace: Pace,
        may: &mut impl FnMut(&mut Report) -> May,
    ) -> Option<Step> {
        while self.busy < AT_ONCE {
            let (_, line) = self.due.first().filter(|(due, _)| *due <= now)?.clone();
            let ready = self.lines.get(&line).and_then(|waiting| waiting.ready.front().copied());
            match ready {
                Some(id) => match self.ask(id, may) {
                    May::Go => return Some(self.begin(&line, Step::Attempt(id))),
                    May::Drop => return Some(self.begin(&line, Step::Drop(id))),
                    May::Wait(until) => self.hold(&line, id, until.max(now.plus(Duration::from_nanos(1))), pace),
                },
                None => {
                    if let Some(step) = self.flush(&line, now, pace, may) {
                        return Some(step);
                    }
                }
            }
        }
        None
    }

    fn ask(&mut self, id: DeliveryId, may: &mut impl FnMut(&mut Report) -> May) -> May {
        let report = self.remembered.get_mut(&id).and_then(|entry| entry.report.as_deref_mut());
        report.map_or(May::Go, may)
    }

    /// What was released and is held back after all may as well be joined.
    fn hold(&mut self, line: &Line, id: DeliveryId, until: Timestamp, pace: Pace) {
        if let Some(entry) = self.remembered.get_mut(&id) {
            entry.due = until;
        }
        if let Some(waiting) = self.lines.get_mut(line) {
            waiting.ready.retain(|other| *other != id);
            waiting.fresh.insert(id);
        }
        self.schedule(line, pace);
    }

    fn begin(&mut self, line: &Line, step: Step) -> Step {
        if let Some(waiting) = self.lines.get_mut(line) {
            waiting.busy = true;
            self.busy += 1;
            if let Some(at) = waiting.look_at.take() {
                self.due.remove(&(at, line.clone()));
            }
        }
        step
    }

    /// Decides what of a line leaves together.
    fn flush(
        &mut self,
        line: &Line,
        now: Timestamp,
        pace: Pace,
        may: &mut impl FnMut(&mut Report) -> May,
    ) -> Option<Step> {
        let fresh: Vec<DeliveryId> = self.lines.get(line)?.fresh.iter().copied().collect();
        let mut going: BTreeMap<Of, Vec<DeliveryId>> = BTreeMap::new();
        for id in fresh {
            match self.ask(id, may) {
                May::Go => {
                    let of = self.remembered.get(&id).and_then(|entry| entry.of);
                    going.entry(of.unwrap_or(Of::Reports)).or_default().push(id);
                }
                May::Wait(until) => {
                    if let Some(entry) = self.remembered.get_mut(&id) {
                        entry.due = until.max(now.plus(Duration::from_nanos(1)));
                    }
                }
                May::Drop => {
                    let waiting = self.lines.get_mut(line)?;
                    waiting.fresh.remove(&id);
                    waiting.ready.push_front(id);
                    return Some(self.begin(line, Step::Drop(id)));
                }
            }
        }
        let parts: Vec<Part> = going
            .into_iter()
            .map(|(of, ids)| match ids.as_slice() {
                [one] => Part::One(*one),
                _ => Part::Many(of, ids),
            })
            .collect();
        if line.is_paced() && !parts.is_empty() {
            self.flushed.insert(line.clone(), now);
        }
        match parts.as_slice() {
            // All of it is held back, or what was first is gone.
            [] => {
                self.schedule(line, pace);
                None
            }
            [Part::One(id)] => {
                let id = *id;
                let waiting = self.lines.get_mut(line)?;
                waiting.fresh.remove(&id);
                waiting.ready.push_back(id);
                Some(self.begin(line, Step::Attempt(id)))
            }
            [_, ..] => Some(self.begin(line, Step::Join(line.clone(), parts))),
        }
    }

    /// What [`Step::Join`] came to: the messages in their order, `groups` among them. They are not on disk yet, so the
    /// line stays busy until [`Queue::landed`].
    pub(super) fn joined(&mut self, line: &Line, order: &[DeliveryId], groups: &[Delivery]) {
        for group in groups {
            self.insert(group, line.clone());
            if let Message::Grouped(joined) = &group.message {
                self.take_members(&joined.members);
            }
        }
        let Some(waiting) = self.lines.get_mut(line) else { return };
        for id in order {
            waiting.fresh.remove(id);
            waiting.ready.push_back(*id);
        }
    }

    /// What was joined is on disk.
    pub(super) fn landed(&mut self, line: &Line, pace: Pace) {
        if let Some(waiting) = self.lines.get_mut(line)
            && std::mem::replace(&mut waiting.busy, false)
        {
            self.busy -= 1;
        }
        self.schedule(line, pace);
    }

    /// It is not in the outbox any more.
    pub(super) fn forget(&mut self, id: DeliveryId, pace: Pace) {
        self.members.remove(&id);
        let Some(Entry { line, .. }) = self.remove(id) else { return };
        if let Some(waiting) = self.lines.get_mut(&line) {
            if waiting.ready.front() == Some(&id) && std::mem::replace(&mut waiting.busy, false) {
                self.busy -= 1;
            }
            waiting.ready.retain(|other| *other != id);
            waiting.fresh.remove(&id);
        }
        self.schedule(&line, pace);
    }

    /// The line that it is in may go on now, whatever it waits for.
    pub(super) fn hurry(&mut self, id: DeliveryId, now: Timestamp, pace: Pace) -> bool {
        let Some(line) = self.remembered.get(&id).map(|entry| entry.line.clone()) else { return false };
        self.flushed.remove(&line);
        let head = self.lines.get(&line).and_then(|waiting| waiting.ready.front().or(waiting.fresh.first()).copied());
        if let Some(entry) = head.and_then(|head| self.remembered.get_mut(&head)) {
            entry.due = now.minus(pace.wait);
        }
        self.schedule(&line, pace);
        true
    }

    /// Reports that were held back are looked at again.
    pub(super) fn release(&mut self, now: Timestamp, pace: Pace) {
        let held: Vec<DeliveryId> = self
            .remembered
            .iter_mut()
            .filter(|(_, entry)| entry.due > now && entry.report.as_ref().is_some_and(|report| report.held))
            .map(|(id, entry)| {
                entry.due = now;
                *id
            })
            .collect();
        for id in held {
            if let Some(line) = self.remembered.get(&id).map(|entry| entry.line.clone()) {
                self.schedule(&line, pace);
            }
        }
    }

    /// When something is due; `None` where nothing is, or no attempt may begin.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.busy >= AT_ONCE { None } else { self.due.first().map(|(due, _)| *due) }
    }

    /// Since when the oldest waits: ids are given in order, so the first that is remembered waits longest.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.remembered.first_key_value().map(|(_, entry)| entry.queued_at)
    }

    /// Entries that wait; those of a group that is on its way count, the group does not.
    pub(super) fn len(&self) -> usize {
        self.remembered.len() - self.groups + self.members.len() + self.more_on_disk
    }

    /// What goes where there is no room in the outbox: the oldest reminder, else the oldest entry that is not under
    /// way.
    pub(super) fn victim(&self) -> Option<(DeliveryId, bool)> {
        let under_way = |id: &DeliveryId, entry: &Entry| {
            entry.of.is_none()
                || self.lines.get(&entry.line).is_some_and(|waiting| waiting.busy && waiting.ready.front() == Some(id))
        };
        let mut idle = self.remembered.iter().filter(|(id, entry)| !under_way(id, entry));
        let reminder = idle.clone().find(|(_, entry)| entry.is_reminder);
        reminder.or_else(|| idle.next()).map(|(id, entry)| (*id, entry.is_reminder))
    }

    /// Whether entries that were left on disk could be taken up.
    pub(super) fn has_room_for_more(&self) -> bool {
        self.more_on_disk > 0 && self.remembered.len() < REMEMBERED / 2
    }

    /// After a restart: what may have been on its way as itself must leave as itself, or its receiver would see it
    /// under two ids. Of each kind in a line that can only be the first.
    pub(super) fn release_firsts(&mut self, pace: Pace) {
        let lines: Vec<Line> = self.lines.keys().filter(|line| line.waits()).cloned().collect();
        for line in lines {
            let Some(waiting) = self.lines.get_mut(&line) else { continue };
            let mut firsts: BTreeMap<Of, DeliveryId> = BTreeMap::new();
            for id in &waiting.fresh {
                if let Some(of) = self.remembered.get(id).and_then(|entry| entry.of) {
                    firsts.entry(of).or_insert(*id);
                }
            }
            for id in firsts.into_values() {
                waiting.fresh.remove(&id);
                waiting.ready.push_back(id);
            }
            self.schedule(&line, pace);
        }
    }

    /// What was left on disk is being told again.
    pub(super) const fn reading_again(&mut self) {
        self.more_on_disk = 0;
    }

    /// Whether nothing is under way.
    pub(super) const fn is_idle(&self) -> bool {
        self.busy == 0
    }

    /// Forgets what is not under way, so that it can be put into other lines; it is read again.
    pub(super) fn forget_idle(&mut self, pace: Pace) {
        let busy: BTreeSet<Line> =
            self.lines.iter().filter(|(_, waiting)| waiting.busy).map(|(line, _)| line.clone()).collect();
        let idle: Vec<DeliveryId> =
            self.remembered.iter().filter(|(_, entry)| !busy.contains(&entry.line)).map(|(id, _)| *id).collect();
        for id in idle {
            self.forget(id, pace);
        }
        self.flushed.clear();
    }

    /// Forgets when groups left that may leave again anyhow.
    pub(super) fn tidy(&mut self, now: Timestamp, pace: Pace) {
        self.flushed.retain(|_, last| last.plus(pace.interval) > now);
    }
}

#[cfg(test)]
mod tests;
