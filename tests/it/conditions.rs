//! What else people can be alerted of: some of the last probes, an error budget, messages that nobody got.

use breakwater::simulator::receiver::{Arrival, Script};
use serde_json::{Value, json};

use crate::node::{Api, Gateway, Node, Pager, told, until};

async fn probe(api: &Api) -> Value {
    api.post("/targets/PG_KCP/probe", json!({})).await.ok()
}

fn always(pager: &Pager, answer: &str) {
    pager.handle.play(Script::new(vec![answer.parse().expect("an answer")], true));
}

/// Two channels: `broken` refuses for ever, `ops` takes everything.
fn two(broken: &Pager, ops: &Pager) -> String {
    always(broken, "400");
    format!("[alerting]\nlog = false\n{}{}", broken.channel().replace("\"ops\"", "\"broken\""), ops.channel())
}

fn of_ops(ops: &Pager) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let arrivals = ops.handle.arrivals();
    let events = arrivals.iter().map(|arrival| told(arrival));
    events.map(|event| (text(&event["type"]).replace("breakwater.", ""), text(&event["data"]["cause"]))).collect()
}

async fn retry_the_dead(api: &Api, wanted: u64) {
    let dead = until("the dead letters", async || {
        let dead = api.read("/outbox?state=dead").await;
        (dead["page"]["totalElements"] == wanted).then_some(dead)
    })
    .await;
    for letter in dead["content"].as_array().expect("a list") {
        let id = letter["id"].as_str().expect("an id");
        // One that is over by now is refused, and gone.
        api.post(&format!("/outbox/{id}/retry"), json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_the_last_four_probes_are_an_outage_where_somebody_says_so() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let keys = "failure_threshold = 2\nfailure_window = 4";
    let node = Node::start(&format!("{}{}", pager.channel(), gateway.quiet_target("PG_KCP", keys))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    for (outage, state) in [("unavailable", "RETRYING"), ("none", "CONNECTED"), ("unavailable", "FAILED")] {
        gateway.goes(outage);
        probe(&node.api).await;
        node.api.target_in("PG_KCP", state).await;
    }
    assert_eq!(node.api.read("/targets/PG_KCP").await["config"]["failureWindow"], 4);
    pager.arrivals(1).await;
    gateway.goes("none");
    probe(&node.api).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    // What failed in the outage is not held against it.
    gateway.goes("unavailable");
    probe(&node.api).await;
    node.api.target_in("PG_KCP", "RETRYING").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_told_of_messages_that_were_given_up_until_none_is() {
    let (gateway, broken, ops) = (Gateway::start(), Pager::start(), Pager::start());
    let target = gateway.quiet_target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("{}{target}[target.alert]\non = [\"dead_letters\"]\n", two(&broken, &ops))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    let report = json!({
        "failureType": "PAYMENT_GATEWAY", "targetSystem": "PG_KCP", "occurredAt": "2024-06-01T10:00:00Z",
        "integrationStatusId": 1,
        "failureDetail": {
            "errorCode": "E", "errorMessage": "refused", "requestPayload": "N/A", "responsePayload": "N/A",
            "additionalInfo": "N/A",
        },
    });
    node.api.post("/integrationFailureHistories/recordintegrationfailure", report).await.ok();
    let fired = until("others to be told", async || {
        of_ops(&ops).into_iter().find(|(kind, _)| kind == "alert.firing").map(|(_, cause)| cause)
    })
    .await;
    assert_eq!(fired, "1 message about it was given up: see the outbox");
    // After a restart it is known as well, and not told again.
    let node = node.restart(None).await;
    always(&broken, "200");
    retry_the_dead(&node.api, 1).await;
    until("the end", async || of_ops(&ops).iter().any(|(kind, _)| kind == "alert.resolved").then_some(())).await;
    let kinds: Vec<String> = of_ops(&ops).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["failure.recorded", "alert.firing", "alert.resolved"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_stays_broken_is_told_of_once_an_outage_and_of_nothing_when_its_letters_are_let_go() {
    let (gateway, broken, ops) = (Gateway::start(), Pager::start(), Pager::start());
    let target = gateway.target("PG_KCP", "failure_threshold = 1");
    let alert = "[target.alert]\non = [\"down\", \"dead_letters\"]\n";
    let node = Node::start(&format!("{}{target}{alert}", two(&broken, &ops))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    let kinds = || of_ops(&ops).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    let kinds_when =
        async |number: usize| until("messages", async || Some(kinds()).filter(|kinds| kinds.len() >= number)).await;
    gateway.goes("unavailable");
    kinds_when(1).await;
    gateway.goes("none");
    // The outage is over for those who heard of it; that somebody did not is an incident of its own.
    assert_eq!(kinds_when(3).await, ["alert.firing", "alert.resolved", "alert.firing"]);
    let dead = until("its two letters", async || {
        let dead = node.api.read("/outbox?state=dead").await;
        (dead["page"]["totalElements"] == 2).then_some(dead)
    })
    .await;
    // Sent again in vain: nobody hears of that.
    for letter in dead["content"].as_array().expect("a list") {
        let id = letter["id"].as_str().expect("an id");
        node.api.post(&format!("/outbox/{id}/retry"), json!({})).await;
    }
    until("them to be given up again", async || {
        (node.api.read("/outbox?state=dead").await["page"]["totalElements"] == 2).then_some(())
    })
    .await;
    assert_eq!(kinds().len(), 3);
    for letter in dead["content"].as_array().expect("a list") {
        let id = letter["id"].as_str().expect("an id");
        let let_go = node.api.send(reqwest::Method::DELETE, &format!("/outbox/{id}"), &[], String::new()).await;
        assert_eq!(let_go.status, 204, "{}", let_go.text);
    }
    assert_eq!(kinds_when(4).await[3], "alert.resolved");
    until("nothing to be given up any more", async || {
        let waits = node.api.read("/outbox").await["page"]["totalElements"] == 0;
        (waits && node.api.read("/alerts?state=firing").await["page"]["totalElements"] == 0).then_some(())
    })
    .await;
    assert_eq!(
        (kinds().len(), node.api.read("/outbox?state=dead").await["page"]["totalElements"].clone()),
        (4, json!(0))
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_budget_that_burns_is_told_and_known_after_a_restart() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    // Of the 3,000 probes of five minutes hardly any may fail.
    let target = gateway.target("PG_KCP", "failure_threshold = 1000");
    let slo = "[target.slo]\nobjective = \"99.999%\"\nwindow = \"7d\"\n";
    let rest = format!("{}{target}[target.alert]\non = [\"slo\"]\n{slo}", pager.channel());
    let node = Node::start(&rest).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    let rate = r#"breakwater_slo_burn_rate{target="PG_KCP",window="5m"}"#;
    until("a rate", async || node.api.metric(rate).await.filter(|rate| *rate == 0.0)).await;
    gateway.goes("unavailable");
    let arrivals = pager.arrivals(1).await;
    let data = told(&arrivals[0])["data"].clone();
    let cause = data["cause"].as_str().expect("a cause");
    assert!(cause.starts_with("its error budget (99.999 % good over 7 days) burns "), "{cause}");
    assert_eq!(data["status"], "firing");
    gateway.goes("none");
    node.api.target_in("PG_KCP", "CONNECTED").await;
    let left = "breakwater_slo_error_budget_remaining_ratio{target=\"PG_KCP\"}";
    let before = node.api.metric(left).await.expect("it is there");
    assert!(before < 1.0, "{before}");
    assert_eq!(node.api.metric("breakwater_slo_objective_ratio{target=\"PG_KCP\"}").await, Some(0.99999));

    let node = node.restart(None).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    let after = until("the budget as it was", async || node.api.metric(left).await).await;
    assert!(after < 1.0, "{before} before the restart, {after} after it");
    let told_now = node.api.read("/alerts?state=firing").await;
    assert_eq!(told_now["page"]["totalElements"], 1, "the last five minutes burn as before");
    assert_eq!(pager.handle.arrivals().len(), 1, "and nobody hears of it twice");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_an_incident_is_no_news() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let alert = "on = [\"down\", \"degraded\", \"certificate\", \"flapping\"]\nescalate = true";
    let target = gateway.quiet_target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("{}{target}[target.alert]\n{alert}\n", pager.channel())).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    probe(&node.api).await;
    pager.arrivals(1).await;
    let node = node.restart(None).await;
    probe(&node.api).await;
    let firing = node.api.read("/alerts?state=firing").await;
    assert_eq!(firing["content"][0]["conditions"], json!(["down"]), "what nobody knows yet is not told");
    gateway.goes("none");
    probe(&node.api).await;
    let arrivals = pager.arrivals(2).await;
    let kinds: Vec<Value> = arrivals.iter().map(|arrival| told(arrival)["type"].clone()).collect();
    assert_eq!(kinds, ["breakwater.alert.firing", "breakwater.alert.resolved"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_by_the_rules_of_its_target() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let parent = gateway.quiet_target("LINE", "failure_threshold = 1");
    let parent = format!("{parent}[target.alert]\nchannels = []\n");
    let child = gateway.quiet_target("PG_KCP", "failure_threshold = 1000\ndepends_on = [\"LINE\"]");
    let child = format!("{child}[target.alert]\nseverity = \"info\"\n");
    let template = "template = '[{{ target }}, {{ severity }}]'\n";
    let rest = format!("[alerting]\nlog = false\n{}{template}{parent}{child}", pager.channel());
    let node = Node::start(&rest).await;
    for name in ["LINE", "PG_KCP"] {
        node.api.post(&format!("/targets/{name}/probe"), json!({})).await.ok();
        node.api.target_in(name, "CONNECTED").await;
    }
    let report = async |api: &Api, system: &str| {
        let body = json!({
            "failureType": "PAYMENT_GATEWAY", "targetSystem": system, "occurredAt": "2024-06-01T10:00:00Z",
            "integrationStatusId": 1,
            "failureDetail": {
                "errorCode": "E", "errorMessage": "refused", "requestPayload": "N/A", "responsePayload": "N/A",
                "additionalInfo": "N/A",
            },
        });
        api.post("/integrationFailureHistories/recordintegrationfailure", body).await.ok()
    };
    let said = |arrival: &Arrival| serde_json::from_slice::<Value>(&arrival.body).expect("JSON");
    report(&node.api, "PG_KCP").await;
    assert_eq!(said(&pager.arrivals(1).await[0]), json!(["PG_KCP", "info"]));
    // What it needs is down: the parent's own alert is the one to read, and a system that nobody configured is told of.
    gateway.goes("unavailable");
    node.api.post("/targets/LINE/probe", json!({})).await.ok();
    report(&node.api, "PG_KCP").await;
    report(&node.api, "SMS").await;
    assert_eq!(said(&pager.arrivals(2).await[1]), json!(["SMS", "warning"]));
    until("the report to wait", async || (node.api.read("/outbox").await["page"]["totalElements"] == 1).then_some(()))
        .await;
    gateway.goes("none");
    node.api.post("/targets/LINE/probe", json!({})).await.ok();
    assert_eq!(said(&pager.arrivals(3).await[2]), json!(["PG_KCP", "info"]), "still open, and told now");
    node.stop().await;
}
