//! `[target.probe]` of the kind `status_page`, and `[target.status_page]`.

use std::time::Duration;

use http::Uri;

use super::address::{self, Endpoint};
use super::attachments::Attachments;
use super::http_probe;
use super::probe_keys::Pace;
use super::tls;
use crate::config::model::LONGEST_TIMEOUT;
use crate::config::probe::StatusPageProbe;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

/// Where Atlassian Statuspage has everything that one reading needs.
const SUMMARY: &str = "/api/v2/summary.json";
const MAX_COMPONENTS: usize = 32;
/// Providers change their pages by hand, and ask not to be read more often than once a minute.
const INTERVAL: Duration = Duration::from_secs(60);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);
/// Nobody waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MIN: Duration = Duration::from_millis(10);

/// Reads the table without finishing it; `None` if there is no page.
pub(crate) fn status_page(
    section: &mut Section<'_>,
    endpoint: Option<&Endpoint>,
    pace: Pace,
    attachments: &Attachments,
) -> Option<StatusPageProbe> {
    let url = match section.take("url") {
        Some(field) => address::url_of(&field),
        None => http_probe::http_endpoint(endpoint).cloned(),
    };
    let components = components(section);
    let proxy = section.take("proxy").and_then(|field| http_probe::proxy(&field));
    let tls = tls::of_probe(section, attachments).unwrap_or_default();
    let Pace { interval, timeout } = pace;
    Some(StatusPageProbe { url: summary(&url?)?, components, interval, timeout, proxy, tls })
}

/// The page beside a target's own probe, finished; `None` for a target that has none.
pub(crate) fn second_opinion(mut section: Section<'_>, attachments: &Attachments) -> Option<StatusPageProbe> {
    if !section.is_written() {
        return None;
    }
    let pace = pace(&mut section);
    let page = status_page(&mut section, None, pace, attachments);
    if section.take("url").is_none() {
        section.fail("`url` is missing", "Write url = \"https://status.example.com\"");
    }
    section.finish();
    page
}

/// The same keys where they are only to be inherited.
pub(crate) fn check_defaults(mut section: Section<'_>, attachments: &Attachments) {
    let pace = pace(&mut section);
    status_page(&mut section, None, pace, attachments);
    section.finish();
}

fn pace(section: &mut Section<'_>) -> Pace {
    let interval = section.take("interval").and_then(|field| field.duration(INTERVAL_MIN..=INTERVAL_MAX));
    let timeout = section.take("timeout").and_then(|field| field.duration(TIMEOUT_MIN..=LONGEST_TIMEOUT));
    Pace { interval: interval.unwrap_or(INTERVAL), timeout: timeout.unwrap_or(TIMEOUT) }
}

/// The page's address, or already that of its summary.
fn summary(url: &Uri) -> Option<Uri> {
    if url.path().ends_with(".json") { Some(url.clone()) } else { address::join(url, SUMMARY).ok() }
}

fn components(section: &mut Section<'_>) -> Box<[Box<str>]> {
    let Some(field) = section.take("component") else { return Box::default() };
    let elements = field.one_or_more();
    if elements.is_empty() {
        field.fail("no component is named", "Remove the key, and the whole page counts");
    }
    if elements.len() > MAX_COMPONENTS {
        field.fail(&format!("more than {MAX_COMPONENTS} components"), "Name those that you call");
    }
    elements.iter().filter_map(Field::filled_text).map(|name| name.trim().into()).collect()
}
