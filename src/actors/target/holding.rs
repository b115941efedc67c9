//! When people are told, and what keeps a target from telling them: flapping, what it needs, maintenance, blindness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context};

use super::actor::{TargetActor, Then};
use super::budget::Spending;
use crate::actors::correlation;
use crate::actors::quiet::Held;
use crate::actors::sight::subject;
use crate::config;
use crate::domain::alert::{Condition, Conditions, Hold, Holding, Reason};
use crate::domain::flapping::Change;
use crate::domain::id::CorrelationId;
use crate::domain::maintenance;
use crate::domain::observation::Observation;
use crate::domain::quiet::Kind;
use crate::domain::time::Timestamp;
use crate::domain::turn::Turn;
use crate::domain::watch::Beside;

/// Samples of flapping may take days where a target is tried once an hour: after this time it is taken for what it looks.
const LEARNT_AFTER: Duration = Duration::from_secs(60 * 60);

/// Timers of weeks are not kept: a look that finds nothing due sets the next one.
const LONGEST_LOOK: Duration = Duration::from_secs(24 * 60 * 60);

impl TargetActor {
    /// Ends a turn: decides whether people are told.
    pub(super) fn settle(&mut self, turn: &mut Turn, correlation: &CorrelationId) {
        self.take_stock();
        let letters = self.dead_letters();
        let working = self.working(&letters);
        let (certificate, degraded_by, spending) =
            (self.certificate.take(), self.degraded_by.take(), self.spending.take());
        let mut beside = Beside {
            degraded: self.degraded == Some(true),
            degraded_by: degraded_by.as_deref(),
            certificate: certificate.as_deref(),
            flapping: self.flapping_score(),
            burning: spending.as_ref().and_then(|spending| spending.burning.as_deref()),
            // Where nobody can be told of them, nobody is.
            dead_letters: if working.as_ref().is_some_and(|working| working.is_empty()) {
                0
            } else {
                letters.values().sum()
            },
            working: working.as_ref(),
            unknown: self.unknown(spending.as_deref()),
            holding: Holding { by: self.hold(), ..Holding::default() },
        };
        let held = self.silences(&beside);
        if let Some(held) = &held {
            (beside.holding.silenced, beside.holding.by_window) = (held.conditions, held.by == Kind::Maintenance);
        }
        let reason = self.decide(correlation, |watch, with| turn.settle(watch, &beside, with));
        (self.certificate, self.degraded_by, self.spending) = (certificate, degraded_by, spending);
        self.look_again_at = self.next_look(reason, held.map(|held| held.until));
    }

    /// Of what nothing is known yet: how an answer is before the first probe, whether it flaps before enough samples.
    fn unknown(&self, spending: Option<&Spending>) -> Conditions {
        let unprobed = self.degraded.is_none();
        let lately = self.links.clock.moment().since(self.born) < LEARNT_AFTER;
        let unread = spending.is_some_and(|spending| !spending.is_known);
        [
            (unprobed, Condition::Degraded),
            (unprobed, Condition::Certificate),
            (!self.flapping.is_known() && lately, Condition::Flapping),
            (unread, Condition::Slo),
        ]
        .into_iter()
        .filter_map(|(unknown, condition)| unknown.then_some(condition))
        .collect()
    }

    /// Messages about it that were given up, by channel, where somebody wants to hear of that.
    pub(super) fn dead_letters(&self) -> BTreeMap<Arc<str>, usize> {
        let wanted = self.wants(Condition::DeadLetters);
        if wanted { self.links.reader.dead_letters_of(&self.slot.name) } else { BTreeMap::new() }
    }

    /// The channels that are told of it and have given up nothing; `None` where that is all of them.
    fn working(&self, letters: &BTreeMap<Arc<str>, usize>) -> Option<Arc<[Arc<str>]>> {
        let spec = self.spec.as_deref().filter(|_| !letters.is_empty())?;
        let channels = spec.policy.alert.channels.iter();
        Some(channels.filter(|channel| !letters.contains_key(*channel)).cloned().collect())
    }

    fn wants(&self, condition: Condition) -> bool {
        self.spec.as_deref().is_some_and(|spec| spec.policy.alert.on.contains(condition))
    }

    /// Which of the conditions that people want to hear of are held back.
    fn silences(&self, beside: &Beside<'_>) -> Option<Held> {
        let spec = self.spec.as_deref()?;
        let wanted = self.watch.conditions(beside).and(spec.policy.alert.on);
        if wanted.is_empty() {
            return None;
        }
        self.links.board.quiets().held(&subject(spec), wanted, self.links.clock.now())
    }

    /// When this target must be looked at although nothing is found.
    fn next_look(&self, reason: Reason, silenced_until: Option<Timestamp>) -> Option<Timestamp> {
        let spec = self.spec.as_deref()?;
        let now = self.links.clock.now();
        let told = self.watch.incident.as_ref().and_then(|incident| incident.next_told_at(&spec.policy.alert));
        let window = maintenance::current(&spec.maintenance, now).map(|window| window.until);
        look_at(reason, told, silenced_until, window, now)
    }

    /// Looks again when the time has come, also if no probe does.
    pub(super) fn arm_look(&mut self, context: &mut Context<Self>) {
        if self.look_timer.as_ref().map(|(at, _)| *at) == self.look_again_at {
            return;
        }
        if let Some((_, timer)) = self.look_timer.take() {
            context.cancel_future(timer);
        }
        let Some(at) = self.look_again_at else { return };
        // A time of day is in whole milliseconds: not a moment too early.
        let pause = at.since(self.links.clock.now()).saturating_add(Duration::from_millis(1)).min(LONGEST_LOOK);
        let timer = context.run_later(pause, |actor, context| {
            actor.look_timer = None;
            actor.look_again(context);
        });
        self.look_timer = Some((at, timer));
    }

