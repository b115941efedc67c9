//! How often calls may begin: a token bucket, by governor.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::Clock;
use crate::domain::guard::RateLimit;
use crate::domain::time::Moment;

/// governor counts in 64 bits of nanoseconds since it began, so a full bucket must lie well within.
const FULL_BUCKET_NANOS_MAX: u64 = u64::MAX / 4;

/// One target's bucket.
#[derive(Debug)]
pub(super) struct Limiter(RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>);

impl Limiter {
    pub(super) fn new(limit: RateLimit, clock: Clock) -> Self {
        let one_per = limit.per / limit.permits.max(1);
        let one_per = one_per.clamp(Duration::from_nanos(1), Duration::from_nanos(FULL_BUCKET_NANOS_MAX));
        let most = u32::try_from(u128::from(FULL_BUCKET_NANOS_MAX) / one_per.as_nanos()).unwrap_or(u32::MAX);
        let burst = NonZeroU32::new(limit.burst.min(most)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(one_per).expect("the period is one nanosecond or more").allow_burst(burst);
        Self(RateLimiter::direct_with_clock(quota, Ticks(clock)))
    }

    /// Takes a token.
    ///
    /// # Errors
    /// When the next one is there.
    pub(super) fn check(&self, now: Moment) -> Result<(), Duration> {
        self.0.check().map_err(|until| until.wait_time_from(Nanos::new(now.as_nanos())))
    }
}

/// Our clock as governor reads it.
#[derive(Debug, Clone, Copy)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.moment().as_nanos())
    }
}
