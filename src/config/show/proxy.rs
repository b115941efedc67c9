//! `[proxy]` and `[[proxy.route]]`

use super::probe::version_word;
use super::sheet::{SECRET, Sheet, of_json, statuses, table, text, texts};
use crate::config::proxy::{
    Destination, Fallback, JsonRow, Match, Operation, OutcomeRow, PathPattern, Proxy, Route, Segment,
};
use crate::config::units::write_size;
use crate::domain::breaker::Outcome;

pub(super) fn show(sheet: &mut Sheet, proxy: &Proxy) {
    let Proxy { threads, max_connections, idle_connections, idle_time, routes } = proxy;
    sheet.table("proxy");
    sheet.maybe("threads", threads.and_then(|threads| i64::try_from(threads).ok()));
    sheet.number("max_connections", *max_connections);
    sheet.number("idle_connections", *idle_connections);
    sheet.duration("idle_time", *idle_time);
    for route in routes {
        show_route(sheet, route);
    }
}

fn show_route(sheet: &mut Sheet, route: &Route) {
    let Route {
        matches,
        target,
        preserve_host,
        trust_forwarded,
        body_limit,
        response_limit,
        retry_buffer,
        inspect_limit,
        idempotency_header,
        operations,
        fallback,
    } = route;
    sheet.table("[proxy.route]");
    match matches {
        Match::Listen(address) => sheet.key("listen", address.to_string()),
        Match::Host(host) => sheet.key("host", &**host),
        Match::Prefix(prefix) => sheet.key("prefix", &**prefix),
    }
    show_destination(sheet, target);
    sheet.key("preserve_host", *preserve_host);
    sheet.key("trust_forwarded", *trust_forwarded);
    sheet.key("body_limit", write_size(*body_limit));
    sheet.key("response_limit", response_limit.map_or_else(|| "off".to_owned(), write_size));
    sheet.key("retry_buffer", write_size(*retry_buffer as u64));
    sheet.key("inspect_limit", write_size(*inspect_limit as u64));
    sheet.key("idempotency_header", idempotency_header.as_str());
    for operation in operations {
        show_operation(sheet, operation);
    }
    match fallback {
        None => {}
        Some(Fallback::Answer { status, content_type, body }) => {
            sheet.table("proxy.route.fallback");
            sheet.number("status", *status);
            sheet.key("content_type", String::from_utf8_lossy(content_type.as_bytes()).as_ref());
            sheet.key("body", if body.is_empty() { "" } else { SECRET });
        }
        Some(Fallback::Target(destination)) => {
            sheet.table("proxy.route.fallback");
            show_destination(sheet, destination);
        }
    }
}

fn show_destination(sheet: &mut Sheet, destination: &Destination) {
    // The endpoint is the target's.
    let Destination { name, endpoint: _, version, tls, set_headers, remove_headers } = destination;
    sheet.key("target", &**name);
    sheet.key("version", version_word(*version));
    sheet.tls(tls);
    sheet.key("set_headers", table(set_headers.iter().map(|(name, _)| (name, text(SECRET)))));
    sheet.key("remove_headers", texts(remove_headers));
}

fn show_operation(sheet: &mut Sheet, operation: &Operation) {
    let Operation { name, method, path, attempt_timeout, attempts, idempotent, idempotency_header, outcomes } =
        operation;
    sheet.table("[proxy.route.operation]");
    sheet.key("name", &**name);
    sheet.maybe("method", method.as_ref().map(http::Method::as_str));
    sheet.key("path", pattern(path));
    if let Some(timeout) = attempt_timeout {
        sheet.duration("attempt_timeout", *timeout);
    }
    sheet.maybe("attempts", attempts.map(i64::from));
    sheet.key("idempotent", *idempotent);
    sheet.maybe("idempotency_header", idempotency_header.as_ref().map(http::HeaderName::as_str));
    for row in outcomes {
        let OutcomeRow { status, json, outcome, not_processed } = row;
        sheet.table("[proxy.route.operation.outcome]");
        sheet.list("status", statuses(status));
        if let Some(JsonRow { path, values }) = json {
            sheet.key("json", path.to_string());
            sheet.key("in", values.iter().map(of_json).collect::<Vec<_>>());
        }
        let outcome = match outcome {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Ignored => "ignored",
            Outcome::Unknown => "unknown",
        };
        sheet.key("outcome", outcome);
        sheet.key("not_processed", *not_processed);
    }
}

/// What a segment that varies was called is not kept.
fn pattern(pattern: &PathPattern) -> String {
    let PathPattern { segments, open_ended } = pattern;
    let written = segments.iter().map(|segment| match segment {
        Segment::Exactly(text) => &**text,
        Segment::Any => "{any}",
    });
    let end = open_ended.then_some("*");
    format!("/{}", written.chain(end).collect::<Vec<_>>().join("/"))
}
