//! Whether a channel answers at all, and when it is tried again where it does not.
//!
//! Pure. Each message has a back-off of its own ([`Delivery::after`](crate::domain::delivery::Delivery::after)). That is
//! enough where one message is refused and the others are not. A channel that is down fails all of them: thousands of
//! lines that each try for themselves would keep it busy while it is down, and wait for up to five minutes each once it
//! is back. So there is a second back-off beside, of the channel:
//!
//! - It is down when attempts of two different lines failed one after the other. A line that fails alone says nothing
//!   of the channel: it may be its message.
//! - While it is down one message at a time is tried, after a pause that grows as a message's does, to five minutes.
//! - Any answer that is no "try again" ends it: whatever waited for its own next attempt is then due at once.
//! - A receiver that asks for a pause gets it from all lines.

use std::time::Duration;

use super::lines::Line;
use crate::domain::delivery::{GIVE_UP_ATTEMPTS, pause};
use crate::domain::time::Timestamp;

/// Lines of one channel that are busy at a time: enough to empty a queue of thousands in seconds, few enough for any
/// receiver.
pub(super) const AT_ONCE: usize = 8;

/// One channel's.
#[derive(Debug)]
pub(super) struct Health {
    /// The line that failed last, where nothing was answered since.
    failed: Option<Line>,
    /// Failures since it is down, those of attempts that began together as one; 0 while it is not.
    strikes: u32,
    /// While it is down: when it is tried again.
    retry_at: Timestamp,
    /// The receiver asked for quiet until then.
    quiet_until: Timestamp,
}

impl Default for Health {
    fn default() -> Self {
        Self { failed: None, strikes: 0, retry_at: Timestamp::MIN, quiet_until: Timestamp::MIN }
    }
}

impl Health {
    /// An attempt of this line is to be repeated.
    pub(super) fn failed(&mut self, line: &Line, asked: Option<Duration>, jitter: f64, now: Timestamp) {
        if let Some(asked) = asked {
            self.quiet_until = self.quiet_until.max(now.plus(asked));
        }
        if now < self.retry_at {
            // It began before this pause did.
            return;
        }
        match &self.failed {
            None => self.failed = Some(line.clone()),
            Some(same) if self.strikes == 0 && same == line => {}
            Some(_) => {
                self.strikes = self.strikes.saturating_add(1);
                self.retry_at = now.plus(pause(self.strikes, jitter));
            }
        }
    }

    /// The receiver answered; whether it was down until now.
    pub(super) fn answered(&mut self) -> bool {
        let was_down = self.is_down();
        *self = Self { quiet_until: self.quiet_until, ..Self::default() };
        was_down
    }

    /// Somebody wants it tried now.
    pub(super) const fn hurry(&mut self) {
        (self.retry_at, self.quiet_until) = (Timestamp::MIN, Timestamp::MIN);
    }

    pub(super) const fn is_down(&self) -> bool {
        self.strikes > 0
    }

    /// Whether it was tried so often since it is down that a message may be given up for it.
    pub(super) const fn is_down_for_long(&self) -> bool {
        self.strikes >= GIVE_UP_ATTEMPTS
    }

    /// The clock was set back: pauses are as long as they were.
    pub(super) fn set_back(&mut self, by: Duration) {
        (self.retry_at, self.quiet_until) = (self.retry_at.minus(by), self.quiet_until.minus(by));
    }

    /// How many lines may be busy.
    pub(super) const fn at_once(&self) -> usize {
        if self.is_down() { 1 } else { AT_ONCE }
    }

    /// Nothing is tried before this.
    pub(super) fn not_before(&self) -> Timestamp {
        self.retry_at.max(self.quiet_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::LONGEST_PAUSE;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(1_717_236_000_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn line(number: u64) -> Line {
        Line::Incident(number)
    }

    fn fails(health: &mut Health, number: u64, second: u64) {
        health.failed(&line(number), None, 1.0, at(second));
    }

    #[test]
    fn a_line_that_fails_alone_says_nothing_of_the_channel() {
        let mut health = Health::default();
        for second in 0..100 {
            fails(&mut health, 1, second);
        }
        assert_eq!((health.at_once(), health.not_before()), (AT_ONCE, Timestamp::MIN));
        assert!(!health.answered());
    }

    #[test]
    fn two_lines_that_fail_one_after_the_other_do_and_then_one_is_tried_at_a_time() {
        let mut health = Health::default();
        fails(&mut health, 1, 0);
        fails(&mut health, 2, 0);
        assert_eq!((health.at_once(), health.not_before()), (1, at(1)));
        fails(&mut health, 1, 1);
        assert_eq!(health.not_before(), at(3), "each pause is twice the one before");
        assert!(health.answered());
        assert_eq!((health.at_once(), health.not_before()), (AT_ONCE, Timestamp::MIN));
    }

    #[test]
    fn attempts_that_began_together_are_one_failure() {
        let mut health = Health::default();
        for number in 0..AT_ONCE as u64 {
            fails(&mut health, number, 10);
        }
        assert_eq!(health.not_before(), at(11));
    }

    #[test]
    fn no_pause_is_longer_than_five_minutes() {
        let mut health = Health::default();
        fails(&mut health, 1, 0);
        let mut now = at(0);
        for _ in 0..240 {
            health.failed(&line(2), None, 1.0, now);
            assert!(health.not_before().since(now) <= LONGEST_PAUSE);
            now = health.not_before();
        }
        assert_eq!(
            health.not_before().since(at(0)).as_secs() / 3_600,
            19,
            "as many attempts as 20 hours have room for"
        );
    }

    #[test]
    fn a_pause_that_the_receiver_asks_for_is_kept_also_after_an_answer() {
        let mut health = Health::default();
        health.failed(&line(1), Some(Duration::from_secs(30)), 1.0, at(0));
        assert_eq!((health.at_once(), health.not_before()), (AT_ONCE, at(30)));
        assert!(!health.answered());
        assert_eq!(health.not_before(), at(30));
        health.hurry();
        assert_eq!(health.not_before(), Timestamp::MIN);
    }
}
