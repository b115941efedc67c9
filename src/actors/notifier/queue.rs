//! What waits for one channel, in lines: the next of a line goes when the one before it is gone.
//!
//! An incident's line sends what it has as soon as it is due. The line of a group waits for more before its first
//! message (`group_wait`) and after it (`group_interval`), and what waited leaves as one message; so do reports of one
//! target, which wait for nothing but the report before them. Which messages are joined is decided here, and stored
//! before the first attempt.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::entry::{Entry, May, Report};
use super::health::Health;
use super::homes::Homes;
use super::joining::{Leaving, Part};
use super::lines::Line;
use super::pace::Pace;
use crate::domain::delivery::{Delivery, Message};
use crate::domain::id::{DeliveryId, IncidentId};
use crate::domain::time::Timestamp;

/// Entries of one channel that are remembered here; the others wait on disk until there is room.
pub(super) const REMEMBERED: usize = 10_000;

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

#[derive(Debug)]
struct Waiting {
    /// What goes next, in order; it was tried before, or is a group, or its line waits for nothing.
    ready: VecDeque<DeliveryId>,
    /// What may still be joined, in the order in which it is due.
    fresh: BTreeSet<(Timestamp, DeliveryId)>,
    /// When the newest of it came.
    grew_at: Timestamp,
    /// Somebody wants it to go on now.
    hurried: bool,
    /// When it is to be looked at; its place in the queue's schedule.
    look_at: Option<Timestamp>,
}

impl Default for Waiting {
    fn default() -> Self {
        let (ready, fresh) = (VecDeque::new(), BTreeSet::new());
        Self { ready, fresh, grew_at: Timestamp::MIN, hurried: false, look_at: None }
    }
}

impl Waiting {
    /// Puts a message behind those before it: one that was given up and is sent again goes before what came later, so
    /// that nobody hears of an end before the beginning. Groups stay before it, whose ids are younger than what they say.
    fn push_in_order(&mut self, id: DeliveryId, first_stays: bool, is_group: impl Fn(&DeliveryId) -> bool) {
        let rest = self.ready.iter().skip(usize::from(first_stays)).rev();
        let later = rest.take_while(|other| **other > id && !is_group(other)).count();
        self.ready.insert(self.ready.len() - later, id);
    }

    fn remove(&mut self, id: DeliveryId, due: Timestamp) {
        if self.ready.front() == Some(&id) {
            self.ready.pop_front();
        } else if !self.fresh.remove(&(due, id)) {
            self.ready.retain(|other| *other != id);
        }
    }
}

/// An entry whose group is on its way.
#[derive(Debug)]
struct Member {
    group: DeliveryId,
    /// `None` also where it was not read since a restart.
    incident: Option<IncidentId>,
}

/// One channel's.
pub(super) struct Queue {
    pace: Pace,
    health: Health,
    /// No attempt begins before this, by the channel's limit and its receiver's wish; `None` where there is no such
    /// channel.
    turn_at: Option<Timestamp>,
    lines: BTreeMap<Line, Waiting>,
    due: BTreeSet<(Timestamp, Line)>,
    remembered: BTreeMap<DeliveryId, Entry>,
    /// Entries whose group is on its way.
    members: BTreeMap<DeliveryId, Member>,
    /// What may have left as itself before, and so is joined with nothing: its receiver would see it under two ids.
    alone: BTreeSet<DeliveryId>,
    homes: Homes,
    /// Entries that leave the outbox, and whose commit is on its way.
    leaving: BTreeSet<DeliveryId>,
    /// When a group's last message left. After a restart it is not known, and the group waits as for its first.
    flushed: BTreeMap<Line, Timestamp>,
    /// Groups among the remembered.
    groups: usize,
    /// Lines of which something is under way.
    busy: BTreeSet<Line>,
    more_on_disk: usize,
}

