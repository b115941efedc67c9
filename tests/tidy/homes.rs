//! The homes: a third-party crate that shapes the code is used in one place, so that it can be changed in one place.

use std::sync::LazyLock;

use regex::Regex;

use super::rust::{line_of, regex};
use super::tree::{Finding, Tree, findings};

/// The crates that shape the code, and the modules that may use them.
const HOMES: &[(&str, &[&str])] = &[
    ("actix", &["actors"]),
    ("anyhow", &["app", "cli", "main"]),
    ("async_nats", &["cluster"]),
    ("clap", &["app", "cli", "main"]),
    ("croner", &["clock"]),
    ("failsafe", &["breaker"]),
    ("governor", &["guard"]),
    ("hickory_resolver", &["probes"]),
    ("httparse", &["probes"]),
    ("hyper", &["listener", "probes", "proxy", "simulator"]),
    ("hyper_util", &["listener", "probes", "proxy", "simulator"]),
    ("jiff", &["clock"]),
    ("lettre", &["notify"]),
    ("libc", &["probes"]),
    ("metrics", &["metrics"]),
    ("metrics_exporter_prometheus", &["metrics"]),
    ("minijinja", &["config"]),
    ("postcard", &["store"]),
    ("reqwest", &["gateway", "notify", "probes"]),
    ("rustix", &["notify"]),
    ("rustls", &["app", "cli", "config", "listener", "main", "probes", "proxy"]),
    ("rustls_native_certs", &["probes", "proxy"]),
    ("sled", &["store"]),
    ("socket2", &["listener", "probes", "proxy"]),
    ("surge_ping", &["probes"]),
    ("tikv_jemallocator", &["main"]),
    ("tokio_rustls", &["listener", "probes", "proxy"]),
    ("toml", &["config", "simulator"]),
    ("tower", &["guard"]),
    ("tracing_subscriber", &["app", "cli", "main"]),
    ("utoipa", &["http"]),
    ("warp", &["http", "simulator"]),
    ("x509_parser", &["probes"]),
];

/// The crates that are as good as the language: free on every floor but the domain's.
const ANYWHERE: &[&str] = &[
    "arc_swap",
    "base64",
    "bytes",
    "form_urlencoded",
    "futures_util",
    "hmac",
    "http",
    "http_body_util",
    "memchr",
    "parking_lot",
    "percent_encoding",
    "rand",
    "regex",
    "secrecy",
    "serde",
    "serde_json",
    "serde_json_path",
    "sha2",
    "thiserror",
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tracing",
    "uuid",
];

/// What the domain may use besides std.
const DOMAIN_MAY_USE: &[&str] = &["thiserror"];

/// A crate with a home is used at home.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.program() {
        let module = source.module();
        for mention in source.first_names_of_paths() {
            let name = mention.name.as_str();
            let home = HOMES.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, home)| *home);
            let is_known = home.is_some() || ANYWHERE.contains(&name);
            let (allowed, mend) = match (module, home) {
                ("domain", _) if is_known && !DOMAIN_MAY_USE.contains(&name) => {
                    (false, "The domain is std and thiserror: take what it needs as an argument.".to_owned())
                }
                (_, Some(home)) => (
                    home.contains(&module),
                    format!("It lives in {}: let that module do it, in terms of the domain.", home.join(", ")),
                ),
                (_, None) => (true, String::new()),
            };
            if !allowed {
                findings.push(Finding {
                    place: format!("{}:{}", source.path, mention.line),
                    wrong: format!("{module} uses the crate {name}"),
                    mend,
                });
            }
        }
    }
    findings
}

/// Every dependency stands in one of the two tables above.
pub(super) fn check_table(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.texts.get("Cargo.toml").map_or("", String::as_str);
    let manifest: toml::Table = manifest.parse().expect("cargo reads it too");
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let names = dependencies.into_iter().flat_map(toml::Table::keys).map(|name| name.replace('-', "_"));
    names
        .filter(|name| !ANYWHERE.contains(&name.as_str()) && !HOMES.iter().any(|(known, _)| known == name))
        .map(|name| Finding {
            place: "Cargo.toml".into(),
            wrong: format!("the dependency {name} has no home"),
            mend: "Give it one in tests/tidy/homes.rs, or list it there as free.".into(),
        })
        .collect()
}

/// The domain names nothing of std that reads a clock, a file, a socket or the environment.
pub(super) fn check_domain(tree: &Tree) -> Vec<Finding> {
    static MACHINE: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"\bstd\s*::\s*(?:fs|net|io|env|process|thread|os)\b|\b(?:Instant|SystemTime|RandomState)\b")
    });
    let domain = tree.program().filter(|source| source.module() == "domain");
    domain
        .flat_map(|source| MACHINE.find_iter(&source.shipped).map(move |found| (source, found)))
        .map(|(source, found)| Finding {
            place: format!("{}:{}", source.path, line_of(&source.shipped, found.start())),
            wrong: format!("the domain names {}", found.as_str()),
            mend: "Nothing here reads the machine: take the value as an argument.".into(),
        })
        .collect()
}

#[test]
fn a_crate_away_from_home_is_found() {
    let files = [
        ("src/store/log.rs", "use sled::Db;"),
        ("src/http/a.rs", "fn a(db: sled::Db) { let _: Option<::reqwest::Client>; }"),
        ("src/domain/a.rs", "#[derive(serde::Serialize, thiserror::Error)]\nstruct A;\nuse tracing;"),
        ("src/actors/a.rs", "use crate::metrics;\nfn a() { metrics::count() }"),
        ("src/guard/a.rs", "use metrics::counter;"),
    ];
    assert_eq!(
        findings(check, &files),
        [
            "src/domain/a.rs:1: domain uses the crate serde",
            "src/domain/a.rs:3: domain uses the crate tracing",
            "src/guard/a.rs:1: guard uses the crate metrics",
            "src/http/a.rs:1: http uses the crate sled",
            "src/http/a.rs:1: http uses the crate reqwest",
        ]
    );
}

#[test]
fn a_dependency_without_a_home_is_found() {
    let manifest = "[dependencies]\nsled = \"0.34\"\ntokio-util = \"0.7\"\nleft-pad = { version = \"1\" }\n";
    assert_eq!(findings(check_table, &[("Cargo.toml", manifest)]), ["Cargo.toml: the dependency left_pad has no home"]);
}

#[test]
fn a_domain_that_reads_the_machine_is_found() {
    let text = "use std::time::{Duration, Instant};\nfn a() { std::fs::read(\"x\"); }\n// std::net\n";
    assert_eq!(
        findings(check_domain, &[("src/domain/a.rs", text), ("src/clock.rs", text)]),
        ["src/domain/a.rs:1: the domain names Instant", "src/domain/a.rs:2: the domain names std::fs"]
    );
}