    /// A turn without a finding: time has passed, or what held something back is gone.
    pub(super) fn look_again(&mut self, context: &mut Context<Self>) {
        self.finish(Turn::default(), &correlation::fresh(), Then::default(), context);
    }

    /// Why people are not told now, if they are not.
    fn hold(&self) -> Option<Hold> {
        let board = &self.links.board;
        let spec = self.spec.as_deref()?;
        Hold::first(|hold| match hold {
            Hold::Maintenance => maintenance::current(&spec.maintenance, self.links.clock.now()).is_some(),
            Hold::Blind => board.blind(),
            Hold::Dependency => !spec.depends_on.is_empty() && !board.needs(spec).is_empty(),
            Hold::Flapping => self.flapping.is_on(),
            // By conditions, each for itself.
            Hold::Silence => false,
        })
    }

    /// It is in trouble, and nobody was told.
    pub(super) fn is_untold(&self) -> bool {
        self.watch.incident.is_none() && !self.watch.conditions(&Beside::default()).is_empty()
    }

    /// It is in trouble, and people are to be told as soon as what holds that back is over.
    pub(super) fn is_held_back(&self) -> bool {
        self.is_untold() && self.hold().is_some()
    }

    pub(super) fn is_in_maintenance(&self) -> bool {
        let spec = self.spec.as_deref();
        spec.is_some_and(|spec| self.links.board.maintenance(spec, self.links.clock.now()).is_some())
    }

    /// Takes the sample of flapping that is due, of the target as it stood until now. Before anything that was found.
    pub(super) fn sample(&mut self) {
        let Some(limits) = self.spec.as_deref().map(|spec| &spec.policy.flapping) else { return };
        let now = self.links.clock.moment();
        if self.links.board.blind() {
            return self.flapping.skip(limits, now);
        }
        let before = self.flapping;
        match self.flapping.sample(self.watch.stands_in_trouble(), limits, now) {
            Some(Change::Began) => {
                let score = self.flapping_score();
                tracing::warn!(target = %self.slot.name, score, "the target flaps; its alerts are held back");
            }
            Some(Change::Ended) => tracing::info!(target = %self.slot.name, "the target no longer flaps"),
            None if before == self.flapping || !before.is_on() => return,
            None => {}
        }
        let score = self.flapping_score();
        self.slot.live(|live| live.set_aside(|aside| aside.flapping = score));
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score is 0..=1")]
    fn flapping_score(&self) -> Option<u8> {
        self.flapping.is_on().then(|| (self.flapping.score() * 100.0) as u8)
    }

    /// Notes what a good probe said of its certificate. What a provider's page says is no certificate.
    pub(super) fn note_certificate(&mut self, observation: &Observation) {
        let of_certificate = observation.certificate_expires_at.is_some() && observation.provider.is_none();
        let said = observation.warning.as_ref().filter(|_| of_certificate);
        if self.certificate.as_ref() != said {
            self.certificate = said.cloned();
        }
    }

    /// What a probe of another kind said of slowness and certificates is not true of this one.
    pub(super) fn forget_another_kind(&mut self, before: Option<&config::Target>) {
        let kind = |spec: &config::Target| spec.probe.kind();
        if before.map(kind) == self.spec.as_deref().map(kind) {
            return;
        }
        (self.degraded, self.degraded_by, self.certificate) = (None, None, None);
        self.slot.live(|live| {
            live.numbers.forget_last_probe();
            if let Some(last) = live.last.as_mut() {
                (last.warning, last.provider) = (None, None);
            }
        });
    }

    /// Whether a good probe, or time, brought something to tell of.
    pub(super) fn has_something_to_tell(&self) -> bool {
        let burns = self.spending.as_ref().is_some_and(|spending| spending.burning.is_some());
        self.flapping.is_on()
            || (self.certificate.is_some() && self.wants(Condition::Certificate))
            || (burns && self.wants(Condition::Slo))
            || !self.dead_letters().is_empty()
    }
}

/// When to look again: something is to be said again or to others (`told`), or what holds it back ends.
///
/// What was due before is due as soon as nothing holds it back, or as soon as it is known again, and both are found
/// without a look: one that is set to a time that is over would follow upon itself.
fn look_at(
    reason: Reason,
    told: Option<Timestamp>,
    silenced_until: Option<Timestamp>,
    window: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let window = window.filter(|_| matches!(reason, Reason::Suppressed { .. }));
    // A condition that is silenced may be news at the end of the silence.
    [silenced_until, window, told.filter(|told| *told > now)].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);

    #[test]
    fn what_is_due_and_is_not_told_is_not_looked_at_again_and_again() {
        let (before, later) = (NOW.minus(Duration::from_secs(1)), NOW.plus(Duration::from_secs(60)));
        let suppressed = Reason::Suppressed { by: Hold::Silence };
        for reason in [Reason::NotDue, suppressed] {
            for told in [before, NOW] {
                assert_eq!(look_at(reason, Some(told), None, None, NOW), None, "{reason:?}");
                assert_eq!(look_at(reason, Some(told), Some(later), None, NOW), Some(later), "{reason:?}");
            }
            assert_eq!(look_at(reason, Some(later), None, None, NOW), Some(later), "{reason:?}");
        }
        assert_eq!(look_at(suppressed, None, None, Some(later), NOW), Some(later));
        assert_eq!(look_at(Reason::NotDue, None, None, Some(later), NOW), None);
    }
}
