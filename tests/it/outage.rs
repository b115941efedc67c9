//! A whole outage as it is lived through: what is committed, who is told, what can be watched, and what a restart finds.

use std::collections::BTreeMap;

use breakwater::simulator::receiver::{Answer, Script};
use serde_json::{Value, json};

use crate::node::{Api, Gateway, Node, Pager, Place, Process, Sent, of_target, seconds_from_now, told, until};

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    types(events).into_iter().filter(|name| *name == kind).count()
}

fn only<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let mut found = events.iter().filter(|event| event["type"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("{kind} is in {:?}", types(events)));
    assert_eq!(found.next(), None, "{kind} came once");
    first
}

async fn state_series(api: &Api, state: &str) -> Option<f64> {
    api.metric(&format!(r#"breakwater_integration_state{{target="PG_KCP",state="{state}"}}"#)).await
}

fn play(pager: &Pager, answers: &[&str], repeat: bool) {
    let answers: Vec<Answer> = answers.iter().map(|answer| answer.parse().expect("an answer")).collect();
    pager.handle.play(Script::new(answers, repeat));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_one_history_one_incident_and_two_signed_messages() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let node = Node::start(&format!("{}{}", pager.channel(), gateway.target("PG_KCP", "failure_threshold = 3"))).await;
    let api = &node.api;
    api.target_in("PG_KCP", "CONNECTED").await;
    let mut stream = api.stream(None, Some(0)).await;
    stream.up_to("PaymentGatewayConnected").await;
    assert_eq!(state_series(api, "CONNECTED").await, Some(1.0));

    gateway.goes("down");
    let arrivals = pager.arrivals(1).await;
    let firing = told(&arrivals[0]);
    assert_eq!((&firing["type"], &firing["subject"]), (&json!("breakwater.alert.firing"), &json!("PG_KCP")));
    assert_eq!((&firing["data"]["status"], &firing["data"]["severity"]), (&json!("firing"), &json!("critical")));
    assert!(!firing.to_string().to_lowercase().contains("resolved"), "{firing}");
    let target = api.target_in("PG_KCP", "FAILED").await;
    assert_eq!((&target["health"], &target["breaker"]), (&json!("down"), &json!("open")));
    assert_eq!(target["incident"]["incidentId"], firing["data"]["incident"]);
    let history = &api.read("/integrationFailureHistories?open=true").await["content"][0];
    assert_eq!((&history["failureType"], &history["notified"]), (&json!("PAYMENT_GATEWAY"), &json!(true)));
    assert_eq!(history["id"], target["outage"]["integrationFailureHistoryId"]);
    assert_eq!(history["integrationStatusId"], target["integrationStatusId"]);
    assert_eq!(state_series(api, "FAILED").await, Some(1.0));
    assert_eq!(state_series(api, "CONNECTED").await, Some(0.0));
    let open = r#"breakwater_circuit_breaker_state{target="PG_KCP",state="open"}"#;
    until("the breaker's series", async || (api.metric(open).await == Some(1.0)).then_some(())).await;
    until("an open failure", async || (api.metric("breakwater_failures_open").await == Some(1.0)).then_some(())).await;
    // It goes on for a while without flooding the log: the retries of one outage are limited, the failures are one.
    let many = r#"breakwater_probe_attempts_total{target="PG_KCP",result="failure"}"#;
    until("more probes", async || api.metric(many).await.filter(|number| *number > 10.0)).await;

    gateway.goes("none");
    let arrivals = pager.arrivals(2).await;
    let resolved = told(&arrivals[1]);
    assert_eq!(
        (&resolved["type"], &resolved["data"]["status"]),
        (&json!("breakwater.alert.resolved"), &json!("resolved"))
    );
    assert_eq!(resolved["data"]["incident"], firing["data"]["incident"], "the same incident");
    assert_eq!(resolved["data"]["since"], firing["data"]["since"]);
    assert_eq!(resolved["correlationid"], firing["correlationid"]);
    assert!(resolved["data"]["until"].is_string());
    assert_ne!(arrivals[0].webhook_id, arrivals[1].webhook_id);
    let seen = stream.up_to("AlertResolved").await;
    check_outage(api, &seen, &firing).await;
    let back = api.target_when("PG_KCP", |target| target["health"] == "healthy").await;
    assert_eq!(
        (&back["state"], &back["breaker"], &back["incident"]),
        (&json!("CONNECTED"), &json!("closed"), &Value::Null)
    );
    assert_eq!(state_series(api, "CONNECTED").await, Some(1.0));
    let transitions = api.read("/targets/PG_KCP/transitions").await;
    let moved: Vec<&str> =
        transitions["content"].as_array().expect("a list").iter().filter_map(|t| t["to"].as_str()).collect();
    assert_eq!(moved, ["CONNECTED", "FAILED", "RETRYING", "CONNECTED"], "the newest first");
    assert_eq!(pager.handle.arrivals().len(), 2, "nobody was told twice");
    node.stop().await;
}

async fn check_outage(api: &Api, seen: &[Sent], firing: &Value) {
    let log = api.events(None).await;
    let streamed: Vec<&Value> = seen.iter().map(|sent| &sent.data).collect();
    let first = log.iter().position(|event| event == streamed[0]).expect("the stream is the log");
    assert_eq!(log.iter().skip(first).take(streamed.len()).collect::<Vec<_>>(), streamed);
    for sent in seen {
        assert_eq!((&sent.data["id"], &sent.data["type"]), (&json!(sent.id), &json!(sent.event)));
    }
    let correlation = firing["correlationid"].as_str().expect("an id");
    let outage = api.events(Some(correlation)).await;
    for kind in [
        "IntegrationFailureRecorded",
        "AlertFired",
        "AlertResolved",
        "IntegrationFailureRecovered",
        "PaymentGatewayConnected",
    ] {
        only(&outage, kind);
    }
    let retries = count(&outage, "IntegrationFailureRetried");
    assert!((1..=4).contains(&retries), "at most max_retries and the last one: {:?}", types(&outage));
    assert_eq!(api.read("/integrationFailureHistories").await["page"]["totalElements"], 1);
    let closed = &api.read("/integrationFailureHistories?open=false").await["content"][0];
    assert_eq!((&closed["retryResult"], closed["recoveredAt"].is_string()), (&json!("SUCCESS"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_failure_opens_the_breaker_and_a_passing_probe_alone_does_not_end_it() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let target = gateway
        .quiet_target("PG_KCP", "")
        .replace("open_time = \"300ms\"", "open_time = \"1h\"\nopen_time_max = \"1h\"\ntrials = 1000");
    let node = Node::start(&format!("{}{target}", pager.channel())).await;
    let api = &node.api;
    let endpoint = api.target_in("PG_KCP", "CONNECTED").await["endpoint"].clone();
    let mut body = of_target("PG_KCP", endpoint.as_str().expect("a text"));
    body["failureReason"] = json!("all cards are declined");
    body["failedAt"] = json!(seconds_from_now(1));
    let failed = api.post("/integrationStatuses/failpaymentgatewayconnection", body.clone()).await.ok();
    assert_eq!(failed["data"]["state"], "FAILED");
    let firing = told(&pager.arrivals(1).await[0]);
    assert_eq!(firing["data"]["cause"], "all cards are declined");
    assert_eq!(api.read("/targets/PG_KCP/breaker").await["state"], "open");
    let probed = api.post("/targets/PG_KCP/probe", json!({})).await.ok();
    assert_eq!(probed["observation"]["ok"], true);
    assert_eq!(api.read("/targets/PG_KCP").await["state"], "FAILED");
    // A second report joins the open history.
    body["failedAt"] = json!(seconds_from_now(2));
    api.post("/integrationStatuses/failpaymentgatewayconnection", body).await.ok();
    assert_eq!(api.read("/integrationFailureHistories").await["page"]["totalElements"], 1);
    let mut connect = of_target("PG_KCP", endpoint.as_str().expect("a text"));
    connect["attemptedAt"] = json!(seconds_from_now(3));
    let connected = api.post("/integrationStatuses/connectpaymentgateway", connect).await.ok();
    let followed: Vec<&str> =
        connected["followedBy"].as_array().expect("a list").iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(followed.contains(&"IntegrationFailureRecovered"), "{followed:?}");
    assert_eq!(api.read("/integrationFailureHistories?open=true").await["page"]["totalElements"], 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_its_reader_was() {
    let node = Node::start("").await;
    let api = &node.api;
    let record = async |number: u32| {
        let body = json!({
            "failureType": "OTHER", "targetSystem": format!("S{number}"), "occurredAt": "2024-06-01T10:00:00Z",
            "integrationStatusId": 0, "failureDetail": {
                "errorCode": "N/A", "errorMessage": "x\ny\r\nz\n\n", "requestPayload": "N/A", "responsePayload": "N/A",
                "additionalInfo": "N/A",
            },
        });
        api.post("/integrationFailureHistories/recordintegrationfailure", body).await.ok();
    };
    record(1).await;
    // Without a place it begins with what happens from now on.
    let mut late = api.stream(None, None).await;
    record(2).await;
    assert_eq!(late.next().await.id, "2");
    drop(late);
    for number in 3..=250 {
        record(number).await;
    }
    let mut resumed = api.stream(Some("2"), Some(0)).await;
    for number in 3..=250 {
        let sent = resumed.next().await;
        assert_eq!(sent.id, number.to_string());
        assert_eq!(sent.data["data"]["targetSystem"], format!("S{number}"));
    }
    record(251).await;
    assert_eq!(resumed.next().await.id, "251");
    let wrong = api.send(reqwest::Method::GET, "/events/stream", &[("last-event-id", "x")], String::new()).await;
    wrong.refused(400, "invalid-header");
    drop(resumed);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_does_not_keep_the_node_from_ending() {
    let node = Node::start("").await;
    let stream = node.api.stream(None, None).await;
    node.stop().await;
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_repeated_byte_for_byte_until_it_is_taken() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    play(&pager, &["500"], false);
    let node =
        Node::start(&format!("{}{}", pager.channel(), gateway.quiet_target("PG_KCP", "failure_threshold = 1"))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    node.api.post("/targets/PG_KCP/probe", json!({})).await.ok();
    let arrivals = pager.arrivals(2).await;
    assert_eq!(arrivals[0].webhook_id, arrivals[1].webhook_id);
    assert!(arrivals[0].webhook_id.is_some());
    assert_eq!(arrivals[0].body, arrivals[1].body);
    let delivered = r#"breakwater_notifications_total{channel="ops",outcome="delivered"}"#;
    until("the delivery to be counted", async || (node.api.metric(delivered).await == Some(1.0)).then_some(())).await;
    until("the outbox to be empty", async || {
        (node.api.metric("breakwater_outbox_pending").await == Some(0.0)).then_some(())
    })
    .await;
    assert_eq!(pager.handle.arrivals().len(), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_is_delivered_after_a_restart_under_the_same_id() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    play(&pager, &["503(2)"], false);
    let node =
        Node::start(&format!("{}{}", pager.channel(), gateway.quiet_target("PG_KCP", "failure_threshold = 1"))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    node.api.post("/targets/PG_KCP/probe", json!({})).await.ok();
    pager.arrivals(1).await;
    until("the refusal to be counted", async || {
        let retried = r#"breakwater_notifications_total{channel="ops",outcome="retried"}"#;
        (node.api.metric(retried).await == Some(1.0)).then_some(())
    })
    .await;
    let node = node.restart(None).await;
    let arrivals = pager.arrivals(2).await;
    assert_eq!((&arrivals[0].webhook_id, &arrivals[0].body), (&arrivals[1].webhook_id, &arrivals[1].body));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_which_nobody_could_be_told_is_not_notified() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    play(&pager, &["400"], true);
    let target = gateway.quiet_target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("[alerting]\nlog = false\n{}{target}", pager.channel())).await;
    let api = &node.api;
    api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    let probed = api.post("/targets/PG_KCP/probe", json!({})).await.ok();
    let recorded = only(probed["events"].as_array().expect("a list"), "IntegrationFailureRecorded");
    assert_eq!(recorded["data"]["notified"], true, "it waits in the outbox");
    let not_told = async |number: u64| {
        until("a failure of which nobody knows", async || {
            let page = api.read("/integrationFailureHistories?notified=false").await;
            (page["page"]["totalElements"] == number).then_some(())
        })
        .await;
    };
    not_told(1).await;
    assert_eq!(count(&api.events(None).await, "NotificationDeadLettered"), 1);
    until("the dead letter to be counted", async || {
        (api.metric("breakwater_dead_letters").await == Some(1.0)).then_some(())
    })
    .await;
    // An application's own report goes the same way.
    let report = json!({
        "failureType": "OTHER", "targetSystem": "SOMEBODY", "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    });
    let said = api.post("/integrationFailureHistories/recordintegrationfailure", report).await.ok();
    assert_eq!(said["data"]["notified"], true);
    not_told(2).await;
    let id = &said["data"]["integrationFailureHistoryId"];
    let recover =
        json!({"integrationFailureHistoryId": id, "retryResult": "SUCCESS", "recoveredAt": "2024-06-01T12:00:00Z"});
    let recovered = api.patch("/integrationFailureHistories/recoverintegrationfailure", recover).await.ok();
    assert_eq!(recovered["data"]["notified"], false, "every event of a history says so");
    let node = node.restart(None).await;
    assert_eq!(node.api.read("/integrationFailureHistories?notified=false").await["page"]["totalElements"], 2);
    assert_eq!(pager.handle.arrivals().len(), 2, "what is dead is not sent again");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_channel_nobody_is_notified() {
    let node = Node::start("[alerting]\nlog = false\n").await;
    let report = json!({
        "failureType": "OTHER", "targetSystem": "SOMEBODY", "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    });
    let said = node.api.post("/integrationFailureHistories/recordintegrationfailure", report).await.ok();
    assert_eq!(said["data"]["notified"], false);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_goes_on_after_a_restart_as_if_there_had_been_none() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let rest = format!("{}{}", pager.channel(), gateway.target("PG_KCP", ""));
    let node = Node::start(&rest).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    pager.arrivals(1).await;
    let before = node.api.target_in("PG_KCP", "FAILED").await;
    let node = node.restart(None).await;
    let after = node.api.target_in("PG_KCP", "FAILED").await;
    for member in ["integrationStatusId", "incident", "outage", "failureReason"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    gateway.goes("none");
    let arrivals = pager.arrivals(2).await;
    let (firing, resolved) = (told(&arrivals[0]), told(&arrivals[1]));
    assert_eq!(resolved["data"]["incident"], firing["data"]["incident"]);
    assert_eq!(resolved["data"]["status"], "resolved");
    assert_eq!(node.api.read("/integrationFailureHistories").await["page"]["totalElements"], 1);
    assert_eq!(pager.handle.arrivals().len(), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let place = Place::new();
    place.configure(&format!("{}{}", pager.channel(), gateway.target("PG_KCP", "")));
    let mut process = Process::serve(&place).await;
    process.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    pager.arrivals(1).await;
    let before = process.api.target_in("PG_KCP", "FAILED").await;
    let report = json!({
        "failureType": "OTHER", "targetSystem": "PG_KCP", "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 1,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    });
    for _ in 0..20 {
        process.api.post("/integrationFailureHistories/recordintegrationfailure", report.clone()).await.ok();
    }
    let log = process.api.events(None).await;
    process.signal("KILL");
    assert!(!process.ended().await.success());

    let process = Process::serve(&place).await;
    let after = process.api.events(None).await;
    assert_eq!(after[..log.len()], log[..], "every event that was seen is there, as it was");
    let target = process.api.target_in("PG_KCP", "FAILED").await;
    for member in ["integrationStatusId", "incident", "outage"] {
        assert_eq!(target[member], before[member], "{member}");
    }
    assert_eq!(process.api.read("/integrationFailureHistories?open=true").await["page"]["totalElements"], 21);
    gateway.goes("none");
    process.api.target_when("PG_KCP", |target| target["health"] == "healthy").await;
    until("the outbox to be empty", async || {
        let resolved = pager.handle.arrivals().iter().any(|arrival| told(arrival)["data"]["status"] == "resolved");
        (resolved && process.api.metric("breakwater_outbox_pending").await == Some(0.0)).then_some(())
    })
    .await;
    check_told_once(&pager, &before["incident"]["incidentId"]);
}

/// Every message once, as their receiver tells them apart: by their ids.
fn check_told_once(pager: &Pager, incident: &Value) {
    let mut messages = BTreeMap::new();
    for arrival in pager.handle.arrivals() {
        let before = messages.insert(arrival.webhook_id.clone(), arrival.body.clone());
        assert!(before.is_none_or(|before| before == arrival.body), "one id, one message");
    }
    let messages: Vec<Value> =
        messages.values().map(|body| serde_json::from_slice(body).expect("a CloudEvent")).collect();
    for status in ["firing", "resolved"] {
        let told: Vec<_> = messages.iter().filter(|message| message["data"]["status"] == status).collect();
        assert_eq!((told.len(), &told[0]["data"]["incident"]), (1, incident), "{status}");
    }
    assert!(messages.len() <= 22, "at most one for each report, besides: {messages:?}");
}
