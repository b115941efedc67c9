//! `[[proxy.route]]`: which requests go to which target, and its fallback.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};

use super::proxy::Around;
use super::{address, http_checks, proxy_headers, proxy_operation, tls};
use crate::config::probe::HttpVersion;
use crate::config::proxy::{Destination, Fallback, Match, Route};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;
use crate::config::raw::suggest;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HINT: &str = "Write prefix = \"/gw/pg_kcp\", host = \"pg.shop.internal\" or listen = \"127.0.0.1:9001\"";
/// First segments that belong to the API and the page.
const OURS: [&str; 19] = [
    "",
    "-",
    "alerts",
    "assets",
    "channels",
    "config",
    "events",
    "healthz",
    "heartbeats",
    "integrationFailureHistories",
    "integrationStatuses",
    "livez",
    "maintenances",
    "metrics",
    "openapi.json",
    "outbox",
    "readyz",
    "silences",
    "targets",
];

/// One route, finished, with the field that says which requests it takes.
pub(crate) fn route<'t>(mut section: Section<'t>, around: &Around<'_>) -> Option<(Route, Field<'t>)> {
    let matches = matches(&mut section);
    let idempotency_header = idempotency_header(&mut section).unwrap_or(HeaderName::from_static("idempotency-key"));
    let operations = proxy_operation::operations(&mut section);
    let own_keys = operations.iter().filter_map(|operation| operation.idempotency_header.clone());
    let keys: Vec<HeaderName> = std::iter::once(idempotency_header.clone()).chain(own_keys).collect();
    let target = section.require("target", "Write target = \"PG_KCP\"");
    let target = target.and_then(|field| destination(&mut section, &field, &keys, around));
    let truth = |section: &mut Section<'_>, key| section.take(key).and_then(|field| field.boolean()).unwrap_or(false);
    let preserve_host = truth(&mut section, "preserve_host");
    let trust_forwarded = truth(&mut section, "trust_forwarded");
    let size = |section: &mut Section<'_>, key, most, otherwise| {
        section.take(key).and_then(|field| field.size(0..=most)).unwrap_or(otherwise)
    };
    let body_limit = size(&mut section, "body_limit", 16 * GIB, MIB);
    let retry_buffer = size(&mut section, "retry_buffer", 16 * MIB, 64 * KIB);
    let inspect_limit = size(&mut section, "inspect_limit", 16 * MIB, 64 * KIB);
    let response_limit = section.take("response_limit").and_then(|field| size_or_off(&field));
    let fallback = fallback(section.section("fallback"), target.as_ref(), &keys, around);
    section.finish();
    let (matches, field) = matches?;
    let route = Route {
        matches,
        target: target?,
        preserve_host,
        trust_forwarded,
        body_limit,
        response_limit,
        retry_buffer: retry_buffer as usize,
        inspect_limit: inspect_limit as usize,
        idempotency_header,
        operations,
        fallback,
    };
    Some((route, field))
}

/// `idempotency_header`.
pub(crate) fn idempotency_header(section: &mut Section<'_>) -> Option<HeaderName> {
    let field = section.take("idempotency_header")?;
    http_checks::header_name(field.filled_text()?, &field)
}

fn size_or_off(field: &Field<'_>) -> Option<u64> {
    if field.value().as_text() == Some("off") { None } else { field.size(KIB..=16 * GIB) }
}

/// Exactly one of the three.
fn matches<'t>(section: &mut Section<'t>) -> Option<(Match, Field<'t>)> {
    let (prefix, host, listen) = (section.take("prefix"), section.take("host"), section.take("listen"));
    let given = [&prefix, &host, &listen].into_iter().flatten().count();
    if given != 1 {
        let detail = if given == 0 { "which requests it takes is missing" } else { "it takes requests in two ways" };
        section.fail(detail, HINT);
        return None;
    }
    if let Some(field) = prefix {
        return Some((Match::Prefix(path_prefix(&field)?), field));
    }
    if let Some(field) = host {
        return Some((Match::Host(host_name(&field)?), field));
    }
    let field = listen?;
    let address: Option<SocketAddr> = field.text()?.parse().ok();
    if address.is_none() {
        let detail = format!("{} is not an IP address with a port", field.shown());
        field.fail(&detail, "Write listen = \"127.0.0.1:9001\", or \"[::1]:9001\"");
    }
    Some((Match::Listen(address?), field))
}

