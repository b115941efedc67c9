//! `[target.alert]`: who is told of what.

use std::sync::Arc;
use std::time::Duration;

use super::channel::Channels;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::raw::suggest;
use crate::domain::alert::{Condition, Conditions, Policy, Severity};

const REMINDER_MIN: Duration = Duration::from_secs(10);
const REMINDER_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What rules refer to.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The channels by name.
    pub(crate) channels: &'a Channels,
    /// All of them, for a target that names none.
    pub(crate) everyone: &'a Arc<[Arc<str>]>,
    /// Whether channels may be missing because a file could not be read.
    pub(crate) incomplete: bool,
}

/// Reads and finishes the table.
pub(crate) fn alert(mut section: Section<'_>, known: Known<'_>) -> Policy {
    let channels = match section.take("channels") {
        Some(field) => channels(&field, known),
        None => Arc::clone(known.everyone),
    };
    let on = match section.take("on") {
        Some(field) => field.elements().iter().filter_map(condition).collect(),
        None => Conditions::NONE.with(Condition::Down).with(Condition::BreakerOpen),
    };
    let severities = [Severity::Critical, Severity::Warning, Severity::Info].map(|one| (one.as_str(), one));
    let severity = section.take("severity").and_then(|field| field.word(&severities));
    let reminder = section.take("reminder").and_then(|field| field.duration_or_off(REMINDER_MIN..=REMINDER_MAX));
    section.not_in_this_version(&["escalate", "escalation", "certificate_days", "m_of_n", "dead_letters"]);
    section.finish();
    Policy { on, channels, severity: severity.unwrap_or(Severity::Critical), reminder: reminder.flatten() }
}

fn channels(field: &Field<'_>, known: Known<'_>) -> Arc<[Arc<str>]> {
    let mut channels: Vec<Arc<str>> = Vec::new();
    for element in field.elements() {
        let Some(name) = element.text() else { continue };
        match known.channels.get_key_value(name) {
            Some((name, _)) if channels.contains(name) => {
                element.fail(&format!("{} is named twice", element.shown()), "Name it once");
            }
            Some((name, _)) => channels.push(Arc::clone(name)),
            None if known.incomplete => {}
            None => {
                element.fail(&format!("no channel has the name {}", element.shown()), &unknown_channel(name, known))
            }
        }
    }
    if channels == **known.everyone { Arc::clone(known.everyone) } else { channels.into() }
}

fn unknown_channel(name: &str, known: Known<'_>) -> String {
    let names = known.channels.keys().map(AsRef::as_ref);
    match suggest::nearest(name, names.clone()) {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None if known.channels.is_empty() => "Add a [[channel]] with this name".to_owned(),
        None => format!("The channels are: {}", names.collect::<Vec<_>>().join(", ")),
    }
}

fn condition(field: &Field<'_>) -> Option<Condition> {
    let known = Condition::ALL.map(|condition| (condition.as_str(), Some(condition)));
    let later = ["slo"].map(|word| (word, None));
    let condition = field.word(&[known.as_slice(), later.as_slice()].concat())?;
    if condition.is_none() {
        field.fail(
            &format!("{} is not in this version", field.shown()),
            "down, breaker_open, degraded, certificate and flapping are",
        );
    }
    condition
}
