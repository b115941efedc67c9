//! Applications in other languages: they ask whether they may call a target, and report how their calls went.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Answer, Api, Gateway, Node, seconds_from_now, until};

const PERMIT: &str = "/targets/PG/permit";
const OBSERVATIONS: &str = "/targets/PG/observations";
const BREAKER: &str = "/targets/PG/breaker";

/// A node with one target, whose gateway is well and is probed once.
async fn node(open_time: &str) -> (Gateway, Node) {
    let gateway = Gateway::start();
    let target = gateway.quiet_target("PG", "").replace("open_time = \"300ms\"", &format!("open_time = {open_time:?}"));
    let node = Node::start(&target).await;
    node.api.target_in("PG", "CONNECTED").await;
    (gateway, node)
}

fn call(outcome: &str) -> Value {
    json!({"operation": "approve", "outcome": outcome, "durationMs": 12.5})
}

fn under(permit: &Value, outcome: &str) -> Value {
    let mut observation = call(outcome);
    observation["permitId"] = permit["permitId"].clone();
    observation
}

fn calls(outcome: &str, number: usize) -> Value {
    Value::Array(vec![call(outcome); number])
}

#[track_caller]
fn counted(answer: &Answer) -> (u64, usize) {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let said = answer.json();
    (said["accepted"].as_u64().expect("a number"), said["unknownPermits"].as_array().expect("a list").len())
}

async fn breaker_in(api: &Api, state: &str) -> Value {
    until(&format!("a breaker that is {state}"), async || {
        Some(api.read(BREAKER).await).filter(|breaker| breaker["state"] == state)
    })
    .await
}

