//! The further rules of integration monitoring, asked over HTTP: who may report what, when a retry is refused, what the
//! lists show, and what never reaches the disk.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Answer, Api, Gateway, Node, of_target, seconds_from_now};

const CONNECT: &str = "/integrationStatuses/connectpaymentgateway";
const FAIL: &str = "/integrationStatuses/failpaymentgatewayconnection";
const RETRY: &str = "/integrationStatuses/retrypaymentgatewayconnection";
const RECORD: &str = "/integrationFailureHistories/recordintegrationfailure";
const RETRY_FAILURE: &str = "/integrationFailureHistories/retryintegrationfailure";
const RECOVER: &str = "/integrationFailureHistories/recoverintegrationfailure";

fn connect(name: &str, endpoint: &str, at: &str) -> Value {
    let mut body = of_target(name, endpoint);
    body["attemptedAt"] = json!(at);
    body
}

fn fail(name: &str, endpoint: &str, reason: &str, at: &str) -> Value {
    let mut body = of_target(name, endpoint);
    body["failureReason"] = json!(reason);
    body["failedAt"] = json!(at);
    body
}

fn retry(name: &str, endpoint: &str, count: u32, at: Option<&str>) -> Value {
    let mut body = of_target(name, endpoint);
    body["lastFailureReason"] = json!("");
    body["retryCount"] = json!(count);
    if let Some(at) = at {
        body["retriedAt"] = json!(at);
    }
    body
}

