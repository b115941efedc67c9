//! What people see of alerts and steer them with: how each channel does, dead letters, the page's buttons, and the
//! configuration in force.

use breakwater::simulator::receiver::{Answer, Script};
use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Api, Gateway, Node, Pager, Place, Process, program, until};

fn play(pager: &Pager, answer: &str) {
    let answer: Answer = answer.parse().expect("an answer");
    pager.handle.play(Script::new([answer], true));
}

/// Has a failure of this system reported, which goes to every channel.
async fn report(api: &Api, system: &str) {
    let body = json!({
        "failureType": "OTHER", "targetSystem": system, "occurredAt": "2024-06-01T10:00:00Z", "integrationStatusId": 0,
        "failureDetail": {
            "errorCode": "N/A", "errorMessage": "x", "requestPayload": "N/A", "responsePayload": "N/A",
            "additionalInfo": "N/A",
        },
    });
    api.post("/integrationFailureHistories/recordintegrationfailure", body).await.ok();
}

async fn channel_when(api: &Api, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    until(&format!("the channel {name}"), async || {
        let listed = api.read("/channels").await;
        let channels = listed["content"].as_array().expect("a list");
        channels.iter().find(|channel| channel["channel"] == name).filter(|channel| is(channel)).cloned()
    })
    .await
}