/// A trial as soon as half-open lends one.
async fn trial(api: &Api) -> Value {
    let trial = until("a permit", async || Some(api.get(PERMIT).await).filter(|answer| answer.status == 200)).await;
    trial.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_lent_while_the_breaker_is_closed_and_its_report_is_counted() {
    let (_gateway, node) = node("300ms").await;
    let lent = node.api.get(PERMIT).await;
    assert_eq!(lent.header("cache-control"), "no-store");
    let permit = lent.ok();
    assert_eq!(
        (&permit["target"], &permit["state"], &permit["trial"], &permit["expiresInMs"]),
        (&json!("PG"), &json!("closed"), &json!(false), &json!(30_000.0))
    );
    assert!(permit["permitId"].as_str().is_some_and(|id| id.len() == 36), "{permit}");
    assert!(permit["expiresAt"].as_str().is_some_and(|at| at > &*seconds_from_now(20)), "{permit}");
    assert_eq!(node.api.read(BREAKER).await["permits"], 1);
    let mut slow = under(&permit, "success");
    slow["durationMs"] = json!(1_500);
    assert_eq!(counted(&node.api.post(OBSERVATIONS, json!([slow])).await), (1, 0));
    let breaker = node.api.read(BREAKER).await;
    assert_eq!((&breaker["permits"], &breaker["window"]["calls"]), (&json!(0), &json!(1)));
    assert_eq!((&breaker["window"]["slow"], &breaker["lifetime"]["success"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&breaker["policy"]["minimumCalls"], &breaker["policy"]["failureRate"], &breaker["policy"]["windowMs"]),
        (&json!(10), &json!(0.5), &json!(60_000.0))
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_failures_open_the_breaker_and_nine_do_not() {
    let (_gateway, node) = node("1h").await;
    assert_eq!(counted(&node.api.post(OBSERVATIONS, calls("failure", 9)).await), (9, 0));
    assert_eq!(node.api.read(BREAKER).await["state"], "closed");
    assert_eq!(counted(&node.api.post(OBSERVATIONS, json!({"observations": [call("unknown")]})).await), (1, 0));
    // Told at once; on disk a little later.
    let breaker = node.api.read(BREAKER).await;
    assert_eq!((&breaker["state"], &breaker["level"]), (&json!("open"), &json!(1)));
    let mut stream = node.api.stream(None, Some(0)).await;
    let opened = stream.up_to("CircuitBreakerTransitioned").await.pop().expect("it is there");
    assert_eq!((&opened.data["data"]["to"], &opened.data["data"]["cause"]), (&json!("open"), &json!("failure_rate")));

    let refused = node.api.get(PERMIT).await;
    let problem = refused.refused(503, "call-refused");
    assert_eq!(problem["reason"], "open");
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    let millis = problem["retryAfterMs"].as_f64().expect("a number");
    assert!((3_200..=3_960).contains(&seconds) && seconds as f64 * 1_000.0 >= millis, "{seconds} s, {millis} ms");
    let said = format!("the circuit breaker is open; come back in {seconds} s");
    assert_eq!((&problem["detail"], refused.header("cache-control")), (&json!(said), "no-store"));
    drop(stream);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_batch_opens_once_and_what_follows_in_it_says_nothing() {
    let (_gateway, node) = node("1h").await;
    assert_eq!(counted(&node.api.post(OBSERVATIONS, calls("failure", 1_000)).await), (1_000, 0));
    let open = breaker_in(&node.api, "open").await;
    assert_eq!((&open["window"]["failed"], &open["lifetime"]["failure"]), (&json!(10), &json!(1_000)));
    let opened = r#"breakwater_circuit_breaker_transitions_total{target="PG",from="closed",to="open"}"#;
    until("the committed transition", async || node.api.metric(opened).await.filter(|count| *count == 1.0)).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_lends_exactly_its_trials_and_good_ones_close_it() {
    let (_gateway, node) = node("200ms").await;
    node.api.post(OBSERVATIONS, calls("failure", 10)).await;
    let mut trials = Vec::new();
    for _ in 0..3 {
        trials.push(trial(&node.api).await);
    }
    assert!(trials.iter().all(|trial| trial["trial"] == true && trial["state"] == "half_open"), "{trials:?}");
    let refused = node.api.get(PERMIT).await;
    let problem = refused.refused(503, "call-refused");
    assert_eq!((&problem["reason"], refused.header("retry-after")), (&json!("trials_taken"), "1"));
    let permits = r#"breakwater_circuit_breaker_half_open_permits{target="PG"}"#;
    assert_eq!(node.api.metric(permits).await, Some(0.0));

    let good: Vec<Value> = trials.iter().map(|trial| under(trial, "success")).collect();
    assert_eq!(counted(&node.api.post(OBSERVATIONS, Value::Array(good)).await), (3, 0));
    breaker_in(&node.api, "closed").await;
    let rejected =
        |reason: &str| format!(r#"breakwater_circuit_breaker_rejected_total{{target="PG",reason="{reason}"}}"#);
    assert!(node.api.metric(&rejected("trials_taken")).await >= Some(1.0));
    assert_eq!(node.api.metric(&rejected("rate_limited")).await, Some(0.0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_counted_whole_or_not_at_all() {
    let (_gateway, node) = node("300ms").await;
    let wrong = json!([
        call("success"),
        {"outcome": "declined", "durationMs": -1},
        "a call",
        {"outcome": "failure", "durationMs": 5, "at": seconds_from_now(301), "permitId": "mine", "errorCode": ""},
        {"durationMs": 86_400_001, "at": "yesterday", "operation": "x".repeat(65)},
    ]);
    let problem = node.api.post(OBSERVATIONS, wrong).await.refused(400, "invalid-body");
    let errors = problem["errors"].as_array().expect("a list");
    let pointers: Vec<_> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/1/outcome",
            "/1/durationMs",
            "/2",
            "/3/at",
            "/3/errorCode",
            "/3/permitId",
            "/4/outcome",
            "/4/durationMs",
            "/4/at",
            "/4/operation"
        ]
    );
    assert_eq!(errors[0]["detail"], "must be one of success, failure, ignored, unknown");
    assert_eq!(errors[1]["detail"], "must be a number of milliseconds from 0 to 86400000");

    let problem = node.api.post(OBSERVATIONS, calls("failure", 1_001)).await.refused(400, "invalid-body");
    assert_eq!(problem["errors"][0]["detail"], "must not have more than 1000 elements; it has 1001");
    let problem = node.api.post(OBSERVATIONS, json!({"observations": [{}]})).await.refused(400, "invalid-body");
    assert_eq!(problem["errors"][0]["pointer"], "/observations/0/outcome");
    node.api.post(OBSERVATIONS, call("failure")).await.refused(400, "invalid-body");

    let nothing = Value::Array(vec![json!(null); 1_000]);
    let problem = node.api.post(OBSERVATIONS, nothing).await.refused(400, "invalid-body");
    assert_eq!(problem["detail"], "1000 members of the body are wrong");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(100));

    let target = node.api.read("/targets/PG").await;
    assert_eq!(target["traffic"], Value::Null, "nothing was counted");
    assert_eq!(node.api.read(BREAKER).await["window"]["calls"], 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_the_window_is_counted_in_the_metrics_only() {
    let (_gateway, node) = node("300ms").await;
    let mut batch = Vec::new();
    for age in [-120, -70, -1, 200] {
        let mut observation = call("failure");
        observation["at"] = json!(seconds_from_now(age));
        batch.push(observation);
    }
    assert_eq!(counted(&node.api.post(OBSERVATIONS, Value::Array(batch)).await), (4, 0));
    assert_eq!(node.api.read(BREAKER).await["window"]["failed"], 2);
    let series = r#"breakwater_observed_calls_total{target="PG",outcome="failure"}"#;
    assert_eq!(node.api.metric(series).await, Some(4.0));
    let series = r#"breakwater_observed_call_duration_seconds_bucket{target="PG",le="0.025"}"#;
    assert_eq!(node.api.metric(series).await, Some(4.0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_which_errors_callers_told_of_and_no_metric_does() {
    let (_gateway, node) = node("300ms").await;
    assert_eq!(node.api.metric(r#"breakwater_observed_retries_total{target="PG"}"#).await, None);
    let mut failed = call("failure");
    failed["errorCode"] = json!("GATEWAY_TIMEOUT");
    let mut card = call("unknown");
    card["errorCode"] = json!("card 4111111111111111");
    card["durationMs"] = json!(3_000);
    node.api.post(OBSERVATIONS, json!([failed, failed, card, call("success")])).await;
    let traffic = &node.api.read("/targets/PG").await["traffic"];
    assert_eq!((&traffic["calls"], &traffic["failed"], &traffic["slow"]), (&json!(4), &json!(3), &json!(1)));
    let mut codes: Vec<_> = traffic["lastErrors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| (error["errorCode"].as_str(), error["operation"].as_str(), error["count"].as_u64()))
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            (Some("GATEWAY_TIMEOUT"), Some("approve"), Some(2)),
            (Some("card 411111******1111"), Some("approve"), Some(1))
        ]
    );
    let page = node.api.get("/metrics").await.text;
    assert!(!page.contains("GATEWAY_TIMEOUT") && !page.contains("approve"));
    assert_eq!(node.api.metric(r#"breakwater_observed_retries_total{target="PG"}"#).await, Some(0.0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_configured_targets_have_permits_and_observations() {
    let (_gateway, node) = node("300ms").await;
    let connect = json!({
        "target": {"systemName": "SHOP", "endpoint": "https://shop.example"}, "attemptedAt": seconds_from_now(0),
    });
    node.api.post("/integrationStatuses/connectpaymentgateway", connect).await.ok();
    node.api.get("/targets/SHOP/permit").await.refused(409, "not-configured");
    node.api.post("/targets/SHOP/observations", calls("success", 1)).await.refused(409, "not-configured");
    node.api.get("/targets/NOBODY/permit").await.refused(404, "no-such-target");
    node.api.post("/targets/NOBODY/observations", calls("success", 1)).await.refused(404, "no-such-target");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_lent_to_who_asks_for_one_and_to_nobody_else() {
    let (_gateway, node) = node("300ms").await;
    let site = [("origin", "http://evil.example")];
    node.api.send(Method::GET, PERMIT, &site, String::new()).await.refused(403, "cross-site");
    let head = node.api.send(Method::HEAD, PERMIT, &[], String::new()).await;
    assert_eq!((head.status, head.header("allow")), (405, "GET"));
    node.api.post(PERMIT, json!({})).await.refused(405, "method-not-allowed");
    assert_eq!(node.api.read(BREAKER).await["permits"], 0);
    let place = node.stop().await;
    place.configure_with(
        "allow_anonymous = [\"read\"]",
        "[[target]]\nname = \"PG\"\nendpoint = \"http://127.0.0.1:9\"\n[target.probe]\nkind = \"http\"\n",
    );
    let node = Node::start_in(place).await;
    node.api.get(PERMIT).await.refused(403, "not-allowed");
    node.api.post(OBSERVATIONS, calls("success", 1)).await.refused(403, "not-allowed");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_forgets_permits_and_their_reports_are_counted_all_the_same() {
    let (_gateway, node) = node("300ms").await;
    let permit = node.api.get(PERMIT).await.ok();
    let node = node.restart(None).await;
    assert_eq!(node.api.read(BREAKER).await["permits"], 0);
    let answer = node.api.post(OBSERVATIONS, json!([under(&permit, "failure")])).await;
    assert_eq!(answer.json(), json!({"accepted": 1, "unknownPermits": [permit["permitId"]]}));
    let breaker = node.api.read(BREAKER).await;
    assert_eq!((&breaker["window"]["failed"], &breaker["lifetime"]["cancelled"]), (&json!(1), &json!(0)));
    node.stop().await;
}
