//! What people see of a target: its health, with the cause in words.
//!
//! The aggregate's state says how the connection stands. Health fuses it with everything else that is known: the last
//! probe, the calls that were observed, the breaker, the provider's own page, announced maintenance, what the target
//! needs, and whether this node can see anything at all. Nothing is decided by it: it is shown, counted and published,
//! and can always be derived again.
//!
//! The worst of what the inputs say is the health. Who says what:
//! - The state: FAILED is `down`, RETRYING is `degraded`.
//! - Observed calls: `down` where every one of them fails and no trial has passed since, whatever the probe says;
//!   `degraded` where a part of them fails or is slow. A probe alone never proves that payments work again.
//! - The breaker: `degraded` while it is not closed.
//! - The probe, the provider's page, a certificate near its end: `degraded`, never more.
//!
//! Above all that: `unknown` where nobody tried, or while this node is cut off; `maintenance` while it was announced,
//! with what would be shown otherwise in the cause.

use std::borrow::Cow;
use std::sync::Arc;

use super::alert::Hold;
use super::breaker::Rates;
use super::failure_history::FailureType;
use super::maintenance::Window;
use super::observation::ProviderStatus;
use super::status::IntegrationState;
use super::watch::Watch;

mod words;

/// Observed calls degrade a target when a greater part than this fails: a fifth of what opens a breaker of the default
/// policy, and one call of the ten that it takes to judge.
pub const FAILING_PART: f64 = 0.10;
/// The same of slow calls; 80 % of them open a breaker of the default policy.
pub const SLOW_PART: f64 = 0.50;

/// Fewer calls are not judged here, whatever a breaker opens by: one call of one that failed is no news. It is the least
/// minimum of the breakers' profiles that judge by rates.
pub const LEAST_CALLS: u64 = 5;

/// How well a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It does what is expected of it.
    Healthy,
    /// It works in part: slow, an attempt failed, its breaker holds calls back, or somebody warns of it.
    Degraded,
    /// It does not work.
    Down,
    /// Nobody has tried it yet, or this node cannot see it.
    Unknown,
    /// Somebody said that it is being worked on.
    Maintenance,
}

impl Health {
    /// Every health.
    pub const ALL: [Self; 5] = [Self::Healthy, Self::Degraded, Self::Down, Self::Unknown, Self::Maintenance];

    /// The word in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Maintenance => "maintenance",
        }
    }
}

/// How the last probe that could be run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastProbe {
    /// The target answered as expected.
    pub ok: bool,
    /// It did, but slower than its `max_latency`.
    pub degraded: bool,
}

/// What real calls say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Traffic {
    /// Calls in the breaker's window.
    pub calls: u64,
    /// What the window holds; `None` under the minimum of calls.
    pub window: Option<Rates>,
    /// What it held when it opened the breaker; `None` once that is closed, and where calls were not the cause.
    pub opened: Option<Rates>,
    /// A trial that a real call made has passed since.
    pub trial_passed: bool,
}

/// Whether something that a target needs is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is.
    Up,
    /// An attempt failed, and is being confirmed.
    Doubtful,
    /// It is down.
    Down,
}

/// Everything that a verdict is made of.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The state, the outage and the breaker, as they are committed.
    pub watch: &'a Watch,
    /// The kind of system, for the words.
    pub failure_type: FailureType,
    /// The last probe; `None` before the first one of this process.
    pub probe: Option<LastProbe>,
    /// What the last probe warns of: a certificate that ends soon.
    pub warning: Option<&'a str>,
    /// Real calls.
    pub traffic: Traffic,
    /// What the provider says of itself.
    pub provider: Option<ProviderStatus>,
    /// The probe is that page's reading: then the warning says the same in more words.
    pub probes_page: bool,
    /// The announced work that goes on now.
    pub maintenance: Option<&'a Window>,
    /// The score of a target that flaps, in percent.
    pub flapping: Option<u8>,
    /// This node is cut off.
    pub blind: bool,
    /// What it needs and how that stands, without what is up.
    pub needs: &'a [(Arc<str>, Standing)],
    /// All that is wrong with it is silenced.
    pub silenced: bool,
}

