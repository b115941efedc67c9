//! Another configuration while the node runs: asked for, seen on disk, or signalled; what did not change is not touched.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Answer, Api, Gateway, Node, Pager, Place, Process, of_target, told, until};

const LOADED: &str = "breakwater_config_last_reload_successful";

async fn reload(api: &Api) -> Answer {
    api.send(Method::POST, "/-/reload", &[], String::new()).await
}

/// How often a target was probed, as `/metrics` counts it.
async fn probes(api: &Api, name: &str) -> Option<f64> {
    api.metric(&format!(r#"breakwater_probe_attempts_total{{target="{name}",result="success"}}"#)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_added_changed_and_removed_and_the_others_are_not_touched() {
    let gateway = Gateway::start();
    let target = |name: &str, keys: &str| gateway.target(name, keys);
    let node = Node::start(&format!("{}{}{}", target("STAYS", ""), target("MOVES", ""), target("GOES", ""))).await;
    let api = &node.api;
    for name in ["STAYS", "MOVES", "GOES"] {
        api.target_in(name, "CONNECTED").await;
    }
    let before = api.read("/targets/GOES").await;
    until("some probes", async || probes(api, "STAYS").await.filter(|number| *number > 5.0)).await;
    let counted = probes(api, "STAYS").await.expect("it is counted");
    let moved = target("MOVES", "failure_threshold = 7\ngroup = \"payments\"");
    node.place.configure(&format!("{}{moved}{}", target("STAYS", ""), target("COMES", "")));
    assert_eq!(reload(api).await.ok(), json!({"targets": 3, "needsRestart": []}));

    api.target_in("COMES", "CONNECTED").await;
    let moved = api.read("/targets/MOVES").await;
    assert_eq!((&moved["group"], &moved["config"]["failureThreshold"]), (&json!("payments"), &json!(7)));
    assert_eq!(moved["state"], "CONNECTED");
    check_removed(api, &before).await;
    assert!(probes(api, "STAYS").await.expect("it is still counted") >= counted, "no series began again");
    let stays = api.read("/targets/STAYS").await;
    until("the next probe", async || {
        let attempted = api.read("/targets/STAYS").await["lastAttemptedAt"].clone();
        (attempted != stays["lastAttemptedAt"]).then_some(())
    })
    .await;
    for name in ["STAYS", "MOVES"] {
        let transitions = api.read(&format!("/targets/{name}/transitions")).await;
        assert_eq!(transitions["content"].as_array().map(Vec::len), Some(1), "{name} was connected once");
    }
    assert_eq!(api.metric(LOADED).await, Some(1.0));

    // It comes back as the one that it was.
    node.place.configure(&format!("{}{}", target("STAYS", ""), target("GOES", "")));
    reload(api).await.ok();
    let back = api.target_when("GOES", |target| target["configured"] == true).await;
    assert_eq!(back["integrationStatusId"], before["integrationStatusId"]);
    until("its series", async || probes(api, "GOES").await).await;
    node.stop().await;
}

async fn check_removed(api: &Api, before: &Value) {
    let metrics = api.get("/metrics").await.text;
    assert!(!metrics.contains("target=\"GOES\""), "the series of a removed target go away");
    assert!(metrics.contains("target=\"COMES\""));
    let gone = api.read("/targets/GOES").await;
    assert_eq!(gone["configured"], false);
    assert_eq!(gone["integrationStatusId"], before["integrationStatusId"]);
    assert_eq!(gone.get("breaker"), None);
    let transitions = api.read("/targets/GOES/transitions").await;
    assert_eq!(transitions["content"].as_array().map(Vec::len), Some(1), "its past stays");
    let attempt = of_target("GOES", before["endpoint"].as_str().expect("a text"));
    api.post("/integrationStatuses/connectpaymentgateway", attempt).await.refused(409, "not-configured");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_everything_wrong_with_it_is_told() {
    let gateway = Gateway::start();
    let good = gateway.target("PG_KCP", "");
    let node = Node::start(&good).await;
    let api = &node.api;
    api.target_in("PG_KCP", "CONNECTED").await;
    node.place.configure(&format!(
        "[monitor]\nmax_retries = -1\nspeed = 1\n{}\n[[channel]]\nname = \"ops\"\nkind = \"pigeon\"\n",
        good.replace("interval = \"100ms\"", "interval = 10").replace("timeout = \"2s\"", "timeout = \"1ms\"")
    ));
    let problem = reload(api).await.refused(422, "configuration-refused");
    let errors: Vec<&str> =
        problem["errors"].as_array().expect("a list").iter().filter_map(|error| error["detail"].as_str()).collect();
    for wrong in ["max_retries", "speed", "interval", "timeout", "kind"] {
        assert!(errors.iter().any(|error| error.contains(wrong)), "{wrong} is in {errors:?}");
    }
    assert!(errors.iter().all(|error| error.contains("breakwater.toml")), "each names its file: {errors:?}");
    assert_eq!(api.metric(LOADED).await, Some(0.0));
    let target = api.read("/targets/PG_KCP").await;
    assert_eq!((&target["config"]["intervalMs"], &target["state"]), (&json!(100.0), &json!("CONNECTED")));
    assert_eq!(api.get("/readyz").await.status, 200);
    std::fs::remove_file(node.place.config_file()).expect("it is there");
    reload(api).await.refused(422, "configuration-refused");
    node.place.configure(&good);
    reload(api).await.ok();
    assert_eq!(api.metric(LOADED).await, Some(1.0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_said_and_not_done() {
    let node = Node::start("").await;
    let file = node.place.config_file();
    let text = std::fs::read_to_string(&file).expect("it is there").replace("node-1", "node-2");
    std::fs::write(&file, text).expect("it can be written");
    let said = reload(&node.api).await.ok();
    assert!(said["needsRestart"].to_string().contains("node.name"), "{said}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_concern_all_targets_hold_from_the_reload_on() {
    let node = Node::start("[monitor]\nmax_retries = 0\nmax_passive_targets = 0\n").await;
    let api = &node.api;
    let mut connect = of_target("PG_NICE", "https://nice.example");
    connect["attemptedAt"] = json!("2024-06-02T09:00:00Z");
    let path = "/integrationStatuses/connectpaymentgateway";
    api.post(path, connect.clone()).await.refused(429, "too-many-passive-targets");
    node.place.configure("[monitor]\nmax_retries = 3\nmax_passive_targets = 1\n");
    reload(api).await.ok();
    api.post(path, connect).await.ok();
    let report = json!({
        "failureType": "OTHER", "targetSystem": "SOMEBODY", "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    });
    let said = api.post("/integrationFailureHistories/recordintegrationfailure", report).await.ok();
    let id = &said["data"]["integrationFailureHistoryId"];
    let retry = json!({"integrationFailureHistoryId": id, "retriedAt": "2024-06-01T11:00:00Z"});
    let retried = api.patch("/integrationFailureHistories/retryintegrationfailure", retry).await.ok();
    assert_eq!(retried["data"]["retryResult"], "SUCCESS");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_removed_while_the_node_was_away_is_said_to_be_watched_no_more() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let target = gateway.target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("{}{target}", pager.channel())).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    pager.arrivals(1).await;
    let node = node.restart(Some(&pager.channel())).await;
    let resolved = told(&pager.arrivals(2).await[1]);
    let cause = resolved["data"]["cause"].as_str().expect("a text");
    assert!(cause.starts_with("it is not watched any more; last known: "), "{cause}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_removed_in_an_outage_is_resolved_and_one_that_comes_back_down_is_told_anew() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let target = gateway.target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("{}{target}", pager.channel())).await;
    let api = &node.api;
    api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    let first = told(&pager.arrivals(1).await[0]);
    node.place.configure(&pager.channel());
    reload(api).await.ok();
    let resolved = told(&pager.arrivals(2).await[1]);
    assert_eq!(
        (&resolved["data"]["status"], &resolved["data"]["incident"]),
        (&json!("resolved"), &first["data"]["incident"])
    );
    let cause = resolved["data"]["cause"].as_str().expect("a text");
    assert!(cause.starts_with("it is not watched any more; last known: "), "{cause}");
    let gone = api.target_when("PG_KCP", |target| target["incident"] == Value::Null).await;
    assert_eq!(gone["configured"], false);
    node.place.configure(&format!("{}{target}", pager.channel()));
    reload(api).await.ok();
    let again = told(&pager.arrivals(3).await[2]);
    assert_eq!(again["data"]["status"], "firing");
    assert_ne!(again["data"]["incident"], first["data"]["incident"], "a new incident");
    gateway.goes("none");
    let over = told(&pager.arrivals(4).await[3]);
    assert_eq!((&over["data"]["status"], &over["data"]["incident"]), (&json!("resolved"), &again["data"]["incident"]));
    api.target_in("PG_KCP", "CONNECTED").await;
    // It was told twice, and was one outage all the same.
    assert_eq!(api.read("/integrationFailureHistories?open=true").await["page"]["totalElements"], 0);
    assert_eq!(api.read("/integrationFailureHistories").await["page"]["totalElements"], 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_is_read_without_being_asked() {
    let gateway = Gateway::start();
    let node = Node::start("").await;
    node.place.configure(&gateway.target("PG_KCP", ""));
    node.api.target_in("PG_KCP", "CONNECTED").await;
    node.place.configure("[monitor]\nspeed = 1\n");
    until("the refusal", async || (node.api.metric(LOADED).await == Some(0.0)).then_some(())).await;
    assert_eq!(node.api.read("/targets/PG_KCP").await["configured"], true);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_included_file_that_comes_later_is_read_without_being_asked() {
    let gateway = Gateway::start();
    let place = Place::new();
    let included = place.path().join("targets");
    std::fs::create_dir(&included).expect("it can be made");
    place.configure("");
    let file = place.config_file();
    let text = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, format!("include = [\"targets/*.toml\"]\n{text}")).expect("it can be written");
    let node = Node::start_in(place).await;
    std::fs::write(included.join("pg.toml"), gateway.target("PG_KCP", "")).expect("it can be written");
    node.api.target_in("PG_KCP", "CONNECTED").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_configuration_again() {
    let gateway = Gateway::start();
    let place = Place::new();
    place.configure("");
    let mut process = Process::serve(&place).await;
    place.configure(&gateway.target("PG_KCP", ""));
    process.signal("HUP");
    process.api.target_in("PG_KCP", "CONNECTED").await;
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
}
