//! The status page probe: what a provider says of itself, by component.
//!
//! The format is Atlassian Statuspage's `GET {page}/api/v2/summary.json` (as its own documentation at
//! `{page}/api#summary` describes it). A component that is down is a failure; one that works in part is good, but
//! degraded. The page's own indicator is never a failure, since one of dozens of components may be meant.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use tokio::time::timeout;

use crate::config::probe::{Auth, Connection, HttpProbe, HttpVersion, StatusPageProbe};
use crate::domain::observation::{Failure, Observation, ProviderStatus, Reason};

use super::error::Error;
use super::failure::{self, plain};
use super::http::{HttpTarget, PARSED_IN_PLACE_BYTES_MAX, Shared};
use super::trace::Trace;

/// The largest page that is known has 300 KiB.
const SUMMARY_BYTES_MAX: usize = 2 << 20;
/// Names of components that are told to somebody who asked for one that is not there.
const NAMES_TOLD: usize = 3;
/// Components that are compared with such a name, and letters of each.
const COMPARED_MAX: usize = 1_000;
const COMPARED_LETTERS_MAX: usize = 64;

/// A prepared status page probe.
#[derive(Debug)]
pub(super) struct StatusPageTarget {
    request: HttpTarget,
    components: Arc<[Box<str>]>,
}

impl StatusPageTarget {
    pub(super) fn prepare(shared: &Arc<Shared>, page: &StatusPageProbe) -> Result<Self, Error> {
        let request = HttpTarget::prepare_reading(shared, &Arc::new(request(page)))?;
        Ok(Self { request, components: page.components.iter().cloned().collect() })
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Observation {
        let mut trace = self.request.begin(deadline);
        let outcome = match timeout(deadline, self.run(&mut trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.request.timed_out(&trace)),
        };
        let degraded = outcome.as_ref().is_ok_and(|said| *said);
        let mut observation = trace.finish(outcome.map(drop), None);
        observation.degraded = degraded;
        observation
    }

    /// Whether the target is degraded by what its page says.
    async fn run(&self, trace: &mut Trace) -> Result<bool, Failure> {
        let body = self.request.read(trace).await?;
        let said = if body.len() <= PARSED_IN_PLACE_BYTES_MAX {
            judge(&body, &self.components)
        } else {
            let wanted = Arc::clone(&self.components);
            let judged = tokio::task::spawn_blocking(move || judge(&body, &wanted)).await;
            judged.unwrap_or_else(|_| Err(plain(Reason::Internal, "the reading of the page did not end")))
        }?;
        trace.provider = Some(said.status);
        let said_in_words = said.words();
        match said.status {
            ProviderStatus::Operational | ProviderStatus::Maintenance => Ok(false),
            ProviderStatus::DegradedPerformance | ProviderStatus::PartialOutage => {
                trace.warning = Some(failure::sentence(said_in_words));
                Ok(true)
            }
            ProviderStatus::MajorOutage => Err(plain(Reason::Assertion, said_in_words)),
        }
    }
}

fn request(page: &StatusPageProbe) -> HttpProbe {
    let StatusPageProbe { url, components: _, interval: _, timeout: _, proxy, tls } = page;
    HttpProbe {
        method: Method::GET,
        url: url.clone(),
        headers: HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]),
        body: bytes::Bytes::new(),
        expect_status: vec![200..=299],
        expect_header: Vec::new(),
        expect_body: Vec::new(),
        max_latency: None,
        max_body_bytes: SUMMARY_BYTES_MAX,
        follow_redirects: true,
        version: HttpVersion::Auto,
        connection: Connection::Fresh,
        proxy: proxy.clone(),
        auth: Auth::None,
        tls: tls.clone(),
        warn_before: None,
    }
}

/// As much of a summary as is looked at.
#[derive(Deserialize)]
struct Summary {
    status: Overall,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Overall {
    indicator: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    id: String,
    name: String,
    status: String,
}

/// What a page says of what is wanted of it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    status: ProviderStatus,
    /// Of which components, or in which words of its own where the whole page is meant.
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Components(Vec<String>),
    Page { indicator: String, description: String },
}

