//! `set_headers`, `set_headers_file` and `remove_headers`: what a route changes in a request.

use http::{HeaderName, HeaderValue};

use super::attachments::Attachments;
use super::http_checks;
use super::http_probe::{HEADERS_OF_THE_CONNECTION, header_value};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

const MAX_HEADERS: usize = 64;
/// What stands in the name of a header whose value is most likely a secret.
const SECRET_WORDS: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// `set_headers`, a text each, and `set_headers_file`, a file each. All of them are secrets. `keys` are the headers that make
/// requests idempotent.
pub(crate) fn set_headers(
    section: &mut Section<'_>,
    keys: &[HeaderName],
    attachments: &Attachments,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let texts = section.section("set_headers").entries();
    let files = section.section("set_headers_file").entries();
    let texts = texts.into_iter().map(|(name, field)| (name, field, false));
    let files = files.into_iter().map(|(name, field)| (name, field, true));
    for (name, field, is_file) in texts.chain(files) {
        let Some(name) = settable(name, keys, &field) else { continue };
        if headers.iter().any(|(known, _)| *known == name) {
            field.fail(&format!("`{name}` is set twice"), "Remove one of them");
            continue;
        }
        if headers.len() == MAX_HEADERS {
            field.fail(&format!("more than {MAX_HEADERS} headers"), "Remove some");
            break;
        }
        let value = if is_file { from_file(&field, attachments) } else { from_text(&name, &field) };
        headers.extend(value.map(|value| (name, value)));
    }
    headers
}

/// `remove_headers`.
pub(crate) fn remove_headers(section: &mut Section<'_>, keys: &[HeaderName]) -> Vec<HeaderName> {
    let elements = section.take("remove_headers").map(|field| field.elements()).unwrap_or_default();
    elements.iter().filter_map(|element| settable(element.filled_text()?, keys, element)).collect()
}

fn settable(name: &str, keys: &[HeaderName], field: &Field<'_>) -> Option<HeaderName> {
    let name = http_checks::header_name(name, field)?;
    if name == http::header::HOST {
        field.fail("`host` is set by the proxy", "Use preserve_host, or change the target's endpoint");
        return None;
    }
    if HEADERS_OF_THE_CONNECTION.contains(&name.as_str()) {
        field.fail(&format!("`{name}` is set by the proxy itself"), "Remove it");
        return None;
    }
    if name == http::header::VIA {
        field.fail("`via` ends requests that go round in a circle", "Remove it");
        return None;
    }
    if keys.contains(&name) {
        let detail = format!("`{name}` makes requests idempotent, and is the client's to choose");
        field.fail(&detail, "Remove it, or name another idempotency_header");
        return None;
    }
    Some(name)
}

fn from_text(name: &HeaderName, field: &Field<'_>) -> Option<HeaderValue> {
    let value = header_value(field)?;
    if SECRET_WORDS.iter().any(|word| name.as_str().contains(word)) && !field.is_from_environment() {
        field.warn("a secret stands in the file as text", "Use set_headers_file, or a variable: \"${NAME}\"");
    }
    Some(value)
}

fn from_file(field: &Field<'_>, attachments: &Attachments) -> Option<HeaderValue> {
    let content = attachments.read(field)?;
    let value = HeaderValue::from_bytes(content.trim_ascii()).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        let detail = format!("the file {} is empty, or has more than one line", field.shown());
        field.fail(&detail, "It holds the header's value and nothing else");
    }
    let mut value = value?;
    value.set_sensitive(true);
    Some(value)
}
