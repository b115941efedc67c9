//! Times in which somebody works on a target, as they were announced.
//!
//! While one lasts the target is watched as ever, and its state and breaker move as ever; but nobody is told anything
//! new, and what its probes find does not count as downtime.

use super::time::Timestamp;

/// One such time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub from: Timestamp,
    /// When it is over; after `from`.
    pub until: Timestamp,
    /// Why, for people.
    pub reason: Box<str>,
}

impl Window {
    /// Whether it lasts at `now`: `[from, until)`.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// The one that lasts at `now`; of several, the one that ends last.
#[must_use]
pub fn current(windows: &[Window], now: Timestamp) -> Option<&Window> {
    windows.iter().filter(|window| window.lasts(now)).max_by_key(|window| window.until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, until: i64) -> Window {
        Window { from: Timestamp::from_nanos(from), until: Timestamp::from_nanos(until), reason: "deploy".into() }
    }

    #[test]
    fn it_begins_with_its_first_moment_and_its_end_is_over() {
        let windows = [window(10, 20)];
        let lasts = [9, 10, 19, 20].map(|now| current(&windows, Timestamp::from_nanos(now)).is_some());
        assert_eq!(lasts, [false, true, true, false]);
    }

    #[test]
    fn of_several_the_one_counts_that_ends_last() {
        let windows = [window(10, 20), window(5, 40), window(15, 30)];
        assert_eq!(current(&windows, Timestamp::from_nanos(16)), Some(&windows[1]));
        assert_eq!(current(&[], Timestamp::from_nanos(16)), None);
    }
}