/// A health and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// How well it is.
    pub health: Health,
    /// Why, for people.
    pub cause: Cow<'a, str>,
}

impl Inputs<'_> {
    /// Why people are not told of this target now, if they are not.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        Hold::first(|hold| match hold {
            Hold::Maintenance => self.maintenance.is_some(),
            Hold::Blind => self.blind,
            Hold::Dependency => !self.needs.is_empty(),
            Hold::Flapping => self.flapping.is_some(),
            Hold::Silence => self.silenced,
        })
    }
}

/// How somebody who needs this target has to take it: by its state, and by calls that all fail.
#[must_use]
pub fn standing(watch: &Watch, opened: Option<Rates>) -> Standing {
    if watch.is_down() || opened.is_some_and(|rates| all_fail(&rates)) {
        return Standing::Down;
    }
    if watch.trouble.is_some() { Standing::Doubtful } else { Standing::Up }
}

/// How well a target is, from everything that is known of it.
#[must_use]
pub fn verdict<'a>(inputs: &Inputs<'a>) -> Verdict<'a> {
    let mut verdict = evident(inputs);
    words::needs(inputs, &mut verdict);
    words::flapping(inputs, &mut verdict);
    if inputs.blind {
        verdict = Verdict { health: Health::Unknown, cause: words::blind(&verdict) };
    }
    match inputs.maintenance {
        Some(window) => Verdict { health: Health::Maintenance, cause: words::maintenance(window, &verdict) },
        None => verdict,
    }
}

/// What the evidence of the target itself says.
fn evident<'a>(inputs: &Inputs<'a>) -> Verdict<'a> {
    let complaints = words::complaints(inputs);
    let worst = complaints.iter().map(|complaint| complaint.health).max().unwrap_or(Health::Healthy);
    let watch = inputs.watch;
    let (health, cause) = match watch.status.state {
        // Calls that were judged are a try, and so is a breaker that they opened.
        IntegrationState::Unknown if !was_called(inputs) => {
            (Health::Unknown, words::after_sentence("not tried yet".into(), &complaints))
        }
        IntegrationState::Unknown => (worst, words::listed("no probe yet", &complaints)),
        IntegrationState::Failed => {
            (Health::Down, words::after_sentence(words::down(watch, inputs.probe), &complaints))
        }
        IntegrationState::Retrying => {
            (worst.max(Health::Degraded), words::after_sentence(words::retrying(watch), &complaints))
        }
        IntegrationState::Connected => match (inputs.probe, complaints.is_empty()) {
            (Some(LastProbe { ok: true, degraded: true }), true) => {
                (Health::Degraded, "answers, but more slowly than it should".into())
            }
            (Some(LastProbe { ok: false, .. }), _) => {
                (worst.max(Health::Degraded), words::listed("the last probe failed", &complaints))
            }
            (Some(LastProbe { ok: true, degraded: true }), false) => {
                (worst.max(Health::Degraded), words::listed("probe ok but slow", &complaints))
            }
            (Some(LastProbe { ok: true, degraded: false }), false) => (worst, words::listed("probe ok", &complaints)),
            (Some(LastProbe { ok: true, degraded: false }) | None, _) => {
                (worst, words::listed("connected", &complaints))
            }
        },
    };
    Verdict { health, cause }
}

fn was_called(inputs: &Inputs<'_>) -> bool {
    rates(&inputs.traffic).is_some()
}

/// Something that speaks against a target.
struct Complaint<'a> {
    health: Health,
    said: Cow<'a, str>,
}

/// The worse of what the window holds and what it held when it opened the breaker: while that is open, nobody calls, and
/// what was seen slides out of the window without having been proven wrong.
fn rates(traffic: &Traffic) -> Option<Rates> {
    match (traffic.window.filter(|_| traffic.calls >= LEAST_CALLS), traffic.opened) {
        (Some(now), Some(then)) => Some(Rates {
            failed: now.failed.max(then.failed),
            slow: now.slow.max(then.slow),
            bad: now.bad.max(then.bad),
        }),
        (now, then) => now.or(then),
    }
}

fn all_fail(rates: &Rates) -> bool {
    rates.failed >= 1.0
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
