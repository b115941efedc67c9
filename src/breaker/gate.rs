//! What callers hold: asks for a call, and takes its outcome.
//!
//! Closed and quiet, a call costs two atomic steps in the thread's own stripe and takes no lock; open, it is refused
//! without one. A call that may change what is decided (a failure, a slow call, a trial, the first of a time slice) takes
//! the breaker's small lock. Time is the caller's argument.

use std::sync::Arc;
use std::time::Duration;

use super::shared::{Admission, Shared, Word};
use super::stripes::{BEGAN, ENDED_WELL, GOOD, LEFT};
use crate::domain::breaker::{Attempt, Outcome, Pass, Refusal, Rejected, Ticket, View};
use crate::domain::time::Moment;

/// Lets calls to one target pass, or not. Cheap to clone; all clones are one gate.
#[derive(Debug, Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

impl Gate {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Asks for a call.
    ///
    /// # Errors
    /// [`Rejected`] with when to ask again.
    #[inline]
    pub fn acquire(&self, now: Moment) -> Result<Permit<'_>, Rejected> {
        let ticket = self.shared.acquire(now)?;
        Ok(Permit { gate: Holder::Borrowed(&self.shared), ticket: Some(ticket) })
    }

    /// As [`Gate::acquire`], for a permit that outlives the place it was asked in.
    ///
    /// # Errors
    /// [`Rejected`] with when to ask again.
    pub fn acquire_owned(&self, now: Moment) -> Result<Permit<'static>, Rejected> {
        let ticket = self.shared.acquire(now)?;
        Ok(Permit { gate: Holder::Owned(Arc::clone(&self.shared)), ticket: Some(ticket) })
    }
}

impl Gate {
    /// Whether a call would be refused whoever else calls: the breaker is open. Who must do something first that costs,
    /// such as reading what is to be sent, asks before. A refusal is counted; anything else says nothing, and the call
    /// is still to be asked for.
    #[must_use]
    pub fn refuses(&self, now: Moment) -> Option<Rejected> {
        let Admission::Refused(reason) = self.shared.word().admission() else { return None };
        Some(self.shared.refuse(reason, now))
    }
}

/// What every call runs is small enough to be built into its caller; what takes the lock is kept out of it.
impl Shared {
    #[inline]
    fn acquire(&self, now: Moment) -> Result<Ticket, Rejected> {
        let word = self.word();
        let counted = word.admission() == Admission::Counted;
        if counted && self.is_quiet(now) && self.stripes.add(self.cell(now), BEGAN, word.epoch()) {
            return Ok(word.ticket(Pass::Counted, now));
        }
        self.acquire_with_care(word, now)
    }

    #[inline(never)]
    fn acquire_with_care(&self, word: Word, now: Moment) -> Result<Ticket, Rejected> {
        match word.admission() {
            Admission::Counted | Admission::Ask => self.decide(|core| core.acquire(now)),
            Admission::Uncounted => {
                self.uncounted_call(now);
                Ok(word.ticket(Pass::Uncounted, now))
            }
            Admission::Refused(reason) => Err(self.refuse(reason, now)),
        }
    }

    fn refuse(&self, reason: Refusal, now: Moment) -> Rejected {
        self.uncounted_call(now);
        self.aside.refused(reason);
        self.rejected(reason, now)
    }

    #[inline]
    fn done(&self, ticket: &Ticket, outcome: Outcome, now: Moment) {
        let change = match ticket.attempt {
            Attempt::Whole | Attempt::Running if self.is_slow(ticket, now) => 0,
            Attempt::Whole | Attempt::Running if ticket.slow_after.is_none() => ENDED_WELL,
            Attempt::Whole | Attempt::Running | Attempt::Between => GOOD,
            Attempt::Slow => 0,
        };
        let unremarkable = change != 0 && outcome == Outcome::Success && self.counts_quietly(ticket, now);
        if unremarkable && self.stripes.add(self.cell(ticket.at), change, ticket.epoch) {
            return;
        }
        self.done_with_care(ticket, outcome, now);
    }

    /// Whether what becomes of the call may be counted in the stripes alone, if nothing about it is bad.
    #[inline]
    fn counts_quietly(&self, ticket: &Ticket, now: Moment) -> bool {
        ticket.pass == Pass::Counted && self.word().generation() == ticket.generation && self.is_quiet(now)
    }

    fn slow_after(&self, ticket: &mut Ticket, limit: Duration, now: Moment) {
        let is_fresh = ticket.attempt == Attempt::Whole && ticket.slow_after.is_none();
        let unremarkable = is_fresh && !self.is_slow(ticket, now) && self.counts_quietly(ticket, now);
        if unremarkable && self.stripes.add(self.cell(ticket.at), LEFT, ticket.epoch) {
            ticket.slow_after = Some(limit);
        } else {
            self.decide(|core| core.breaker.slow_after(ticket, limit, now));
        }
    }

    /// The first attempt of a call begins with the call, nearly always: then only the ticket learns of it.
    fn attempt_begins(&self, ticket: &mut Ticket, now: Moment) {
        let stays = self.word().epoch() == ticket.epoch && self.in_one_bucket(ticket.at, now);
        if ticket.attempt == Attempt::Whole && stays {
            (ticket.at, ticket.attempt) = (now, Attempt::Running);
        } else if self.concerns(ticket) {
            self.decide(|core| core.breaker.attempt_begins(ticket, now));
        }
    }

