//! One message to one channel: queued with the decision that made it due, tried until it arrives or is given up.

use std::sync::Arc;
use std::time::Duration;

use super::alert::Severity;
use super::failure_history::FailureType;
use super::id::{CorrelationId, DeliveryId, HistoryId, IncidentId};
use super::time::Timestamp;

/// The first pause after a failed attempt.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest pause that a receiver is given which asks for one.
pub const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);
/// After this time a message that could not be delivered becomes a dead letter.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// But not before so many attempts, which take minutes: a clock that was set forward is no day of trying.
pub const GIVE_UP_ATTEMPTS: u32 = 10;

/// What is said. It is stored; each channel renders it for itself, always to the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An incident began.
    Firing(Alert),
    /// It still lasts.
    Reminder(Alert),
    /// It got worse, or nobody acknowledged it in time.
    Escalated(Alert),
    /// It is over.
    Resolved {
        /// Which.
        alert: Alert,
        /// Since when.
        until: Timestamp,
    },
    /// An application reported a failure.
    FailureRecorded {
        /// Which.
        history: HistoryId,
        /// The kind of system.
        failure_type: FailureType,
        /// Which system.
        target: Arc<str>,
        /// How bad a failure of it is.
        severity: Severity,
        /// What is known.
        cause: Box<str>,
        /// When.
        occurred_at: Timestamp,
    },
    /// Several of the above that waited together, for one channel.
    Grouped(Group),
}

/// Messages of a group that are told one by one; of more only the number is.
pub const GROUP_TOLD: usize = 100;

/// Several messages that leave as one. What is joined is decided once and stored before the first attempt, so that a
/// retry is the same to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they have in common.
    pub of: Of,
    /// What they are grouped by, in words: a target's name, `payments, critical`; empty for everything.
    pub name: Box<str>,
    /// How many are told.
    pub count: u32,
    /// The first of them, at most [`GROUP_TOLD`], in the order in which they were queued; none is a group itself.
    pub messages: Vec<Message>,
    /// All of them in this order, and then those that need not be told beside them, since an incident that began and
    /// ended while it waited is told by its end: their own entries wait with this one, and what becomes of it becomes
    /// of them.
    pub members: Vec<DeliveryId>,
}

/// What the messages of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    /// Something is wrong: firing, reminder, escalated.
    Trouble,
    /// It is over: resolved.
    Ends,
    /// Reported failures.
    Reports,
}

impl Message {
    /// With which others it may leave as one; `None` for a group, which is whole.
    #[must_use]
    pub const fn of(&self) -> Option<Of> {
        match self {
            Self::Firing(_) | Self::Reminder(_) | Self::Escalated(_) => Some(Of::Trouble),
            Self::Resolved { .. } => Some(Of::Ends),
            Self::FailureRecorded { .. } => Some(Of::Reports),
            Self::Grouped(_) => None,
        }
    }

    /// The incident that it speaks of.
    #[must_use]
    pub const fn alert(&self) -> Option<&Alert> {
        match self {
            Self::Firing(alert) | Self::Reminder(alert) | Self::Escalated(alert) | Self::Resolved { alert, .. } => {
                Some(alert)
            }
            Self::FailureRecorded { .. } | Self::Grouped(_) => None,
        }
    }

    /// The system that it speaks of; `None` for a group.
    #[must_use]
    pub const fn target(&self) -> Option<&Arc<str>> {
        match self {
            Self::Firing(alert) | Self::Reminder(alert) | Self::Escalated(alert) | Self::Resolved { alert, .. } => {
                Some(&alert.target)
            }
            Self::FailureRecorded { target, .. } => Some(target),
            Self::Grouped(_) => None,
        }
    }

    /// The word for it in lists.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Firing(_) => "firing",
            Self::Reminder(_) => "reminder",
            Self::Escalated(_) => "escalated",
            Self::Resolved { .. } => "resolved",
            Self::FailureRecorded { .. } => "failure",
            Self::Grouped(_) => "group",
        }
    }
}

/// What a message says of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub incident: IncidentId,
    /// How bad.
    pub severity: Severity,
    /// Which system.
    pub target: Arc<str>,
    /// Why, in words.
    pub cause: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Where a person can acknowledge it, signed. Not stored: put in when it is sent, always the same.
    pub acknowledge: Option<Box<str>>,
}