impl Said {
    fn words(&self) -> String {
        let status = self.status.in_words();
        match &self.what {
            What::Components(names) => format!("the provider reports {status} of {}", names.join(", ")),
            What::Page { indicator, description } => {
                format!("the provider's page says \"{description}\" ({indicator}); it does not say of what")
            }
        }
    }
}

fn judge(body: &[u8], wanted: &[Box<str>]) -> Result<Said, Failure> {
    let summary: Summary = serde_json::from_slice(body).map_err(|error| {
        plain(Reason::Protocol, format!("the answer is no summary of an Atlassian Statuspage: {error}"))
    })?;
    if wanted.is_empty() { of_page(summary.status) } else { of_components(&summary.components, wanted) }
}

fn of_page(overall: Overall) -> Result<Said, Failure> {
    let Overall { indicator, description } = overall;
    let status = match indicator.as_str() {
        "none" => ProviderStatus::Operational,
        "minor" => ProviderStatus::DegradedPerformance,
        "major" | "critical" => ProviderStatus::PartialOutage,
        "maintenance" => ProviderStatus::Maintenance,
        other => return Err(no_word("indicator of the page", other)),
    };
    Ok(Said { status, what: What::Page { indicator, description } })
}

fn of_components(components: &[Component], wanted: &[Box<str>]) -> Result<Said, Failure> {
    let mut worst = (ProviderStatus::Operational, Vec::new());
    for name in wanted {
        let is_it = |component: &&Component| same(&component.name, name) || component.id.eq_ignore_ascii_case(name);
        let mut found = components.iter().filter(is_it).peekable();
        if found.peek().is_none() {
            return Err(no_component(components, name));
        }
        for component in found {
            let status = status_of(component)?;
            if rank(status) > rank(worst.0) {
                worst = (status, Vec::new());
            }
            if status == worst.0 && !worst.1.contains(&component.name) {
                worst.1.push(component.name.clone());
            }
        }
    }
    Ok(Said { status: worst.0, what: What::Components(worst.1) })
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn status_of(component: &Component) -> Result<ProviderStatus, Failure> {
    match component.status.as_str() {
        "operational" => Ok(ProviderStatus::Operational),
        "degraded_performance" => Ok(ProviderStatus::DegradedPerformance),
        "partial_outage" => Ok(ProviderStatus::PartialOutage),
        "major_outage" => Ok(ProviderStatus::MajorOutage),
        "under_maintenance" => Ok(ProviderStatus::Maintenance),
        other => Err(no_word(&format!("status of {}", component.name), other)),
    }
}

/// What hides what, where several components count.
const fn rank(status: ProviderStatus) -> u8 {
    match status {
        ProviderStatus::Operational => 0,
        ProviderStatus::Maintenance => 1,
        ProviderStatus::DegradedPerformance => 2,
        ProviderStatus::PartialOutage => 3,
        ProviderStatus::MajorOutage => 4,
    }
}

fn no_word(of: &str, word: &str) -> Failure {
    plain(Reason::Protocol, format!("the {of} is \"{word}\", which is no word of Atlassian Statuspage"))
}

fn no_component(components: &[Component], name: &str) -> Failure {
    let mut names: Vec<&str> = components.iter().take(COMPARED_MAX).map(|component| component.name.as_str()).collect();
    names.sort_by_cached_key(|known| distance(known, name));
    names.dedup();
    names.truncate(NAMES_TOLD);
    let nearest =
        if names.is_empty() { "it has none".to_owned() } else { format!("the nearest are: {}", names.join(", ")) };
    plain(Reason::Assertion, format!("the provider's page has no component \"{name}\"; {nearest}"))
}

/// How many letters must be changed, added or removed (Levenshtein), without regard to case.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| text.to_lowercase().chars().take(COMPARED_LETTERS_MAX).collect::<Vec<_>>();
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (left, candidate) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != candidate);
            diagonal = row[left + 1];
            row[left + 1] = changed.min(diagonal + 1).min(row[left] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_names_is_the_number_of_letters_that_differ() {
        assert_eq!(distance("Cards API", "crads api"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("결제", "결제 API"), 4);
    }
}
