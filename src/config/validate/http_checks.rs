//! What an HTTP probe expects: statuses, headers, and the body.

use std::ops::RangeInclusive;

use http::HeaderName;
use serde_json::Value as Json;
use serde_json_path::JsonPath;

use crate::config::probe::BodyCheck;
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::raw::tree::{Kind, Value};

/// `expect_status`: `204`, `"200-299"`, `"2xx"`, or several of them.
pub(crate) fn statuses(section: &mut Section<'_>) -> Vec<RangeInclusive<u16>> {
    let Some(field) = section.take("expect_status") else { return vec![200..=299] };
    let elements = field.one_or_more();
    if elements.is_empty() {
        field.fail("no status would be good", "Write expect_status = [\"200-299\"]");
    }
    elements.iter().filter_map(status).collect()
}

/// The statuses that a row of a table is about; none for all of them.
pub(crate) fn row_statuses(field: &Field<'_>) -> Vec<RangeInclusive<u16>> {
    field.one_or_more().iter().filter_map(status).collect()
}

fn status(field: &Field<'_>) -> Option<RangeInclusive<u16>> {
    let range = match &field.value().kind {
        Kind::Integer(number) => u16::try_from(*number).ok().map(|status| status..=status),
        Kind::Text(text) => status_range(&text.text),
        Kind::Broken => return None,
        Kind::Float(_) | Kind::Boolean(_) | Kind::Datetime(_) | Kind::Array(_) | Kind::Table(_) => None,
    };
    let range = range.filter(|range| *range.start() >= 100 && *range.end() <= 599 && !range.is_empty());
    if range.is_none() {
        let detail = format!("{} is not a status or a range of them", field.shown());
        field.fail(&detail, "Write 204, \"200-299\" or \"2xx\", from 100 to 599");
    }
    range
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| text.trim().parse::<u16>().ok();
    if let Some(class) = text.strip_suffix("xx") {
        let first = number(class)?.checked_mul(100)?;
        return Some(first..=first.checked_add(99)?);
    }
    match text.split_once('-') {
        Some((first, last)) => Some(number(first)?..=number(last)?),
        None => number(text).map(|status| status..=status),
    }
}

/// `expect_header`: each must be there and contain its text.
pub(crate) fn headers(section: &mut Section<'_>) -> Vec<(HeaderName, Box<str>)> {
    let entries = section.section("expect_header").entries();
    entries.into_iter().filter_map(|(name, field)| Some((header_name(name, &field)?, field.text()?.into()))).collect()
}

/// A header's name.
pub(crate) fn header_name(name: &str, field: &Field<'_>) -> Option<HeaderName> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    if parsed.is_none() {
        field.fail(&format!("`{name}` is not a header's name"), "Write it like \"content-type\"");
    }
    parsed
}

/// `expect_body`, `expect_body_regex` and `expect_json`, in this order.
pub(crate) fn body(section: &mut Section<'_>) -> Vec<BodyCheck> {
    let mut checks = Vec::new();
    let mut each = |key, check: &dyn Fn(&Field<'_>) -> Option<BodyCheck>| {
        if let Some(field) = section.take(key) {
            checks.extend(field.one_or_more().iter().filter_map(check));
        }
    };
    each("expect_body", &|field| Some(BodyCheck::Contains(field.filled_text()?.into())));
    each("expect_body_regex", &|field| field.regex().map(BodyCheck::Matches));
    each("expect_json", &json_check);
    checks
}

fn json_check(field: &Field<'_>) -> Option<BodyCheck> {
    let mut section = field.section()?;
    let path = section.require("path", "Write { path = \"$.status\", equals = \"UP\" }");
    let equals = section.require("equals", "Write { path = \"$.status\", equals = \"UP\" }");
    section.finish();
    let path = path.and_then(|path| json_path(&path));
    let equals = equals.and_then(|equals| as_json(equals.value()));
    Some(BodyCheck::Json { path: path?, equals: equals? })
}

/// A JSONPath (RFC 9535).
pub(crate) fn json_path(field: &Field<'_>) -> Option<JsonPath> {
    let text = field.filled_text()?;
    match JsonPath::parse(text) {
        Ok(path) => Some(path),
        Err(error) => {
            let detail =
                format!("{} is not a JSONPath: at character {}, {}", field.shown(), error.position(), error.message());
            field.fail(&detail, "Write it like \"$.status\" (RFC 9535)");
            None
        }
    }
}

/// A value as JSON has it.
pub(crate) fn as_json(value: &Value) -> Option<Json> {
    match &value.kind {
        Kind::Text(text) => Some(Json::from(text.text.as_ref())),
        Kind::Integer(number) => Some(Json::from(*number)),
        Kind::Float(number) => Some(Json::from(*number)),
        Kind::Boolean(truth) => Some(Json::from(*truth)),
        Kind::Datetime(time) => Some(Json::from(time.as_ref())),
        Kind::Array(values) => values.iter().map(as_json).collect::<Option<Vec<Json>>>().map(Json::from),
        Kind::Table(table) => {
            let members = table.entries.iter();
            members
                .map(|entry| Some((entry.key.to_string(), as_json(&entry.value)?)))
                .collect::<Option<_>>()
                .map(Json::Object)
        }
        Kind::Broken => None,
    }
}

#[cfg(test)]
mod tests {
    use super::status_range;

    #[test]
    fn a_status_is_a_number_a_range_or_a_class() {
        assert_eq!(status_range("204"), Some(204..=204));
        assert_eq!(status_range("200-299"), Some(200..=299));
        assert_eq!(status_range("2xx"), Some(200..=299));
        assert_eq!(status_range("655xx"), None);
        assert_eq!(status_range("ok"), None);
    }
}
