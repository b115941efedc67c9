//! What comes out of files that are right.

use std::time::Duration;

use super::*;
use crate::config::channel::Grouping;
use crate::domain::alert::Reminder;
use crate::domain::breaker::{Mode, Policy};
use crate::domain::failure_history::FailureType;
use crate::domain::quiet::Label;

pub(super) const VARIABLES: [(&str, &str); 3] = [
    ("OPS_SECRET", "whsec_YnJlYWt3YXRlciBkZW1vOiBub3QgYSBzZWNyZXQgOik="),
    ("OPS_OLD_SECRET", "hunter2 hunter2 hunter2"),
    ("API_KEY", "hunter2-key"),
];

pub(super) fn everything() -> Loaded {
    let path = project().join("tests/data/config-everything.toml");
    Config::load(&path, &environment(&VARIABLES)).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_empty_file_is_a_node_with_the_defaults() {
    let Loaded { config, warnings, .. } = parsed("");
    assert_eq!(warnings, []);
    assert_eq!(&*config.node.name, "breakwater-1");
    assert_eq!(config.node.data_dir, Path::new("data"));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.anonymous, Scope::ALL.into());
    assert_eq!(config.store.cache_bytes, 64 << 20);
    assert_eq!(config.store.retention, Duration::from_secs(400 * 86_400));
    assert_eq!((config.monitor.max_passive_targets, config.monitor.max_retries), (1_000, 3));
    assert_eq!(&*config.monitor.weather_system, "WEATHER_API");
    assert!(config.targets.is_empty());
    assert_eq!(config.channels.keys().map(AsRef::as_ref).collect::<Vec<_>>(), ["log"]);
    assert_eq!(config.alerting.everyone.len(), 1);
}

#[test]
fn a_target_with_a_name_and_an_endpoint_has_the_defaults_of_the_guide() {
    let config = parsed("[[target]]\nname = \"a\"\nendpoint = \"https://a.example/v1\"\n").config;
    let target = &config.targets["a"];
    assert_eq!((target.interval, target.timeout), (Duration::from_secs(10), Duration::from_secs(2)));
    assert_eq!((target.policy.failure_threshold, target.policy.success_threshold), (3, 1));
    assert_eq!(target.policy.failure_type, FailureType::Other);
    assert_eq!(target.policy.alert.channels, config.alerting.everyone);
    assert_eq!(target.policy.alert.on, Conditions::NONE.with(Condition::Down).with(Condition::BreakerOpen));
    assert_eq!((target.policy.alert.severity, target.policy.alert.reminder), (Severity::Critical, None));
    assert_eq!(target.breaker, Policy::default());
    let Probe::Http(probe) = &target.probe else { panic!("an http endpoint has an http probe") };
    assert_eq!((probe.method.as_str(), probe.url.to_string().as_str()), ("GET", "https://a.example/v1"));
    assert_eq!((probe.connection, probe.version), (Connection::Mixed, HttpVersion::Auto));
    assert_eq!((&probe.expect_status, probe.max_body_bytes), (&vec![200..=299], 1 << 20));
}

