//! `kind = "alertmanager"`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::keys;
use crate::config::channel::Alertmanager;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::secret::Secret;
use crate::config::validate::attachments::Attachments;

/// The largest cluster that its makers speak of has fewer.
const MAX_REPLICAS: usize = 16;
const MAX_LABELS: usize = 32;
/// The alert is repeated this often; Prometheus does so every minute.
const INTERVAL: Duration = Duration::from_secs(60);
/// The labels that make an alert what it is.
const OURS: [&str; 6] = ["alertname", "integration", "severity", "incident", "instance", "job"];

pub(super) fn read(section: &mut Section<'_>, attachments: &Attachments) -> Option<Alertmanager> {
    let urls = urls(section);
    let limits = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
    let interval = section.take("interval").and_then(|field| field.duration(limits)).unwrap_or(INTERVAL);
    let labels = labels(section);
    let login = keys::login(section, attachments);
    Some(Alertmanager { urls: urls?, interval, labels, login: login? })
}

fn urls(section: &mut Section<'_>) -> Option<Vec<Secret>> {
    let (one, several) = (section.take_own("url"), section.take_own("urls"));
    let fields = match (one, several) {
        (Some(_), Some(several)) => {
            several.fail("both `url` and `urls` are given", "Write every replica into `urls`");
            return None;
        }
        (Some(one), None) => vec![one],
        (None, Some(several)) => {
            let fields = several.elements();
            if fields.is_empty() || fields.len() > MAX_REPLICAS {
                let detail = format!("{} replicas, and there must be 1 to {MAX_REPLICAS}", fields.len());
                several.fail(&detail, "Write urls = [\"http://alertmanager-0:9093\", \"http://alertmanager-1:9093\"]");
            }
            fields
        }
        (None, None) => {
            section
                .fail("`url` is missing", "Write url = \"http://alertmanager:9093\", or `urls` for several replicas");
            return None;
        }
    };
    fields.iter().map(base).collect()
}

fn base(field: &Field<'_>) -> Option<Secret> {
    let url = keys::url(field)?;
    if url.text().contains("/api/v") {
        field.fail("it holds the API's path, which is put behind it", "End it before `/api/v2`");
        return None;
    }
    Some(url)
}

fn labels(section: &mut Section<'_>) -> BTreeMap<Arc<str>, Arc<str>> {
    let table = section.section("labels");
    let mut labels = BTreeMap::new();
    for (name, field) in table.entries() {
        let good = name.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
            && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        if !good {
            field.fail("this is not a label's name", "It has ASCII letters, digits and `_`, and begins with no digit");
        } else if OURS.contains(&name) {
            field.fail("this label is Breakwater's own", &format!("Its own are: {}", OURS.join(", ")));
        } else if let Some(value) = keys::line_of(&field) {
            labels.insert(name.into(), value);
        }
    }
    if labels.len() > MAX_LABELS {
        table.fail(&format!("{} labels, and at most {MAX_LABELS} may be added", labels.len()), "Remove some");
    }
    labels
}
