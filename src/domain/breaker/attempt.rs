//! Slowness is an attempt's: a call with retries is slow if one of its attempts was, and its pauses are nobody's.
//!
//! A call that says nothing of attempts is one attempt from its permit to its end. While a call pauses between two
//! attempts it is not among the calls in flight. One whose attempt was slow is slow from then on, to its end. A call with
//! a limit of its own is judged when its attempts end, and never among the calls in flight, which share the policy's limit.

use std::time::Duration;

use super::call::{Pass, Ticket};
use super::decision::Breaker;
use crate::domain::time::Moment;

/// What is known of a call's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing was said: the call is one attempt, since its permit.
    Whole,
    /// One is under way, since [`Ticket::at`].
    Running,
    /// None is under way, and none was slow.
    Between,
    /// One was slow.
    Slow,
}

impl Ticket {
    /// Whether it is a slow call if it ends at `now`.
    pub(super) fn is_slow(&self, slow_call: Duration, now: Moment) -> bool {
        match self.attempt {
            Attempt::Whole | Attempt::Running => now.since(self.at) >= self.slow_after.unwrap_or(slow_call),
            Attempt::Between => false,
            Attempt::Slow => true,
        }
    }
}

impl Breaker {
    /// An attempt of this call is slow from `limit` on, whatever the policy says of others.
    pub fn slow_after(&mut self, ticket: &mut Ticket, limit: Duration, now: Moment) {
        self.roll(now);
        if ticket.generation == self.generation {
            self.ended(ticket);
        }
        ticket.slow_after = Some(limit);
    }

    /// An attempt begins. The time from the permit to the first one does not count; one that was not said to have ended
    /// ends here. Nothing happens to a call from an earlier state.
    pub fn attempt_begins(&mut self, ticket: &mut Ticket, now: Moment) {
        self.roll(now);
        if ticket.generation != self.generation {
            return;
        }
        match ticket.attempt {
            Attempt::Whole => self.ended(ticket),
            Attempt::Running => self.attempt_ended(ticket, now),
            Attempt::Between | Attempt::Slow => {}
        }
        if ticket.attempt == Attempt::Slow {
            return;
        }
        (ticket.at, ticket.attempt) = (now, Attempt::Running);
        if ticket.pass == Pass::Counted && ticket.slow_after.is_none() {
            // Also where the calls in flight are counted anew since the last attempt.
            ticket.epoch = self.epoch;
            self.in_flight.began(now);
        }
    }

    /// An attempt has ended, and another one or the call's end follows. Nothing happens to a call from an earlier state.
    pub fn attempt_ended(&mut self, ticket: &mut Ticket, now: Moment) {
        self.roll(now);
        let under_way = matches!(ticket.attempt, Attempt::Whole | Attempt::Running);
        if ticket.generation != self.generation || !under_way {
            return;
        }
        if ticket.is_slow(self.policy.slow_call, now) {
            ticket.attempt = Attempt::Slow;
            return;
        }
        self.ended(ticket);
        ticket.attempt = Attempt::Between;
    }

    /// An attempt was made where nobody could say when it began and ended; it took `took`, and the call ends now. Only
    /// for a call whose own attempt has ended.
    pub fn attempt_took(&mut self, ticket: &mut Ticket, took: Duration, now: Moment) {
        self.roll(now);
        let between = ticket.generation == self.generation && ticket.attempt == Attempt::Between;
        if !between || took < self.policy.slow_call {
            return;
        }
        (ticket.at, ticket.attempt) = (now, Attempt::Slow);
        if ticket.pass == Pass::Counted {
            // A slow call stays among those in flight to its end.
            ticket.epoch = self.epoch;
            self.in_flight.began(now);
        }
    }

    /// It leaves the calls in flight, if it is among them.
    pub(super) fn ended(&mut self, ticket: &Ticket) {
        let has_begun = ticket.pass == Pass::Counted && ticket.attempt != Attempt::Between;
        let among_them = has_begun && ticket.slow_after.is_none();
        if among_them && ticket.epoch == self.epoch {
            self.in_flight.ended(ticket.at);
        }
    }
}
