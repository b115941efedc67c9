//! `[[proxy.route.operation]]`: what is known of one operation of a target.

use std::sync::Arc;
use std::time::Duration;

use super::{http_checks, http_probe, name, proxy_route};
use crate::config::model::LONGEST_TIMEOUT;
use crate::config::proxy::{JsonRow, Operation, OutcomeRow, PathPattern, Segment};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::domain::breaker::Outcome;

const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Each costs a comparison for every request of its route.
const MAX_OPERATIONS: usize = 100;

/// Every operation of a route.
pub(crate) fn operations(route: &mut Section<'_>) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut names: Vec<Arc<str>> = Vec::new();
    for (index, section) in route.sections("operation").into_iter().enumerate() {
        if index == MAX_OPERATIONS {
            section.fail(&format!("more than {MAX_OPERATIONS} operations"), "Join some with `{id}` or `*`");
            break;
        }
        operations.extend(operation(section, &mut names));
    }
    operations
}

fn operation(mut section: Section<'_>, names: &mut Vec<Arc<str>>) -> Option<Operation> {
    let name_field = section.require("name", "Write name = \"authorize\"");
    let name = name_field.as_ref().and_then(name::name);
    if let (Some(field), Some(name)) = (&name_field, &name) {
        if names.contains(name) {
            field.fail(&format!("`{name}` is already the name of an operation of this route"), "A name is given once");
        }
        names.push(Arc::clone(name));
    }
    let method = section.take("method").and_then(|field| http_probe::method(&field));
    let path = section.require("path", "Write path = \"/v1/payments\"").and_then(|field| pattern(&field));
    let attempt_timeout =
        section.take("attempt_timeout").and_then(|field| field.duration(TIMEOUT_MIN..=LONGEST_TIMEOUT));
    let attempts = section.take("attempts").and_then(|field| field.whole(1..=10));
    let idempotent = section.take("idempotent").and_then(|field| field.boolean()).unwrap_or(false);
    let idempotency_header = proxy_route::idempotency_header(&mut section);
    let outcomes = section.sections("outcome").into_iter().filter_map(row).collect();
    section.finish();
    Some(Operation {
        name: name?,
        method,
        path: path?,
        attempt_timeout,
        attempts,
        idempotent,
        idempotency_header,
        outcomes,
    })
}

/// `/v1/payments/{id}/cancel` or `/v1/*`: `{id}` is one segment, `*` at the end everything that follows.
fn pattern(field: &Field<'_>) -> Option<PathPattern> {
    let text = field.filled_text()?;
    let Some(rest) = text.strip_prefix('/') else {
        field.fail("a path begins with `/`", "Write path = \"/v1/payments\", without the route's prefix");
        return None;
    };
    let (rest, open_ended) = match rest.strip_suffix('*') {
        Some("") => ("", true),
        Some(before) if before.ends_with('/') => (before.trim_end_matches('/'), true),
        Some(_) | None => (rest, false),
    };
    let texts = if rest.is_empty() && open_ended { Vec::new() } else { rest.split('/').collect() };
    let segments: Option<Vec<Segment>> = texts.into_iter().map(segment).collect();
    if segments.is_none() {
        let hint = "Write segments as they are sent; `{id}` for one that varies, `*` at the end for all that follows";
        field.fail(&format!("{} is not a pattern of paths", field.shown()), hint);
    }
    Some(PathPattern { segments: segments?, open_ended })
}

fn segment(text: &str) -> Option<Segment> {
    if text.starts_with('{') && text.ends_with('}') && text.len() > 2 {
        return Some(Segment::Any);
    }
    let plain = !text.contains(['*', '{', '}', '?', '#', ' ']) && text != "." && text != "..";
    plain.then(|| Segment::Exactly(text.into()))
}

fn row(mut section: Section<'_>) -> Option<OutcomeRow> {
    let is_about_something = ["status", "json", "in"].iter().any(|key| section.has_own(key));
    let status = section.take("status").map(|field| http_checks::row_statuses(&field));
    let json = section.take("json");
    let values = section.take("in");
    let words = [
        ("success", Outcome::Success),
        ("failure", Outcome::Failure),
        ("ignored", Outcome::Ignored),
        ("unknown", Outcome::Unknown),
    ];
    let outcome = section
        .require("outcome", "Write outcome = \"failure\", \"success\", \"ignored\" or \"unknown\"")
        .and_then(|field| field.word(&words));
    let not_processed = section.take("not_processed").and_then(|field| field.boolean()).unwrap_or(false);
    let json = match (json, values) {
        (Some(path), Some(values)) => Some(JsonRow {
            path: http_checks::json_path(&path)?,
            values: values.one_or_more().iter().filter_map(|value| http_checks::as_json(value.value())).collect(),
        }),
        (None, None) => None,
        (Some(alone), None) | (None, Some(alone)) => {
            alone.fail("`json` and `in` go together", "Write json = \"$.resultCode\" and in = [\"2159\"]");
            None
        }
    };
    if !is_about_something {
        section.fail("what it is about is missing", "Write status = [\"500\"], or `json` and `in`");
    }
    section.finish();
    Some(OutcomeRow { status: status.unwrap_or_default(), json, outcome: outcome?, not_processed })
}
