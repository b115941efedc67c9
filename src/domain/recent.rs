//! Which of the latest attempts failed, for who calls a target down after m of n and not after m in a row.
//!
//! In memory only: a process that starts knows of no attempt, and counts anew.

/// The longest window, in attempts.
pub const WINDOW_MAX: u32 = u64::BITS;

/// The latest attempts, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recent(u64);

impl Recent {
    /// One more.
    pub const fn attempted(&mut self, ok: bool) {
        self.0 = self.0 << 1 | !ok as u64;
    }

    /// How many of the latest `window` attempts failed.
    #[must_use]
    pub const fn failed_of(self, window: u32) -> u32 {
        let kept = if window >= WINDOW_MAX { u64::MAX } else { (1 << window) - 1 };
        (self.0 & kept).count_ones()
    }

    /// An outage is over: what failed before and in it is not held against the target.
    pub const fn forget(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(attempts: &str) -> Recent {
        let mut recent = Recent::default();
        attempts.bytes().for_each(|attempt| recent.attempted(attempt == b'+'));
        recent
    }

    #[test]
    fn only_the_attempts_of_the_window_count() {
        assert_eq!(recent("").failed_of(5), 0);
        assert_eq!(recent("-+-+-").failed_of(5), 3);
        assert_eq!(recent("-+-+-+").failed_of(5), 2);
        assert_eq!(recent("---++").failed_of(2), 0);
        assert_eq!(recent("--").failed_of(1), 1);
    }

    #[test]
    fn the_longest_window_is_whole() {
        let mut recent = recent(&"-".repeat(100));
        assert_eq!((recent.failed_of(WINDOW_MAX), recent.failed_of(u32::MAX)), (64, 64));
        recent.forget();
        assert_eq!(recent.failed_of(WINDOW_MAX), 0);
    }
}
