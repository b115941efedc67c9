//! Variables inside texts and over keys.

use super::*;

const TARGET: &str = "[[target]]\nname = \"PG-KCP\"\nendpoint = \"http://${HOST}:80/\"\n";

#[test]
fn a_variable_is_put_into_any_text() {
    let config = parsed_with(TARGET, &[("HOST", "kcp.example")]).config;
    assert_eq!(&*config.targets["PG-KCP"].endpoint, "http://kcp.example:80/");
}

#[test]
fn a_variable_overrides_a_key_whatever_its_type() {
    let text = format!("[http]\nlisten = \"127.0.0.1:1\"\n[[channel]]\nname = \"ops\"\nkind = \"log\"\n{TARGET}");
    let config = parsed_with(
        &text,
        &[
            ("HOST", "kcp.example"),
            ("BREAKWATER_HTTP__LISTEN", "0.0.0.0:8080"),
            ("BREAKWATER_HTTP__ALLOW_ANONYMOUS", "read, report"),
            ("BREAKWATER_ALERTING__LOG", "false"),
            ("BREAKWATER_STORE__CACHE", "8MiB"),
            ("BREAKWATER_MONITOR__MAX_RETRIES", "9"),
            ("BREAKWATER_TARGET__PG_KCP__INTERVAL", "3s"),
            ("BREAKWATER_TARGET__PG_KCP__BREAKER__FAILURE_RATE", "0.25"),
            ("BREAKWATER_TARGET__PG_KCP__PROBE__EXPECT_STATUS", "204, 3xx"),
            ("BREAKWATER_TARGET__PG_KCP__ALERT__CHANNELS", ""),
            ("BREAKWATER_CONFIG", "not a key: it has no two underscores"),
        ],
    )
    .config;
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.http.anonymous, [Scope::Read, Scope::Report].into());
    assert_eq!(config.channels.len(), 1);
    assert_eq!((config.store.cache_bytes, config.monitor.max_retries), (8 << 20, 9));
    let target = &config.targets["PG-KCP"];
    assert_eq!((target.interval.as_secs(), target.breaker.failure_rate), (3, 0.25));
    assert!(target.policy.alert.channels.is_empty());
    let Probe::Http(probe) = &target.probe else { panic!("it is an http probe") };
    assert_eq!(probe.expect_status, [204..=204, 300..=399]);
}

#[test]
fn a_variable_that_is_wrong_is_told_by_its_name_and_key_without_a_line() {
    let told = problems(
        "[[channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"https://hooks.example\"\n",
        &[
            ("BREAKWATER_HTTP__LISTN", "127.0.0.1:1"),
            ("BREAKWATER_HTTP__MAX_CONNECTIONS", "many"),
            ("BREAKWATER_HTTP", "no key"),
            ("BREAKWATER_NODE__", "x"),
            ("BREAKWATER_CHANNEL__OPS__SECRET", "hunter2"),
            ("BREAKWATER_CHANNEL__OSP__SECRET", "hunter2"),
            ("BREAKWATER_TARGET__X", "hunter2"),
            ("BREAKWATER_DEFAULTS__PROBE__HEADERS__ACCEPT", "a"),
            ("BREAKWATER_INCLUDE__X", "a"),
        ],
    );
    assert!(!told.contains("hunter2"));
    insta::assert_snapshot!(told);
}

#[test]
fn the_value_of_a_variable_is_not_told_even_where_it_is_wrong() {
    let told = problems(
        "[node]\nname = \"${SECRET}\"\n[defaults]\ninterval = \"${SECRET}\"\n[http]\nlisten = \"${SECRET}\"\n",
        &[("SECRET", "hunter2!")],
    );
    assert!(!told.contains("hunter2"));
    insta::assert_snapshot!(told);
}

#[test]
fn a_calendar_that_a_variable_gave_is_not_repeated() {
    for key in ["cron = \"${CALENDAR}\"", "from = 2026-06-07T03:00:00Z\nrrule = \"FREQ=${CALENDAR}\""] {
        let text = format!(
            "[[alerting.silence]]\nmatchers = [{{ name = \"target\", value = \"a\" }}]\n{key}\nlength = \"2h\"\nreason = \"x\"\n"
        );
        let told = problems(&text, &[("CALENDAR", "hunter2")]);
        assert!(told.contains("is no calendar") && !told.to_lowercase().contains("hunter2"), "{told}");
    }
}