impl Queue {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            health: Health::default(),
            turn_at: Some(Timestamp::MIN),
            lines: BTreeMap::new(),
            due: BTreeSet::new(),
            remembered: BTreeMap::new(),
            members: BTreeMap::new(),
            alone: BTreeSet::new(),
            homes: Homes::default(),
            leaving: BTreeSet::new(),
            flushed: BTreeMap::new(),
            groups: 0,
            busy: BTreeSet::new(),
            more_on_disk: 0,
        }
    }

    /// A new entry, or one after an attempt. `false` where there is no room: it waits on disk.
    pub(super) fn remember(&mut self, delivery: &Delivery, line: Line, now: Timestamp) -> bool {
        let id = delivery.id;
        if self.meet_member(delivery) || self.leaving.contains(&id) {
            return true;
        }
        if self.remembered.contains_key(&id) {
            self.after_attempt(delivery, now);
            return true;
        }
        if self.more_on_disk > 0 || self.remembered.len() >= REMEMBERED {
            // What comes later than something that was left on disk waits there too, or it would overtake it.
            self.more_on_disk += 1;
            return false;
        }
        let incident = delivery.message.alert().map(|alert| alert.incident);
        let line = incident.and_then(|incident| self.homes.line(incident)).cloned().unwrap_or(line);
        self.insert(delivery, line.clone(), now);
        let due = delivery.due(now);
        let remembered = &self.remembered;
        let is_group = |id: &DeliveryId| remembered.get(id).is_some_and(|entry| entry.of.is_none());
        let waiting = self.lines.entry(line.clone()).or_default();
        let is_fresh = delivery.attempts == 0 && delivery.message.of().is_some() && !self.alone.contains(&id);
        if line.waits() && is_fresh {
            waiting.fresh.insert((due, id));
            waiting.grew_at = waiting.grew_at.max(due);
        } else if line.waits() {
            waiting.ready.push_back(id);
        } else {
            waiting.push_in_order(id, self.busy.contains(&line), is_group);
        }
        self.schedule(&line);
        true
    }

    fn after_attempt(&mut self, delivery: &Delivery, now: Timestamp) {
        let id = delivery.id;
        let stored = (delivery.next_attempt_at, delivery.attempts);
        let Some(entry) = self.remembered.get_mut(&id).filter(|entry| entry.stored != stored) else {
            // A hint that was doubled.
            return;
        };
        (entry.stored, entry.tried) = (stored, delivery.attempts > 0);
        let line = entry.line.clone();
        self.set_due(id, delivery.due(now));
        // Who had it tried is answered; what is due later is no doubled hint.
        self.rest(&line, Some(id));
        self.schedule(&line);
    }

    /// A line is not busy any more, if `first` (where one is named) is what it was busy with.
    fn rest(&mut self, line: &Line, first: Option<DeliveryId>) {
        let head = self.lines.get(line).and_then(|waiting| waiting.ready.front());
        if first.is_none_or(|first| head == Some(&first)) {
            self.busy.remove(line);
        }
    }

    fn set_due(&mut self, id: DeliveryId, due: Timestamp) {
        let Some(entry) = self.remembered.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.due, due);
        if let Some(waiting) = self.lines.get_mut(&entry.line)
            && waiting.fresh.remove(&(before, id))
        {
            waiting.fresh.insert((due, id));
        }
    }

    fn insert(&mut self, delivery: &Delivery, line: Line, now: Timestamp) {
        if let Message::Grouped(group) = &delivery.message {
            self.groups += 1;
            self.take_members(delivery.id, &group.members);
        }
        let entry = Entry::of(delivery, line, now);
        if let Some(incident) = entry.incident {
            self.homes.take_in(incident, delivery.id, &entry.line);
        }
        self.remembered.insert(delivery.id, entry);
    }

    fn remove(&mut self, id: DeliveryId) -> Option<Entry> {
        self.alone.remove(&id);
        let entry = self.remembered.remove(&id)?;
        self.groups -= usize::from(entry.of.is_none());
        Some(entry)
    }

    fn take_members(&mut self, group: DeliveryId, members: &[DeliveryId]) {
        for member in members {
            let entry = self.remove(*member);
            let incident = entry.as_ref().and_then(|entry| entry.incident);
            self.members.insert(*member, Member { group, incident });
            if let Some(entry) = entry
                && let Some(waiting) = self.lines.get_mut(&entry.line)
            {
                waiting.remove(*member, entry.due);
            }
        }
    }

    /// Whether it is in a group that is on its way. After a restart a group comes before its members, which say of which
    /// incidents it speaks.
    fn meet_member(&mut self, delivery: &Delivery) -> bool {
        let Some(member) = self.members.get_mut(&delivery.id) else { return false };
        let line = self.remembered.get(&member.group).map(|group| &group.line);
        member.incident = delivery.message.alert().map(|alert| alert.incident);
        if let (Some(line), Some(incident)) = (line, member.incident) {
            self.homes.take_in(incident, delivery.id, line);
        }
        true
    }

    /// Puts a line where it belongs in the schedule.
    fn schedule(&mut self, line: &Line) {
        let Some(waiting) = self.lines.get(line) else { return };
        let is_busy = self.busy.contains(line);
        let next = match (is_busy, waiting.ready.front(), waiting.fresh.first()) {
            (true, ..) | (false, None, None) => None,
            (false, ..) if waiting.hurried => Some(Timestamp::MIN),
            (false, Some(head), _) => self.remembered.get(head).map(|entry| entry.due),
            (false, None, Some((first, _))) if line.is_paced() => {
                Some(self.pace.leaves_at(*first, waiting.grew_at, self.flushed.get(line).copied()))
            }
            (false, None, Some((first, _))) => Some(*first),
        };
        let is_empty = !is_busy && waiting.ready.is_empty() && waiting.fresh.is_empty();
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

    /// The channel takes no message before this; `None` where it takes none.
    pub(super) const fn set_turn(&mut self, at: Option<Timestamp>) {
        self.turn_at = at;
    }

    /// What is to be done now; `None` where nothing is.
    pub(super) fn next_step(&mut self, now: Timestamp, may: &mut impl FnMut(&mut Report) -> May) -> Option<Step> {
        while self.busy.len() < self.health.at_once() && self.not_before().is_some_and(|at| at <= now) {
            let (_, line) = self.due.first().filter(|(due, _)| *due <= now)?.clone();
            let waiting = self.lines.get_mut(&line)?;
            waiting.hurried = false;
            match waiting.ready.front().copied() {
                Some(id) => match self.ask(id, may) {
                    May::Go => return Some(self.begin(&line, Step::Attempt(id))),
                    May::Drop => return Some(self.begin(&line, Step::Drop(id))),
                    May::Wait(until) => self.hold(&line, id, later(until, now)),
                },
                None => {
                    if let Some(step) = self.flush(&line, now, may) {
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

    /// What is held back lets others go by, and leaves as itself later: it may have been tried.
    fn hold(&mut self, line: &Line, id: DeliveryId, until: Timestamp) {
        self.alone.insert(id);
        if let Some(entry) = self.remembered.get_mut(&id) {
            entry.due = until;
        }
        if let Some(waiting) = self.lines.get_mut(line) {
            waiting.ready.retain(|other| *other != id);
            waiting.fresh.insert((until, id));
        }
        self.schedule(line);
    }

    fn begin(&mut self, line: &Line, step: Step) -> Step {
        if let Some(waiting) = self.lines.get_mut(line) {
            self.busy.insert(line.clone());
            if let Some(at) = waiting.look_at.take() {
                self.due.remove(&(at, line.clone()));
            }
        }
        step
    }

    /// Decides what of a line leaves together.
    fn flush(&mut self, line: &Line, now: Timestamp, may: &mut impl FnMut(&mut Report) -> May) -> Option<Step> {
        let fresh: Vec<(Timestamp, DeliveryId)> = self.lines.get(line)?.fresh.iter().copied().collect();
        let mut leaving = Vec::new();
        for (due, id) in fresh {
            match self.ask(id, may) {
                May::Go if self.alone.contains(&id) => {
                    self.make_ready(line, id);
                    return Some(self.begin(line, Step::Attempt(id)));
                }
                May::Go => {
                    leaving.extend(self.remembered.get(&id).and_then(|entry| Leaving::of(id, entry)));
                }
                May::Wait(until) => self.set_due(id, later(until, now)),
                May::Drop => {
                    let waiting = self.lines.get_mut(line)?;
                    waiting.fresh.remove(&(due, id));
                    waiting.ready.push_front(id);
                    return Some(self.begin(line, Step::Drop(id)));
                }
            }
        }
        let parts = Part::all(&leaving);
        if line.is_paced() && !parts.is_empty() {
            self.flushed.insert(line.clone(), now);
        }
        match parts.as_slice() {
            // All of it is held back, or what was first is gone.
            [] => {
                self.schedule(line);
                None
            }
            [Part::One(id)] => {
                self.make_ready(line, *id);
                Some(self.begin(line, Step::Attempt(*id)))
            }
            [_, ..] => Some(self.begin(line, Step::Join(line.clone(), parts))),
        }
    }

    fn make_ready(&mut self, line: &Line, id: DeliveryId) {
        let Some(due) = self.remembered.get(&id).map(|entry| entry.due) else { return };
        if let Some(waiting) = self.lines.get_mut(line) {
            waiting.fresh.remove(&(due, id));
            waiting.ready.push_back(id);
        }
    }

    /// What [`Step::Join`] came to: the messages in their order, `groups` among them. They are not on disk yet, so the
    /// line stays busy until [`Queue::landed`].
    pub(super) fn joined(&mut self, line: &Line, order: &[DeliveryId], groups: &[Delivery]) {
        for group in groups {
            self.insert(group, line.clone(), group.queued_at);
        }
        for id in order {
            self.make_ready(line, *id);
        }
    }

    /// This group is on disk.
    pub(super) fn group_landed(&mut self, id: DeliveryId) {
        if let Some(line) = self.remembered.get(&id).map(|entry| entry.line.clone()) {
            self.landed(&line);
        }
    }

    /// What was joined is on disk.
    pub(super) fn landed(&mut self, line: &Line) {
        self.rest(line, None);
        self.schedule(line);
    }

    /// An attempt is to be repeated; `asked` is the pause that the receiver wants.
    pub(super) fn failed(&mut self, id: DeliveryId, asked: Option<Duration>, jitter: f64, now: Timestamp) {
        if let Some(entry) = self.remembered.get(&id) {
            self.health.failed(&entry.line, asked, jitter, now);
        }
    }

    /// The receiver answered. If it was down, whatever waits for another attempt has waited long enough.
    pub(super) fn answered(&mut self, now: Timestamp) {
        if self.health.answered() {
            self.resume(now);
        }
    }

    /// It was configured anew: whoever mends a channel does not want to wait for its next attempt.
    pub(super) fn mended(&mut self, now: Timestamp) {
        self.health = Health::default();
        self.resume(now);
    }

    /// Whatever waits for another attempt is due, the oldest first.
    fn resume(&mut self, now: Timestamp) {
        let heads = self.due.iter().filter_map(|(_, line)| self.lines.get(line)?.ready.front().copied());
        let heads: Vec<DeliveryId> = heads.collect();
        for head in heads {
            let Some(entry) = self.remembered.get(&head).filter(|entry| entry.tried) else { continue };
            let (line, due) = (entry.line.clone(), entry.queued_at.min(now));
            self.set_due(head, due);
            self.schedule(&line);
        }
    }

    /// It is not in the outbox any more.
    pub(super) fn forget(&mut self, id: DeliveryId) {
        self.leaving.remove(&id);
        if let Some(incident) = self.members.remove(&id).and_then(|member| member.incident) {
            self.homes.left(incident, id);
        }
        let Some(Entry { line, due, incident, .. }) = self.remove(id) else { return };
        if let Some(incident) = incident {
            self.homes.left(incident, id);
        }
        self.rest(&line, Some(id));
        if let Some(waiting) = self.lines.get_mut(&line) {
            waiting.remove(id, due);
        }
        self.schedule(&line);
    }

    /// The line that it is in may go on now, whatever it waits for.
    pub(super) fn hurry(&mut self, id: DeliveryId) -> bool {
        let id = self.members.get(&id).map_or(id, |member| member.group);
        let Some(line) = self.remembered.get(&id).map(|entry| entry.line.clone()) else { return false };
        self.health.hurry();
        if let Some(waiting) = self.lines.get_mut(&line) {
            waiting.hurried = true;
        }
        self.schedule(&line);
        true
    }

    /// Reports that were held back are looked at again.
    pub(super) fn release(&mut self, now: Timestamp) {
        let held = self
            .remembered
            .iter()
            .filter(|(_, entry)| entry.due > now && entry.report.as_ref().is_some_and(|report| report.held));
        let held: Vec<(DeliveryId, Line)> = held.map(|(id, entry)| (*id, entry.line.clone())).collect();
        for (id, line) in held {
            self.set_due(id, now);
            self.schedule(&line);
        }
    }

    /// When something is due; `None` where nothing is, or no attempt may begin.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let (due, _) = self.due.first().filter(|_| self.busy.len() < self.health.at_once())?;
        Some((*due).max(self.not_before()?))
    }

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.turn_at?.max(self.health.not_before()))
    }

    /// Since when the oldest waits: ids are given in order, so the first that is remembered waits longest.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.remembered.first_key_value().map(|(_, entry)| entry.queued_at)
    }

    /// Entries that wait; those of a group that is on its way count, the group does not.
    pub(super) fn len(&self) -> usize {
        self.remembered.len() - self.groups + self.members.len() + self.more_on_disk
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_empty()
    }
}

/// A time after `now`.
fn later(until: Timestamp, now: Timestamp) -> Timestamp {
    until.max(now.plus(Duration::from_nanos(1)))
}

mod leaving;
mod rereading;

#[cfg(test)]
mod outage;

#[cfg(test)]
mod tests;
