//! A channel's share of its vendor's limit: a token bucket that only makes wait.
//!
//! Pure but for its lock: the generic cell rate algorithm, which is a token bucket kept as one time.

use std::time::Duration;

use parking_lot::Mutex;

use crate::config::channel::Rate;
use crate::domain::time::Moment;

/// A message that waits in no outbox waits so long for its turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The bucket of one channel.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Option<Rate>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the bucket would be full, if nothing were taken any more.
    full_at: Moment,
    /// The receiver asked for quiet until then.
    quiet_until: Moment,
}

impl Bucket {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, state: Mutex::default() }
    }

    /// How long it is until the next message's turn.
    pub(super) fn turn_in(&self, now: Moment) -> Duration {
        self.next(&self.state.lock(), now).0
    }

    /// How long a message waits for its turn, which is then its own.
    ///
    /// # Errors
    /// After how long to ask again: its turn is too far off to wait for.
    pub(super) fn take(&self, now: Moment) -> Result<Duration, Duration> {
        let mut state = self.state.lock();
        let (wait, full_at) = self.next(&state, now);
        if wait > WAIT_MAX {
            return Err(wait);
        }
        state.full_at = full_at;
        Ok(wait)
    }

    /// The next turn, and when the bucket would be full if that were taken.
    fn next(&self, state: &State, now: Moment) -> (Duration, Moment) {
        let mut turn = state.quiet_until.max(now);
        let mut full_at = state.full_at;
        if let Some(Rate { count, per }) = self.rate {
            let each = per / count;
            let burst = per.saturating_sub(each);
            let begin = state.full_at.max(now);
            let earliest = Moment::from_nanos(
                begin.as_nanos().saturating_sub(u64::try_from(burst.as_nanos()).unwrap_or(u64::MAX)),
            );
            turn = turn.max(earliest);
            full_at = begin.plus(each);
        }
        (turn.since(now), full_at)
    }

    /// The receiver's pause is over: somebody says so.
    pub(super) fn end_pause(&self) {
        self.state.lock().quiet_until = Moment::default();
    }

    /// Nobody's turn comes before this pause is over.
    pub(super) fn hold(&self, now: Moment, pause: Duration) {
        let mut state = self.state.lock();
        state.quiet_until = state.quiet_until.max(now.plus(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_a_second_goes_at_once_and_the_next_wait_a_second_each() {
        let bucket = Bucket::new(Some(Rate { count: 1, per: SECOND }));
        let waits: Vec<_> = (0..3).map(|_| bucket.take(at(100_000))).collect();
        assert_eq!(waits, [Ok(Duration::ZERO), Ok(SECOND), Ok(2 * SECOND)]);
    }

    #[test]
    fn a_burst_is_as_large_as_the_count_and_fills_again_evenly() {
        let bucket = Bucket::new(Some(Rate { count: 4, per: 2 * SECOND }));
        assert_eq!((0..4).map(|_| bucket.take(at(9_000))).collect::<Vec<_>>(), [Ok(Duration::ZERO); 4]);
        assert_eq!(bucket.take(at(9_000)), Ok(millis(500)));
        assert_eq!(bucket.take(at(9_900)), Ok(millis(100)));
        assert_eq!(bucket.take(at(60_000)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_turn_that_is_far_off_is_not_taken() {
        let bucket = Bucket::new(Some(Rate { count: 1, per: 60 * SECOND }));
        assert_eq!(bucket.take(at(100_000)), Ok(Duration::ZERO));
        assert_eq!(bucket.take(at(100_000)), Err(60 * SECOND));
        assert_eq!(bucket.turn_in(at(100_000)), 60 * SECOND);
        assert_eq!(bucket.take(at(156_000)), Ok(4 * SECOND));
    }

    #[test]
    fn a_receiver_that_asks_for_quiet_gets_it_for_all_messages() {
        let bucket = Bucket::new(None);
        assert_eq!(bucket.take(at(0)), Ok(Duration::ZERO));
        bucket.hold(at(0), 17 * SECOND);
        assert_eq!(bucket.take(at(1_000)), Err(16 * SECOND));
        assert_eq!(bucket.take(at(14_000)), Ok(3 * SECOND));
        assert_eq!(bucket.take(at(17_000)), Ok(Duration::ZERO));
        bucket.hold(at(17_000), 17 * SECOND);
        assert_eq!(bucket.turn_in(at(20_000)), 14 * SECOND);
        bucket.end_pause();
        assert_eq!(bucket.turn_in(at(20_000)), Duration::ZERO);
    }
}
