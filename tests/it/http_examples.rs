//! The examples of the two aggregates over HTTP: the state is put in place by earlier commands, then the command, then
//! the event is read back from the log. And the policy that makes a failure of another context's event.

use reqwest::Method;
use serde_json::{Value, json};

use crate::given_when_then::examples;
use crate::node::{Answer, Api, Node};

/// One member's name and value.
fn only(object: &Value) -> (&str, &Value) {
    let (name, value) = object.as_object().and_then(|map| map.iter().next()).expect("one member");
    (name, value)
}

fn with(mut object: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().expect("an object") {
        object[name] = value.clone();
    }
    object
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

/// The event, as the log shows it, of an answer that was asked for with this correlation id.
async fn check_log(api: &Api, answer: &Answer, correlation: &str, subject: &Value) {
    assert_eq!(answer.header("x-correlation-id"), correlation);
    let said = answer.ok();
    let events = api.events(Some(correlation)).await;
    let found = events.iter().rfind(|event| event["type"] == said["type"]).expect("the log has the event");
    assert_eq!(found["data"], said["data"]);
    assert_eq!(found["specversion"], "1.0");
    assert_eq!(found["source"], "node-1");
    assert_eq!(found["correlationid"], correlation);
    assert_eq!(found["datacontenttype"], "application/json");
    assert_eq!(found["subject"], subject.to_string());
    let sequence: u64 = found["id"].as_str().expect("a text").parse().expect("a sequence number");
    assert!(sequence >= 1);
    assert!(breakwater::clock::parse(found["time"].as_str().expect("a text")).is_ok());
    let before = api.read(&format!("/events?after={}&limit=1", sequence - 1)).await;
    assert_eq!(before["content"][0], *found);
    assert_eq!(before["next"], sequence);
}

async fn command(api: &Api, example: &Value, body: &Value, correlation: &str) -> Answer {
    let aggregate = match example["aggregate"].as_str() {
        Some("IntegrationStatus") => "integrationStatuses",
        _ => "integrationFailureHistories",
    };
    let path = format!("/{aggregate}/{}", example["apiPath"].as_str().expect("a path"));
    let method = example["method"].as_str().and_then(|method| method.parse::<Method>().ok()).expect("a method");
    let headers = [("content-type", "application/json"), ("x-correlation-id", correlation)];
    api.send(method, &path, &headers, body.to_string()).await
}

async fn report(api: &Api, path: &str, body: Value, correlation: &str) {
    let headers = [("content-type", "application/json"), ("x-correlation-id", correlation)];
    api.send(Method::POST, &format!("/integrationStatuses/{path}"), &headers, body.to_string()).await.ok();
}

/// Puts a status in place by reports, and returns its id. What is reported within an outage keeps the outage's
/// correlation id, so they are given the one that the test will ask for.
async fn put_status(api: &Api, given: &Value, correlation: &str) -> Value {
    let target = json!({"target": given["target"]});
    let attempted_at = given["lastAttemptedAt"].clone();
    for count in 1..=given["retryCount"].as_u64().expect("a count") {
        let retry = json!({"lastFailureReason": "", "retryCount": count, "retriedAt": attempted_at});
        report(api, "retrypaymentgatewayconnection", with(target.clone(), &retry), correlation).await;
    }
    if given["state"] == "FAILED" {
        let fail = json!({"failureReason": given["failureReason"], "failedAt": given["lastFailedAt"]});
        report(api, "failpaymentgatewayconnection", with(target.clone(), &fail), correlation).await;
    }
    if given["state"] == "CONNECTED" {
        let connect = json!({"attemptedAt": attempted_at});
        report(api, "connectpaymentgateway", with(target, &connect), correlation).await;
    }
    let listed = api.read("/integrationStatuses?systemName=PG_KCP").await;
    let found = &listed["content"][0];
    let id = found["integrationStatusId"].clone();
    let expected = with(given.clone(), &json!({"integrationStatusId": id, "id": id}));
    assert_eq!(*found, expected, "the given state is in place");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_answers_as_the_examples_say() {
    for example in examples("IntegrationStatus") {
        let node = Node::start("").await;
        let given = &example["given"]["IntegrationStatus"];
        let correlation = format!("example-{}", example["id"].as_str().expect("an id"));
        let id = put_status(&node.api, given, &correlation).await;
        let (_, when) = only(&example["when"]);
        let answer = command(&node.api, &example, when, &correlation).await;
        let (kind, then) = only(&example["then"]);
        let then = with(then.clone(), &json!({"integrationStatusId": id}));
        let said = answer.ok();
        assert_eq!((&said["type"], &said["data"]), (&json!(kind), &then), "{}", example["id"]);
        // An outage has a history: its events follow in the same commit.
        let followed = said["followedBy"].as_array().map_or(Vec::new(), |events| types(events));
        let expected: &[&str] = match &example["id"] {
            id if id == "ConnectPaymentGateway-1" => &["IntegrationFailureRecovered"],
            id if id == "FailPaymentGatewayConnection-1" => &["IntegrationFailureRecorded"],
            _ => &[],
        };
        assert_eq!(followed, expected, "{}", example["id"]);
        check_log(&node.api, &answer, &correlation, &id).await;
        // What the list and the details show is what the event has made of it.
        let details = node.api.read(&format!("/integrationStatuses/{id}")).await;
        assert_eq!(details["state"], then["state"]);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_resets_is_reset() {
    let node = Node::start("").await;
    let example = &examples("IntegrationStatus")[0];
    let id = put_status(&node.api, &example["given"]["IntegrationStatus"], "c-1").await;
    command(&node.api, example, only(&example["when"]).1, "c-1").await.ok();
    let expected = json!({
        "id": id, "integrationStatusId": id, "state": "CONNECTED", "retryCount": 0,
        "target": {"systemName": "PG_KCP", "endpoint": "https://api.kcp.com"},
        "lastAttemptedAt": "2024-06-02T09:00:00Z", "lastSucceededAt": "2024-06-02T09:00:00Z",
        "lastFailedAt": "2024-06-01T10:00:00Z",
    });
    assert_eq!(node.api.read(&format!("/integrationStatuses/{id}")).await, expected);
    node.stop().await;
}

/// Puts a history in place. A report is FAILURE only past the limit, so the node begins with a limit of 0.
async fn put_history(given: &Value) -> (Node, Value) {
    let node = Node::start("[monitor]\nmax_retries = 0\n").await;
    let mut record = given.clone();
    for member in ["integrationFailureHistoryId", "notified", "retryCount", "retryResult"] {
        record.as_object_mut().expect("an object").remove(member);
    }
    let recorded = node.api.post("/integrationFailureHistories/recordintegrationfailure", record).await.ok();
    let id = recorded["data"]["integrationFailureHistoryId"].clone();
    for count in 1..=given["retryCount"].as_u64().expect("a count") {
        let retry =
            json!({"integrationFailureHistoryId": id, "retryCount": count, "retriedAt": "2024-06-01T09:00:00Z"});
        node.api.patch("/integrationFailureHistories/retryintegrationfailure", retry).await.ok();
    }
    let node = node.restart(Some("")).await;
    let mut found = node.api.read(&format!("/integrationFailureHistories/{id}")).await;
    found.as_object_mut().expect("an object").remove("lastRetriedAt");
    let mut expected = with(given.clone(), &json!({"id": id, "integrationFailureHistoryId": id}));
    // The first state of Record's example is that of another history, which nobody was told of.
    expected["notified"] = json!(true);
    assert_eq!(found, expected, "the given state is in place, also after a restart");
    (node, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_answers_as_the_examples_say() {
    for example in examples("IntegrationFailureHistory") {
        let (node, known) = put_history(&example["given"]["IntegrationFailureHistory"]).await;
        let correlation = format!("example-{}", example["id"].as_str().expect("an id"));
        let (_, when) = only(&example["when"]);
        let records = example["command"] == "RecordIntegrationFailure";
        let body =
            if records { when.clone() } else { with(when.clone(), &json!({"integrationFailureHistoryId": known})) };
        let answer = command(&node.api, &example, &body, &correlation).await;
        let said = answer.ok();
        let id = said["data"]["integrationFailureHistoryId"].clone();
        assert_eq!(id != known, records, "recording always makes a new one");
        let (kind, then) = only(&example["then"]);
        let then = with(then.clone(), &json!({"integrationFailureHistoryId": id}));
        assert_eq!(said, json!({"type": kind, "data": then}), "{}", example["id"]);
        check_log(&node.api, &answer, &correlation, &id).await;
        let details = node.api.read(&format!("/integrationFailureHistories/{id}")).await;
        for member in ["notified", "retryResult", "retryCount", "recoveredAt", "occurredAt", "integrationStatusId"] {
            if !then[member].is_null() {
                assert_eq!(details[member], then[member], "{member} of {}", example["id"]);
            }
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_correlation_id_gets_a_fresh_one_and_a_wrong_one_is_refused() {
    let node = Node::start("").await;
    let first = node.api.get("/integrationStatuses").await;
    let second = node.api.get("/integrationStatuses").await;
    let id = first.header("x-correlation-id");
    assert_eq!((id.len(), &id[14..15]), (36, "7"), "a UUIDv7: {id}");
    assert_ne!(id, second.header("x-correlation-id"));
    let refused = node.api.send(Method::GET, "/events", &[("x-correlation-id", "two words")], String::new()).await;
    refused.refused(400, "invalid-header");
    node.stop().await;
}

fn weather_failed(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/campsites/weather", "type": "LocationWeatherInfoFailed",
        "correlationid": "trip-7",
        "data": {
            "campsiteId": {"campsiteId": 2002}, "errorMessage": "외부 API 응답 지연",
            "locationWeatherInfoId": 1003, "requestedAt": "2024-06-10T10:00:00Z",
        },
    })
}

async fn take(api: &Api, media: &str, body: &Value) -> Answer {
    api.send(Method::POST, "/events", &[("content-type", media)], body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weather_failure_is_recorded_and_told_once_for_each_source_and_id() {
    let node = Node::start("").await;
    let api = &node.api;
    let first = take(api, "application/cloudevents+json", &weather_failed("e-1")).await;
    assert_eq!((first.status, first.json()), (202, json!({"duplicate": false})));
    let again = take(api, "application/json; charset=utf-8", &weather_failed("e-1")).await;
    assert_eq!((again.status, again.json()), (202, json!({"duplicate": true})));
    let histories = api.read("/integrationFailureHistories").await;
    assert_eq!(histories["page"]["totalElements"], 1);
    let id = histories["content"][0]["id"].clone();
    let expected = json!({
        "id": id, "integrationFailureHistoryId": id, "failureType": "LOCATION_WEATHER_API",
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "외부 API 응답 지연", "requestPayload": "{\"campsiteId\":2002}",
            "responsePayload": "N/A", "additionalInfo": "1003",
        },
        "targetSystem": "WEATHER_API", "occurredAt": "2024-06-10T10:00:00Z", "retryCount": 0,
        "retryResult": "NOT_APPLICABLE", "notified": true, "integrationStatusId": 0,
    });
    assert_eq!(histories["content"][0], expected);
    let events = api.events(Some("trip-7")).await;
    assert_eq!(types(&events), ["LocationWeatherInfoFailed", "IntegrationFailureRecorded"]);
    assert_eq!(events[0]["data"], weather_failed("e-1")["data"]);
    assert_eq!(events[1]["causationid"], events[0]["id"], "the policy's event names the one that caused it");
    let node = node.restart(None).await;
    let after_restart = take(&node.api, "application/cloudevents+json", &weather_failed("e-1")).await;
    assert_eq!(after_restart.json(), json!({"duplicate": true}), "a restart forgets no event");
    let mut elsewhere = weather_failed("e-1");
    elsewhere["source"] = json!("/other");
    assert_eq!(take(&node.api, "application/json", &elsewhere).await.json(), json!({"duplicate": false}));
    assert_eq!(take(&node.api, "application/json", &weather_failed("e-2")).await.json(), json!({"duplicate": false}));
    assert_eq!(node.api.read("/integrationFailureHistories").await["page"]["totalElements"], 3);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_sent_many_times_at_once_is_recorded_once() {
    let node = Node::start("").await;
    let senders: Vec<_> = (0..16)
        .map(|_| {
            let api = node.api.clone();
            tokio::spawn(async move { take(&api, "application/json", &weather_failed("e-1")).await.json() })
        })
        .collect();
    let mut fresh = 0;
    for sender in senders {
        fresh += u32::from(sender.await.expect("no panic")["duplicate"] == false);
    }
    assert_eq!(fresh, 1);
    assert_eq!(node.api.read("/integrationFailureHistories").await["page"]["totalElements"], 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_no_json_or_of_another_type_are_refused_and_leave_nothing() {
    let node = Node::start("").await;
    take(&node.api, "text/plain", &weather_failed("e-1")).await.refused(415, "unsupported-media-type");
    take(&node.api, "application/xml", &weather_failed("e-1")).await.refused(415, "unsupported-media-type");
    let mut other = weather_failed("e-1");
    other["type"] = json!("LocationWeatherInfoProvided");
    let problem = take(&node.api, "application/json", &other).await.refused(400, "invalid-body");
    assert_eq!(problem["errors"][0]["pointer"], "/type");
    assert_eq!(node.api.events(None).await, Vec::<Value>::new());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weather_failure_names_the_status_of_its_system_and_moves_neither_it_nor_its_breaker() {
    let gateway = crate::node::Gateway::start();
    let weather = gateway.quiet_target("SKY", "").replace("PAYMENT_GATEWAY", "LOCATION_WEATHER_API");
    let node = Node::start(&format!("[monitor]\nweather_system = \"SKY\"\n{weather}")).await;
    let before = node.api.target_in("SKY", "CONNECTED").await;
    for number in 0..20 {
        take(&node.api, "application/json", &weather_failed(&format!("e-{number}"))).await;
    }
    let histories = node.api.read("/integrationFailureHistories?targetSystem=SKY").await;
    assert_eq!(histories["page"]["totalElements"], 20);
    assert_eq!(histories["content"][0]["integrationStatusId"], before["integrationStatusId"]);
    let breaker = node.api.read("/targets/SKY/breaker").await;
    assert_eq!((&breaker["state"], &breaker["window"]["failed"]), (&json!("closed"), &json!(0)));
    assert_eq!(node.api.read("/targets/SKY").await["state"], "CONNECTED");
    node.stop().await;
}
