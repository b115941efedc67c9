//! The words of a verdict: one line that somebody who was woken up can act on.

use std::borrow::Cow;

use super::{Complaint, FAILING_PART, Health, Inputs, LastProbe, SLOW_PART, Standing, Verdict, all_fail, rates};
use crate::domain::breaker::{Mode, State};
use crate::domain::failure_history::FailureType;
use crate::domain::maintenance::Window;
use crate::domain::observation::ProviderStatus;
use crate::domain::watch::Watch;

/// Everything but the state and the probe that speaks against the target, the gravest evidence first.
pub(super) fn complaints<'a>(inputs: &Inputs<'a>) -> Vec<Complaint<'a>> {
    let warned_of = inputs.probes_page && inputs.warning.is_some();
    let reported = inputs.provider.filter(|status| *status != ProviderStatus::Operational && !warned_of);
    let provider = reported.map(|status| Complaint {
        health: Health::Degraded,
        said: format!("provider reports {}", status.in_words()).into(),
    });
    let warning = inputs.warning.map(|said| Complaint { health: Health::Degraded, said: said.into() });
    [traffic(inputs), breaker(inputs.watch), provider, warning].into_iter().flatten().collect()
}

fn traffic<'a>(inputs: &Inputs<'_>) -> Option<Complaint<'a>> {
    let what = match inputs.failure_type {
        FailureType::PaymentGateway => "payment",
        FailureType::LocationWeatherApi | FailureType::Other => "call",
    };
    let rates = rates(&inputs.traffic)?;
    if all_fail(&rates) {
        let (health, said) = if inputs.traffic.trial_passed {
            (Health::Degraded, format!("every observed {what} failed until a trial passed"))
        } else {
            (Health::Down, format!("every observed {what} fails"))
        };
        return Some(Complaint { health, said: said.into() });
    }
    let percent = |part: f64| (part * 100.0).floor();
    let (failed, slow) = (percent(rates.failed), percent(rates.slow));
    let said = match (rates.failed > FAILING_PART, rates.slow > SLOW_PART) {
        (true, true) => format!("{failed} % of observed {what}s fail, {slow} % are slow"),
        (true, false) => format!("{failed} % of observed {what}s fail"),
        (false, true) => format!("{slow} % of observed {what}s are slow"),
        (false, false) => return None,
    };
    Some(Complaint { health: Health::Degraded, said: said.into() })
}

fn breaker(watch: &Watch) -> Option<Complaint<'_>> {
    let said = match (watch.breaker.mode, watch.breaker.state) {
        (Mode::ForcedOpen, _) => match &watch.breaker.forced {
            Some(forced) => format!("{} holds the circuit breaker open: {}", forced.who, forced.reason).into(),
            None => "an operator holds the circuit breaker open".into(),
        },
        (Mode::Disabled | Mode::ForcedClosed, _) | (_, State::Closed) => return None,
        (Mode::Enforce, State::Open) => "the circuit breaker is open".into(),
        (Mode::DryRun, State::Open) => "the circuit breaker would be open, and only counts (dry run)".into(),
        (Mode::Enforce | Mode::DryRun, State::HalfOpen) => {
            "the circuit breaker tries a few calls before it closes".into()
        }
    };
    Some(Complaint { health: Health::Degraded, said })
}

/// "probe ok, 38 % of observed payments fail, provider reports a partial outage".
pub(super) fn listed<'a>(first: &'static str, complaints: &[Complaint<'a>]) -> Cow<'a, str> {
    if complaints.is_empty() {
        return first.into();
    }
    complaints.iter().fold(first.to_owned(), |said, complaint| said + ", " + &complaint.said).into()
}

/// A sentence of somebody else, and what else there is.
pub(super) fn after_sentence<'a>(sentence: Cow<'a, str>, complaints: &[Complaint<'a>]) -> Cow<'a, str> {
    complaints.iter().fold(sentence, |said, complaint| (said.into_owned() + "; " + &complaint.said).into())
}

pub(super) fn down(watch: &Watch, probe: Option<LastProbe>) -> Cow<'_, str> {
    let reason = reason_of(watch).unwrap_or("the connection failed; no reason was given");
    // A report, or calls that fail: what they saw, the probe does not see.
    if probe.is_some_and(|probe| probe.ok) && !watch.ends_by_probe() {
        return format!("{reason}; the probe passes, which alone does not end it").into();
    }
    reason.into()
}

pub(super) fn retrying(watch: &Watch) -> Cow<'_, str> {
    match (watch.failures_in_row, reason_of(watch)) {
        (0, None) => Cow::Borrowed("a retry was reported"),
        (0, Some(reason)) => Cow::Owned(format!("a retry was reported; before it: {reason}")),
        (1, None) => Cow::Borrowed("the last attempt failed"),
        (1, Some(reason)) => Cow::Owned(format!("the last attempt failed: {reason}")),
        (failures, None) => Cow::Owned(format!("the last {failures} attempts failed")),
        (failures, Some(reason)) => Cow::Owned(format!("the last {failures} attempts failed: {reason}")),
    }
}

fn reason_of(watch: &Watch) -> Option<&str> {
    watch.status.failure_reason.as_deref().filter(|reason| !reason.is_empty())
}

/// Trouble of a target whose needs are down too is told with theirs: that is where to look first.
pub(super) fn needs(inputs: &Inputs<'_>, verdict: &mut Verdict<'_>) {
    let down = inputs.needs.iter().filter(|(_, standing)| *standing == Standing::Down);
    let down: Vec<&str> = down.map(|(name, _)| &**name).collect();
    if down.is_empty() {
        return;
    }
    let (down, cause) = (down.join(", "), &verdict.cause);
    verdict.cause = match verdict.health {
        Health::Down => {
            let name = &inputs.watch.status.target.system_name;
            format!("{name} is down; so is what it needs: {down} ({cause})").into()
        }
        Health::Degraded => format!("{cause}; what it needs is down: {down}").into(),
        Health::Healthy | Health::Unknown | Health::Maintenance => return,
    };
}

pub(super) fn flapping(inputs: &Inputs<'_>, verdict: &mut Verdict<'_>) {
    if let Some(score) = inputs.flapping {
        let cause = &verdict.cause;
        verdict.cause = format!("{cause}; it flaps (score {score} %), so its alerts are held back").into();
    }
}

pub(super) fn blind(seen: &Verdict<'_>) -> Cow<'static, str> {
    let cause = &seen.cause;
    format!("this node is cut off: none of its connectivity addresses answers; before that: {cause}").into()
}

pub(super) fn maintenance(window: &Window, seen: &Verdict<'_>) -> Cow<'static, str> {
    let (reason, health, cause) = (&window.reason, seen.health.as_str(), &seen.cause);
    format!("maintenance: {reason}; otherwise it would be {health}: {cause}").into()
}
