//! A real Alertmanager hears of an outage, of nothing else, and of its end; one that comes late or was told by a node
//! that has restarted since, too.
//!
//! Needs `prometheus-alertmanager` (Debian: `apt-get install --no-install-recommends prometheus-alertmanager`; from
//! its makers it is called `alertmanager`). Where it is missing these tests fail and say so.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use breakwater::simulator::receiver::{Answer, Script};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::node::{Gateway, Node, Pager, until};

/// An Alertmanager of our own on a free port, that tells a receiver.
struct Alertmanager {
    base: String,
    process: Child,
    _folder: TempDir,
}

impl Alertmanager {
    /// One that listens at `port`, and tells `url`.
    fn start(port: u16, url: &str) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let config = format!(
            "route:\n  receiver: hook\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 1s\n  \
             repeat_interval: 1h\nreceivers:\n- name: hook\n  webhook_configs:\n  - url: {url}\n    send_resolved: true\n"
        );
        let file = folder.path().join("alertmanager.yml");
        std::fs::write(&file, config).expect("the folder can be written to");
        let start = |program: &str| {
            Command::new(program)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--cluster.listen-address=")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        };
        let process = start("prometheus-alertmanager").or_else(|_| start("alertmanager")).unwrap_or_else(|error| {
            panic!("no Alertmanager ({error}): apt-get install --no-install-recommends prometheus-alertmanager")
        });
        Self { base: format!("http://127.0.0.1:{port}"), process, _folder: folder }
    }