/// An entry of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Given once; the receiver's key, the same in every attempt.
    pub id: DeliveryId,
    /// How many channels the notice goes to, this one included.
    pub siblings: u8,
    /// To whom: a channel's name in the config.
    pub channel: Arc<str>,
    /// What.
    pub message: Message,
    /// The history whose `notified` this speaks of.
    pub history: Option<HistoryId>,
    /// The outage's or the request's correlation.
    pub correlation: CorrelationId,
    /// Since when it waits.
    pub queued_at: Timestamp,
    /// Since when it is tried: since it waits, or since somebody had a dead letter sent again.
    pub tried_since: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this.
    pub next_attempt_at: Timestamp,
    /// What the last attempt said.
    pub last_error: Option<Box<str>>,
}

/// What an attempt to deliver came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It may work later.
    Transient {
        /// The receiver's words, or ours.
        error: Box<str>,
        /// The receiver asked for this pause.
        retry_after: Option<Duration>,
    },
    /// It will never work.
    Permanent {
        /// The receiver's words, or ours.
        error: Box<str>,
    },
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is done and leaves the outbox.
    Done,
    /// It waits for its next attempt.
    Wait(Delivery),
    /// It is a dead letter.
    Dead(Delivery),
}

impl Delivery {
    /// A dead letter, or one that waits, as if it had just been queued; to the receiver it is the same message.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Self {
        Self { tried_since: now, attempts: 0, next_attempt_at: now, last_error: None, ..self }
    }

    /// When it is due. A time that lies further ahead than any pause is long was set by a clock that has been set back
    /// since; then it is due now.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Timestamp {
        let longest = if self.attempts == 0 { Duration::ZERO } else { LONGEST_ASKED };
        if self.next_attempt_at.since(now) > longest { now } else { self.next_attempt_at }
    }

    /// What becomes of it. `jitter` in 0..=1 spreads the pause over its upper half.
    #[must_use]
    pub fn after(mut self, outcome: Outcome, jitter: f64, now: Timestamp) -> Next {
        self.attempts = self.attempts.saturating_add(1);
        match outcome {
            Outcome::Delivered => Next::Done,
            Outcome::Permanent { error } => {
                self.last_error = Some(error);
                Next::Dead(self)
            }
            Outcome::Transient { error, retry_after } => {
                self.last_error = Some(error);
                let asked = retry_after.unwrap_or(Duration::ZERO).min(LONGEST_ASKED);
                self.next_attempt_at = now.plus(pause(self.attempts, jitter).max(asked));
                let too_long = self.next_attempt_at.since(self.tried_since) > GIVE_UP_AFTER;
                if too_long && self.attempts >= GIVE_UP_ATTEMPTS { Next::Dead(self) } else { Next::Wait(self) }
            }
        }
    }
}

