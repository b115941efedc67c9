//! A target that reports in: nobody calls it, and its silence is the failure.
//!
//! A beat is an attempt that its caller made for us, and goes the way of our own. Where none has come when it is late, that
//! is an attempt too, once an interval for as long as the silence lasts.

use std::time::Duration;

use actix::{AsyncContext, Context};

use super::actor::{TargetActor, Then, Waiting};
use super::messages::Errand;
use crate::actors::answer::{Answer, Outcome, Refused};
use crate::actors::correlation;
use crate::actors::targets::Beat;
use crate::domain::heartbeat::{Look, Pulse, Waiting as Silence};
use crate::domain::id::CorrelationId;
use crate::domain::observation::{Failure, Observation, Phases, Reason};
use crate::domain::time::Timestamp;
use crate::domain::turn::{Asked, Turn};

/// What is said of a beat that says that something is wrong, and not what.
const NO_WORDS: &str = "the heartbeat says that it is not well";
/// As long as any other failure's sentence.
const WORDS_MAX: usize = 300;

impl TargetActor {
    /// Whether it is only waited for, and how.
    pub(super) fn pulse(&self) -> Option<Pulse> {
        let spec = self.spec.as_deref()?;
        let heartbeat = spec.probe.heartbeat()?;
        Some(Pulse { interval: spec.interval, grace: heartbeat.grace })
    }

    /// Begins to wait, if that is all that is to be done with this target.
    pub(super) fn await_beats(&mut self, context: &mut Context<Self>) {
        let Some(pulse) = self.pulse() else {
            self.silence = None;
            return;
        };
        let (now, moment) = (self.links.clock.now(), self.links.clock.moment());
        let silence = match self.silence.take() {
            Some(silence) => silence.by(pulse, now, moment),
            None => Silence::begin(pulse, self.watch.status.last_succeeded_at, now, moment),
        };
        self.silence = Some(Box::new(silence));
        // Who is only waited for is neither slow nor has a certificate, whatever was told of him when he was called.
        (self.degraded, self.degraded_by, self.certificate) = (Some(false), None, None);
        // What was held back before a restart may no longer be.
        self.arm_silence(self.is_untold(), context);
    }

    /// The other side reports in.
    pub(super) fn beat(&mut self, beat: Beat, correlation: CorrelationId, answer: Answer, context: &mut Context<Self>) {
        let Some(silence) = self.silence.as_mut() else {
            let name = self.slot.name.clone();
            return drop(answer.send(Err(Refused::IsCalled { name })));
        };
        let now = self.links.clock.now();
        silence.heard(now, self.links.clock.moment());
        self.sample();
        let observation = observation(now, beat.took.unwrap_or_default(), fault(&beat));
        self.book(&observation);
        if self.is_quiet(&observation) {
            self.note_quiet_success(&observation);
            let outcome = Outcome { committed: None, observation: Some(observation.clone()) };
            drop(answer.send(Ok(outcome)));
        } else {
            let errand = Errand::Beat(beat);
            let waiting = vec![Waiting { errand, correlation: correlation.clone(), answer }];
            self.turn(&observation, Asked::No, &correlation, waiting, context);
        }
        self.arm_silence(self.is_held_back(), context);
        let maintenance = self.is_in_maintenance();
        self.slot.live(|live| live.found(observation, &self.watch.status, maintenance));
    }

    /// A probe came back that began when the target was still configured as one that is called.
    pub(super) fn no_longer_called(&mut self) {
        self.probing_since = None;
        for one in std::mem::take(&mut self.waiting) {
            let name = self.slot.name.clone();
            drop(one.answer.send(Err(Refused::ReportsIn { name })));
        }
    }

    fn arm_silence(&mut self, held_back: bool, context: &mut Context<Self>) {
        let Some(silence) = &self.silence else { return };
        let pause = silence.pause(self.links.clock.moment(), held_back);
        if let Some(timer) = self.probe_timer.take() {
            context.cancel_future(timer);
        }
        self.probe_timer = Some(context.run_later(pause, |actor, context| {
            actor.probe_timer = None;
            actor.look_for_beats(context);
        }));
    }

    fn look_for_beats(&mut self, context: &mut Context<Self>) {
        let (now, moment) = (self.links.clock.now(), self.links.clock.moment());
        let Some(silence) = self.silence.as_mut() else { return };
        let connectivity = self.links.board.connectivity();
        match silence.look(now, moment, connectivity.is_blind(), connectivity.seeing_since()) {
            Look::InTime => self.tell_what_was_held_back(context),
            Look::Late(said) => self.miss_beat(now, Reason::Timeout, said, context),
            Look::Deaf(said) => {
                let said = format!("this node is cut off, and hears nobody: {said}");
                self.miss_beat(now, Reason::Internal, said, context);
            }
        }
        self.arm_silence(self.is_held_back(), context);
    }

    fn miss_beat(&mut self, now: Timestamp, reason: Reason, said: String, context: &mut Context<Self>) {
        let failure = Failure { reason, message: said.into(), code: "N/A".into() };
        let observation = observation(now, Duration::ZERO, Some(failure));
        self.book(&observation);
        self.found(&observation, context);
        let maintenance = self.is_in_maintenance();
        self.slot.live(|live| live.found(observation, &self.watch.status, maintenance));
    }

    /// A target that is called is settled with each probe; here the next finding may be a day away.
    pub(super) fn tell_what_was_held_back(&mut self, context: &mut Context<Self>) {
        self.sample();
        self.finish(Turn::default(), &correlation::fresh(), Then::default(), context);
    }
}

fn fault(beat: &Beat) -> Option<Failure> {
    if beat.ok {
        return None;
    }
    let said = beat.message.as_deref().map(str::trim).filter(|said| !said.is_empty()).unwrap_or(NO_WORDS);
    let message = match said.char_indices().nth(WORDS_MAX - 1) {
        Some((end, _)) if said.chars().count() > WORDS_MAX => format!("{}…", &said[..end]).into(),
        Some(_) | None => said.into(),
    };
    Some(Failure { reason: Reason::Assertion, message, code: "N/A".into() })
}

fn observation(at: Timestamp, took: Duration, failure: Option<Failure>) -> Observation {
    Observation {
        at,
        took,
        failure,
        degraded: false,
        phases: Phases::default(),
        status_code: None,
        bytes: 0,
        certificate_expires_at: None,
        retry_after: None,
        warning: None,
        provider: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_is_not_well_says_why_in_at_most_300_characters() {
        let said = |message: Option<&str>| {
            let beat = Beat { ok: false, message: message.map(Box::from), took: None };
            fault(&beat).map(|failure| failure.message.to_string()).unwrap()
        };
        assert_eq!(said(None), NO_WORDS);
        assert_eq!(said(Some("  ")), NO_WORDS);
        assert_eq!(said(Some("3 rows are missing")), "3 rows are missing");
        assert_eq!(said(Some(&"가".repeat(300))), "가".repeat(300));
        assert_eq!(said(Some(&"가".repeat(301))), format!("{}…", "가".repeat(299)));
        assert_eq!(fault(&Beat { ok: true, message: Some("x".into()), took: None }), None);
    }
}
