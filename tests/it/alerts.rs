//! Alerts that arrive once and are resolved: the eight ways in which others fail, and what people steer them with.
//!
//! Where it makes the difference, the node is a process of its own and is killed at the worst moment.

use std::collections::{BTreeMap, BTreeSet};

use breakwater::simulator::receiver::{Answer, Script};
use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Api, Gateway, Node, Pager, Place, Process, seconds_from_now, told, until};

fn play(pager: &Pager, answers: &[&str], repeat: bool) {
    let answers: Vec<Answer> = answers.iter().map(|answer| answer.parse().expect("an answer")).collect();
    pager.handle.play(Script::new(answers, repeat));
}

/// A target that is probed only when somebody asks, fails at once and tells only the pager.
fn quiet(gateway: &Gateway, alert: &str) -> String {
    format!(
        "{}[target.alert]\nchannels = [\"ops\"]\non = [\"down\"]\n{alert}\n",
        gateway.quiet_target("PG_KCP", "failure_threshold = 1\ngroup = \"payments\"")
    )
}

async fn probe(api: &Api) -> Value {
    api.post("/targets/PG_KCP/probe", json!({})).await.ok()
}

async fn goes_down(gateway: &Gateway, api: &Api) {
    api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    probe(api).await;
}

fn kinds(pager: &Pager) -> Vec<String> {
    let kind = |event: Value| event["type"].as_str().unwrap_or_default().replace("breakwater.alert.", "");
    pager.handle.arrivals().iter().map(|arrival| kind(told(arrival))).collect()
}

async fn outbox_is_empty(api: &Api) {
    until("the outbox to be empty", async || (api.read("/outbox").await["page"]["totalElements"] == 0).then_some(()))
        .await;
}

