//! `[alerting]`: how people are told, apart from the targets' own rules.

use std::sync::Arc;
use std::time::Duration;

use super::channel::Channels;
use super::{address, quiet};
use crate::config::model::{Alerting, Language};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::quiet::Label;

const GROUP_WAIT: Duration = Duration::from_secs(10);
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Nobody waits an hour for the first word of an outage.
const GROUP_WAIT_MAX: Duration = Duration::from_secs(60 * 60);
const GROUP_INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// 20 days of what the busiest shop was seen to send, and about 30 MB on disk.
const OUTBOX_MAX: u32 = 100_000;

/// Reads and finishes the table; `log` was read with the channels, and `allow_exec` is known to them.
pub(crate) fn alerting(mut section: Section<'_>, channels: &Channels) -> Alerting {
    let group_by = section.take("group_by").map(|field| labels(&field));
    let group_wait = section.take("group_wait").and_then(|field| field.duration(Duration::ZERO..=GROUP_WAIT_MAX));
    let group_interval =
        section.take("group_interval").and_then(|field| field.duration(Duration::ZERO..=GROUP_INTERVAL_MAX));
    let outbox_max = section.take("outbox_max").and_then(|field| field.whole(10..=10 * OUTBOX_MAX));
    let languages = [("en", Language::English), ("ko", Language::Korean)];
    let language = section.take("locale").and_then(|field| field.word(&languages));
    let external_url = section.take("external_url").and_then(|field| external_url(&field));
    let allow_exec = section.take("allow_exec").and_then(|field| field.boolean()).unwrap_or(false);
    let quiets = quiet::quiets(&mut section);
    section.finish();
    Alerting {
        everyone: channels.keys().cloned().collect(),
        group_by: group_by.unwrap_or_else(|| [Label::Target].into()),
        group_wait: group_wait.unwrap_or(GROUP_WAIT),
        group_interval: group_interval.unwrap_or(GROUP_INTERVAL),
        outbox_max: outbox_max.unwrap_or(OUTBOX_MAX) as usize,
        quiets,
        language: language.unwrap_or(Language::English),
        external_url,
        allow_exec,
    }
}

fn labels(field: &Field<'_>) -> Arc<[Label]> {
    // A message speaks of an incident, which may have several conditions.
    let known = Label::ALL.map(|label| (label.as_str(), label));
    let known: Vec<_> = known.into_iter().filter(|(_, label)| *label != Label::Condition).collect();
    let mut labels: Vec<Label> = Vec::new();
    for element in field.elements() {
        let Some(label) = element.word(&known) else { continue };
        if labels.contains(&label) {
            element.fail(&format!("{} is named twice", element.shown()), "Name it once");
        } else {
            labels.push(label);
        }
    }
    labels.into()
}

fn external_url(field: &Field<'_>) -> Option<Arc<str>> {
    let url = address::url_of(field)?;
    if url.query().is_some() {
        field.fail("links are made by putting a path behind it, and it has a query", "Remove the query");
        return None;
    }
    Some(url.to_string().trim_end_matches('/').into())
}