/// `/gw/pg_kcp`, also written with `/` or `/*` at its end.
fn path_prefix(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.filled_text()?;
    let prefix = text.strip_suffix("/*").unwrap_or(text);
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if !text.starts_with('/') {
        field.fail("a prefix begins with `/`", &format!("Write prefix = \"/{}\"", text.trim_start_matches('/')));
        return None;
    }
    let first = prefix.split('/').nth(1).unwrap_or_default();
    if OURS.contains(&first) {
        let detail = format!("{} would hide paths of the API on the same socket", field.shown());
        field.fail(&detail, "Write a prefix of its own, such as \"/gw/pg_kcp\", or use `listen`");
        return None;
    }
    let good = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte))
    };
    if !prefix.split('/').skip(1).all(good) {
        field.fail(
            &format!("{} is not a prefix of paths", field.shown()),
            "Write plain segments, without `..`, `//`, `%`, `?` and `*`",
        );
        return None;
    }
    Some(prefix.into())
}

fn host_name(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.filled_text()?;
    let authority = text.parse::<http::uri::Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
    if authority.is_none() {
        field.fail(&format!("{} is not a host", field.shown()), "Write host = \"pg.shop.internal\", or with a port");
    }
    Some(authority?.as_str().to_ascii_lowercase().into())
}

/// The target that `field` names, with what the table says about how it is spoken to. `keys` are the headers that make
/// requests idempotent.
fn destination(
    section: &mut Section<'_>,
    field: &Field<'_>,
    keys: &[HeaderName],
    around: &Around<'_>,
) -> Option<Destination> {
    let versions = [("auto", HttpVersion::Auto), ("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)];
    let version = section.take("version").and_then(|field| field.word(&versions)).unwrap_or(HttpVersion::Auto);
    let own_tls = section.has_own("tls");
    let tls_table = section.section("tls");
    let (name, endpoint) = endpoint(field, around)?;
    if own_tls && endpoint.scheme_str() == Some("http") {
        tls_table.warn("the target's endpoint is http://, so this is not used", "Write https://");
    }
    Some(Destination {
        name,
        endpoint,
        version,
        tls: tls::tls(tls_table, around.attachments),
        set_headers: proxy_headers::set_headers(section, keys, around.attachments),
        remove_headers: proxy_headers::remove_headers(section, keys),
    })
}

fn endpoint(field: &Field<'_>, around: &Around<'_>) -> Option<(Arc<str>, Uri)> {
    let text = field.text()?;
    let Some((name, target)) = around.targets.get_key_value(text) else {
        if !around.incomplete {
            let hint = match suggest::nearest(text, around.targets.keys().map(AsRef::as_ref)) {
                Some(near) => format!("Did you mean \"{near}\"?"),
                None => "Add a [[target]] with this name".to_owned(),
            };
            field.fail(&format!("no target has the name {}", field.shown()), &hint);
        }
        return None;
    };
    let Ok(endpoint) = address::http_url(&target.endpoint) else {
        let detail = format!("the endpoint of {name} is not HTTP, so no request can be sent to it");
        field.fail(&detail, "Name a target with an http:// or https:// endpoint");
        return None;
    };
    Some((Arc::clone(name), endpoint))
}

fn fallback(
    mut section: Section<'_>,
    target: Option<&Destination>,
    keys: &[HeaderName],
    around: &Around<'_>,
) -> Option<Fallback> {
    if !section.is_written() {
        section.section("tls");
        section.take("target");
        for key in ["status", "content_type", "body"] {
            section.take(key);
        }
        section.finish();
        return None;
    }
    let to = section.take("target");
    let answer = answer(&mut section);
    let fallback = match to {
        Some(field) if section.has_own("status") || section.has_own("body") => {
            field.fail("a fallback is either an answer or another target", "Remove `target`, or `status` and `body`");
            None
        }
        Some(field) => {
            let second = destination(&mut section, &field, keys, around);
            if second.as_ref().map(|second| &second.name) == target.map(|target| &target.name) && second.is_some() {
                field.fail("the fallback is the target itself", "Name another target");
            }
            second.map(|second| Fallback::Target(Box::new(second)))
        }
        None => answer,
    };
    section.finish();
    fallback
}

fn answer(section: &mut Section<'_>) -> Option<Fallback> {
    let status = section.take("status").and_then(|field| field.whole(200..=599)).unwrap_or(200);
    let content_type = section.take("content_type").and_then(|field| {
        let value = HeaderValue::from_str(field.filled_text()?).ok();
        if value.is_none() {
            field.fail("this has a control character, which no header may have", "Write it in one line");
        }
        value
    });
    let body = section.take("body").and_then(|field| field.text()).unwrap_or_default();
    Some(Fallback::Answer {
        status: u16::try_from(status).unwrap_or(200),
        content_type: content_type.unwrap_or(HeaderValue::from_static("application/json")),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
    })
}
