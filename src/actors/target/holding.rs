//! When people are told, and what keeps a target from telling them: flapping, what it needs, maintenance, blindness.

use super::actor::TargetActor;
use crate::domain::alert::{Condition, Hold};
use crate::domain::flapping::Change;
use crate::domain::id::CorrelationId;
use crate::domain::maintenance;
use crate::domain::observation::Observation;
use crate::domain::turn::Turn;
use crate::domain::watch::Beside;

impl TargetActor {
    /// Ends a turn: decides whether people are told.
    pub(super) fn settle(&mut self, turn: &mut Turn, correlation: &CorrelationId) {
        let incident = self.watch.incident.as_ref();
        // Before the first probe nobody knows how its answer is: what was told stays told.
        let unknown = incident.filter(|_| self.degraded.is_none()).map(|incident| incident.cause.clone());
        let degraded = self.degraded.unwrap_or(unknown.is_some());
        let (certificate, flapping, hold) = (self.certificate.take(), self.flapping_score(), self.hold());
        let beside = Beside { degraded, certificate: certificate.as_deref().or(unknown.as_deref()), flapping, hold };
        self.decide(correlation, |watch, with| turn.settle(watch, &beside, with));
        self.certificate = certificate;
    }

    /// Why people are not told now, if they are not.
    fn hold(&self) -> Option<Hold> {
        let board = &self.links.board;
        let spec = self.spec.as_deref()?;
        Hold::first(|hold| match hold {
            Hold::Maintenance => self.is_in_maintenance(),
            Hold::Blind => board.blind(),
            Hold::Dependency => !spec.depends_on.is_empty() && !board.needs(spec).is_empty(),
            Hold::Flapping => self.flapping.is_on(),
        })
    }

    pub(super) fn is_in_maintenance(&self) -> bool {
        let windows = self.spec.as_deref().map(|spec| &*spec.maintenance).unwrap_or_default();
        !windows.is_empty() && maintenance::current(windows, self.links.clock.now()).is_some()
    }

    /// Takes the sample of flapping that is due, of the target as it stood until now. Before anything that was found.
    pub(super) fn sample(&mut self) {
        let Some(limits) = self.spec.as_deref().map(|spec| &spec.policy.flapping) else { return };
        let now = self.links.clock.moment();
        if self.links.board.blind() {
            return self.flapping.skip(limits, now);
        }
        let before = self.flapping;
        match self.flapping.sample(&self.watch, limits, now) {
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

    /// Whether there is nothing to tell of that a good probe brought or time changed.
    pub(super) fn nothing_to_tell(&self) -> bool {
        let wants = self.spec.as_deref().is_some_and(|spec| spec.policy.alert.on.contains(Condition::Certificate));
        !self.flapping.is_on() && !(wants && self.certificate.is_some())
    }
}
