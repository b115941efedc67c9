//! `[target.breaker]`: the keys of what lies around the breaker.
//!
//! What is not said follows what is: a call's time is never shorter than an attempt's, and an attempt's never shorter
//! than connecting. Only two keys that are both said can contradict each other.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::raw::section::Section;
use crate::domain::guard::{Backoff, Bulkhead, Policy, RateLimit, RetryBudget};

const TIMES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
const WAITS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
const MOST: u32 = 1_000_000;

/// Takes its keys from the breaker's table.
pub(crate) fn guard(section: &mut Section<'_>) -> Policy {
    let base = Policy::default();
    let (connect_timeout, attempt_timeout, call_budget) = times(section, &base);
    Policy {
        attempts: section.take("attempts").and_then(|field| field.whole(1..=10)).unwrap_or(base.attempts),
        backoff: backoff(section, base.backoff),
        retry_budget: retry_budget(section, base.retry_budget),
        connect_timeout,
        attempt_timeout,
        call_budget,
        bulkhead: bulkhead(section, base.bulkhead, call_budget),
        rate_limit: rate_limit(section),
    }
}

fn times(section: &mut Section<'_>, base: &Policy) -> (Duration, Duration, Duration) {
    let mut said = |key| section.take(key).and_then(|field| Some((field.duration(TIMES)?, field)));
    let (connect, attempt, call) = (said("connect_timeout"), said("attempt_timeout"), said("call_budget"));
    let time = |said: &Option<(Duration, _)>| said.as_ref().map(|(time, _)| *time);
    let shortest_call = time(&attempt).max(time(&connect)).unwrap_or_default();
    let call_budget = time(&call).unwrap_or_else(|| base.call_budget.max(shortest_call));
    let shortest_attempt = base.attempt_timeout.max(time(&connect).unwrap_or_default());
    let attempt_timeout = time(&attempt).unwrap_or_else(|| shortest_attempt.min(call_budget));
    let connect_timeout = time(&connect).unwrap_or_else(|| base.connect_timeout.min(attempt_timeout));
    if let Some((attempt, field)) = attempt
        && attempt > call_budget
    {
        field.fail("an attempt may take longer than its call", "It must be `call_budget` or less");
    }
    if let Some((connect, field)) = connect
        && connect > attempt_timeout
    {
        field.fail("connecting may take longer than its attempt", "It must be `attempt_timeout` or less");
    }
    (connect_timeout, attempt_timeout, call_budget)
}

fn backoff(section: &mut Section<'_>, base: Backoff) -> Backoff {
    let first = section.take("backoff").and_then(|field| field.duration(TIMES)).unwrap_or(base.base);
    let Some(field) = section.take("backoff_max") else { return Backoff { base: first, cap: base.cap.max(first) } };
    let cap = field.duration(TIMES).unwrap_or(first);
    if cap < first {
        field.fail("the longest pause is shorter than the first", "It must be `backoff` or more");
    }
    Backoff { base: first, cap: cap.max(first) }
}

fn retry_budget(section: &mut Section<'_>, base: RetryBudget) -> RetryBudget {
    let ratio = section.take("retry_budget").and_then(|field| field.part(0.0..=1.0));
    let minimum = section.take("retry_minimum").and_then(|field| field.whole(0..=MOST));
    RetryBudget { ratio: ratio.unwrap_or(base.ratio), minimum: minimum.unwrap_or(base.minimum) }
}

fn bulkhead(section: &mut Section<'_>, base: Bulkhead, call_budget: Duration) -> Bulkhead {
    let max_in_flight = section.take("bulkhead").and_then(|field| field.whole(1..=MOST));
    let max_waiting = section.take("bulkhead_queue").and_then(|field| field.whole(0..=MOST));
    let field = section.take("bulkhead_wait");
    let max_wait = field.as_ref().and_then(|field| field.duration(WAITS));
    if let (Some(field), Some(wait)) = (field, max_wait)
        && wait > call_budget
    {
        field.fail("a call may wait longer than it may take", "It must be `call_budget` or less");
    }
    Bulkhead {
        max_in_flight: max_in_flight.unwrap_or(base.max_in_flight),
        max_waiting: max_waiting.unwrap_or(base.max_waiting),
        max_wait: max_wait.unwrap_or(base.max_wait).min(call_budget),
    }
}

fn rate_limit(section: &mut Section<'_>) -> Option<RateLimit> {
    let field = section.take("rate_limit");
    let rate = field.as_ref().and_then(|field| field.rate_or_off(1..=MOST));
    let is_off = field.is_none() || rate == Some(None);
    let owns_burst = section.has_own("rate_burst");
    let burst_field = section.take("rate_burst");
    let burst = burst_field.as_ref().and_then(|field| field.whole(1..=MOST));
    if let Some(field) = burst_field.filter(|_| is_off && owns_burst) {
        field.fail("there is no rate that it could belong to", "Write rate_limit = \"50/s\", or remove `rate_burst`");
    }
    let (permits, per) = rate??;
    Some(RateLimit { permits, per, burst: burst.unwrap_or(permits) })
}