    fn attempt_ended(&self, ticket: &mut Ticket, now: Moment) {
        let under_way = matches!(ticket.attempt, Attempt::Whole | Attempt::Running);
        let unremarkable = under_way && !self.is_slow(ticket, now) && self.counts_quietly(ticket, now);
        let is_in_flight = ticket.slow_after.is_none();
        if unremarkable && (!is_in_flight || self.stripes.add(self.cell(ticket.at), LEFT, ticket.epoch)) {
            ticket.attempt = Attempt::Between;
        } else if under_way && self.concerns(ticket) {
            self.decide(|core| core.breaker.attempt_ended(ticket, now));
        }
    }

    fn done_after(&self, ticket: &mut Ticket, outcome: Outcome, took: Duration, now: Moment) {
        if self.concerns(ticket) {
            self.decide(|core| core.breaker.attempt_took(ticket, took, now));
        }
        self.done(ticket, outcome, now);
    }

    #[inline(never)]
    fn done_with_care(&self, ticket: &Ticket, outcome: Outcome, now: Moment) {
        if !self.concerns(ticket) {
            return self.aside.ended(outcome);
        }
        self.decide(|core| {
            let draw = core.draw();
            if let Some(transition) = core.breaker.done(ticket, outcome, draw, now) {
                core.decided(transition);
            }
        });
    }

    #[inline(never)]
    fn dropped(&self, ticket: &Ticket) {
        match (self.concerns(ticket), std::thread::panicking()) {
            (false, false) => self.aside.cancelled(),
            (false, true) => self.aside.ended(Outcome::Failure),
            (true, false) => self.decide(|core| core.breaker.cancelled(ticket)),
            (true, true) => self.decide(|core| {
                // Nobody is left to say when, so it failed at the latest moment the breaker knows of.
                let now = core.breaker.latest().max(ticket.at);
                let draw = core.draw();
                if let Some(transition) = core.breaker.done(ticket, Outcome::Failure, draw, now) {
                    core.decided(transition);
                }
            }),
        }
    }

    fn concerns(&self, ticket: &Ticket) -> bool {
        ticket.pass != Pass::Uncounted && ticket.generation == self.word().generation()
    }
}

impl Gate {
    /// A call was made without a permit, took `took`, and ended at `now`. It counts in the window while the breaker is
    /// closed; in half-open it is no trial, and while it is open it says nothing.
    pub fn observe(&self, outcome: Outcome, took: Duration, now: Moment) {
        self.shared.decide(|core| {
            let draw = core.draw();
            if let Some(transition) = core.breaker.observed(outcome, took, draw, now) {
                core.decided(transition);
            }
        });
    }

    /// As [`Gate::observe`], for many calls in their order.
    pub fn observe_all(&self, calls: impl IntoIterator<Item = (Outcome, Duration)>, now: Moment) {
        let mut calls = calls.into_iter().peekable();
        if calls.peek().is_none() {
            return;
        }
        self.shared.decide(|core| {
            for (outcome, took) in calls {
                let draw = core.draw();
                if let Some(transition) = core.breaker.observed(outcome, took, draw, now) {
                    core.decided(transition);
                }
            }
        });
    }

    /// How often the lock was taken, by anybody.
    #[cfg(test)]
    pub(super) fn locked(&self) -> u64 {
        self.shared.locked.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The breaker at `now`, for those who only look.
    #[must_use]
    pub fn view(&self, now: Moment) -> View {
        self.shared.decide(|core| core.breaker.view(now))
    }
}

/// A call that may be made, once. Dropped, it was cancelled: nothing is counted, and a trial can be handed out again.
/// Dropped by a panic, it failed.
#[derive(Debug)]
#[must_use = "a permit that is dropped was a cancelled call; report how it ended with `done`"]
pub struct Permit<'gate> {
    gate: Holder<'gate>,
    ticket: Option<Ticket>,
}

#[derive(Debug)]
enum Holder<'gate> {
    Borrowed(&'gate Shared),
    Owned(Arc<Shared>),
}

impl Holder<'_> {
    fn shared(&self) -> &Shared {
        match self {
            Self::Borrowed(shared) => shared,
            Self::Owned(shared) => shared,
        }
    }
}

impl Permit<'_> {
    /// The call has ended. If the state has changed since it began, this says nothing about the new one and is ignored.
    #[inline]
    pub fn done(mut self, outcome: Outcome, now: Moment) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.shared().done(&ticket, outcome, now);
        }
    }

    /// An attempt of this call is slow from `limit` on, whatever the policy says of others: to be told before the first
    /// one. Such a call is judged when its attempts end; while it hangs it is not seen among the calls in flight.
    pub fn slow_after(&mut self, limit: Duration, now: Moment) {
        if let Some(ticket) = &mut self.ticket {
            self.gate.shared().slow_after(ticket, limit, now);
        }
    }

    /// An attempt of this call begins. The slowest attempt says whether the call is slow, and the time before the first
    /// one and between two does not count. A call that never says so is one attempt from its permit to its end.
    pub fn attempt_begins(&mut self, now: Moment) {
        if let Some(ticket) = &mut self.ticket {
            self.gate.shared().attempt_begins(ticket, now);
        }
    }

    /// The attempt has ended. The call has not, until [`Permit::done`].
    pub fn attempt_ended(&mut self, now: Moment) {
        if let Some(ticket) = &mut self.ticket {
            self.gate.shared().attempt_ended(ticket, now);
        }
    }

    /// The call was made elsewhere, took `took`, and is reported at `now`, whenever that is. As [`Permit::done`] for a
    /// permit whose attempt was ended when it was handed out.
    pub fn done_after(mut self, outcome: Outcome, took: Duration, now: Moment) {
        if let Some(mut ticket) = self.ticket.take() {
            self.gate.shared().done_after(&mut ticket, outcome, took, now);
        }
    }

    /// Whether this is one of half-open's trials.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.pass == Pass::Trial)
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.shared().dropped(&ticket);
        }
    }
}
