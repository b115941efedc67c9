//! `[defaults]` and `[[target]]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::attachments::Attachments;
use super::channel::Channels;
use super::dependencies::Dependencies;
use super::probe_keys::Pace;
use super::{alert, breaker, guard, maintenance, name, probe, slo, status_page};
use crate::config::model::{LONGEST_TIMEOUT, Monitor, Target};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::alert::Condition;
use crate::domain::breaker::Policy as BreakerPolicy;
use crate::domain::failure_history::FailureType;
use crate::domain::flapping::Limits;
use crate::domain::guard::Policy as GuardPolicy;
use crate::domain::recent::WINDOW_MAX;
use crate::domain::watch;

/// Twice of what one node was measured with.
const MAX_TARGETS: usize = 20_000;
const INTERVAL: Duration = Duration::from_secs(10);
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);
const TIMEOUT: Duration = Duration::from_secs(2);
const FAILURE_THRESHOLD: u32 = 3;
const TIMEOUT_MIN: Duration = Duration::from_millis(10);

/// What targets refer to.
pub(crate) struct Surroundings<'a> {
    /// Files that values name.
    pub(crate) attachments: &'a Attachments,
    /// Channels by name.
    pub(crate) channels: &'a Channels,
    /// All channels.
    pub(crate) everyone: &'a Arc<[Arc<str>]>,
    /// Settings that every target's policy repeats.
    pub(crate) monitor: &'a Monitor,
    /// Whether a file could not be read.
    pub(crate) incomplete: bool,
}

/// Every target.
pub(crate) fn targets<'t>(
    defaults: Section<'t>,
    sections: Vec<Section<'t>>,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<Arc<str>, Arc<Target>> {
    let mut targets = BTreeMap::new();
    let mut named: BTreeMap<Arc<str>, Field<'t>> = BTreeMap::new();
    let mut dependencies = Dependencies::default();
    for (index, section) in sections.into_iter().enumerate() {
        if index == MAX_TARGETS {
            section.fail(&format!("more than {MAX_TARGETS} targets"), "Let another node watch the rest");
            break;
        }
        let mut section = section.inheriting(&defaults);
        let name_field = section.require("name", "Write name = \"PG_KCP\"");
        let name = name_field.as_ref().and_then(name::name);
        let target = target(section, name.clone(), &mut dependencies, surroundings);
        let (Some(name), Some(name_field)) = (name, name_field) else { continue };
        if let Some(first) = named.get(&name) {
            let detail = format!("`{name}` is already the name of `{}` ({})", first.path(), first.location());
            name_field.fail(&detail, "A name is given once");
            continue;
        }
        named.insert(Arc::clone(&name), name_field);
        if let Some(target) = target {
            targets.insert(name, Arc::new(target));
        }
    }
    if !surroundings.incomplete {
        dependencies.check(&named.into_keys().collect());
    }
    check_defaults(defaults, surroundings);
    targets
}

/// One target, finished. `None` after a problem that leaves nothing to build one from.
fn target<'t>(
    mut section: Section<'t>,
    name: Option<Arc<str>>,
    dependencies: &mut Dependencies<'t>,
    surroundings: &Surroundings<'_>,
) -> Option<Target> {
    let endpoint_field = section.take_own("endpoint");
    let endpoint = endpoint_field.as_ref().and_then(address::endpoint_of);
    let Rules { group, policy, breaker, guard, interval, timeout } = rules(&mut section, surroundings);
    let depends_on = dependencies.read(&mut section, name.as_ref());
    let pace = Pace { interval, timeout };
    let mut probe_section = section.section("probe");
    let kind = probe::kind(&mut probe_section, endpoint.as_ref());
    let endpoint_text = endpoint_text(&section, endpoint_field.as_ref(), kind, name.as_deref());
    let probe = probe::probe(probe_section, kind, endpoint.as_ref(), pace, surroundings.attachments);
    let status_page = status_page::second_opinion(section.section("status_page"), surroundings.attachments);
    let told = policy.alert.on.contains(Condition::Slo);
    let slo = slo::slo(section.section("slo"), interval, told);
    if told && slo.is_none() {
        section.fail("`slo` is alerted on, and there is no objective", "Write [target.slo] with objective = \"99.9%\"");
    }
    let maintenance = maintenance::maintenance(&mut section);
    section.not_in_this_version(&["enabled", "operation", "heartbeat"]);
    section.finish();
    Some(Target {
        name: name?,
        endpoint: endpoint_text?,
        group,
        depends_on,
        policy,
        breaker,
        guard,
        interval,
        timeout,
        probe: probe?,
        status_page: status_page.map(Arc::new),
        slo,
        maintenance,
    })
}

