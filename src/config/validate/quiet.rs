//! `[[alerting.silence]]` and `[[alerting.maintenance]]`: when people are not told, as far as the file says so.

use std::time::Duration;

use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::quiet::{Kind, Label, MATCHERS, Matcher, Quiet, TEXT, When};
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
    section.not_in_this_version(&["rrule"]);
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
    let text = field.filled_text()?;
    if text.chars().count() > TEXT || text.chars().any(char::is_control) {
        field.fail(&format!("it is longer than {TEXT} characters or has a line break"), "Say it in one line");
        return None;
    }
    Some(text.into())
}

/// Once, from `from` until `until`, or again and again by `cron`.
fn when(section: &mut Section<'_>) -> Option<When> {
    let (from, until) = (section.take("from"), section.take("until"));
    let (cron, length, zone) = (section.take("cron"), section.take("length"), section.take("time_zone"));
    match (&from, &until, &cron) {
        (Some(from), Some(until_field), None) => {
            for field in [length, zone].iter().flatten() {
                field.fail("this goes with `cron`", "Write cron, length and time_zone, or from and until");
            }
            let (from, until) = (from.time()?, until_field.time()?);
            if until <= from {
                until_field.fail("it is not after `from`", "It ends after it began");
                return None;
            }
            Some(When::Once { from, until })
        }
        (None, None, Some(cron)) => recurring(section, cron, length, zone),
        (Some(_), ..) | (_, Some(_), _) | (None, None, None) => {
            section.fail("it does not say when", "Write from and until, or cron, length and time_zone");
            None
        }
    }
}

fn recurring(
    section: &Section<'_>,
    cron: &Field<'_>,
    length: Option<Field<'_>>,
    zone: Option<Field<'_>>,
) -> Option<When> {
    let Some(length) = length else {
        section.fail("`length` is missing", "Write length = \"2h\"");
        return None;
    };
    let length = length.duration(LENGTH_MIN..=LENGTH_MAX);
    let zone_text = zone.as_ref().map_or(Some("UTC"), Field::text)?;
    let cron_text = cron.text()?;
    if !is_cron(cron_text) {
        let detail = "it is not five fields: minute, hour, day of the month, month, day of the week";
        cron.fail(detail, "Write cron = \"0 3 * * 1\" for every Monday at 3");
        return None;
    }
    Some(When::Recurring { cron: cron_text.into(), zone: zone_text.into(), length: length? })
}

/// By its looks. What it means, and whether there is such a time zone, is seen where calendars are read: one that cannot
/// be read holds nothing back, and the log says so.
fn is_cron(text: &str) -> bool {
    let is_field = |field: &str| field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*,-/#?".contains(&byte));
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    fields.len() == 5 && fields.into_iter().all(is_field)
}

fn matchers_of(field: &Field<'_>) -> Option<Box<[Matcher]>> {
    let elements = field.elements();
    if elements.is_empty() || elements.len() > MATCHERS {
        field.fail(&format!("it takes 1 to {MATCHERS} matchers"), "All of them must be so");
        return None;
    }
    let matchers: Vec<Option<Matcher>> = elements.iter().map(|element| element.section().and_then(matcher)).collect();
    matchers.into_iter().collect()
}

fn matcher(mut section: Section<'_>) -> Option<Matcher> {
    let labels = Label::ALL.map(|label| (label.as_str(), label));
    let label = section.require("name", "Write name = \"target\"").and_then(|field| field.word(&labels));
    let value_field = section.require("value", "Write value = \"PG_KCP\"");
    let is_regex = section.take("is_regex").and_then(|field| field.boolean()).unwrap_or(false);
    let is_equal = section.take("is_equal").and_then(|field| field.boolean()).unwrap_or(true);
    section.finish();
    let field = value_field?;
    let value = text(&field)?;
    if is_regex {
        field.regex()?;
    }
    Some(Matcher { label: label?, value, is_regex, is_equal })
}
