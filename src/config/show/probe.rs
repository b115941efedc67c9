//! `[target.probe]` and `[target.status_page]`

use toml::Value;

use super::sheet::{SECRET, Sheet, address, of_json, origin, statuses, table, text, texts};
use crate::config::probe::{
    Auth, BodyCheck, Connection, DnsExpect, DnsProbe, GrpcProbe, HeartbeatProbe, HttpProbe, HttpVersion, IcmpProbe,
    Probe, StatusPageProbe, TcpExpect, TcpProbe, Tls, TlsProbe,
};
use crate::config::units::write_size;

pub(super) fn show(sheet: &mut Sheet, probe: &Probe) {
    sheet.table("target.probe");
    sheet.key("kind", probe.kind());
    match probe {
        Probe::Http(probe) => show_http(sheet, probe),
        Probe::Tcp(probe) => show_tcp(sheet, probe),
        Probe::Tls(probe) => {
            // Host and port are the endpoint's, here as below.
            let TlsProbe { host: _, port: _, tls, warn_before, max_latency } = &**probe;
            sheet.tls(tls);
            sheet.duration_or_off("warn_before", *warn_before);
            sheet.duration_or_off("max_latency", *max_latency);
        }
        Probe::Dns(probe) => show_dns(sheet, probe),
        Probe::Grpc(probe) => {
            let GrpcProbe { host: _, port: _, service, tls, warn_before, max_latency } = &**probe;
            sheet.key("service", &**service);
            sheet.tls(tls.as_ref().unwrap_or(&Tls::default()));
            sheet.duration_or_off("warn_before", *warn_before);
            sheet.duration_or_off("max_latency", *max_latency);
        }
        Probe::Icmp(probe) => {
            let IcmpProbe { host: _, payload_bytes, max_latency } = &**probe;
            sheet.key("payload", write_size(*payload_bytes as u64));
            sheet.duration_or_off("max_latency", *max_latency);
        }
        Probe::Heartbeat(HeartbeatProbe { grace }) => sheet.duration("grace", *grace),
        Probe::StatusPage(page) => show_page(sheet, page),
    }
}

pub(super) fn show_second_opinion(sheet: &mut Sheet, page: &StatusPageProbe) {
    sheet.table("target.status_page");
    show_page(sheet, page);
    sheet.duration("interval", page.interval);
    sheet.duration("timeout", page.timeout);
}

fn show_page(sheet: &mut Sheet, page: &StatusPageProbe) {
    // As a target's probe it has the target's times.
    let StatusPageProbe { url, components, interval: _, timeout: _, proxy, tls } = page;
    sheet.key("url", address(url));
    sheet.list("component", texts(&**components));
    show_proxy(sheet, proxy.as_ref());
    sheet.tls(tls);
}

fn show_proxy(sheet: &mut Sheet, proxy: Option<&http::Uri>) {
    sheet.key("proxy", proxy.map_or_else(|| "off".to_owned(), origin));
}

fn show_http(sheet: &mut Sheet, probe: &HttpProbe) {
    let HttpProbe {
        method,
        url,
        headers,
        body,
        expect_status,
        expect_header,
        expect_body,
        max_latency,
        max_body_bytes,
        follow_redirects,
        version,
        connection,
        proxy,
        auth,
        tls,
        warn_before,
    } = probe;
    sheet.key("method", method.as_str());
    sheet.key("url", address(url));
    let hidden = |name: &http::HeaderName| Value::from(texts(headers.get_all(name).iter().map(|_| SECRET)));
    sheet.key("headers", table(headers.keys().map(|name| (name, hidden(name)))));
    sheet.key("body", if body.is_empty() { "" } else { SECRET });
    sheet.key("expect_status", statuses(expect_status));
    sheet.key("expect_header", table(expect_header.iter().map(|(name, value)| (name, text(value)))));
    show_body_checks(sheet, expect_body);
    sheet.duration_or_off("max_latency", *max_latency);
    sheet.key("max_body", write_size(*max_body_bytes as u64));
    sheet.key("follow_redirects", *follow_redirects);
    sheet.key("version", version_word(*version));
    let connection = match connection {
        Connection::Fresh => "fresh",
        Connection::Kept => "kept",
        Connection::Mixed => "mixed",
    };
    sheet.key("connection", connection);
    show_proxy(sheet, proxy.as_ref());
    sheet.key("auth", auth_table(auth));
    sheet.tls(tls);
    sheet.duration_or_off("warn_before", *warn_before);
}

pub(super) const fn version_word(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::Auto => "auto",
        HttpVersion::Http1 => "1.1",
        HttpVersion::Http2 => "2",
    }
}

fn show_body_checks(sheet: &mut Sheet, checks: &[BodyCheck]) {
    let (mut contains, mut matches, mut json) = (Vec::new(), Vec::new(), Vec::new());
    for check in checks {
        match check {
            BodyCheck::Contains(part) => contains.push(text(part)),
            BodyCheck::Matches(regex) => matches.push(text(regex.as_str())),
            BodyCheck::Json { path, equals } => {
                json.push(table([("path", Value::from(path.to_string())), ("equals", of_json(equals))]));
            }
        }
    }
    sheet.list("expect_body", contains);
    sheet.list("expect_body_regex", matches);
    sheet.list("expect_json", json);
}

fn auth_table(auth: &Auth) -> Value {
    let secret = || text(SECRET);
    match auth {
        Auth::None => table([("kind", text("none"))]),
        Auth::Basic { user, password: _ } => {
            table([("kind", text("basic")), ("user", text(user)), ("password", secret())])
        }
        Auth::Bearer(_) => table([("kind", text("bearer")), ("token", secret())]),
        Auth::OAuth2 { token_url, client_id, client_secret: _, scope } => table([
            ("kind", text("oauth2")),
            ("token_url", Value::from(address(token_url))),
            ("client_id", text(client_id)),
            ("client_secret", secret()),
            ("scope", text(scope)),
        ]),
    }
}

fn show_tcp(sheet: &mut Sheet, probe: &TcpProbe) {
    let TcpProbe { host: _, port: _, send, expect, tls, max_latency, warn_before } = probe;
    sheet.key("send", if send.is_empty() { "" } else { SECRET });
    match expect {
        None => {}
        Some(TcpExpect::Contains(bytes)) => sheet.key("expect", String::from_utf8_lossy(bytes).as_ref()),
        Some(TcpExpect::Matches(regex)) => sheet.key("expect_regex", regex.as_str()),
    }
    match tls {
        None => sheet.key("tls", false),
        Some(tls) if *tls == Tls::default() => sheet.key("tls", true),
        Some(tls) => sheet.tls(tls),
    }
    sheet.duration_or_off("max_latency", *max_latency);
    sheet.duration_or_off("warn_before", *warn_before);
}

fn show_dns(sheet: &mut Sheet, probe: &DnsProbe) {
    let DnsProbe { name, record, expect, resolver, max_latency } = probe;
    sheet.key("name", &**name);
    sheet.key("record", record.as_str());
    match expect {
        DnsExpect::Something => {}
        DnsExpect::All(values) => sheet.key("expect", texts(&**values)),
        DnsExpect::Any(values) => sheet.key("expect_any", texts(&**values)),
    }
    sheet.maybe("resolver", resolver.map(|address| address.to_string()));
    sheet.duration_or_off("max_latency", *max_latency);
}
