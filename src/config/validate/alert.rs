//! `[target.alert]`: who is told of what.

use std::sync::Arc;
use std::time::Duration;

use super::channel::Channels;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::raw::suggest;
use crate::domain::alert::{Condition, Conditions, Escalation, Policy, Reminder, Severity};

const REMINDER_MIN: Duration = Duration::from_secs(1);
const REMINDER_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Who has a factor wants to hear of it once a day all the same.
const LONGEST_REMINDER: Duration = Duration::from_secs(86_400);
const ESCALATION_MIN: Duration = Duration::from_secs(1);

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
    let asked = section.take("on");
    let on = match &asked {
        Some(field) => field.elements().iter().filter_map(condition).collect(),
        None => Conditions::NONE.with(Condition::Down).with(Condition::BreakerOpen),
    };
    let severities = [Severity::Critical, Severity::Warning, Severity::Info].map(|one| (one.as_str(), one));
    let severity = section.take("severity").and_then(|field| field.word(&severities));
    let reminder = section.take("reminder").and_then(|field| field.duration_or_off(REMINDER_MIN..=REMINDER_MAX));
    let reminder = reminders(&mut section, reminder.flatten());
    let escalate = section.take("escalate").and_then(|field| field.boolean());
    let escalation = escalation(&mut section, known);
    if let Some(field) = asked.filter(|_| escalate.is_none() && outages_may_go_untold(on)) {
        field.warn(
            "an outage that begins while a target is in trouble for something else only changes the text of that, and \
             nobody is told of it",
            "Write escalate = true, or false if that is meant",
        );
    }
    section.finish();
    let severity = severity.unwrap_or(Severity::Critical);
    Policy { on, channels, severity, reminder, escalate: escalate.unwrap_or(false), escalation }
}

/// Whether what may last for weeks can stand before an outage: a target has one incident at a time.
fn outages_may_go_untold(on: Conditions) -> bool {
    let outages = Conditions::NONE.with(Condition::Down).with(Condition::BreakerOpen);
    !on.and(outages).is_empty() && !on.without(outages).is_empty()
}

/// Without `reminder` the two others say how it would be, for those who inherit them.
fn reminders(section: &mut Section<'_>, every: Option<Duration>) -> Option<Reminder> {
    let factor = section.take("reminder_factor").and_then(|field| field.whole(1..=10));
    let longest = section.take("reminder_max").and_then(|field| field.duration(REMINDER_MIN..=REMINDER_MAX));
    let (every, longest) = (every?, longest.unwrap_or(LONGEST_REMINDER));
    Some(Reminder { every, factor: factor.unwrap_or(1), longest: longest.max(every) })
}

fn escalation(section: &mut Section<'_>, known: Known<'_>) -> Option<Escalation> {
    let after = section.take("escalate_after");
    let to = section.take("escalate_to");
    match (&after, &to) {
        (Some(only), None) => only.fail("`escalate_to` is missing", "Write escalate_to = [\"boss\"]"),
        (None, Some(only)) => only.fail("`escalate_after` is missing", "Write escalate_after = \"15m\""),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let after = after.and_then(|field| field.duration_or_off(ESCALATION_MIN..=REMINDER_MAX)).flatten();
    let to = to.map(|field| channels(&field, known)).filter(|to| !to.is_empty());
    Some(Escalation { after: after?, to: to? })
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
    field.word(&Condition::ALL.map(|condition| (condition.as_str(), condition)))
}