async fn dead_letters(api: &Api, filter: &str, number: u64) -> Vec<Value> {
    until(&format!("{number} dead letters"), async || {
        let list = api.read(&format!("/outbox?state=dead{filter}")).await;
        (list["page"]["totalElements"] == number).then(|| list["content"].as_array().expect("a list").clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_channels_says_which_one_is_broken_and_why() {
    let pager = Pager::start();
    let gone =
        "[[channel]]\nname = \"gone\"\nkind = \"slack\"\nurl = \"http://127.0.0.1:1/services/T/B/hunter2hunter2\"\n";
    let node = Node::start(&format!("{}{gone}", pager.channel())).await;
    let untried = channel_when(&node.api, "ops", |_| true).await;
    assert_eq!(
        untried,
        json!({
            "channel": "ops", "kind": "webhook", "state": "untried", "waiting": 0, "deadLetters": 0, "failuresInARow": 0,
        })
    );
    report(&node.api, "SHOP").await;
    // While an attempt is under way nothing says when the next one is.
    let waits = |gone: &Value| gone["state"] == "failing" && gone["waiting"] == 1 && gone["nextAttemptAt"].is_string();
    let broken = channel_when(&node.api, "gone", waits).await;
    assert_eq!(
        (&broken["kind"], &broken["rateLimit"], &broken["deadLetters"]),
        (&json!("slack"), &json!("1/s"), &json!(0))
    );
    assert!(broken["lastError"].as_str().is_some_and(|error| error.starts_with("no connection")), "{broken}");
    assert!(broken["oldestQueuedAt"].is_string(), "{broken}");
    assert!(broken.get("lastDeliveredAt").is_none() && broken["lastFailedAt"].is_string(), "{broken}");
    let well = channel_when(&node.api, "ops", |ops| ops["state"] == "delivering").await;
    assert!(well["lastDeliveredAt"].is_string() && well.get("lastError").is_none(), "{well}");
    assert_eq!(
        node.api.metric("breakwater_notifications_total{channel=\"ops\",outcome=\"delivered\"}").await,
        Some(1.0)
    );
    // A channel that was removed is listed for as long as something waits for it: it may come back.
    let node = node.restart(Some(&pager.channel())).await;
    let removed = channel_when(&node.api, "gone", |gone| gone["waiting"] == 1).await;
    assert!(removed.get("kind").is_none() && removed["deadLetters"] == 0, "{removed}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_a_channel_are_sent_again_together_and_one_is_let_go_of() {
    let pager = Pager::start();
    let node = Node::start(&pager.channel()).await;
    play(&pager, "410");
    for system in ["SHOP", "BANK", "MAIL"] {
        report(&node.api, system).await;
    }
    let dead = dead_letters(&node.api, "&channel=ops", 3).await;
    assert_eq!(dead_letters(&node.api, "&target=BANK", 1).await[0]["systemName"], "BANK");
    dead_letters(&node.api, "&target=BANK&channel=log", 0).await;
    assert_eq!(node.api.read("/outbox?channel=ops").await["page"]["totalElements"], 0);

    let id = dead.iter().find(|one| one["systemName"] == "MAIL").expect("it is there")["id"].as_str().expect("an id");
    let path = format!("/outbox/{id}");
    let delete = async |path: &str| node.api.send(Method::DELETE, path, &[], String::new()).await;
    assert_eq!(delete(&path).await.status, 204);
    delete(&path).await.refused(404, "no-such-delivery");
    delete("/outbox/x").await.refused(404, "no-such-delivery");
    dead_letters(&node.api, "", 2).await;
    let events = node.api.events(None).await;
    let dismissed = events.iter().find(|event| event["type"] == "NotificationDismissed").expect("it is in the log");
    assert_eq!((&dismissed["data"]["deliveryId"], &dismissed["data"]["channel"]), (&json!(id), &json!("ops")));

    node.api.post("/outbox/retry", json!({})).await.refused(400, "invalid-query");
    node.api.post("/outbox/retry?channel=nobody", json!({})).await.refused(404, "no-such-channel");
    play(&pager, "200");
    let before = pager.handle.arrivals().len();
    let answer = node.api.post("/outbox/retry?channel=ops", json!({})).await;
    assert_eq!((answer.status, answer.json()), (202, json!({"accepted": 2, "refused": 0, "remaining": 0})));
    let arrivals = pager.arrivals(before + 2).await;
    let told: Vec<Value> =
        arrivals[before..].iter().map(|arrival| crate::node::told(arrival)["subject"].clone()).collect();
    assert_eq!(told.len(), 2);
    dead_letters(&node.api, "", 0).await;
    // A restart does not bring back what was let go of.
    let node = node.restart(None).await;
    dead_letters(&node.api, "", 0).await;
    node.stop().await;
}

/// Sends a form as a browser does.
async fn press(api: &Api, path: &str, headers: &[(&str, &str)]) -> crate::node::Answer {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    api.send(Method::POST, path, &[form.as_slice(), headers].concat(), "page=1".to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_buttons_work_without_a_script_and_not_from_another_site() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    let target = gateway.quiet_target("PG_KCP", "failure_threshold = 1");
    let node =
        Node::start(&format!("{}{target}[target.alert]\nchannels = [\"ops\"]\non = [\"down\"]\n", pager.channel()))
            .await;
    let (api, page) = (&node.api, async || node.api.get("/").await);
    assert!(page().await.text.contains("No alert is firing"), "{}", page().await.text);
    play(&pager, "410");
    api.target_in("PG_KCP", "CONNECTED").await;
    gateway.goes("unavailable");
    api.post("/targets/PG_KCP/probe", json!({})).await.ok();
    dead_letters(api, "", 1).await;
    let shown = page().await;
    let alert = api.read("/alerts").await["content"][0]["id"].to_string();
    let (acknowledge, again) = (format!("/alerts/{alert}/acknowledge"), "/outbox/retry?channel=ops");
    for path in [&*acknowledge, again] {
        assert!(shown.text.contains(&format!("action=\"{path}\"")), "{}", shown.text);
        for headers in [
            [("origin", "http://evil.example")].as_slice(),
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site"), ("origin", "null")],
            &[("sec-fetch-site", "same-site")],
        ] {
            press(api, path, headers).await.refused(403, "cross-site");
        }
    }
    assert!(shown.header("content-security-policy").contains("form-action 'self'"));
    assert_eq!(shown.header("referrer-policy"), "same-origin", "so that browsers say whose form it is");

    let ours = [("origin", node.base()), ("sec-fetch-site", "same-origin")];
    // The client follows the answer back to the page.
    let after = press(api, &acknowledge, &ours).await;
    assert!(after.status == 200 && after.text.contains("seen by anonymous at 127.0.0.1"), "{}", after.text);
    play(&pager, "200");
    let after = press(api, again, &ours[..1]).await;
    assert!(after.status == 200 && after.text.contains("id=\"alerts\""), "{}", after.text);
    dead_letters(api, "", 0).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_in_force_is_shown_to_who_administers_and_the_program_shows_the_same() {
    let place = Place::new();
    place.configure("[[target]]\nname = \"A\"\nendpoint = \"https://a.invalid\"\ninterval = \"1h\"\n");
    let process = Process::serve(&place).await;
    let shown = process.api.get("/config").await;
    assert_eq!((shown.status, shown.header("content-type")), (200, "application/toml"));
    assert!(shown.text.contains("\n[[target]]\nname = \"A\"\nendpoint = \"https://a.invalid\"\n"), "{}", shown.text);
    assert!(shown.text.contains("\nfailure_threshold = 3\n"), "defaults, too: {}", shown.text);
    drop(process);
    let output = program().args(["check-config", "--show"]).arg(place.config_file()).output().expect("it is built");
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown.text);

    let node = Node::start_with("allow_anonymous = [\"read\", \"report\", \"operate\"]", "").await;
    node.api.get("/config").await.refused(403, "not-allowed");
    node.api.get("/channels").await.ok();
    node.stop().await;
}