fn failure(system: &str, kind: &str, at: &str) -> Value {
    json!({
        "failureType": kind, "targetSystem": system, "occurredAt": at, "integrationStatusId": 7,
        "failureDetail": {
            "errorCode": "504", "errorMessage": "Timeout occurred", "requestPayload": "{amount:1000}",
            "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    })
}

async fn record(api: &Api, system: &str, kind: &str, at: &str) -> u64 {
    let said = api.post(RECORD, failure(system, kind, at)).await.ok();
    said["data"]["integrationFailureHistoryId"].as_u64().expect("an id")
}

fn types(answer: &Value) -> Vec<&str> {
    let followed = answer["followedBy"].as_array().map_or(&[][..], Vec::as_slice);
    std::iter::once(answer).chain(followed).filter_map(|event| event["type"].as_str()).collect()
}

fn ids(page: &Value) -> Vec<u64> {
    page["content"].as_array().expect("a list").iter().filter_map(|item| item["id"].as_u64()).collect()
}

/// A gateway, and a node that watches it as PG_KCP and probes it when it is asked to.
async fn watched(keys: &str) -> (Gateway, Node, String) {
    let gateway = Gateway::start();
    let node = Node::start(&gateway.quiet_target("PG_KCP", keys)).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    let endpoint = format!("http://{}", gateway.address);
    (gateway, node, endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_older_than_what_is_known_is_refused_for_a_configured_target() {
    let (_gateway, node, endpoint) = watched("").await;
    let before = node.api.events(None).await;
    let hour_ago = seconds_from_now(-3600);
    node.api.post(CONNECT, connect("PG_KCP", &endpoint, &hour_ago)).await.refused(409, "stale-report");
    node.api.post(FAIL, fail("PG_KCP", &endpoint, "late", &hour_ago)).await.refused(409, "stale-report");
    node.api.post(RETRY, retry("PG_KCP", &endpoint, 1, Some(&hour_ago))).await.refused(409, "stale-report");
    assert_eq!(node.api.events(None).await, before, "a refusal leaves nothing");
    let passive = node.api.post(CONNECT, connect("PG_NICE", "https://nice", "2024-06-02T09:00:00Z")).await;
    passive.ok();
    node.api.post(CONNECT, connect("PG_NICE", "https://nice", "2023-01-01T00:00:00Z")).await.ok();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_may_be_five_minutes_ahead_and_no_more() {
    let (_gateway, node, endpoint) = watched("").await;
    for (name, endpoint) in [("PG_KCP", endpoint.as_str()), ("PG_NICE", "https://nice")] {
        let ahead = seconds_from_now(600);
        node.api.post(CONNECT, connect(name, endpoint, &ahead)).await.refused(400, "from-the-future");
        node.api.post(FAIL, fail(name, endpoint, "x", &ahead)).await.refused(400, "from-the-future");
        node.api.post(RETRY, retry(name, endpoint, 1, Some(&ahead))).await.refused(400, "from-the-future");
        node.api.post(CONNECT, connect(name, endpoint, &seconds_from_now(240))).await.ok();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_first_report_makes_no_passive_target() {
    let node = Node::start("").await;
    let ahead = seconds_from_now(600);
    node.api.post(CONNECT, connect("PG_NICE", "https://nice", &ahead)).await.refused(400, "from-the-future");
    node.api
        .post(RETRY, retry("PG_TOSS", "https://toss", 9, Some("2024-06-02T09:00:00Z")))
        .await
        .refused(409, "retry-count");
    node.api.post(CONNECT, of_target("PG_HANA", "https://hana")).await.refused(409, "not-configured");
    assert_eq!(node.api.read("/integrationStatuses").await["page"]["totalElements"], 0);
    let node = node.restart(None).await;
    assert_eq!(node.api.read("/integrationStatuses").await["page"]["totalElements"], 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_system_has_one_endpoint() {
    let (_gateway, node, _) = watched("").await;
    let other = "https://elsewhere.example";
    let now = seconds_from_now(0);
    let problem = node.api.post(CONNECT, connect("PG_KCP", other, &now)).await.refused(409, "other-endpoint");
    assert_eq!(problem["errors"][0]["pointer"], "/target/endpoint");
    assert!(!problem.to_string().contains("elsewhere"), "a refusal repeats nothing of the request: {problem}");
    node.api.post(FAIL, fail("PG_KCP", other, "x", &now)).await.refused(409, "other-endpoint");
    node.api.post(RETRY, retry("PG_KCP", other, 1, None)).await.refused(409, "other-endpoint");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_calls_no_address_that_nobody_configured() {
    let node = Node::start("").await;
    node.api.post(CONNECT, of_target("PG_NICE", "http://127.0.0.1:9")).await.refused(409, "not-configured");
    let retries = retry("PG_NICE", "http://127.0.0.1:9", 1, None);
    node.api.post(RETRY, retries.clone()).await.refused(409, "not-configured");
    // Also not where it exists through reports.
    node.api.post(FAIL, fail("PG_NICE", "http://127.0.0.1:9", "x", "2024-06-02T09:00:00Z")).await.ok();
    node.api.post(CONNECT, of_target("PG_NICE", "http://127.0.0.1:9")).await.refused(409, "not-configured");
    node.api.post(RETRY, retries).await.refused(409, "not-configured");
    node.api.send(Method::POST, "/targets/PG_NICE/probe", &[], String::new()).await.refused(409, "not-configured");
    let id = record(&node.api, "PG_NICE", "OTHER", "2024-06-01T10:00:00Z").await;
    let retries = json!({"integrationFailureHistoryId": id});
    node.api.patch(RETRY_FAILURE, retries).await.refused(409, "not-configured");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_asked_for_answers_with_what_came_of_it() {
    let (gateway, node, endpoint) = watched("").await;
    let api = &node.api;
    let attempt = of_target("PG_KCP", &endpoint);
    let connected = api.post(CONNECT, attempt.clone()).await.ok();
    assert_eq!((&connected["type"], types(&connected).len()), (&json!("PaymentGatewayConnected"), 1));
    gateway.goes("unavailable");
    for count in [1, 2] {
        let retried = api.post(CONNECT, attempt.clone()).await.ok();
        assert_eq!(retried["type"], "PaymentGatewayRetried");
        let data = &retried["data"];
        let said = (&data["retryResult"], &data["retryCount"], &data["state"]);
        assert_eq!(said, (&json!("FAILURE"), &json!(count), &json!("RETRYING")));
    }
    let failed = api.post(CONNECT, attempt.clone()).await.ok();
    assert_eq!(failed["type"], "PaymentGatewayConnectionFailed");
    let mut followed = types(&failed)[1..].to_vec();
    followed.sort_unstable();
    assert_eq!(followed, ["AlertFired", "CircuitBreakerTransitioned", "IntegrationFailureRecorded"]);
    assert_eq!(failed["data"]["state"], "FAILED");
    let again = api.post(RETRY, retry("PG_KCP", &endpoint, 3, None)).await.ok();
    assert_eq!((&again["type"], &again["data"]["retryResult"]), (&json!("PaymentGatewayRetried"), &json!("FAILURE")));
    assert!(types(&again).contains(&"PaymentGatewayConnectionFailed"), "{again}");
    gateway.goes("none");
    let back = api.post(CONNECT, attempt).await.ok();
    assert_eq!(back["type"], "PaymentGatewayConnected");
    assert!(types(&back).contains(&"IntegrationFailureRecovered"), "{back}");
    assert_eq!(api.read("/targets/PG_KCP").await["retryCount"], 0);
    let success = api.post(RETRY, retry("PG_KCP", &endpoint, 1, None)).await.ok();
    assert_eq!(
        (&success["type"], &success["data"]["retryResult"]),
        (&json!("PaymentGatewayRetried"), &json!("SUCCESS"))
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_retried_by_the_node_where_its_system_is_configured() {
    let (gateway, node, _) = watched("").await;
    let api = &node.api;
    let id = record(api, "PG_KCP", "PAYMENT_GATEWAY", "2024-06-01T10:00:00Z").await;
    let mut results = Vec::new();
    for outage in ["none", "unavailable", "none", "none"] {
        gateway.goes(outage);
        let retried = api.patch(RETRY_FAILURE, json!({"integrationFailureHistoryId": id})).await.ok();
        assert_eq!(retried["type"], "IntegrationFailureRetried");
        assert_eq!(retried["data"]["integrationFailureHistoryId"], id);
        results.push(retried["data"]["retryResult"].as_str().expect("a word").to_owned());
    }
    assert_eq!(results, ["SUCCESS", "FAILURE", "SUCCESS", "FAILURE"], "the fourth is refused");
    let before = gateway.handle.report().requests;
    api.patch(RETRY_FAILURE, json!({"integrationFailureHistoryId": id, "retryCount": 5})).await.ok();
    assert_eq!(gateway.handle.report().requests, before, "a refused retry makes no call");
    assert_eq!(api.read(&format!("/integrationFailureHistories/{id}")).await["retryCount"], 5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passive_targets_have_a_limit_and_no_series_of_their_own() {
    let node = Node::start("[monitor]\nmax_passive_targets = 2\n").await;
    let at = "2024-06-02T09:00:00Z";
    for name in ["A", "B"] {
        node.api.post(FAIL, fail(name, "https://a.example", "x", at)).await.ok();
    }
    let refused = node.api.post(FAIL, fail("C", "https://a.example", "x", at)).await;
    refused.refused(429, "too-many-passive-targets");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    node.api.post(CONNECT, connect("A", "https://a.example", at)).await.ok();
    assert_eq!(node.api.read("/integrationStatuses").await["page"]["totalElements"], 2);
    let metrics = node.api.get("/metrics").await.text;
    assert!(!metrics.contains("target=\"A\"") && !metrics.contains("target=\"B\""));
    assert!(metrics.contains("target=\"_passive\""));
    let moved = r#"breakwater_integration_transitions_total{target="_passive",from="UNKNOWN",to="FAILED"}"#;
    assert_eq!(node.api.metric(moved).await, Some(2.0));
    assert_eq!(node.api.metric("breakwater_integration_passive_targets").await, Some(2.0));
    let node = node.restart(None).await;
    node.api.post(FAIL, fail("C", "https://a.example", "x", at)).await.refused(429, "too-many-passive-targets");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_many_new_systems_at_once_do_not_pass_the_limit() {
    let node = Node::start("[monitor]\nmax_passive_targets = 5\n").await;
    let reports: Vec<_> = (0..30)
        .map(|number| {
            let api = node.api.clone();
            let body = connect(&format!("S{number}"), "https://a.example", "2024-06-02T09:00:00Z");
            tokio::spawn(async move { api.post(CONNECT, body).await.status })
        })
        .collect();
    let mut taken = 0;
    for report in reports {
        taken += u32::from(report.await.expect("no panic") == 200);
    }
    assert_eq!(taken, 5);
    assert_eq!(node.api.read("/integrationStatuses").await["page"]["totalElements"], 5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_count_that_is_not_the_next_one_is_refused_with_the_next_one() {
    let (_gateway, node, endpoint) = watched("").await;
    let api = &node.api;
    let at = "2024-06-02T09:00:00Z";
    api.post(RETRY, retry("PG_NICE", "https://nice", 1, Some(at))).await.ok();
    for count in [0, 1, 3] {
        let refused = api.post(RETRY, retry("PG_NICE", "https://nice", count, Some(at))).await;
        assert_eq!(refused.refused(409, "retry-count")["expectedRetryCount"], 2);
    }
    let refused = api.post(RETRY, retry("PG_KCP", &endpoint, 2, None)).await.refused(409, "retry-count");
    assert_eq!(refused["expectedRetryCount"], 1);
    let id = record(api, "PG_KCP", "PAYMENT_GATEWAY", "2024-06-01T10:00:00Z").await;
    for at in [json!(at), Value::Null] {
        let body = json!({"integrationFailureHistoryId": id, "retryCount": 2, "retriedAt": at});
        assert_eq!(api.patch(RETRY_FAILURE, body).await.refused(409, "retry-count")["expectedRetryCount"], 1);
    }
    assert_eq!(api.read(&format!("/integrationFailureHistories/{id}")).await["retryCount"], 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_over_once_and_only_by_a_success() {
    let node = Node::start("").await;
    let api = &node.api;
    let id = record(api, "PG_KCP", "PAYMENT_GATEWAY", "2024-06-01T10:00:00Z").await;
    let recover = |result: &str| json!({"integrationFailureHistoryId": id, "retryResult": result, "recoveredAt": "2024-06-01T12:00:00Z"});
    for result in ["FAILURE", "NOT_APPLICABLE"] {
        let problem = api.patch(RECOVER, recover(result)).await.refused(400, "not-a-success");
        assert_eq!(problem["errors"][0]["pointer"], "/retryResult");
    }
    api.patch(RECOVER, recover("MAYBE")).await.refused(400, "invalid-body");
    // A retry that succeeds does not close it.
    let retried = json!({"integrationFailureHistoryId": id, "retriedAt": "2024-06-01T11:00:00Z"});
    assert_eq!(api.patch(RETRY_FAILURE, retried.clone()).await.ok()["data"]["retryResult"], "SUCCESS");
    api.patch(RECOVER, recover("SUCCESS")).await.ok();
    api.patch(RECOVER, recover("SUCCESS")).await.refused(409, "history-closed");
    api.patch(RETRY_FAILURE, retried).await.refused(409, "history-closed");
    let attempt = json!({"integrationFailureHistoryId": id});
    api.patch(RETRY_FAILURE, attempt).await.refused(409, "history-closed");
    let details = api.read(&format!("/integrationFailureHistories/{id}")).await;
    assert_eq!((&details["retryCount"], &details["recoveredAt"]), (&json!(1), &json!("2024-06-01T12:00:00Z")));
    assert_eq!(details["lastRetriedAt"], "2024-06-01T11:00:00Z");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_recoveries_at_once_one_is_taken() {
    let node = Node::start("").await;
    let id = record(&node.api, "PG_KCP", "PAYMENT_GATEWAY", "2024-06-01T10:00:00Z").await;
    let body =
        json!({"integrationFailureHistoryId": id, "retryResult": "SUCCESS", "recoveredAt": "2024-06-01T12:00:00Z"});
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let (api, body) = (node.api.clone(), body.clone());
            tokio::spawn(async move { api.patch(RECOVER, body).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for tried in tries {
        statuses.push(tried.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses[..2], [200, 409]);
    assert_eq!(node.api.events(None).await.len(), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_found() {
    let node = Node::start("").await;
    let api = &node.api;
    let at = "2024-06-01T12:00:00Z";
    let recover = json!({"integrationFailureHistoryId": 404, "retryResult": "SUCCESS", "recoveredAt": at});
    api.patch(RECOVER, recover).await.refused(404, "no-such-history");
    for retried_at in [json!(at), Value::Null] {
        let retry = json!({"integrationFailureHistoryId": 404, "retriedAt": retried_at});
        api.patch(RETRY_FAILURE, retry).await.refused(404, "no-such-history");
    }
    for id in ["404", "0", "-1", "x", "18446744073709551616"] {
        api.get(&format!("/integrationStatuses/{id}")).await.refused(404, "no-such-status");
        api.get(&format!("/integrationFailureHistories/{id}")).await.refused(404, "no-such-history");
    }
    for path in ["/targets/NOBODY", "/targets/NOBODY/uptime", "/targets/NOBODY/transitions", "/targets/NOBODY/breaker"]
    {
        api.get(path).await.refused(404, "no-such-target");
    }
    api.send(Method::POST, "/targets/NOBODY/probe", &[], String::new()).await.refused(404, "no-such-target");
    let hold = json!({"mode": "forced_open", "reason": "x"});
    let headers = [("content-type", "application/json")];
    api.send(Method::PUT, "/targets/NOBODY/breaker", &headers, hold.to_string()).await.refused(404, "no-such-target");
    api.get("/nowhere").await.refused(404, "no-such-path");
    let problem = api.get(RECORD).await;
    problem.refused(405, "method-not-allowed");
    assert_eq!(problem.header("allow"), "POST");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_statuses_filters_pages_and_counts() {
    let node = Node::start("").await;
    let api = &node.api;
    for number in 1..=7 {
        let endpoint = format!("https://{}.example/?a=b&c", number % 2);
        let at = format!("2024-06-0{number}T09:00:00Z");
        let name = format!("S{number}");
        if number <= 3 {
            api.post(CONNECT, connect(&name, &endpoint, &at)).await.ok();
        } else {
            api.post(RETRY, retry(&name, &endpoint, 1, Some(&at))).await.ok();
        }
    }
    api.post(FAIL, fail("S8", "https://0.example/?a=b&c", "x", "2024-06-08T09:00:00Z")).await.ok();
    let shown = async |query: &str| {
        let page = api.read(&format!("/integrationStatuses?{query}")).await;
        assert_eq!(page["page"]["totalElements"], page["content"].as_array().map_or(0, Vec::len), "{query}");
        ids(&page)
    };
    assert_eq!(shown("").await, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(shown("systemName=S3").await, [3]);
    assert_eq!(shown("target.systemName=S3&systemName=").await, [3]);
    assert_eq!(shown("endpoint=https%3A%2F%2F1.example%2F%3Fa%3Db%26c").await, [7, 5, 3, 1]);
    assert_eq!(shown("target.endpoint=https%3A%2F%2F1.example%2F%3Fa%3Db%26c&state=CONNECTED").await, [3, 1]);
    assert_eq!(shown("state=RETRYING").await, [7, 6, 5, 4]);
    assert_eq!(shown("state=UNKNOWN").await, [0; 0]);
    // Half open: `from` is in, `to` is not; one that was never attempted is in no range.
    assert_eq!(shown("lastAttemptedAtFrom=2024-06-03T09:00:00Z&lastAttemptedAtTo=2024-06-05T09:00:00Z").await, [4, 3]);
    assert_eq!(shown("lastAttemptedAtFrom=2024-06-07T18:00:00%2B09:00").await, [7]);
    assert_eq!(shown("lastAttemptedAtTo=2024-06-02T09:00:00Z").await, [1]);
    let page = api.read("/integrationStatuses?page=1&size=3").await;
    assert_eq!(ids(&page), [5, 4, 3]);
    assert_eq!(page["page"], json!({"size": 3, "number": 1, "totalElements": 8, "totalPages": 3}));
    let page = api.read("/integrationStatuses?page=9&size=3").await;
    assert_eq!((ids(&page), &page["page"]["totalElements"]), (vec![], &json!(8)));
    check_queries(api, "/integrationStatuses", &["state=DOWN", "lastAttemptedAtFrom=yesterday", "lastAttemptedAtTo=1"])
        .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_histories_filters_pages_counts_and_orders_by_time_then_id() {
    let node = Node::start("").await;
    let api = &node.api;
    let (pg, sky) = ("PAYMENT_GATEWAY", "LOCATION_WEATHER_API");
    // Not in the order of their times, and two at the same one.
    let times = ["03T10:00:00Z", "01T10:00:00Z", "02T10:00:00Z", "02T10:00:00Z", "02T10:00:00.000000001Z"];
    for (time, (system, kind)) in times.iter().zip([("A", pg), ("B", sky), ("A", pg), ("B", pg), ("C", "OTHER")]) {
        record(api, system, kind, &format!("2024-06-{time}")).await;
    }
    let retry = json!({"integrationFailureHistoryId": 1, "retriedAt": "2024-06-03T11:00:00Z"});
    api.patch(RETRY_FAILURE, retry).await.ok();
    let recover =
        json!({"integrationFailureHistoryId": 2, "retryResult": "SUCCESS", "recoveredAt": "2024-06-03T12:00:00Z"});
    api.patch(RECOVER, recover).await.ok();
    check_histories(api).await;
    let problems = ["failureType=PG", "occurredAtFrom=x", "occurredAtTo=x", "retryResult=OK", "notified=yes", "open=1"];
    check_queries(api, "/integrationFailureHistories", &problems).await;
    // The columns that answer this are rebuilt at start.
    let node = node.restart(None).await;
    check_histories(&node.api).await;
    node.stop().await;
}

async fn check_histories(api: &Api) {
    let shown = async |query: &str| {
        let page = api.read(&format!("/integrationFailureHistories?{query}")).await;
        assert_eq!(page["page"]["totalElements"], page["content"].as_array().map_or(0, Vec::len), "{query}");
        ids(&page)
    };
    assert_eq!(shown("").await, [1, 5, 4, 3, 2]);
    assert_eq!(shown("failureType=PAYMENT_GATEWAY").await, [1, 4, 3]);
    assert_eq!(shown("targetSystem=B").await, [4, 2]);
    assert_eq!(shown("targetSystem=B&failureType=OTHER").await, [0; 0]);
    assert_eq!(shown("targetSystem=NOBODY").await, [0; 0]);
    assert_eq!(shown("open=true").await, [1, 5, 4, 3]);
    assert_eq!(shown("open=false").await, [2]);
    assert_eq!(shown("retryResult=SUCCESS").await, [1, 2]);
    assert_eq!(shown("retryResult=NOT_APPLICABLE&open=true").await, [5, 4, 3]);
    assert_eq!(shown("notified=true").await, [1, 5, 4, 3, 2]);
    assert_eq!(shown("notified=false").await, [0; 0]);
    assert_eq!(shown("occurredAtFrom=2024-06-02T10:00:00Z&occurredAtTo=2024-06-03T10:00:00Z").await, [5, 4, 3]);
    assert_eq!(shown("occurredAtTo=2024-06-02T10:00:00.000000001Z").await, [4, 3, 2]);
    assert_eq!(shown("occurredAtFrom=2024-06-02T10:00:00.000000001Z").await, [1, 5]);
    assert_eq!(shown("occurredAtFrom=2024-06-03T10:00:00Z&occurredAtTo=2024-06-01T10:00:00Z").await, [0; 0]);
    let page = api.read("/integrationFailureHistories?page=1&size=2").await;
    assert_eq!(ids(&page), [4, 3]);
    assert_eq!(page["page"], json!({"size": 2, "number": 1, "totalElements": 5, "totalPages": 3}));
    let page = api.read("/integrationFailureHistories?page=1&size=2&open=true&failureType=PAYMENT_GATEWAY").await;
    assert_eq!(ids(&page), [3]);
    assert_eq!(page["page"], json!({"size": 2, "number": 1, "totalElements": 3, "totalPages": 2}));
    let page = api.read("/integrationFailureHistories?page=1000000&size=200").await;
    assert_eq!((ids(&page), &page["page"]["totalElements"]), (vec![], &json!(5)));
}

/// What is wrong with a query is told by the parameter's name.
async fn check_queries(api: &Api, path: &str, wrong: &[&str]) {
    for query in ["size=0", "size=201", "size=x", "page=-1", "page=1.5"].iter().chain(wrong) {
        let problem = api.get(&format!("{path}?{query}")).await.refused(400, "invalid-query");
        let name = query.split_once('=').map(|(name, _)| name);
        assert_eq!(problem["errors"][0]["parameter"].as_str(), name, "{query}");
    }
    let default = api.read(path).await;
    assert_eq!(default["page"]["size"], 20);
    assert_eq!(api.read(&format!("{path}?size=200")).await["page"]["size"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let node = Node::start("").await;
    record(&node.api, "A", "OTHER", "2024-06-01T10:00:00Z").await;
    let path = "/integrationFailureHistories";
    let first = node.api.get(path).await;
    let tag = first.header("etag").to_owned();
    let known = [("if-none-match", tag.as_str())];
    let again = node.api.send(Method::GET, path, &known, String::new()).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    record(&node.api, "A", "OTHER", "2024-06-01T10:00:00Z").await;
    assert_eq!(node.api.send(Method::GET, path, &known, String::new()).await.status, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_256_kib_long_and_a_text_16384_characters() {
    let node = Node::start("").await;
    let api = &node.api;
    let mut whole = failure("A", "OTHER", "2024-06-01T10:00:00Z");
    // Three bytes a character: five of them stay below the limit of the body.
    for member in ["errorCode", "errorMessage", "requestPayload", "responsePayload", "additionalInfo"] {
        whole["failureDetail"][member] = json!("가".repeat(16_384));
    }
    let said = api.post(RECORD, whole.clone()).await.ok();
    assert_eq!(said["data"]["failureDetail"], whole["failureDetail"]);
    let id = &said["data"]["integrationFailureHistoryId"];
    let stored = api.read(&format!("/integrationFailureHistories/{id}")).await;
    assert_eq!(stored["failureDetail"], whole["failureDetail"]);
    whole["failureDetail"]["errorCode"] = json!("가".repeat(16_385));
    let problem = api.post(RECORD, whole).await.refused(400, "invalid-body");
    assert_eq!(problem["errors"][0]["pointer"], "/failureDetail/errorCode");
    let padded = |length: usize| {
        let text = failure("A", "OTHER", "2024-06-01T10:00:00Z").to_string();
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    let headers = [("content-type", "application/json")];
    let at_limit = api.send(Method::POST, RECORD, &headers, padded(256 * 1024)).await;
    at_limit.ok();
    let over = api.send(Method::POST, RECORD, &headers, padded(256 * 1024 + 1)).await;
    over.refused(413, "body-too-large");
    let far_over = api.send(Method::POST, RECORD, &headers, padded(900 * 1024)).await;
    far_over.refused(413, "body-too-large");
    api.send(Method::POST, RECORD, &[("content-type", "text/plain")], padded(1000))
        .await
        .refused(415, "unsupported-media-type");
    api.send(Method::POST, RECORD, &headers, "{\"failureType\":".into()).await.refused(400, "malformed-json");
    assert_eq!(api.read("/integrationFailureHistories").await["page"]["totalElements"], 2, "a refusal leaves nothing");
    node.stop().await;
}

/// What a card number looks like in the wild; the digits that must go are those between the first 6 and the last 4.
const CARD: &str = "4012 8888-8888 1881";
const DIGITS: &str = "4012888888881881";

async fn report_everything(api: &Api) -> Vec<Answer> {
    let at = "2024-06-02T09:00:00Z";
    let text = format!("card {DIGITS}, {CARD}, {{\"cvc\":\"xKq7\",\"cardNo\":\"{DIGITS}\"}}");
    let name = format!("PG {DIGITS}");
    let endpoint = format!("https://pg.example/{DIGITS}");
    let mut detailed = failure(&name, "OTHER", at);
    for member in ["errorCode", "errorMessage", "requestPayload", "responsePayload", "additionalInfo"] {
        detailed["failureDetail"][member] = json!(text);
    }
    let mut retries = retry(&name, &endpoint, 1, Some(at));
    retries["lastFailureReason"] = json!(text);
    let mut wrong = detailed.clone();
    wrong["failureType"] = json!(DIGITS);
    wrong["occurredAt"] = json!(DIGITS);
    let weather = json!({
        "specversion": "1.0", "id": format!("e-{DIGITS}"), "source": format!("/pay/{CARD}"),
        "type": "LocationWeatherInfoFailed",
        "data": {
            "campsiteId": {"campsiteId": 1}, "errorMessage": text, "locationWeatherInfoId": 2, "requestedAt": at,
        },
    });
    let headers = [("content-type", "application/json")];
    vec![
        api.post(RETRY, retries).await,
        api.post(FAIL, fail(&name, &endpoint, &text, at)).await,
        api.post(RECORD, detailed).await,
        api.post(RECORD, wrong).await,
        api.post("/events", weather).await,
        api.send(Method::POST, RECORD, &headers, format!("{{\"cardNo\": {DIGITS}")).await,
        api.send(Method::POST, RECORD, &headers, format!("{{\"cardNo\": \"{DIGITS}\", x}}")).await,
        api.get(&format!("/integrationFailureHistories?failureType={DIGITS}&page={DIGITS}x")).await,
        api.get(&format!("/integrationStatuses/{DIGITS}")).await,
        api.get(&format!("/nowhere/{DIGITS}")).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_in_any_text_reaches_neither_an_answer_nor_the_disk() {
    let node = Node::start("").await;
    let answers = report_everything(&node.api).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 400, 202, 400, 400, 400, 404, 404]);
    let mut shown: Vec<String> = answers.into_iter().map(|answer| answer.text).collect();
    for path in
        ["/events", "/integrationStatuses", "/integrationFailureHistories", "/targets", "/metrics", "/", "/healthz"]
    {
        shown.push(node.api.get(path).await.text);
    }
    for text in &shown {
        for secret in [DIGITS, CARD, "88888888", "8888-8888", "xKq7"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    let histories = node.api.read("/integrationFailureHistories?failureType=OTHER&open=true").await;
    let message = &histories["content"][0]["failureDetail"]["errorMessage"];
    assert_eq!(message, "card 401288******1881, 4012 88**-**** 1881, {\"cvc\":\"***\",\"cardNo\":\"***\"}");
    let place = node.stop().await;
    assert!(place.holds(b"1881"), "what is kept of it is there, so we do look at the right files");
    for secret in [DIGITS, CARD, "88888888", "8888-8888"] {
        assert!(!place.holds(secret.as_bytes()), "{secret} is on the disk");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_in_pages_and_past_its_end() {
    let node = Node::start("").await;
    for _ in 0..5 {
        record(&node.api, "A", "OTHER", "2024-06-01T10:00:00Z").await;
    }
    let first = node.api.read("/events?limit=2").await;
    assert_eq!((first["content"].as_array().map(Vec::len), &first["next"]), (Some(2), &json!(2)));
    assert_eq!(first["content"][0]["id"], "1");
    let second = node.api.read("/events?after=2&limit=1000").await;
    assert_eq!((second["content"].as_array().map(Vec::len), &second["next"]), (Some(3), &json!(5)));
    let end = node.api.read("/events?after=5").await;
    assert_eq!(end, json!({"content": [], "next": 5}));
    assert_eq!(node.api.read("/events?after=99").await, json!({"content": [], "next": 99}));
    assert_eq!(node.api.read("/events?correlationId=nobody").await["content"], json!([]));
    for query in ["limit=0", "limit=1001", "after=-1", "after=x"] {
        node.api.get(&format!("/events?{query}")).await.refused(400, "invalid-query");
    }
    node.stop().await;
}
