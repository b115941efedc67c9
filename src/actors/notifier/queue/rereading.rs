//! A queue and what is on disk: after a restart, when there is room for more, when the configuration changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Queue, REMEMBERED};
use crate::actors::notifier::entry::Entry;
use crate::actors::notifier::lines::Line;
use crate::actors::notifier::pace::Pace;
use crate::domain::delivery::Of;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;

impl Queue {
    /// Whether entries that were left on disk could be taken up.
    pub(in crate::actors::notifier) fn has_room_for_more(&self) -> bool {
        self.more_on_disk > 0 && self.remembered.len() < REMEMBERED / 2
    }

    /// What was left on disk is being told again.
    pub(in crate::actors::notifier) const fn reading_again(&mut self) {
        self.more_on_disk = 0;
    }

    /// So many more were left on disk when it was read.
    pub(in crate::actors::notifier) const fn left_on_disk(&mut self, entries: usize) {
        self.more_on_disk += entries;
    }

    /// After a restart: what may have been on its way as itself must leave as itself, or its receiver would see it
    /// under two ids. Of each kind in a line that can only be the first, and no end whose beginning waits with it: those
    /// leave as one. Nor can it be trouble of a target whose end of an earlier incident waits: that goes before it.
    pub(in crate::actors::notifier) fn release_firsts(&mut self) {
        let lines: Vec<Line> = self.lines.keys().filter(|line| line.waits()).cloned().collect();
        for line in lines {
            let fresh = self.lines.get(&line).into_iter().flat_map(|waiting| &waiting.fresh);
            let fresh = fresh.filter_map(|(_, id)| Some((*id, self.remembered.get(id)?)));
            let trouble = fresh.clone().filter(|(_, entry)| entry.of == Some(Of::Trouble));
            let begins: BTreeSet<_> = trouble.filter_map(|(_, entry)| entry.incident).collect();
            let ends = fresh.clone().filter(|(_, entry)| entry.of == Some(Of::Ends));
            let ended: BTreeMap<_, _> = ends.map(|(_, entry)| (entry.target.clone(), entry.incident)).collect();
            let waits_for_another = |entry: &Entry| match entry.of {
                Some(Of::Ends) => entry.incident.is_some_and(|id| begins.contains(&id)),
                Some(Of::Trouble) => ended.get(&entry.target).is_some_and(|incident| *incident < entry.incident),
                Some(Of::Reports) | None => false,
            };
            let mut firsts = BTreeMap::new();
            for (id, entry) in fresh.filter(|(_, entry)| !waits_for_another(entry)) {
                firsts.entry(entry.of).or_insert(id);
            }
            for id in firsts.into_values() {
                self.alone.insert(id);
                self.make_ready(&line, id);
            }
            self.schedule(&line);
        }
    }

    /// Groups wait for another time from now on.
    pub(in crate::actors::notifier) fn set_pace(&mut self, pace: Pace) {
        if std::mem::replace(&mut self.pace, pace) != pace {
            let lines: Vec<Line> = self.lines.keys().filter(|line| line.is_paced()).cloned().collect();
            lines.iter().for_each(|line| self.schedule(line));
        }
    }

    /// Forgets what is not under way, so that it can be put into other lines; it is read again.
    pub(in crate::actors::notifier) fn forget_idle(&mut self) {
        let idle = |entry: &Entry| !self.busy.contains(&entry.line);
        let idle: BTreeSet<DeliveryId> =
            self.remembered.iter().filter(|(_, entry)| idle(entry)).map(|(id, _)| *id).collect();
        let of_idle = self.members.iter().filter(|(_, member)| idle.contains(&member.group)).map(|(id, _)| *id);
        let of_idle: Vec<DeliveryId> = of_idle.collect();
        let alone = self.alone.clone();
        for id in idle.into_iter().chain(of_idle) {
            self.forget(id);
        }
        self.alone = alone;
        self.flushed.clear();
    }

    /// The clock was set back: what is to be done after a pause is done after that pause, and not so much later.
    pub(in crate::actors::notifier) fn set_back(&mut self, by: Duration) {
        self.remembered.values_mut().for_each(|entry| entry.due = entry.due.minus(by));
        for waiting in self.lines.values_mut() {
            waiting.fresh = waiting.fresh.iter().map(|(due, id)| (due.minus(by), *id)).collect();
            waiting.grew_at = waiting.grew_at.minus(by);
        }
        self.flushed.values_mut().for_each(|last| *last = last.minus(by));
        self.health.set_back(by);
        let lines: Vec<Line> = self.lines.keys().cloned().collect();
        lines.iter().for_each(|line| self.schedule(line));
    }

    /// Forgets when groups left that may leave again anyhow.
    pub(in crate::actors::notifier) fn tidy(&mut self, now: Timestamp) {
        let interval = self.pace.interval;
        self.flushed.retain(|_, last| last.plus(interval) > now);
    }
}
