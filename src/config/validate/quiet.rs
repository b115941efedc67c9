//! `[[alerting.silence]]` and `[[alerting.maintenance]]`: when people are not told, as far as the file says so.

use std::time::Duration;

use crate::clock::{Calendar, Part};
use crate::config::expression::expression;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::quiet::{Kind, Label, MATCHERS, Matcher, Quiet, Recurrence, TEXT, When};
use crate::domain::time::Timestamp;

/// Those of each kind in the file; each look at a target in trouble goes through all of them.
const MOST: usize = 100;
const LENGTH_MIN: Duration = Duration::from_secs(60);
const LENGTH_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Reads both lists.
pub(crate) fn quiets(alerting: &mut Section<'_>) -> Vec<Quiet> {
    let mut quiets = Vec::new();
    for (key, kind) in [("silence", Kind::Silence), ("maintenance", Kind::Maintenance)] {
        for (index, section) in alerting.sections(key).into_iter().enumerate() {
            if index == MOST {
                section.fail(&format!("more than {MOST} of them"), "Remove those that are over");
                break;
            }
            quiets.extend(quiet(section, kind, index + 1));
        }
    }
    quiets
}

fn quiet(mut section: Section<'_>, kind: Kind, number: usize) -> Option<Quiet> {
    let matchers = section.require("matchers", "Write matchers = [{ name = \"group\", value = \"payments\" }]");
    let matchers = matchers.as_ref().and_then(matchers_of);
    let reason = section.require("reason", "Say why, for the people who see it").and_then(|field| text(&field));
    let when = when(&mut section);
    section.finish();
    Some(Quiet {
        id: format!("config-{number}").into(),
        kind,
        matchers: matchers?,
        when: when?,
        created_by: "the configuration".into(),
        comment: reason?,
        created_at: Timestamp::from_nanos(0),
    })
}

fn text(field: &Field<'_>) -> Option<Box<str>> {
    short(field, field.filled_text()?)
}

fn short(field: &Field<'_>, text: &str) -> Option<Box<str>> {
    if text.chars().count() > TEXT || text.chars().any(char::is_control) {
        field.fail(&format!("it is longer than {TEXT} characters or has a line break"), "Say it in one line");
        return None;
    }
    Some(text.into())
}

/// The keys that say when.
struct Keys<'t> {
    from: Option<Field<'t>>,
    until: Option<Field<'t>>,
    cron: Option<Field<'t>>,
    rrule: Option<Field<'t>>,
    length: Option<Field<'t>>,
    zone: Option<Field<'t>>,
}

/// Once, from `from` until `until`, or again and again: by `cron`, or by `rrule` and its first, `from`.
fn when(section: &mut Section<'_>) -> Option<When> {
    let keys = Keys {
        from: section.take("from"),
        until: section.take("until"),
        cron: section.take("cron"),
        rrule: section.take("rrule"),
        length: section.take("length"),
        zone: section.take("time_zone"),
    };
    match (&keys.from, &keys.until, &keys.cron, &keys.rrule) {
        (Some(from), Some(until), None, None) => once(&keys, from, until),
        (None, None, Some(_), None) | (Some(_), None, None, Some(_)) => recurring(section, &keys),
        (Some(_) | None, Some(_) | None, Some(_) | None, Some(_) | None) => {
            let hint = "Write from and until, or cron and length, or rrule, from (its first) and length";
            section.fail("it does not say when", hint);
            None
        }
    }
}

fn once(keys: &Keys<'_>, from: &Field<'_>, until_field: &Field<'_>) -> Option<When> {
    for field in [&keys.length, &keys.zone].into_iter().flatten() {
        field.fail("this goes with `cron` and `rrule`", "Remove it, or write one of them instead of `until`");
    }
    let (from, until) = (from.time(), until_field.time());
    let (from, until) = (from?, until?);
    if until <= from {
        until_field.fail("it is not after `from`", "It ends after it began");
        return None;
    }
    Some(When::Once { from, until })
}

