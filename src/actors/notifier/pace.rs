//! When a group's messages leave.
//!
//! Pure. Detection of one outage spreads over a probe's interval and more, so a group that still grows is waited for,
//! within a limit: people get one message of it and not one now and the rest after `group_interval`.

use std::time::Duration;

use crate::config::channel::Grouping;
use crate::domain::time::Timestamp;

/// How long a group waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Before its first message: for so long in any case, up to twice as long while the group grows.
    pub(super) wait: Duration,
    /// From one message to the next.
    pub(super) interval: Duration,
}

impl From<&Grouping> for Pace {
    fn from(grouping: &Grouping) -> Self {
        Self { wait: grouping.wait, interval: grouping.interval }
    }
}

impl Pace {
    /// When a group may leave whose oldest message waits since `first` and whose newest came at `newest`; its last one
    /// left at `last_left`.
    ///
    /// A first message leaves `wait` after the oldest; where the group still grew in the second half of that, once
    /// nothing new came for half of `wait`, and at most twice `wait` after the oldest. What comes within `interval`
    /// after a message waits for its end, and for `wait` at least.
    pub(super) fn leaves_at(self, first: Timestamp, newest: Timestamp, last_left: Option<Timestamp>) -> Timestamp {
        let earliest = first.plus(self.wait);
        match last_left.map(|left| left.plus(self.interval)).filter(|next| *next > first) {
            Some(next) => next.max(earliest),
            None => newest.plus(self.wait / 2).clamp(earliest, earliest.plus(self.wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { wait: Duration::from_secs(10), interval: Duration::from_secs(300) };
    const START: Timestamp = Timestamp::from_nanos(1_717_236_000_000_000_000);

    /// Seconds after the oldest message, for a group that grew until then.
    #[track_caller]
    fn check(pace: Pace, grew_until: u64, last_left: Option<i64>, expected: u64) {
        let last_left = last_left.map(|second| Timestamp::from_nanos(START.as_nanos() + second * 1_000_000_000));
        let found = pace.leaves_at(START, START.plus(Duration::from_secs(grew_until)), last_left);
        assert_eq!(found, START.plus(Duration::from_secs(expected)), "{grew_until} {last_left:?}");
    }

    #[test]
    fn one_message_alone_leaves_after_exactly_the_wait() {
        check(PACE, 0, None, 10);
    }

    #[test]
    fn a_group_that_grew_in_the_first_half_only_leaves_after_the_wait() {
        check(PACE, 5, None, 10);
    }

    #[test]
    fn a_group_that_grows_leaves_once_nothing_came_for_half_of_the_wait() {
        check(PACE, 6, None, 11);
        check(PACE, 13, None, 18);
    }

    #[test]
    fn a_group_that_does_not_stop_growing_leaves_after_twice_the_wait() {
        check(PACE, 15, None, 20);
        check(PACE, 3_600, None, 20);
    }

    #[test]
    fn within_the_interval_after_a_message_the_next_one_waits_for_its_end_however_it_grows() {
        check(PACE, 0, Some(-10), 290);
        check(PACE, 289, Some(-10), 290);
        check(PACE, 9, Some(-299), 10);
    }

    #[test]
    fn after_the_interval_a_message_is_a_first_one_again() {
        check(PACE, 8, Some(-300), 13);
    }

    #[test]
    fn without_a_wait_nothing_waits() {
        check(Pace { wait: Duration::ZERO, ..PACE }, 0, None, 0);
    }
}
