//! `[alerting]`: how people are told, apart from the targets' own rules.

use std::sync::Arc;

use super::channel::Channels;
use super::{address, quiet};
use crate::config::channel::Grouping;
use crate::config::model::{Alerting, Language};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

/// 20 days of what the busiest shop was seen to send, and about 30 MB on disk.
const OUTBOX_MAX: u32 = 100_000;

/// Reads and finishes the table; `log` and how messages are grouped were read with the channels, and `allow_exec` is known
/// to them.
pub(crate) fn alerting(mut section: Section<'_>, channels: &Channels, grouping: Grouping) -> Alerting {
    let outbox_max = section.take("outbox_max").and_then(|field| field.whole(10..=10 * OUTBOX_MAX));
    let languages = [("en", Language::English), ("ko", Language::Korean)];
    let language = section.take("locale").and_then(|field| field.word(&languages));
    let external_url = section.take("external_url").and_then(|field| external_url(&field));
    let allow_exec = section.take("allow_exec").and_then(|field| field.boolean()).unwrap_or(false);
    let quiets = quiet::quiets(&mut section);
    section.finish();
    Alerting {
        everyone: channels.keys().cloned().collect(),
        grouping,
        outbox_max: outbox_max.unwrap_or(OUTBOX_MAX) as usize,
        quiets,
        language: language.unwrap_or(Language::English),
        external_url,
        allow_exec,
    }
}

fn external_url(field: &Field<'_>) -> Option<Arc<str>> {
    let url = address::url_of(field)?;
    if url.query().is_some() {
        field.fail("links are made by putting a path behind it, and it has a query", "Remove the query");
        return None;
    }
    Some(url.to_string().trim_end_matches('/').into())
}