fn recurring(section: &Section<'_>, keys: &Keys<'_>) -> Option<When> {
    if keys.length.is_none() {
        section.fail("`length` is missing", "Write length = \"2h\"");
    }
    let length = keys.length.as_ref().and_then(|length| length.duration(LENGTH_MIN..=LENGTH_MAX));
    let cron = keys.cron.as_ref().map(Field::text);
    let rule = keys.rrule.as_ref().map(Field::text);
    let first = keys.from.as_ref().map(Field::time);
    let zone = keys.zone.as_ref().map_or(Some("UTC"), Field::text)?;
    let by = match (cron, rule, first) {
        (Some(cron), ..) => Recurrence::Cron(calendar_text(keys.cron.as_ref()?, cron?)?),
        (None, Some(rule), Some(first)) => {
            Recurrence::Rule { rule: calendar_text(keys.rrule.as_ref()?, rule?)?, first: first? }
        }
        (None, Some(_) | None, None) | (None, None, Some(_)) => return None,
    };
    if let Err(wrong) = Calendar::read(&by, zone) {
        for one in wrong {
            let (field, hint) = match one.part() {
                Part::Cron => (&keys.cron, "Write cron = \"0 3 * * 1\" for every Monday at 3"),
                Part::Rule => (&keys.rrule, "Write rrule = \"FREQ=WEEKLY;BYDAY=SU\" for every Sunday"),
                Part::First => (&keys.from, "Write a first that the rule names, or the time_zone that was meant"),
                Part::Zone => (&keys.zone, "Write time_zone = \"Asia/Seoul\""),
            };
            if let Some(field) = field {
                // What a variable gave is not repeated.
                let detail = if field.is_from_environment() {
                    format!("{} is no calendar", field.shown())
                } else {
                    one.to_string()
                };
                field.fail(&detail, hint);
            }
        }
        return None;
    }
    Some(When::Recurring { by, zone: zone.into(), length: length? })
}

/// As long as one of the API may be.
fn calendar_text(field: &Field<'_>, text: &str) -> Option<Box<str>> {
    if text.chars().count() > TEXT {
        field.fail(&format!("it is longer than {TEXT} characters"), "Make two of it");
        return None;
    }
    Some(text.into())
}

fn matchers_of(field: &Field<'_>) -> Option<Box<[Matcher]>> {
    let elements = field.elements();
    if elements.is_empty() || elements.len() > MATCHERS {
        field.fail(&format!("it takes 1 to {MATCHERS} matchers"), "All of them must be so");
        return None;
    }
    let matchers: Vec<Option<(Matcher, Field<'_>)>> =
        elements.iter().map(|element| element.section().and_then(matcher)).collect();
    let count = matchers.iter().flatten().filter(|(matcher, _)| matcher.is_regex).count();
    for (matcher, field) in matchers.iter().flatten().filter(|(matcher, _)| matcher.is_regex) {
        if let Err(reason) = expression(&matcher.value, count) {
            let hint = "Single quotes keep backslashes as they are, and [A-Z0-9_] takes less than \\w";
            field.fail(&format!("this is not a regular expression that can be used: {reason}"), hint);
        }
    }
    matchers.into_iter().map(|one| one.map(|(matcher, _)| matcher)).collect()
}

fn matcher(mut section: Section<'_>) -> Option<(Matcher, Field<'_>)> {
    let labels = Label::ALL.map(|label| (label.as_str(), label));
    let label = section.require("name", "Write name = \"target\"").and_then(|field| field.word(&labels));
    let value_field = section.require("value", "Write value = \"PG_KCP\"");
    let is_regex = section.take("is_regex").and_then(|field| field.boolean()).unwrap_or(false);
    let is_equal = section.take("is_equal").and_then(|field| field.boolean()).unwrap_or(true);
    section.finish();
    let field = value_field?;
    // What belongs to nothing has the group "".
    let value = short(&field, field.text()?)?;
    let label = label?;
    let values: Vec<(&str, ())> = label.values().into_iter().map(|value| (value, ())).collect();
    if !values.is_empty() && !is_regex {
        field.word(&values)?;
    }
    Some((Matcher { label, value, is_regex, is_equal }, field))
}
