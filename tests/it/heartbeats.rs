//! Targets that nobody calls: they report in, and their silence is the failure.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Gateway, Node, Pager, told};

/// Waited for so long that no test sees it late.
const JOB: &str = "[[target]]\nname = \"JOB\"\ninterval = \"1d\"\nfailure_threshold = 1\n\
                   [target.probe]\nkind = \"heartbeat\"\n";
/// Late at once.
const HASTY: &str = "[[target]]\nname = \"JOB\"\ninterval = \"150ms\"\nfailure_threshold = 1\n\
                     [target.probe]\nkind = \"heartbeat\"\ngrace = \"50ms\"\n";
const BEAT: &str = "/heartbeats/JOB";

fn types(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().expect("a list");
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beat_is_an_attempt_that_succeeded_or_failed_as_it_says() {
    let node = Node::start(JOB).await;
    let target = node.api.read("/targets/JOB").await;
    assert_eq!((&target["state"], &target["endpoint"]), (&json!("UNKNOWN"), &json!("heartbeat:JOB")));
    assert_eq!(target["config"]["kind"], "heartbeat");

    let first = node.api.send(Method::POST, BEAT, &[], String::new()).await.ok();
    assert_eq!(types(&first), ["PaymentGatewayConnected"]);
    assert_eq!((&first["observation"]["ok"], &first["observation"]["tookMs"]), (&json!(true), &json!(0.0)));

    let second = node.api.post(BEAT, json!({"ok": true, "message": "all is well", "durationMs": 1_500})).await.ok();
    assert_eq!((types(&second), &second["observation"]["tookMs"]), (vec![], &json!(1500.0)));

    let said = json!({"ok": false, "message": "3 of 40 settlements are missing"});
    let failed = node.api.post(BEAT, said).await.ok();
    assert_eq!(types(&failed)[0], "PaymentGatewayConnectionFailed");
    assert_eq!(failed["observation"]["failure"]["reason"], "assertion");
    let target = node.api.target_in("JOB", "FAILED").await;
    assert_eq!(target["failureReason"], "3 of 40 settlements are missing");

    let again = node.api.post(BEAT, json!({})).await.ok();
    assert!(types(&again).contains(&"PaymentGatewayConnected"), "{again}");
    node.api.target_in("JOB", "CONNECTED").await;
    assert_eq!(node.api.metric("probe_success{target=\"JOB\"}").await, Some(1.0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_fails_and_a_beat_ends_it() {
    let node = Node::start(HASTY).await;
    let silent = node.api.target_in("JOB", "FAILED").await;
    let why = silent["failureReason"].as_str().expect("a reason");
    assert!(why.starts_with("no heartbeat in the first ") && why.ends_with(" s"), "{why}");
    assert_eq!(silent["lastObservation"]["failure"]["reason"], "timeout");
    let ended = node.api.post(BEAT, json!({})).await.ok();
    assert!(types(&ended).contains(&"PaymentGatewayConnected"), "{ended}");
    let since_the_beat = |why: &str| why.starts_with("no heartbeat for ");
    node.api.target_when("JOB", |target| target["failureReason"].as_str().is_some_and(since_the_beat)).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_last_beat_is_known() {
    let node = Node::start(JOB).await;
    node.api.post(BEAT, json!({})).await.ok();
    let node = node.restart(None).await;
    assert_eq!(node.api.read("/targets/JOB").await["state"], "CONNECTED");
    let node = node.restart(Some(HASTY)).await;
    let silent = node.api.target_in("JOB", "FAILED").await;
    let why = silent["failureReason"].as_str().expect("a reason");
    assert!(why.starts_with("no heartbeat for "), "not \"in the first\": {why}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_called_does_not_report_in_and_who_reports_in_is_not_called() {
    let gateway = Gateway::start();
    let node = Node::start(&format!("{JOB}{}", gateway.quiet_target("PG", ""))).await;
    let refused = node.api.post("/heartbeats/PG", json!({})).await.refused(409, "is-called");
    assert_eq!(refused["detail"], "the target does not report in: the kind of its probe is not heartbeat");
    let refused = node.api.post("/targets/JOB/probe", json!({})).await.refused(409, "reports-in");
    let words = "this node does not call the target: it reports in by POST /heartbeats/ and its name";
    assert_eq!(refused["detail"], words);
    node.api.post("/heartbeats/NOBODY", json!({})).await.refused(404, "no-such-target");
    node.api.get(BEAT).await.refused(405, "method-not-allowed");
    assert_eq!(node.api.read("/targets/JOB").await["state"], "UNKNOWN");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_wrong_with_a_beat_is_told_and_it_does_not_count() {
    let node = Node::start(JOB).await;
    let wrong = json!({"ok": "yes", "message": 7, "durationMs": 2_592_000_001_u64});
    let refused = node.api.post(BEAT, wrong).await.refused(400, "invalid-body");
    let told: Vec<_> = refused["errors"].as_array().expect("a list").iter().map(|one| &one["detail"]).collect();
    let words = ["must be true or false", "must be a string", "must not be above 2592000000, which is 30 days"]
        .map(Value::from);
    assert_eq!(told, words.iter().collect::<Vec<_>>());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    node.api.send(Method::POST, BEAT, &form, "ok=true".to_owned()).await.refused(415, "unsupported-media-type");
    assert_eq!(node.api.read("/targets/JOB").await["state"], "UNKNOWN");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_may_become_one_that_reports_in_and_one_that_is_called_again() {
    let gateway = Gateway::start();
    let called = gateway.target("JOB", "failure_threshold = 1");
    let silent = called.replace("path = \"/health\"", "kind = \"heartbeat\"").replace("100ms", "1d");
    let node = Node::start(&called).await;
    node.api.target_in("JOB", "CONNECTED").await;
    node.place.configure(&silent);
    node.api.post("/-/reload", json!({})).await.ok();
    gateway.goes("down");
    let beat = node.api.post(BEAT, json!({"ok": false, "message": "it fell over"})).await.ok();
    assert_eq!(beat["observation"]["failure"]["message"], "it fell over");
    node.api.post(BEAT, json!({})).await.ok();
    node.api.target_in("JOB", "CONNECTED").await;
    node.place.configure(&called);
    node.api.post("/-/reload", json!({})).await.ok();
    node.api.target_in("JOB", "FAILED").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_back_is_told_when_the_hold_is_over_and_not_at_the_next_daily_look() {
    let (parent, pager) = (Gateway::start(), Pager::start());
    let child = JOB.replace("failure_threshold", "depends_on = [\"internet\"]\nfailure_threshold");
    let node = Node::start(&format!("{}{}{child}", pager.channel(), parent.target("internet", ""))).await;
    parent.goes("unavailable");
    node.api.target_in("internet", "FAILED").await;
    node.api.post(BEAT, json!({"ok": false, "message": "it fell over"})).await.ok();
    let failed = node.api.target_in("JOB", "FAILED").await;
    assert_eq!((&failed["suppressedBy"], failed.get("incident")), (&json!("dependency"), None));
    parent.goes("none");
    // The parent's alert and its end, and the child's.
    let arrivals = pager.arrivals(3).await;
    assert!(arrivals.iter().any(|arrival| told(arrival)["subject"] == "JOB"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_longer_called_is_no_longer_slow() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    gateway.goes("slow(50..50)");
    let slow = gateway
        .target("JOB", "[target.alert]\non = [\"degraded\"]")
        .replace("path = \"/health\"", "path = \"/health\"\nmax_latency = \"10ms\"");
    let silent =
        slow.replace("path = \"/health\"\nmax_latency = \"10ms\"", "kind = \"heartbeat\"").replace("100ms", "1d");
    let node = Node::start(&format!("{}{slow}", pager.channel())).await;
    let told_of = |target: &Value| target["incident"]["cause"] == "it answers too slowly";
    node.api.target_when("JOB", told_of).await;
    node.place.configure(&format!("{}{silent}", pager.channel()));
    node.api.post("/-/reload", json!({})).await.ok();
    let well = node.api.target_when("JOB", |target| target.get("incident").is_none()).await;
    assert_eq!((&well["health"], well["inputs"].get("probe")), (&json!("healthy"), None));
    node.stop().await;
}