#[test]
fn every_key_reaches_the_configuration() {
    let Loaded { config, .. } = everything();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn what_is_secret_reaches_the_configuration_and_no_debug_output() {
    let Loaded { config, .. } = everything();
    let Probe::Http(probe) = &config.targets["PG_KCP"].probe else { panic!("it is an http probe") };
    let Auth::OAuth2 { client_secret, .. } = &probe.auth else { panic!("it logs in") };
    assert_eq!(client_secret.expose(), b"hunter2-key");
    assert_eq!(probe.headers["x-api-key"], "hunter2-key");
    let shown = format!("{config:?} {config:#?} {:?} {:?}", probe.headers, probe.url);
    assert!(!shown.contains("hunter2"));
    assert!(!shown.contains("hooks.example"));
}

#[test]
fn a_target_inherits_tables_key_by_key() {
    let Loaded { config, .. } = everything();
    let Probe::Http(probe) = &config.targets["PG_KCP"].probe else { panic!("it is an http probe") };
    assert_eq!(probe.headers["user-agent"], "breakwater");
    assert_eq!(probe.headers["accept"], "application/json");
    assert_eq!(config.targets["DB"].breaker.window, Window::Count(10));
    let hourly = Reminder { every: Duration::from_secs(3_600), factor: 2, longest: Duration::from_secs(43_200) };
    assert_eq!(config.targets["DB"].policy.alert.reminder, Some(hourly));
    assert_eq!(config.targets["PG_KCP"].policy.alert.reminder, None);
    assert_eq!(&*config.targets["DB"].group, "shop");
}

#[test]
fn an_inherited_header_gives_way_to_the_targets_own_in_any_capitals() {
    let text = "[defaults.probe]\nheaders = { accept = \"text/html\" }\n[[target]]\nname = \"a\"\n\
                endpoint = \"https://a\"\nprobe = { headers = { Accept = \"*/*\" } }\n";
    let config = parsed(text).config;
    let Probe::Http(probe) = &config.targets["a"].probe else { panic!("it is an http probe") };
    assert_eq!(probe.headers.get_all("accept").iter().collect::<Vec<_>>(), ["*/*"]);
}

#[test]
fn a_profile_is_the_numbers_of_its_library_and_any_key_overrides_it() {
    let policy = |keys: &str| {
        let text = format!("[[target]]\nname = \"a\"\nendpoint = \"a:1\"\n[target.breaker]\n{keys}");
        parsed(&text).config.targets["a"].breaker.clone()
    };
    let seconds = Duration::from_secs;
    for (name, profile) in [
        ("default", Policy::default()),
        ("resilience4j", Policy::resilience4j()),
        ("envoy", Policy::envoy()),
        ("pg-resilience", Policy::pg_resilience()),
    ] {
        assert_eq!(policy(&format!("profile = \"{name}\"")), profile);
    }
    let library = policy("profile = \"resilience4j\"");
    assert_eq!((library.window, library.minimum_calls, library.trials), (Window::Count(100), 100, 10));
    assert_eq!((library.failure_rate, library.slow_call_rate, library.slow_call), (0.5, 1.0, seconds(60)));
    assert_eq!((library.open_time, library.open_time_max), (seconds(60), seconds(60)));
    let envoy = policy("profile = \"envoy\"");
    assert_eq!(
        (envoy.consecutive_failures, envoy.open_time, envoy.open_time_max),
        (Some(5), seconds(30), seconds(300))
    );
    let shop = policy("profile = \"pg-resilience\"\ncount = 4\nmode = \"disabled\"");
    assert_eq!((shop.window, shop.minimum_calls, shop.failure_rate), (Window::Count(4), 4, 0.3));
    assert_eq!((shop.slow_call, shop.slow_call_rate, shop.mode), (Duration::from_millis(700), 0.5, Mode::Disabled));
    assert_eq!(policy("profile = \"envoy\"\nconsecutive_failures = \"off\"").consecutive_failures, None);
    let rates = policy("profile = \"envoy\"\nslow_call_rate = 0.5");
    assert_eq!((rates.minimum_calls, rates.slow_call), (10, seconds(1)), "a rule that is turned on has usable numbers");
    let time = policy("profile = \"pg-resilience\"\nwindow = \"30s\"");
    assert_eq!(time.window, Window::Time { length: seconds(30), slices: 12 });
    assert_eq!(policy("open_time = \"10m\"").open_time_max, seconds(600));
}

#[test]
fn times_that_are_not_said_follow_those_that_are() {
    let times = |keys: &str| {
        let text = format!("[[target]]\nname = \"a\"\nendpoint = \"a:1\"\n[target.breaker]\n{keys}");
        let guard = parsed(&text).config.targets["a"].guard.clone();
        let times = [guard.connect_timeout, guard.attempt_timeout, guard.call_budget, guard.bulkhead.max_wait];
        times.map(|time| time.as_millis())
    };
    assert_eq!(times(""), [1_000, 3_000, 8_000, 500]);
    assert_eq!(times("attempt_timeout = \"20s\""), [1_000, 20_000, 20_000, 500]);
    assert_eq!(times("attempt_timeout = \"200ms\""), [200, 200, 8_000, 500]);
    assert_eq!(times("call_budget = \"400ms\""), [400, 400, 400, 400]);
    assert_eq!(times("connect_timeout = \"9s\""), [9_000, 9_000, 9_000, 500]);
}

#[test]
fn a_rate_may_be_saved_up_unless_it_is_off() {
    let text = "[defaults.breaker]\nrate_limit = \"10/s\"\nrate_burst = 3\n[[target]]\nname = \"a\"\n\
                endpoint = \"a:1\"\n[[target]]\nname = \"b\"\nendpoint = \"a:1\"\nbreaker = { rate_limit = \"off\" }\n\
                [[target]]\nname = \"c\"\nendpoint = \"a:1\"\nbreaker = { rate_limit = \"5/h\", rate_burst = 2 }\n";
    let config = parsed(text).config;
    let rate = |name| config.targets[name].guard.rate_limit.map(|rate| (rate.permits, rate.per.as_secs(), rate.burst));
    assert_eq!((rate("a"), rate("b"), rate("c")), (Some((10, 1, 3)), None, Some((5, 3_600, 2))));
}

#[test]
fn nobody_is_told_where_the_list_of_channels_is_empty() {
    let config = parsed("[[target]]\nname = \"a\"\nendpoint = \"a:1\"\nalert = { channels = [] }").config;
    assert!(config.targets["a"].policy.alert.channels.is_empty());
}

#[test]
fn an_endpoint_says_which_probe_it_has_unless_the_target_does() {
    let probe = |endpoint: &str, keys: &str| {
        let text = format!("[[target]]\nname = \"a\"\nendpoint = \"{endpoint}\"\nprobe = {{ {keys} }}");
        parsed(&text).config.targets["a"].probe.clone()
    };
    let Probe::Tcp(tcp) = probe("https://api.example/x", "kind = \"tcp\"") else { panic!("it says tcp") };
    assert_eq!((&*tcp.host, tcp.port, tcp.tls.is_some()), ("api.example", 443, false));
    let Probe::Tcp(tcp) = probe("tcp://db:5432", "tls = true") else { panic!("it is a tcp endpoint") };
    assert_eq!((&*tcp.host, tcp.port, tcp.tls.is_some()), ("db", 5432, true));
    let Probe::Http(http) = probe("db:5432", "kind = \"http\", url = \"http://db:8008/health\"") else {
        panic!("it says http")
    };
    assert_eq!(http.url.to_string(), "http://db:8008/health");
}

#[test]
fn a_channel_is_grouped_as_it_says_and_else_as_all_are() {
    let text = r#"
[alerting]
group_by = ["group"]
group_wait = "30s"
[[channel]]
name = "digest"
kind = "log"
group_by = []
group_interval = "1h"
[[channel]]
name = "urgent"
kind = "log"
group_by = ["target", "severity"]
"#;
    let Loaded { config, warnings, .. } = parsed(text);
    assert_eq!(warnings, []);
    let grouping = |name: &str| {
        let Grouping { by, wait, interval } = config.channels[name].grouping.clone();
        (by.to_vec(), wait.as_secs(), interval.as_secs())
    };
    assert_eq!(grouping("log"), (vec![Label::Group], 30, 300));
    assert_eq!(grouping("digest"), (vec![], 30, 3_600));
    assert_eq!(grouping("urgent"), (vec![Label::Target, Label::Severity], 30, 300));
    assert!(config.channels["digest"].grouping.joins_targets() && !config.channels["urgent"].grouping.joins_targets());
}

#[test]
fn what_is_allowed_but_probably_not_meant_is_a_warning() {
    let text = r#"
include = ["nothing-here/*.toml"]
[http]
listen = "0.0.0.0:80"
allow_anonymous = ["read", "admin"]
[alerting]
group_wait = "30s"
[[channel]]
name = "ops"
kind = "webhook"
url = "https://hooks.example/x"
secret = "0123456789abcdef"
group_interval = "1h"
[[target]]
name = "a"
endpoint = "http://a"
interval = "1s"
timeout = "2s"
probe = { max_latency = "2s", tls = { server_name = "a" } }
[target.alert]
on = ["down", "certificate"]
[monitor.connectivity]
addresses = ["b:1"]
"#;
    let warnings: Vec<String> = parsed(text).warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"));
}