/// What the endpoint is called. A target that reports in is nowhere, so it needs none.
fn endpoint_text(
    section: &Section<'_>,
    field: Option<&Field<'_>>,
    kind: Option<probe::Kind>,
    name: Option<&str>,
) -> Option<Arc<str>> {
    match (field, kind) {
        (Some(field), _) => Some(field.text()?.into()),
        (None, Some(probe::Kind::Heartbeat)) => Some(format!("heartbeat:{}", name?).into()),
        (None, _) => {
            section.fail("`endpoint` is missing", "Write endpoint = \"https://api.example.com\" or \"host:port\"");
            None
        }
    }
}

struct Rules {
    group: Arc<str>,
    policy: watch::Policy,
    breaker: BreakerPolicy,
    guard: GuardPolicy,
    interval: Duration,
    timeout: Duration,
}

fn rules(section: &mut Section<'_>, surroundings: &Surroundings<'_>) -> Rules {
    let Surroundings { attachments: _, channels, everyone, monitor, incomplete } = surroundings;
    let failure_types = FailureType::ALL.map(|one| (one.as_str(), one));
    let failure_type = section.take("failure_type").and_then(|field| field.word(&failure_types));
    let group = section.take("group").and_then(|field| name::group(&field));
    let interval = section.take("interval").and_then(|field| field.duration(INTERVAL_MIN..=INTERVAL_MAX));
    let timeout = section.take("timeout").and_then(|field| field.duration(TIMEOUT_MIN..=LONGEST_TIMEOUT));
    let mut threshold = |key| section.take(key).and_then(|field| field.whole(1..=1_000));
    let failure_threshold = threshold("failure_threshold");
    let success_threshold = threshold("success_threshold");
    let failure_threshold = failure_threshold.unwrap_or(FAILURE_THRESHOLD);
    let failure_window = section.take("failure_window").and_then(|field| window(&field, failure_threshold));
    let interval = interval.unwrap_or(INTERVAL);
    let mut breaker_section = section.section("breaker");
    let guard = guard::guard(&mut breaker_section);
    let known = alert::Known { channels, everyone, incomplete: *incomplete };
    Rules {
        group: group.unwrap_or_default(),
        policy: watch::Policy {
            failure_threshold,
            failure_window,
            success_threshold: success_threshold.unwrap_or(1),
            max_retries: monitor.max_retries,
            failure_type: failure_type.unwrap_or(FailureType::Other),
            alert: alert::alert(section.section("alert"), known),
            flapping: Limits { high: monitor.flapping.0, low: monitor.flapping.1, ..Limits::new(interval) },
        },
        breaker: breaker::breaker(breaker_section),
        guard,
        interval,
        timeout: timeout.unwrap_or(TIMEOUT),
    }
}

/// `failure_threshold` of so many; the same number is what holds without it.
fn window(field: &Field<'_>, threshold: u32) -> Option<u32> {
    let window = field.whole(1..=WINDOW_MAX)?;
    if window < threshold {
        let detail = format!("so many attempts can never hold the {threshold} failures of `failure_threshold`");
        field.fail(&detail, "Make it as long as the threshold, or longer");
        return None;
    }
    Some(window)
}

/// The defaults are read once for themselves, so that a mistake in them is told also where no target inherits it.
fn check_defaults(mut defaults: Section<'_>, surroundings: &Surroundings<'_>) {
    for key in ["name", "endpoint", "maintenance"] {
        if let Some(field) = defaults.take_own(key) {
            field.fail("this belongs to one target", "Write it in [[target]]");
        }
    }
    let Rules { interval, timeout, .. } = rules(&mut defaults, surroundings);
    Dependencies::default().read(&mut defaults, None);
    probe::check_defaults(defaults.section("probe"), Pace { interval, timeout }, surroundings.attachments);
    status_page::check_defaults(defaults.section("status_page"), surroundings.attachments);
    slo::slo(defaults.section("slo"), interval, false);
    defaults.finish();
}