async fn silence(api: &Api, seconds: i64) -> Value {
    let body = json!({
        "matchers": [{"name": "group", "value": "pay.*", "isRegex": true}],
        "endsAt": seconds_from_now(seconds), "comment": "known", "createdBy": "kim",
    });
    let answer = api.post("/silences", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(answer.header("location").starts_with("/silences/"));
    answer.json()
}

/// The worst that can happen to a node, and what comes after it.
async fn killed(process: Process, place: &Place) -> Process {
    process.signal("KILL");
    drop(process);
    Process::serve(place).await
}

async fn delete(api: &Api, path: &str) -> u16 {
    api.send(Method::DELETE, path, &[], String::new()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_1_a_resolution_survives_that_the_pager_is_down_and_that_the_node_is_killed() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    place.configure(&format!("{}{}", pager.channel(), quiet(&gateway, "")));
    let process = Process::serve(&place).await;
    goes_down(&gateway, &process.api).await;
    pager.arrivals(1).await;
    outbox_is_empty(&process.api).await;
    play(&pager, &["503"], true);
    gateway.goes("none");
    probe(&process.api).await;
    pager.arrivals(2).await;
    // Killed while the pager is still down: the end is in the outbox, and nowhere else.
    process.signal("KILL");
    drop(process);
    play(&pager, &["200"], true);
    let process = Process::serve(&place).await;
    let arrivals = pager.arrivals(3).await;
    outbox_is_empty(&process.api).await;
    let ends: BTreeSet<_> = arrivals[1..].iter().map(|arrival| (&arrival.webhook_id, &arrival.body)).collect();
    assert_eq!(ends.len(), 1, "the same message, to the byte");
    assert_eq!(told(&arrivals[2])["data"]["status"], "resolved");
    assert_eq!(told(&arrivals[2])["data"]["incident"], told(&arrivals[0])["data"]["incident"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_2_a_reminder_is_the_same_incident() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    place.configure(&format!("{}{}", pager.channel(), quiet(&gateway, "reminder = \"1s\"")));
    let process = Process::serve(&place).await;
    goes_down(&gateway, &process.api).await;
    // No probe comes: it is the time alone that reminds, also in a node that was killed between two reminders.
    pager.arrivals(2).await;
    let process = killed(process, &place).await;
    let so_far = pager.handle.arrivals().len();
    let arrivals = pager.arrivals(so_far + 1).await;
    assert_eq!(kinds(&pager)[..3], ["firing", "reminder", "reminder"]);
    let incidents: BTreeSet<String> =
        arrivals.iter().map(|arrival| told(arrival)["data"]["incident"].to_string()).collect();
    assert_eq!(incidents.len(), 1);
    let id = told(&arrivals[0])["data"]["incident"].clone();
    let path = format!("/alerts/{id}/acknowledge");
    let alert = process.api.post(&path, json!({"who": "kim", "comment": "on it"})).await.ok();
    assert_eq!((&alert["acknowledged"]["who"], &alert["state"]), (&json!("kim"), &json!("firing")));
    let process = killed(process, &place).await;
    let again = process.api.post(&path, json!({"who": "lee"})).await.ok();
    let as_described = process.api.post(&path, Value::Null).await.ok();
    assert_eq!(as_described, again, "null is no body");
    assert_eq!(again["acknowledged"]["who"], "kim", "the first stays");
    gateway.goes("none");
    probe(&process.api).await;
    until("the end", async || kinds(&pager).contains(&"resolved".to_owned()).then_some(())).await;
    let alerts = process.api.read("/alerts?state=resolved&target=PG_KCP").await;
    assert_eq!((&alerts["content"][0]["id"], &alerts["page"]["totalElements"]), (&id, &json!(1)));
    assert_eq!(process.api.read("/alerts?state=firing").await["page"]["totalElements"], 0);
    process.api.post(&path, json!({})).await.refused(409, "alert-over");
    process.api.post("/alerts/999/acknowledge", json!({})).await.refused(404, "no-such-alert");
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_3_an_incident_outlives_that_its_rules_are_edited() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    place.configure(&format!("{}{}", pager.channel(), quiet(&gateway, "severity = \"critical\"")));
    let process = Process::serve(&place).await;
    goes_down(&gateway, &process.api).await;
    pager.arrivals(1).await;
    let edited = quiet(&gateway, "severity = \"info\"").replace("failure_threshold = 1", "failure_threshold = 7");
    place.configure(&format!("{}{edited}", pager.channel()));
    let process = killed(process, &place).await;
    gateway.goes("none");
    probe(&process.api).await;
    process.api.target_in("PG_KCP", "CONNECTED").await;
    outbox_is_empty(&process.api).await;
    // What was on its way when the node was killed may have come twice, under one id.
    let by_id: BTreeMap<_, _> =
        pager.handle.arrivals().iter().map(|arrival| (arrival.webhook_id.clone(), told(arrival))).collect();
    let statuses: Vec<&Value> = by_id.values().map(|event| &event["data"]["status"]).collect();
    assert_eq!(statuses, ["firing", "resolved"]);
    let incidents: BTreeSet<String> = by_id.values().map(|event| event["data"]["incident"].to_string()).collect();
    assert_eq!(incidents.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_4_down_then_maintenance_then_up_is_told() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    place.configure(&format!("{}{}", pager.channel(), quiet(&gateway, "reminder = \"1s\"")));
    let node = Process::serve(&place).await;
    goes_down(&gateway, &node.api).await;
    pager.arrivals(1).await;
    let body = json!({
        "matchers": [{"name": "target", "value": "PG_KCP"}], "endsAt": seconds_from_now(3_600), "comment": "upgrade",
    });
    let window = node.api.post("/maintenances", body).await;
    assert_eq!(window.status, 201, "{}", window.text);
    assert_eq!(window.json()["status"]["state"], "active");
    node.api.target_when("PG_KCP", |target| target["health"] == "maintenance").await;
    // It comes back while nobody looks: the node was killed in the window, and its next life finds it well.
    node.signal("KILL");
    drop(node);
    gateway.goes("none");
    let node = Process::serve(&place).await;
    probe(&node.api).await;
    until("the end", async || kinds(&pager).last().is_some_and(|kind| kind == "resolved").then_some(())).await;
    // And what begins and ends in it is nobody's.
    gateway.goes("unavailable");
    probe(&node.api).await;
    gateway.goes("none");
    probe(&node.api).await;
    let id = window.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(delete(&node.api, &format!("/maintenances/{id}")).await, 204);
    assert_eq!(delete(&node.api, &format!("/maintenances/{id}")).await, 404);
    outbox_is_empty(&node.api).await;
    assert_eq!(kinds(&pager).iter().filter(|kind| *kind == "firing").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_5_what_was_given_up_is_listed_counted_and_can_be_sent_again() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    play(&pager, &["400"], true);
    let place = Place::new();
    place.configure(&format!("[alerting]\nlog = false\n{}{}", pager.channel(), quiet(&gateway, "")));
    let node = Process::serve(&place).await;
    goes_down(&gateway, &node.api).await;
    until("the dead letter", async || {
        (node.api.read("/outbox?state=dead").await["page"]["totalElements"] == 1).then_some(())
    })
    .await;
    let node = killed(node, &place).await;
    let dead = node.api.read("/outbox?state=dead").await;
    let letter = &dead["content"][0];
    assert_eq!(
        (&letter["state"], &letter["channel"], &letter["message"]),
        (&json!("dead"), &json!("ops"), &json!("firing"))
    );
    assert!(letter["lastError"].as_str().is_some_and(|error| error.starts_with("400")), "{letter}");
    until("nobody to be notified", async || {
        let page = node.api.read("/integrationFailureHistories?notified=false").await;
        (page["page"]["totalElements"] == 1).then_some(())
    })
    .await;
    let first = pager.arrivals(1).await;
    play(&pager, &["200"], true);
    let id = letter["id"].as_str().expect("an id").to_owned();
    let retried = node.api.post(&format!("/outbox/{id}/retry"), json!({})).await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    let arrivals = pager.arrivals(2).await;
    assert_eq!((&first[0].webhook_id, &first[0].body), (&arrivals[1].webhook_id, &arrivals[1].body));
    outbox_is_empty(&node.api).await;
    assert_eq!(node.api.read("/outbox?state=dead").await["page"]["totalElements"], 0);
    let notified = node.api.read("/integrationFailureHistories?notified=true").await;
    assert_eq!(notified["page"]["totalElements"], 1);
    node.api.post(&format!("/outbox/{id}/retry"), json!({})).await.refused(404, "no-such-delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_6_a_channel_that_fails_keeps_the_others_from_nothing() {
    let (gateway, broken, pager) = (Gateway::start(), Pager::start(), Pager::start());
    play(&broken, &["503"], true);
    let target = quiet(&gateway, "").replace("[\"ops\"]", "[\"broken\", \"ops\"]");
    let other = broken.channel().replace("\"ops\"", "\"broken\"");
    let place = Place::new();
    place.configure(&format!("{other}{}{target}", pager.channel()));
    let node = Process::serve(&place).await;
    goes_down(&gateway, &node.api).await;
    pager.arrivals(1).await;
    gateway.goes("none");
    probe(&node.api).await;
    pager.arrivals(2).await;
    assert_eq!(kinds(&pager), ["firing", "resolved"]);
    broken.arrivals(1).await;
    assert!(kinds(&broken).iter().all(|kind| kind == "firing"), "nobody hears of the end before the beginning");
    until("the two messages that wait", async || {
        (node.api.read("/outbox?state=pending").await["page"]["totalElements"] == 2).then_some(())
    })
    .await;
    // Killed while one channel waits: the other hears nothing again, and the first hears both in their order.
    let node = killed(node, &place).await;
    play(&broken, &["200"], true);
    outbox_is_empty(&node.api).await;
    assert_eq!(kinds(&broken).last().map(String::as_str), Some("resolved"));
    let ids: BTreeSet<_> = broken.handle.arrivals().iter().map(|arrival| arrival.webhook_id.clone()).collect();
    assert_eq!((ids.len(), kinds(&pager).len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_7_a_restart_loses_nothing_doubles_nothing_and_remembers_silences() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    place.configure(&format!("{}{}", pager.channel(), quiet(&gateway, "")));
    let process = Process::serve(&place).await;
    process.api.target_in("PG_KCP", "CONNECTED").await;
    let made = silence(&process.api, 3_600).await;
    goes_down(&gateway, &process.api).await;
    process.signal("KILL");
    drop(process);
    let process = Process::serve(&place).await;
    let kept = process.api.read("/silences").await;
    assert_eq!(kept["content"][0], made, "word for word");
    process.api.target_in("PG_KCP", "FAILED").await;
    assert_eq!(pager.handle.arrivals().len(), 0, "nobody was told, in the silence or after the restart");
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(delete(&process.api, &format!("/silences/{id}")).await, 204);
    let arrivals = pager.arrivals(1).await;
    assert_eq!(kinds(&pager), ["firing"], "what is still true at its end is told");
    outbox_is_empty(&process.api).await;
    process.signal("KILL");
    drop(process);
    let process = Process::serve(&place).await;
    gateway.goes("none");
    probe(&process.api).await;
    let all = pager.arrivals(2).await;
    outbox_is_empty(&process.api).await;
    let ids: BTreeSet<_> = all.iter().map(|arrival| &arrival.webhook_id).collect();
    assert_eq!((ids.len(), kinds(&pager)), (all.len(), vec!["firing".to_owned(), "resolved".to_owned()]));
    assert_eq!(told(&all[1])["data"]["incident"], told(&arrivals[0])["data"]["incident"]);
}

/// As many as CI can run; `tests/bench/storm.py` has the full figure.
const STORM: usize = 300;

fn storm(gateway: &Gateway) -> String {
    let alerting = "[alerting]\nlog = false\ngroup_by = [\"group\"]\ngroup_wait = \"3s\"\ngroup_interval = \"1s\"\n";
    let target = |number: usize| {
        format!(
            "[[target]]\nname = \"T{number}\"\nendpoint = \"http://{}\"\ngroup = \"shop\"\ninterval = \"1s\"\n\
             timeout = \"20s\"\nfailure_threshold = 1\n[target.probe]\npath = \"/health\"\n[target.alert]\n\
             on = [\"down\"]\n",
            gateway.address
        )
    };
    format!("{alerting}{}", (0..STORM).map(target).collect::<String>())
}

/// Of each group message of a status: how many alerts are in it. One that came again is the same.
fn counts(pager: &Pager, status: &str) -> Vec<u64> {
    let events: BTreeMap<_, Value> =
        pager.handle.arrivals().iter().map(|arrival| (arrival.webhook_id.clone(), told(arrival))).collect();
    let wanted = events.values().filter(|event| event["data"]["status"] == status);
    wanted.map(|event| event["data"]["count"].as_u64().unwrap_or(1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_8_when_the_line_drops_a_group_is_a_few_messages_and_all_of_it_is_resolved() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    place.configure(&format!("{}{}", storm(&gateway), pager.channel()));
    let node = Process::serve(&place).await;
    let in_state = async |node: &Process, state: &str| {
        until("every target", async || {
            let page = node.api.read(&format!("/integrationStatuses?state={state}&size=1")).await;
            (page["page"]["totalElements"] == STORM).then_some(())
        })
        .await;
    };
    in_state(&node, "CONNECTED").await;
    gateway.goes("unavailable");
    in_state(&node, "FAILED").await;
    // Killed while the group waits: all that it is made of is on disk.
    let node = killed(node, &place).await;
    let all = async |status: &str| {
        until("all of them told", async || (counts(&pager, status).iter().sum::<u64>() == STORM as u64).then_some(()))
            .await;
    };
    all("firing").await;
    let firing = counts(&pager, "firing").len();
    assert!(firing < 20, "{STORM} targets are {firing} messages");
    let biggest = pager
        .handle
        .arrivals()
        .iter()
        .map(|arrival| told(arrival))
        .max_by_key(|event| event["data"]["count"].as_u64().unwrap_or(1));
    let biggest = biggest.expect("a message");
    let listed = biggest["data"]["alerts"].as_array().expect("a list").len() as u64;
    assert_eq!(
        listed,
        biggest["data"]["count"].as_u64().expect("a number").min(100),
        "at most a hundred, and the number"
    );
    // And again while the ends of it wait.
    gateway.goes("none");
    in_state(&node, "CONNECTED").await;
    let node = killed(node, &place).await;
    all("resolved").await;
    outbox_is_empty(&node.api).await;
    assert_eq!(counts(&pager, "firing").iter().sum::<u64>(), STORM as u64, "nobody twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_joined_is_the_same_to_the_byte_after_the_node_was_killed() {
    let (gateway, pager, place) = (Gateway::start(), Pager::start(), Place::new());
    play(&pager, &["503"], true);
    let alerting = "[alerting]\nlog = false\ngroup_by = []\ngroup_wait = \"1s\"\n";
    let targets: String = ["A", "B", "C"].map(|name| gateway.target(name, "failure_threshold = 1")).concat();
    let targets = targets.replace("[target.breaker]\n", "[target.alert]\non = [\"down\"]\n[target.breaker]\n");
    place.configure(&format!("{alerting}{}{targets}", pager.channel()));
    let process = Process::serve(&place).await;
    for name in ["A", "B", "C"] {
        process.api.target_in(name, "CONNECTED").await;
    }
    gateway.goes("unavailable");
    let first = pager.arrivals(1).await;
    process.signal("KILL");
    drop(process);
    play(&pager, &["200"], true);
    let _process = Process::serve(&place).await;
    let again = until("the group again", async || {
        let arrivals = pager.handle.arrivals();
        (arrivals.iter().filter(|arrival| arrival.webhook_id == first[0].webhook_id).count() > 1).then_some(arrivals)
    })
    .await;
    let bodies: BTreeSet<_> =
        again.iter().filter(|arrival| arrival.webhook_id == first[0].webhook_id).map(|arrival| &arrival.body).collect();
    assert_eq!(bodies.len(), 1);
    let firing: u64 = {
        let by_id: BTreeMap<_, _> = again.iter().map(|arrival| (arrival.webhook_id.clone(), told(arrival))).collect();
        let wanted = by_id.values().filter(|event| event["data"]["status"] == "firing");
        wanted.map(|event| event["data"]["count"].as_u64().unwrap_or(1)).sum()
    };
    assert!(firing <= 3, "each once: {firing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_wait_leave_as_one_and_a_silence_holds_them_too() {
    let pager = Pager::start();
    let node = Node::start(&format!("[alerting]\nlog = false\n{}", pager.channel())).await;
    let report = async |number: u32| {
        let body = json!({
            "failureType": "OTHER", "targetSystem": "SMS", "occurredAt": "2024-06-01T10:00:00Z",
            "integrationStatusId": 0, "failureDetail": {
                "errorCode": number.to_string(), "errorMessage": "no route", "requestPayload": "N/A",
                "responsePayload": "N/A", "additionalInfo": "N/A",
            },
        });
        node.api.post("/integrationFailureHistories/recordintegrationfailure", body).await.ok()["data"]
            ["integrationFailureHistoryId"]
            .clone()
    };
    let body = json!({
        "matchers": [{"name": "condition", "value": "reported"}, {"name": "target", "value": "SMS"}],
        "endsAt": seconds_from_now(3_600), "comment": "known",
    });
    let silence = node.api.post("/silences", body).await.json();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(report(number).await);
    }
    // One of them ends while it is silenced.
    let over = json!({
        "integrationFailureHistoryId": ids[0], "retryResult": "SUCCESS", "recoveredAt": "2024-06-01T11:00:00Z",
    });
    node.api.patch("/integrationFailureHistories/recoverintegrationfailure", over).await.ok();
    assert_eq!(pager.handle.arrivals().len(), 0);
    let id = silence["id"].as_str().expect("an id").to_owned();
    assert_eq!(delete(&node.api, &format!("/silences/{id}")).await, 204);
    let arrivals = pager.arrivals(1).await;
    outbox_is_empty(&node.api).await;
    assert_eq!(pager.handle.arrivals().len(), 1);
    let message = told(&arrivals[0]);
    assert_eq!((&message["type"], &message["data"]["count"]), (&json!("breakwater.failure.recorded"), &json!(4)));
    assert_eq!(message["data"]["integrationFailureHistoryIds"], json!(ids[1..]));
    let untold = node.api.read("/integrationFailureHistories?notified=false").await;
    assert_eq!(untold["content"][0]["id"], ids[0], "of that one nobody was told");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acknowledges_so_others_are_told_and_a_signed_link_is_enough_to_acknowledge() {
    let (gateway, pager, boss) = (Gateway::start(), Pager::start(), Pager::start());
    let channels = format!("{}{}", pager.channel(), boss.channel().replace("\"ops\"", "\"boss\""));
    let alerting = "[alerting]\nexternal_url = \"http://breakwater.example\"\n";
    let target = quiet(&gateway, "escalate_after = \"1s\"\nescalate_to = [\"boss\"]");
    let node =
        Node::start_with("allow_anonymous = [\"read\", \"report\"]", &format!("{alerting}{channels}{target}")).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    node.api.post("/targets/PG_KCP/probe", json!({})).await.refused(403, "not-allowed");
    let mut fail = crate::node::of_target("PG_KCP", &format!("http://{}", gateway.address));
    fail["failureReason"] = json!("cards are declined");
    fail["failedAt"] = json!(seconds_from_now(1));
    node.api.post("/integrationStatuses/failpaymentgatewayconnection", fail).await.ok();
    let firing = told(&pager.arrivals(1).await[0]);
    let escalated = told(&boss.arrivals(1).await[0]);
    assert_eq!(escalated["type"], "breakwater.alert.escalated");
    assert_eq!(escalated["data"]["incident"], firing["data"]["incident"]);
    let link = firing["data"]["acknowledgeUrl"].as_str().expect("a link").to_owned();
    let path = link.strip_prefix("http://breakwater.example").expect("where people reach it").to_owned();
    let wrong = path.replace("token=", "token=x");
    node.api.get(&wrong).await.refused(403, "not-allowed");
    let bare = path.split('?').next().expect("a path");
    node.api.post(bare, json!({})).await.refused(403, "not-allowed");
    let page = node.api.get(&path).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains("I have seen it") && page.text.contains("cards are declined"), "{}", page.text);
    let looked = node.api.read(&format!("/alerts/{}", firing["data"]["incident"])).await;
    assert_eq!(looked["acknowledged"], Value::Null, "a look changes nothing");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let done = node.api.send(Method::POST, &path, &form, "who=kim%0A+%3Cb%3E&comment=".into()).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.text.contains("kim  &lt;b&gt; has seen it"), "{}", done.text);
    assert!(!page.text.contains("\"/"), "external_url may have a path: {}", page.text);
    let mut well = crate::node::of_target("PG_KCP", &format!("http://{}", gateway.address));
    well["attemptedAt"] = json!(seconds_from_now(2));
    node.api.post("/integrationStatuses/connectpaymentgateway", well).await.ok();
    pager.arrivals(2).await;
    let over = node.api.send(Method::POST, &path, &form, "who=lee".into()).await;
    assert!(over.status == 200 && over.text.contains("It is over."), "{}", over.text);
    node.api.post(&path, json!({})).await.refused(409, "alert-over");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_silence_is_told_at_once() {
    let node = Node::start("").await;
    let body = json!({
        "matchers": [{"name": "colour", "value": "red"}, {"name": "target", "value": "a", "isRegex": "yes"}, 7],
        "endsAt": "2020-01-01T00:00:00Z",
    });
    let refused = node.api.post("/silences", body).await.refused(400, "invalid-body");
    let pointers: Vec<&str> =
        refused["errors"].as_array().expect("a list").iter().filter_map(|one| one["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/matchers/0/name", "/matchers/1/isRegex", "/matchers/2", "/comment", "/endsAt"]);
    let body = json!({
        "id": "01a22e8c-76d3-7518-ac54-1eafa234dce8",
        "matchers": [
            {"name": "condition", "value": "dwn"}, {"name": "severity", "value": "warn"},
            {"name": "failure_type", "value": "PG"}, {"name": "severity", "value": "crit.*", "isRegex": true},
            {"name": "target", "value": "a", "is_equal": false},
        ],
        "comment": "x", "endsAt": seconds_from_now(60),
    });
    let refused = node.api.post("/silences", body).await.refused(400, "invalid-body");
    let errors: Vec<&Value> = refused["errors"].as_array().expect("a list").iter().collect();
    let pointers: Vec<&str> = errors.iter().filter_map(|one| one["pointer"].as_str()).collect();
    let wrong = ["/matchers/0/value", "/matchers/1/value", "/matchers/2/value", "/matchers/4/is_equal", "/id"];
    assert_eq!(pointers, wrong);
    assert_eq!(errors[1]["detail"], "must be one of critical, warning, info");
    assert_eq!(node.api.read("/silences").await["content"], json!([]));
    let of = |value: &str, more: Value| {
        let mut body = json!({"matchers": [{"name": "target", "value": value, "isRegex": true}], "comment": "x"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let ends = json!({"endsAt": seconds_from_now(60)});
    let refused = node.api.post("/silences", of("(", ends)).await.refused(400, "invalid-body");
    assert_eq!(refused["errors"][0]["pointer"], "/matchers/0/value");
    let weekly = |cron: &str, zone: &str| json!({"cron": cron, "timeZone": zone, "lengthMs": 7_200_000});
    let refused = node.api.post("/maintenances", of("a", weekly("nonsense", "UTC"))).await.refused(400, "invalid-body");
    assert_eq!(refused["errors"][0]["pointer"], "/cron");
    let refused =
        node.api.post("/maintenances", of("a", weekly("0 3 * * 1", "Nowhere"))).await.refused(400, "invalid-body");
    assert_eq!(refused["errors"][0]["pointer"], "/timeZone");
    let made = node.api.post("/maintenances", of("a", weekly("0 3 * * 1", "Asia/Seoul"))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.json()["cron"], &made.json()["lengthMs"]), (&json!("0 3 * * 1"), &json!(7_200_000.0)));
    assert_eq!(node.api.read("/maintenances").await["content"][0], made.json());
    let node = node.restart(Some("[[alerting.silence]]\nmatchers = [{ name = \"target\", value = \"x\" }]\nfrom = 2026-01-01T00:00:00Z\nuntil = 2199-01-01T00:00:00Z\nreason = \"by file\"\n")).await;
    assert_eq!(node.api.read("/silences").await["content"][0]["comment"], "by file");
    assert_eq!(delete(&node.api, "/silences/config-1").await, 409);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_recorded_after_its_alert_had_fired_is_not_notified_if_that_alert_died() {
    for died_before in [true, false] {
        let (gateway, pager) = (Gateway::start(), Pager::start());
        play(&pager, &[if died_before { "400" } else { "503" }], true);
        let target = quiet(&gateway, "").replace("on = [\"down\"]", "on = [\"down\", \"breaker_open\"]");
        let node = Node::start(&format!("[alerting]\nlog = false\n{}{target}", pager.channel())).await;
        let api = &node.api;
        api.target_in("PG_KCP", "CONNECTED").await;
        let hold = json!({"mode": "forced_open", "reason": "drill"}).to_string();
        let json = [("content-type", "application/json")];
        let held = api.send(Method::PUT, "/targets/PG_KCP/breaker", &json, hold).await;
        assert_eq!(held.status, 200, "{}", held.text);
        pager.arrivals(1).await;
        let dead = async || {
            until("the dead letter", async || {
                (api.read("/outbox?state=dead").await["page"]["totalElements"] == 1).then_some(())
            })
            .await;
        };
        if died_before {
            dead().await;
        }
        gateway.goes("unavailable");
        probe(api).await;
        let history = &api.read("/integrationFailureHistories").await["content"][0];
        assert_eq!(history["notified"], !died_before, "{history}");
        if !died_before {
            play(&pager, &["400"], true);
            let waiting = api.read("/outbox?state=pending").await["content"][0]["id"].clone();
            let id = waiting.as_str().expect("an id");
            api.post(&format!("/outbox/{id}/retry"), json!({})).await;
            dead().await;
            until("nobody to be notified", async || {
                let page = api.read("/integrationFailureHistories?notified=false").await;
                (page["page"]["totalElements"] == 1).then_some(())
            })
            .await;
        }
        node.stop().await;
    }
}
