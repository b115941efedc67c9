//! `[target.breaker]`: a profile, and keys that override it.

use std::time::Duration;

use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::breaker::{Mode, Policy, Window};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Reads the rest of the table, and finishes it.
pub(crate) fn breaker(mut section: Section<'_>) -> Policy {
    let base = section.take("profile").and_then(|field| profile(&field)).unwrap_or_default();
    let window = window(&mut section, base.window);
    let minimum_calls = minimum_calls(&mut section, base.minimum_calls, window);
    let mut rate = |key, otherwise| section.take(key).and_then(|field| rate_or_off(&field)).unwrap_or(otherwise);
    let failure_rate = rate("failure_rate", base.failure_rate);
    let slow_call_rate = rate("slow_call_rate", base.slow_call_rate);
    let bad_rate = rate("bad_rate", base.bad_rate);
    let slow_call = section.take("slow_call").and_then(|field| field.duration(MILLISECOND..=HOUR));
    let (open_time, open_time_max) = open_times(&mut section, &base);
    let policy = Policy {
        window,
        minimum_calls,
        failure_rate,
        slow_call: slow_call.unwrap_or(base.slow_call),
        slow_call_rate,
        bad_rate,
        consecutive_failures: consecutive_failures(&mut section).unwrap_or(base.consecutive_failures),
        open_time,
        open_time_max,
        growth: base.growth,
        jitter: section.take("jitter").and_then(|field| field.part(0.0..=1.0)).unwrap_or(base.jitter),
        trials: section.take("trials").and_then(|field| field.whole(1..=1_000)).unwrap_or(base.trials),
        half_open_max: section
            .take("half_open_max")
            .and_then(|field| field.duration(SECOND..=HOUR))
            .unwrap_or(base.half_open_max),
        ramp: section.take("ramp").and_then(|field| field.duration_or_off(SECOND..=HOUR)).unwrap_or(base.ramp),
        mode: section.take("mode").and_then(|field| mode(&field)).unwrap_or(base.mode),
    };
    section.not_in_this_version(&["operation"]);
    section.finish();
    policy
}

/// A rate that is off is one that no window reaches.
fn rate_or_off(field: &Field<'_>) -> Option<f64> {
    if field.value().as_text() == Some("off") { Some(Policy::NEVER) } else { field.part(0.01..=1.0) }
}

fn profile(field: &Field<'_>) -> Option<Policy> {
    let profile = field.word::<fn() -> Policy>(&[
        ("default", Policy::default),
        ("resilience4j", Policy::resilience4j),
        ("envoy", Policy::envoy),
        ("pg-resilience", Policy::pg_resilience),
    ])?;
    Some(profile())
}

/// `window` with `slices`, or `count`: what a target says itself replaces the other kind in the profile or defaults.
fn window(section: &mut Section<'_>, profile: Window) -> Window {
    let (own_length, own_count) = (section.has_own("window"), section.has_own("count"));
    let length = section.take("window");
    let count = section.take("count");
    let slices = section.take("slices").and_then(|field| field.whole(2..=60));
    let (profile_length, profile_slices) = match profile {
        Window::Time { length, slices } => (length, slices),
        Window::Count(_) => (60 * SECOND, 12),
    };
    if let (Some(_), Some(count)) = (&length, &count)
        && own_length == own_count
    {
        count.fail("a window is either a time or a count of calls", "Remove `window` or `count`");
    }
    match (length, count) {
        (Some(length), count) if own_length || count.is_none() => Window::Time {
            length: length.duration(SECOND..=HOUR).unwrap_or(profile_length),
            slices: slices.unwrap_or(profile_slices),
        },
        (_, Some(count)) => Window::Count(count.whole(1..=10_000).unwrap_or(50)),
        (_, None) => match (profile, slices) {
            (Window::Time { length, .. }, Some(slices)) => Window::Time { length, slices },
            (Window::Time { .. } | Window::Count(_), _) => profile,
        },
    }
}

/// Never above a counted window, which would then never be judged.
fn minimum_calls(section: &mut Section<'_>, profile: u32, window: Window) -> u32 {
    let most = match window {
        Window::Time { .. } => 1_000_000,
        Window::Count(calls) => calls,
    };
    let Some(field) = section.take("minimum_calls") else { return profile.min(most) };
    let Some(calls) = field.whole(1..=1_000_000) else { return profile };
    if calls > most {
        let detail = format!("the window counts {most} calls, so {calls} are never reached");
        field.fail(&detail, &format!("It must be from 1 to {most}, or `count` larger"));
    }
    calls.min(most)
}

fn open_times(section: &mut Section<'_>, profile: &Policy) -> (Duration, Duration) {
    let open_time = section.take("open_time").and_then(|field| field.duration(100 * MILLISECOND..=24 * HOUR));
    let open_time = open_time.unwrap_or(profile.open_time);
    let Some(field) = section.take("open_time_max") else { return (open_time, profile.open_time_max.max(open_time)) };
    let longest = field.duration(100 * MILLISECOND..=24 * HOUR).unwrap_or(open_time);
    if longest < open_time {
        field.fail("the longest open time is shorter than the first", "It must be `open_time` or more");
    }
    (open_time, longest.max(open_time))
}

#[expect(clippy::option_option, reason = "not said, off, and a number are three things")]
fn consecutive_failures(section: &mut Section<'_>) -> Option<Option<u32>> {
    let field = section.take("consecutive_failures")?;
    if field.value().as_text() == Some("off") { Some(None) } else { field.whole(1..=10_000).map(Some) }
}

fn mode(field: &Field<'_>) -> Option<Mode> {
    field.word(&[("enforce", Mode::Enforce), ("dry_run", Mode::DryRun), ("disabled", Mode::Disabled)])
}