/// The pause after so many failed attempts: [`FIRST_PAUSE`], doubled each time, at most [`LONGEST_PAUSE`]. `jitter` in
/// 0..=1 spreads it over its upper half.
#[must_use]
pub fn pause(attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::id::NoticeId;
    use super::*;

    const QUEUED_AT: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);

    fn waiting() -> Delivery {
        let alert = Alert {
            incident: IncidentId(7),
            severity: Severity::Critical,
            target: "PG_KCP".into(),
            cause: "3 probes in a row failed".into(),
            since: QUEUED_AT,
            acknowledge: None,
        };
        Delivery {
            id: DeliveryId { notice: NoticeId(41), ordinal: 0 },
            siblings: 1,
            channel: "ops".into(),
            message: Message::Firing(alert),
            history: None,
            correlation: CorrelationId::new("c"),
            queued_at: QUEUED_AT,
            tried_since: QUEUED_AT,
            attempts: 0,
            next_attempt_at: QUEUED_AT,
            last_error: None,
        }
    }

    fn transient(retry_after: Option<Duration>) -> Outcome {
        Outcome::Transient { error: "503".into(), retry_after }
    }

    /// After `attempts` failed attempts, the pause that the next failed one asks for.
    #[track_caller]
    fn pause_after(attempts: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
        let delivery = Delivery { attempts, ..waiting() };
        match delivery.after(transient(retry_after), jitter, QUEUED_AT) {
            Next::Wait(delivery) => delivery.next_attempt_at.since(QUEUED_AT),
            Next::Done | Next::Dead(_) => panic!("it waits"),
        }
    }

    #[test]
    fn what_arrived_leaves_the_outbox() {
        assert_eq!(waiting().after(Outcome::Delivered, 0.5, QUEUED_AT), Next::Done);
    }

    #[test]
    fn pauses_double_from_one_second_to_five_minutes() {
        let seconds: Vec<u64> = (0..12).map(|attempts| pause_after(attempts, 1.0, None).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pause_after(u32::MAX, 1.0, None), LONGEST_PAUSE);
    }

    #[test]
    fn jitter_spreads_a_pause_over_its_upper_half() {
        for attempts in [0, 3, 20] {
            let whole = pause_after(attempts, 1.0, None);
            assert_eq!(pause_after(attempts, 0.0, None), whole / 2);
            assert_eq!(pause_after(attempts, 0.5, None), whole * 3 / 4);
        }
    }

    #[test]
    fn jitter_out_of_its_range_is_held_in_it() {
        assert_eq!(pause_after(0, -3.0, None), FIRST_PAUSE / 2);
        assert_eq!(pause_after(0, 7.0, None), FIRST_PAUSE);
    }

    #[test]
    fn a_receivers_pause_is_kept_where_it_is_the_longer_one() {
        assert_eq!(pause_after(0, 1.0, Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(pause_after(8, 1.0, Some(Duration::from_secs(90))), Duration::from_secs(256));
    }

    #[test]
    fn a_failed_attempt_is_counted_and_its_words_are_kept() {
        let Next::Wait(delivery) = waiting().after(transient(None), 1.0, QUEUED_AT) else { panic!("it waits") };
        assert_eq!((delivery.attempts, delivery.last_error.as_deref()), (1, Some("503")));
        let unchanged = Delivery { attempts: 0, next_attempt_at: QUEUED_AT, last_error: None, ..delivery };
        assert_eq!(unchanged, waiting());
    }

    #[test]
    fn after_24_hours_it_is_a_dead_letter() {
        let day = GIVE_UP_AFTER;
        let last = QUEUED_AT.plus(day).minus(LONGEST_PAUSE);
        let tried = |attempts| Delivery { attempts, ..waiting() };
        assert!(matches!(tried(9).after(transient(None), 1.0, last), Next::Wait(_)));

        let too_late = last.plus(Duration::from_nanos(1));
        let Next::Dead(delivery) = tried(9).after(transient(None), 1.0, too_late) else { panic!("it is dead") };
        assert_eq!((delivery.attempts, delivery.last_error.as_deref()), (10, Some("503")));
    }

    #[test]
    fn a_dead_letter_that_is_sent_again_has_another_24_hours_and_is_the_same_message() {
        let later = QUEUED_AT.plus(2 * GIVE_UP_AFTER);
        let dead = Delivery { attempts: 300, last_error: Some("503".into()), ..waiting() };
        let again = dead.again(later);
        assert_eq!((again.id, again.queued_at, again.attempts), (waiting().id, QUEUED_AT, 0));
        assert!(matches!(again.after(transient(None), 1.0, later), Next::Wait(_)));
    }

    #[test]
    fn a_clock_that_was_set_forward_kills_nothing_that_was_hardly_tried() {
        let later = QUEUED_AT.plus(30 * GIVE_UP_AFTER);
        for attempts in 0..GIVE_UP_ATTEMPTS - 1 {
            let delivery = Delivery { attempts, ..waiting() };
            assert!(matches!(delivery.after(transient(None), 1.0, later), Next::Wait(_)), "{attempts}");
        }
    }

    #[test]
    fn what_a_clock_that_was_set_back_made_due_in_hours_is_due_now() {
        let (hour, nano) = (LONGEST_ASKED, Duration::from_nanos(1));
        let tried = Delivery { attempts: 1, next_attempt_at: QUEUED_AT.plus(hour), ..waiting() };
        assert_eq!(tried.due(QUEUED_AT), QUEUED_AT.plus(hour));
        let before = QUEUED_AT.minus(nano);
        assert_eq!((tried.due(before), waiting().due(before)), (before, before));
        assert_eq!(waiting().due(QUEUED_AT.plus(hour)), QUEUED_AT);
    }

    #[test]
    fn a_clock_that_was_set_back_kills_nothing() {
        let before = QUEUED_AT.minus(GIVE_UP_AFTER);
        assert!(matches!(waiting().after(transient(None), 1.0, before), Next::Wait(_)));
    }

    #[test]
    fn what_will_never_work_is_a_dead_letter_at_once() {
        let outcome = Outcome::Permanent { error: "404 Not Found".into() };
        let Next::Dead(delivery) = waiting().after(outcome, 0.5, QUEUED_AT) else { panic!("it is dead") };
        assert_eq!((delivery.attempts, delivery.last_error.as_deref()), (1, Some("404 Not Found")));
    }
}