    /// Its alerts of ours, once they are what is looked for.
    async fn alerts_when(&self, what: &str, are: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        // Another test of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::new();
        until(&format!("an Alertmanager in which {what}"), async || {
            let answer = client.get(format!("{}/api/v2/alerts", self.base)).send().await.ok()?;
            let alerts: Vec<Value> = serde_json::from_str(&answer.text().await.ok()?).ok()?;
            are(&alerts).then_some(alerts)
        })
        .await
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A port that is free now, and taken by nobody in the moment until it is used.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 can be had");
    listener.local_addr().expect("it is bound").port()
}

fn channel(ports: &[u16]) -> String {
    let urls: Vec<String> = ports.iter().map(|port| format!("\"http://127.0.0.1:{port}\"")).collect();
    format!(
        "[[channel]]\nname = \"am\"\nkind = \"alertmanager\"\nurls = [{}]\ninterval = \"1s\"\n\
         labels = {{ team = \"payments\" }}\n",
        urls.join(", ")
    )
}

/// What the receiver behind an Alertmanager was told: each message's status, with its targets.
fn told(hook: &Pager) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hook.handle
        .arrivals()
        .iter()
        .map(|arrival| {
            let message: Value = serde_json::from_slice(&arrival.body).expect("a webhook of version 4");
            let alerts = message["alerts"].as_array().expect("alerts");
            let mut targets: Vec<String> = alerts
                .iter()
                .map(|alert| format!("{} {}", text(&alert["labels"]["integration"]), text(&alert["status"])))
                .collect();
            targets.sort();
            (text(&message["status"]), targets)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_receives_groups_and_resolves_our_alerts() {
    let (gateway, hook) = (Gateway::start(), Pager::start());
    let (first, late) = (free_port(), free_port());
    let one = Alertmanager::start(first, &hook.url());
    one.alerts_when("nothing fires", <[Value]>::is_empty).await;
    let targets = ["PG_KCP", "PG_TWO"].map(|name| gateway.target(name, "failure_threshold = 1")).concat();
    let node = Node::start(&format!("{}{targets}", channel(&[first, late]))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    node.api.target_in("PG_TWO", "CONNECTED").await;

    gateway.goes("down");
    let firing = one.alerts_when("both fire", |alerts| alerts.len() == 2).await;
    let alert = firing.iter().find(|alert| alert["labels"]["integration"] == "PG_KCP").expect("it fires");
    let labels = &alert["labels"];
    assert_eq!((&labels["alertname"], &labels["severity"]), (&json!("IntegrationInTrouble"), &json!("critical")));
    assert_eq!((&labels["team"], &labels["job"]), (&json!("payments"), &json!("breakwater")));
    assert_eq!(alert["annotations"]["summary"], "PG_KCP is in trouble");
    let grouped = until("one message of both", async || {
        told(&hook).into_iter().find(|(_, targets)| *targets == ["PG_KCP firing", "PG_TWO firing"])
    })
    .await;
    assert_eq!(grouped.0, "firing");

    // One that was not there when it began hears of it, since what fires is said again.
    let two = Alertmanager::start(late, &hook.url());
    let same = two.alerts_when("both fire", |alerts| alerts.len() == 2).await;
    assert!(same.iter().any(|other| other["fingerprint"] == alert["fingerprint"]), "{same:?}");

    gateway.goes("none");
    node.api.target_in("PG_KCP", "CONNECTED").await;
    node.api.target_in("PG_TWO", "CONNECTED").await;
    one.alerts_when("nothing fires", <[Value]>::is_empty).await;
    two.alerts_when("nothing fires", <[Value]>::is_empty).await;
    let over = until("the end of both", async || {
        told(&hook).into_iter().find(|(_, targets)| *targets == ["PG_KCP resolved", "PG_TWO resolved"])
    })
    .await;
    assert_eq!(over.0, "resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_under_labels_that_are_changed_ends_under_them() {
    let (gateway, hook) = (Gateway::start(), Pager::start());
    let port = free_port();
    let alertmanager = Alertmanager::start(port, &hook.url());
    // It would take the silence for the end after two minutes.
    let config = |team: &str| {
        let channel = channel(&[port]).replace("\"1s\"", "\"30s\"").replace("payments", team);
        format!("{channel}{}", gateway.target("PG_KCP", "failure_threshold = 1"))
    };
    let node = Node::start(&config("payments")).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    alertmanager.alerts_when("it fires", |alerts| alerts.len() == 1).await;
    node.place.configure(&config("checkout"));
    assert_eq!(node.api.send(Method::POST, "/-/reload", &[], String::new()).await.status, 200);
    let is_renamed = |alerts: &[Value]| alerts.len() == 1 && alerts[0]["labels"]["team"] == "checkout";
    alertmanager.alerts_when("it fires under its new label", is_renamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_goes_on_firing_over_a_restart_as_the_same_alert() {
    let (gateway, hook) = (Gateway::start(), Pager::start());
    let port = free_port();
    let alertmanager = Alertmanager::start(port, &hook.url());
    let node = Node::start(&format!("{}{}", channel(&[port]), gateway.target("PG_KCP", "failure_threshold = 1"))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    let before = alertmanager.alerts_when("it fires", |alerts| alerts.len() == 1).await.remove(0);
    let told_of = |state: &str| told(&hook).into_iter().filter(|(status, _)| status == state).count();
    // Whoever is well again before people were told is not spoken of.
    until("its beginning", async || (told_of("firing") == 1).then_some(())).await;

    let node = node.restart(None).await;
    let ends_at = before["endsAt"].as_str().expect("a time").to_owned();
    let after = alertmanager
        .alerts_when("it fires for longer", |alerts| {
            alerts.len() == 1 && alerts[0]["endsAt"].as_str().is_some_and(|time| *time > *ends_at)
        })
        .await
        .remove(0);
    assert_eq!(
        (&before["fingerprint"], &before["startsAt"], &before["labels"]),
        (&after["fingerprint"], &after["startsAt"], &after["labels"])
    );

    gateway.goes("none");
    node.api.target_in("PG_KCP", "CONNECTED").await;
    alertmanager.alerts_when("nothing fires", <[Value]>::is_empty).await;
    until("its end", async || (told_of("resolved") == 1).then_some(())).await;
    assert_eq!(told_of("firing"), 1, "{:?}", told(&hook));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_is_said_again_over_a_channel_that_becomes_an_alertmanager() {
    let (gateway, webhook, alertmanager) = (Gateway::start(), Pager::start(), Pager::start());
    let target = gateway.target("PG_KCP", "failure_threshold = 1");
    let node = Node::start(&format!("{}{target}", webhook.channel().replace("\"ops\"", "\"am\""))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    webhook.arrivals(1).await;
    let port = alertmanager.base().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    node.place.configure(&format!("{}{target}", channel(&[port])));
    node.api.send(Method::POST, "/-/reload", &[], String::new()).await.ok();
    // Its receiver takes silence for the end.
    let said = until("it to be said twice", async || alertmanager.handle.arrivals().into_iter().nth(1)).await;
    let alerts: Value = serde_json::from_slice(&said.body).expect("alerts");
    assert_eq!(alerts[0]["labels"]["integration"], "PG_KCP");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_not_told_before_what_fires_has_been_said_again() {
    let (gateway, alertmanager) = (Gateway::start(), Pager::start());
    let script = ["200", "hang"].map(|answer| answer.parse::<Answer>().expect("an answer"));
    alertmanager.handle.play(Script::new(script, false));
    let port = alertmanager.base().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let target = gateway.target("PG_KCP", "failure_threshold = 1\nalert.on = [\"down\"]");
    let node = Node::start(&format!("{}{target}", channel(&[port]).replace("\"1s\"", "\"3s\""))).await;
    node.api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("down");
    // It is said again, which hangs for an interval.
    until("it to be said twice", async || (alertmanager.handle.arrivals().len() == 2).then_some(())).await;
    gateway.goes("none");
    let arrivals = until("its end", async || Some(alertmanager.handle.arrivals()).filter(|all| all.len() > 2)).await;
    let waited = arrivals[2].at.since(arrivals[1].at);
    assert!(waited >= Duration::from_secs(2), "the end came {waited:?} after what may arrive behind it");
    node.stop().await;
}
