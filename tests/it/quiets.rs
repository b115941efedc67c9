//! Silences and maintenance windows as people see them: when they begin and end, and why one is refused.

use breakwater::clock::{self, Clock};
use breakwater::domain::time::Timestamp;
use breakwater::simulator::receiver::{Answer, Script};
use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Api, Gateway, Node, Pager, seconds_from_now, told, until};

/// Nobody calls it, and nobody misses it within a day.
const JOB: &str = "[[target]]\nname = \"JOB\"\ninterval = \"1d\"\nfailure_threshold = 1\n\
                   [target.probe]\nkind = \"heartbeat\"\n";

fn job(more: Value) -> Value {
    let mut body = json!({"matchers": [{"name": "target", "value": "JOB"}], "comment": "known"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn at(time: &Value) -> Timestamp {
    clock::parse(time.as_str().expect("a time")).expect("as RFC 3339 writes it")
}

async fn made(api: &Api, path: &str, more: Value) -> Value {
    let answer = api.post(path, job(more)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

async fn fails(api: &Api) {
    api.post("/heartbeats/JOB", json!({"ok": false, "message": "it fell over"})).await.ok();
    api.target_in("JOB", "FAILED").await;
}

/// A system of the same name that is called only when somebody asks.
fn called(gateway: &Gateway) -> String {
    gateway.quiet_target("JOB", "failure_threshold = 1")
}

async fn fails_when_called(gateway: &Gateway, api: &Api) {
    gateway.goes("unavailable");
    api.post("/targets/JOB/probe", json!({})).await.ok();
    api.target_in("JOB", "FAILED").await;
}

/// What is wrong with it is held back, until this.
async fn is_held_by(api: &Api, what: &str, ends: Timestamp) {
    let held = api.read("/targets/JOB").await;
    assert_eq!(held["suppressedBy"], what, "{held}");
    let now = Clock::system().now();
    assert!(now < ends, "asked too late: {}", clock::format(now));
}

async fn only(api: &Api, path: &str) -> Value {
    let list = api.read(path).await;
    assert_eq!(list["content"].as_array().map(Vec::len), Some(1), "{list}");
    list["content"][0].clone()
}

/// One message, of a failure, and not before this.
async fn told_after(pager: &Pager, ends: Timestamp) {
    let arrivals = pager.arrivals(1).await;
    let event = told(&arrivals[0]);
    assert_eq!((&event["type"], &event["subject"]), (&json!("breakwater.alert.firing"), &json!("JOB")));
    assert!(at(&event["time"]) >= ends, "{event} before {}", clock::format(ends));
    assert_eq!(arrivals.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_of_a_silence_people_are_told_although_no_probe_comes_and_nobody_reports_in() {
    let pager = Pager::start();
    let node = Node::start(&format!("{}{JOB}", pager.channel())).await;
    let silence = made(&node.api, "/silences", json!({"endsAt": seconds_from_now(3)})).await;
    assert_eq!(silence["status"]["state"], "active");
    fails(&node.api).await;
    told_after(&pager, at(&silence["endsAt"])).await;
    assert_eq!(only(&node.api, "/silences").await["status"]["state"], "expired");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_by_a_rule_begins_and_ends_and_comes_again_the_day_after() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let node = Node::start(&format!("{}{}", pager.channel(), called(&gateway))).await;
    node.api.target_in("JOB", "CONNECTED").await;
    let rule =
        json!({"rrule": "FREQ=DAILY", "startsAt": seconds_from_now(2), "lengthMs": 8_000, "timeZone": "Asia/Seoul"});
    let window = made(&node.api, "/maintenances", rule.clone()).await;
    assert_eq!((&window["startsAt"], &window["firstStartsAt"]), (&rule["startsAt"], &rule["startsAt"]));
    assert_eq!((&window["rrule"], &window["timeZone"]), (&rule["rrule"], &rule["timeZone"]));
    until("the window", async || (only(&node.api, "/maintenances").await["status"]["state"] == "active").then_some(()))
        .await;
    fails_when_called(&gateway, &node.api).await;
    is_held_by(&node.api, "maintenance", at(&window["endsAt"])).await;
    told_after(&pager, at(&window["endsAt"])).await;
    let next = only(&node.api, "/maintenances").await;
    assert_eq!((&next["status"]["state"], &next["firstStartsAt"]), (&json!("pending"), &rule["startsAt"]));
    let day = std::time::Duration::from_secs(86_400);
    assert_eq!(at(&next["startsAt"]), at(&window["startsAt"]).plus(day));
    let node = node.restart(None).await;
    assert_eq!(only(&node.api, "/maintenances").await, next, "it is on disk");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_by_cron_that_has_begun_ends_and_comes_again_the_day_after() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let node = Node::start(&format!("{}{}", pager.channel(), called(&gateway))).await;
    node.api.target_in("JOB", "CONNECTED").await;
    let now = Clock::system().now().as_nanos() / 1_000_000;
    let (minute, hour) = (now / 60_000 % 60, now / 3_600_000 % 24);
    // Since the last full minute, and for eight seconds more.
    let cron = json!({"cron": format!("{minute} {hour} * * *"), "lengthMs": now % 60_000 + 8_000});
    let silence = made(&node.api, "/silences", cron).await;
    assert_eq!((&silence["status"]["state"], &silence["timeZone"]), (&json!("active"), &json!("UTC")));
    fails_when_called(&gateway, &node.api).await;
    is_held_by(&node.api, "silence", at(&silence["endsAt"])).await;
    told_after(&pager, at(&silence["endsAt"])).await;
    let next = only(&node.api, "/silences").await;
    assert_eq!(next["status"]["state"], "pending");
    assert_eq!(at(&next["startsAt"]), at(&silence["startsAt"]).plus(std::time::Duration::from_secs(86_400)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_has_ended_is_listed_as_over() {
    let node = Node::start(JOB).await;
    let rule = json!({"rrule": "FREQ=DAILY;COUNT=1", "startsAt": seconds_from_now(1), "lengthMs": 5_000});
    let window = made(&node.api, "/maintenances", rule).await;
    let over = until("its end", async || {
        let listed = only(&node.api, "/maintenances").await;
        (listed["status"]["state"] == "expired").then_some(listed)
    })
    .await;
    assert_eq!((&over["startsAt"], &over["endsAt"]), (&window["startsAt"], &window["endsAt"]));
    let node = node.restart(None).await;
    assert_eq!(only(&node.api, "/maintenances").await, over);
    let path = format!("/maintenances/{}", over["id"].as_str().expect("an id"));
    assert_eq!(node.api.send(Method::DELETE, &path, &[], String::new()).await.status, 204);
    assert_eq!(node.api.read("/maintenances").await["content"], json!([]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_the_configuration_holds_until_a_reload_removes_it() {
    let pager = Pager::start();
    let window = "[[alerting.maintenance]]\nmatchers = [{ name = \"target\", value = \"JOB\" }]\nrrule = \"FREQ=DAILY\"\n\
                  from = 2024-01-01T00:00:00Z\nlength = \"1d\"\nreason = \"every day, all day\"\n";
    let node = Node::start(&format!("{}{window}{JOB}", pager.channel())).await;
    let listed = only(&node.api, "/maintenances").await;
    assert_eq!((&listed["id"], &listed["status"]["state"]), (&json!("config-1"), &json!("active")));
    fails(&node.api).await;
    let held = node.api.read("/targets/JOB").await;
    assert_eq!((&held["suppressedBy"], &held["health"]), (&json!("maintenance"), &json!("maintenance")), "{held}");
    let refused = node.api.send(Method::DELETE, "/maintenances/config-1", &[], String::new()).await;
    let refused = refused.refused(409, "configured");
    assert_eq!(refused["detail"], "it stands in the configuration; remove it there");
    assert_eq!(pager.handle.arrivals().len(), 0);
    node.place.configure(&format!("{}{JOB}", pager.channel()));
    node.api.post("/-/reload", json!({})).await.ok();
    told_after(&pager, at(&listed["startsAt"])).await;
    assert_eq!(node.api.read("/maintenances").await["content"], json!([]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_wrong_with_a_calendar_is_told_and_where() {
    let node = Node::start(JOB).await;
    let later = seconds_from_now(3_600);
    let bodies = [
        json!({"cron": "0 3 * * 1", "rrule": "FREQ=DAILY", "endsAt": later, "lengthMs": 0}),
        json!({"cron": "0 3 * * 1", "startsAt": later, "lengthMs": 604_800_001}),
        json!({"rrule": "FREQ=DAILY"}),
        json!({"rrule": "FREQ=SECONDLY", "startsAt": later, "lengthMs": 1_000, "timeZone": "Mars/Olympus"}),
        json!({"rrule": "FREQ=WEEKLY;BYDAY=SU", "startsAt": "2126-06-07T03:00:00+09:00", "lengthMs": 1_000}),
        json!({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "startsAt": later, "lengthMs": 1_000}),
        json!({"rrule": "FREQ=DAILY;COUNT=3", "startsAt": "2024-06-07T03:00:00Z", "lengthMs": 1_000}),
        json!({"cron": "0 0 30 2 *", "lengthMs": 1_000}),
        json!({"endsAt": later, "lengthMs": 1_000, "timeZone": "UTC"}),
        json!({"cron": "0 3 * * 1", "lengthMs": 1_000, "matchers": [{"name": "target", "value": "(", "isRegex": true}], "timeZone": "x"}),
        json!({"endsAt": later, "matchers": [{"name": "target", "value": format!("({}){{1,99}}", r"\w".repeat(124)), "isRegex": true}]}),
    ];
    let mut said = String::new();
    for path in ["/maintenances", "/silences"] {
        let mut here = String::new();
        for body in &bodies {
            let refused = node.api.post(path, job(body.clone())).await.refused(400, "invalid-body");
            for error in refused["errors"].as_array().expect("a list") {
                here.push_str(&format!(
                    "{}: {}\n",
                    error["pointer"].as_str().expect("a pointer"),
                    error["detail"].as_str().expect("a sentence")
                ));
            }
            here.push('\n');
        }
        assert!(said.is_empty() || said == here, "both take the same");
        said = here;
    }
    insta::assert_snapshot!(said);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_one_channel_got_and_a_silence_kept_from_another_was_told() {
    let (pager, dead) = (Pager::start(), Pager::start());
    dead.handle.play(Script::new(vec!["503".parse::<Answer>().expect("an answer")], true));
    let channels = format!("{}{}", pager.channel(), dead.channel().replace("\"ops\"", "\"dead\""));
    let node = Node::start(&format!("[alerting]\nlog = false\n{channels}")).await;
    let body = json!({
        "failureType": "OTHER", "targetSystem": "JOB", "occurredAt": "2024-06-01T10:00:00Z",
        "integrationStatusId": 0, "failureDetail": {
            "errorCode": "1", "errorMessage": "no route", "requestPayload": "N/A",
            "responsePayload": "N/A", "additionalInfo": "N/A",
        },
    });
    node.api.post("/integrationFailureHistories/recordintegrationfailure", body).await.ok();
    pager.arrivals(1).await;
    dead.arrivals(1).await;
    let silence = made(&node.api, "/silences", json!({"endsAt": seconds_from_now(3_600)})).await;
    // Its next attempt was due, and did not begin.
    until("an attempt that is held back", async || {
        let waiting = node.api.read("/outbox").await["content"].as_array()?.clone();
        let [waiting] = waiting.as_slice() else { return None };
        let due = at(&waiting["nextAttemptAt"]).plus(std::time::Duration::from_millis(500));
        (Clock::system().now() > due).then_some(())
    })
    .await;
    let history = only(&node.api, "/integrationFailureHistories").await["id"].clone();
    let over = json!({"integrationFailureHistoryId": history, "retryResult": "SUCCESS", "recoveredAt": "2024-06-01T11:00:00Z"});
    node.api.patch("/integrationFailureHistories/recoverintegrationfailure", over).await.ok();
    let path = format!("/silences/{}", silence["id"].as_str().expect("an id"));
    node.api.send(Method::DELETE, &path, &[], String::new()).await;
    until("an empty outbox", async || (node.api.read("/outbox").await["page"]["totalElements"] == 0).then_some(()))
        .await;
    assert_eq!(only(&node.api, "/integrationFailureHistories").await["notified"], true);
    node.stop().await;
}
