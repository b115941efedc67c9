//! The retry budget: how many retries there may be beside the calls of the last 10 s.
//!
//! Calls and retries are counted in slices of a second. A retry is counted when it is decided on, not when it begins, so
//! that a thousand calls that fail together do not all find the budget whole.

use std::time::Duration;

use super::policy::RetryBudget;
use crate::domain::time::Moment;

/// How far back calls and retries count: as long as deposits live in Finagle's retry budget.
pub const RETRY_WINDOW: Duration = Duration::from_secs(10);
/// A slice is a second; the one that is being filled is one of them.
const SLICES: usize = RETRY_WINDOW.as_secs() as usize;
const SLICE_NANOS: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Slice {
    second: u64,
    calls: u64,
    retries: u64,
}

/// The calls and retries of the last 10 s, in whole seconds of a [`Moment`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryWindow {
    slices: [Slice; SLICES],
}

impl RetryWindow {
    /// The slice that `now` falls into, as [`RetryWindow::calls_began`] takes it.
    #[must_use]
    pub const fn second(now: Moment) -> u64 {
        now.as_nanos() / SLICE_NANOS
    }

    /// So many calls began in this second. They may be told late, and are forgotten if that is by ten seconds.
    pub fn calls_began(&mut self, second: u64, calls: u64) {
        if let Some(slice) = self.slice(second) {
            slice.calls += calls;
        }
    }

    /// Takes a retry; `false`, and nothing is taken, if none is left.
    #[must_use]
    pub fn take_retry(&mut self, budget: &RetryBudget, now: Moment) -> bool {
        let second = Self::second(now);
        let (calls, retries) = self.totals(second);
        let allowed = f64::from(budget.minimum) + budget.ratio * calls as f64;
        if (retries + 1) as f64 > allowed {
            return false;
        }
        let Some(slice) = self.slice(second) else { return false };
        slice.retries += 1;
        true
    }

    fn totals(&self, second: u64) -> (u64, u64) {
        let recent = self.slices.iter().filter(|slice| slice.second + SLICES as u64 > second);
        recent.fold((0, 0), |(calls, retries), slice| (calls + slice.calls, retries + slice.retries))
    }

    /// The slice of a second, emptied if it held an older one; `None` if it holds a newer one.
    fn slice(&mut self, second: u64) -> Option<&mut Slice> {
        let slice = &mut self.slices[(second % SLICES as u64) as usize];
        if slice.second < second {
            *slice = Slice { second, ..Slice::default() };
        }
        (slice.second == second).then_some(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: RetryBudget = RetryBudget { ratio: 0.2, minimum: 3 };

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * SLICE_NANOS)
    }

    fn retries_left(window: &mut RetryWindow, budget: &RetryBudget, now: Moment) -> usize {
        std::iter::repeat_with(|| window.take_retry(budget, now)).take_while(|taken| *taken).count()
    }

    #[test]
    fn without_calls_there_is_the_minimum() {
        assert_eq!(retries_left(&mut RetryWindow::default(), &BUDGET, at(0)), 3);
        let none = RetryBudget { ratio: 0.0, minimum: 0 };
        let mut window = RetryWindow::default();
        window.calls_began(0, 1_000);
        assert_eq!(retries_left(&mut window, &none, at(0)), 0);
    }

    #[test]
    fn a_hundred_calls_pay_for_twenty_retries_more() {
        let mut window = RetryWindow::default();
        window.calls_began(5, 60);
        window.calls_began(7, 40);
        assert_eq!(retries_left(&mut window, &BUDGET, at(9)), 23);
        assert_eq!(retries_left(&mut window, &BUDGET, at(9)), 0, "they are taken");
    }

    #[test]
    fn calls_and_retries_are_forgotten_after_ten_seconds() {
        let mut window = RetryWindow::default();
        window.calls_began(0, 100);
        assert_eq!(retries_left(&mut window, &BUDGET, at(0)), 23);
        assert_eq!(retries_left(&mut window, &BUDGET, at(9)), 0);
        assert_eq!(retries_left(&mut window, &BUDGET, at(10)), 3);
        window.calls_began(10, 100);
        assert_eq!(retries_left(&mut window, &BUDGET, at(10)), 20);
    }

    #[test]
    fn calls_told_late_count_for_their_second_and_those_told_too_late_not_at_all() {
        let mut window = RetryWindow::default();
        window.calls_began(20, 10);
        window.calls_began(19, 10);
        window.calls_began(10, 1_000_000);
        assert_eq!(retries_left(&mut window, &BUDGET, at(20)), 7);
    }
}
