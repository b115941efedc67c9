//! What people see of a target: everything that its verdict is made of, gathered from the board.
//!
//! Derived whenever somebody looks, and kept nowhere. A target's actor asks the same questions before it tells people.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Live, Slot};
use crate::clock::Clock;
use crate::config;
use crate::domain::breaker::View;
use crate::domain::failure_history::FailureType;
use crate::domain::maintenance::{self, Window};
use crate::domain::quiet::Subject;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Inputs, LastProbe, Standing, Traffic, standing};
use crate::domain::watch::{Beside, Watch};

/// How soon a report that is held back is looked at again, where nobody says when the hold ends.
const HELD_FOR: Duration = Duration::from_secs(5);

impl Board {
    /// Looks at a target with all that its health depends on, at this moment.
    pub fn seen<R>(&self, slot: &Slot, clock: Clock, look: impl FnOnce(&Live, &Inputs<'_>) -> R) -> R {
        // Other slots' locks are taken before this one's, and never together.
        let needs = slot.spec.as_deref().map(|spec| self.needs(spec)).unwrap_or_default();
        let view = slot.gate.as_ref().map(|gate| gate.view(clock.moment()));
        let now = clock.now();
        let window = slot.spec.as_deref().and_then(|spec| self.maintenance(spec, now));
        slot.live(|live| {
            let aside = live.aside();
            let last = live.last.as_ref();
            let probes_page = last.is_some_and(|last| last.provider.is_some());
            let inputs = Inputs {
                watch: &live.watch,
                failure_type: slot.spec.as_ref().map_or(FailureType::Other, |spec| spec.policy.failure_type),
                // A page that tells of trouble was not slow to do so.
                probe: live
                    .numbers
                    .last_probe()
                    .map(|probe| LastProbe { degraded: probe.degraded && !probes_page, ..probe }),
                probes_page,
                warning: last.and_then(|last| last.warning.as_deref()),
                traffic: view
                    .as_ref()
                    .map_or_else(Traffic::default, |view| Traffic { opened: aside.opened, ..traffic(view) }),
                provider: aside.provider.map(|(status, _)| status).or_else(|| last.and_then(|last| last.provider)),
                maintenance: window.as_ref(),
                flapping: aside.flapping,
                blind: self.blind(),
                needs: &needs,
                silenced: slot.spec.as_deref().is_some_and(|spec| self.is_silenced(spec, &live.watch, now)),
            };
            look(live, &inputs)
        })
    }

    /// The announced time in which a target is, by its own configuration or by a window that names it; of several, the
    /// one that ends last.
    pub(crate) fn maintenance(&self, spec: &config::Target, now: Timestamp) -> Option<Window> {
        let own = maintenance::current(&spec.maintenance, now).cloned();
        let named = self.quiets().maintenance(&subject(spec), now);
        let named = named.map(|(until, reason)| Window { from: now, until, reason });
        own.into_iter().chain(named).max_by_key(|window| window.until)
    }

    /// What an application reported of this target is held back now, at least until this time: by what holds back what is
    /// found of it, a silence or a window, its own maintenance, what it needs, flapping, or a node that is cut off.
    pub(crate) fn holds_report(&self, subject: &Subject<'_>, now: Timestamp) -> Option<Timestamp> {
        let silenced = self.quiets().holds_report(subject, now);
        silenced.or_else(|| {
            let slot = self.named(subject.target)?;
            let spec = slot.spec.as_deref()?;
            let window = maintenance::current(&spec.maintenance, now).map(|window| window.until);
            let held =
                || self.blind() || slot.live(|live| live.aside().flapping.is_some()) || !self.needs(spec).is_empty();
            window.or_else(|| held().then(|| now.plus(HELD_FOR)))
        })
    }

    /// Whether all that is wrong with a target, as far as it is stored, is silenced.
    fn is_silenced(&self, spec: &config::Target, watch: &Watch, now: Timestamp) -> bool {
        let wrong = watch.conditions(&Beside::default()).and(spec.policy.alert.on);
        let held = (!wrong.is_empty()).then(|| self.quiets().held(&subject(spec), wrong, now)).flatten();
        held.is_some_and(|held| wrong.without(held.conditions).is_empty())
    }

    /// What a target needs that is not up.
    pub(crate) fn needs(&self, spec: &config::Target) -> Vec<(Arc<str>, Standing)> {
        let needed = spec.depends_on.iter();
        needed.filter_map(|name| Some((name.clone(), self.standing(name)?))).collect()
    }

    /// How a target stands for those who need it; `None` while it is up.
    fn standing(&self, name: &str) -> Option<Standing> {
        let standing = self.named(name)?.live(|live| standing(&live.watch, live.aside().opened));
        (standing != Standing::Up).then_some(standing)
    }
}

/// What a matcher sees of a configured target.
pub(crate) fn subject(spec: &config::Target) -> Subject<'_> {
    Subject {
        target: &spec.name,
        group: &spec.group,
        severity: spec.policy.alert.severity,
        failure_type: spec.policy.failure_type,
    }
}

/// A probe that stood in for a trial is none here: it says nothing of calls.
const fn traffic(view: &View) -> Traffic {
    let trial_passed = view.trials.succeeded > view.trials.by_probes;
    Traffic { calls: view.window.calls, window: view.rates, opened: None, trial_passed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::breaker::{Breaker, Cause, Outcome, Policy};
    use crate::domain::time::Moment;

    #[test]
    fn a_probe_that_stands_in_for_a_trial_says_nothing_of_calls() {
        let at = |second: u64| Moment::from_nanos(second * 1_000_000_000);
        let mut breaker = Breaker::new(Policy::default(), at(0));
        assert!(breaker.target_failed(Cause::Report, 0.0, at(0)).is_some());
        assert!(breaker.probe_passed_threshold(at(1)).is_some());
        assert_eq!(breaker.probe_observed(true, 0.0, at(2)), None);
        let view = breaker.view(at(2));
        assert_eq!((view.trials.succeeded, traffic(&view).trial_passed), (1, false));
        let trial = breaker.acquire(at(2)).unwrap();
        assert_eq!(breaker.done(&trial, Outcome::Success, 0.0, at(2)), None);
        assert!(traffic(&breaker.view(at(2))).trial_passed);
    }
}
