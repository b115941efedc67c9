//! The outbox under strain: channels that hang, that are grouped otherwise than others, that are full; and what may be
//! sent again.

use std::collections::{BTreeMap, BTreeSet};

use breakwater::simulator::receiver::{Answer, Script};
use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{Api, Gateway, Node, Pager, told, until};

fn play(pager: &Pager, answer: &str) {
    pager.handle.play(Script::new(vec![answer.parse::<Answer>().expect("an answer")], true));
}

/// Targets that are probed only when somebody asks, and fail at once.
fn targets(gateway: &Gateway, names: &[&str]) -> String {
    let target = |name: &&str| {
        let target = gateway.quiet_target(name, "failure_threshold = 1\ngroup = \"payments\"");
        format!("{target}[target.alert]\non = [\"down\"]\n")
    };
    names.iter().map(target).collect()
}

fn named(pager: &Pager, name: &str, keys: &str) -> String {
    format!("{}{keys}\n", pager.channel().replace("\"ops\"", &format!("\"{name}\"")))
}

/// The first probes of many targets are spread over their interval, so they are asked for.
async fn connected(api: &Api, names: &[&str]) {
    for name in names {
        api.post(&format!("/targets/{name}/probe"), json!({})).await.ok();
        api.target_in(name, "CONNECTED").await;
    }
}

/// Lets these find what the gateway is now.
async fn go(gateway: &Gateway, api: &Api, outage: &str, names: &[&str]) {
    gateway.goes(outage);
    for name in names {
        api.post(&format!("/targets/{name}/probe"), json!({})).await.ok();
    }
}

/// What was told: the kind, with how many alerts.
fn kinds(pager: &Pager) -> Vec<(String, u64)> {
    let kind = |event: &Value| event["type"].as_str().unwrap_or_default().replace("breakwater.alert.", "");
    let events = pager.handle.arrivals().into_iter().map(|arrival| told(&arrival));
    events.map(|event| (kind(&event), event["data"]["count"].as_u64().unwrap_or(1))).collect()
}

async fn total(api: &Api, state: &str) -> u64 {
    api.read(&format!("/outbox?state={state}")).await["page"]["totalElements"].as_u64().expect("a number")
}

async fn outbox_has(api: &Api, number: u64) {
    until("the outbox", async || (total(api, "pending").await == number).then_some(())).await;
}

async fn reload(node: &Node, rest: &str) {
    node.place.configure(rest);
    let answer = node.api.send(Method::POST, "/-/reload", &[], String::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hangs_holds_its_first_messages_while_another_is_told_everything() {
    let (gateway, silent, pager) = (Gateway::start(), Pager::start(), Pager::start());
    play(&silent, "hang");
    let names = ["A", "B", "C", "D", "E"];
    let channels = format!("{}{}", named(&silent, "a-silent-one", "timeout = \"60s\""), pager.channel());
    let node = Node::start(&format!("[alerting]\nlog = false\n{channels}{}", targets(&gateway, &names))).await;
    connected(&node.api, &names).await;
    go(&gateway, &node.api, "unavailable", &names).await;
    go(&gateway, &node.api, "none", &names).await;
    pager.arrivals(2 * names.len()).await;
    silent.arrivals(names.len()).await;
    assert_eq!(kinds(&silent), vec![("firing".to_owned(), 1); names.len()], "one of each incident, and it holds them");
    outbox_has(&node.api, 2 * names.len() as u64).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_reminders_that_a_dead_channel_could_not_be_told_only_the_last_waits() {
    let (gateway, dead) = (Gateway::start(), Pager::start());
    play(&dead, "503");
    let target = targets(&gateway, &["A"]).replace("[target.alert]\n", "[target.alert]\nreminder = \"1s\"\n");
    let node = Node::start(&format!("[alerting]\nlog = false\n{}{target}", dead.channel())).await;
    connected(&node.api, &["A"]).await;
    go(&gateway, &node.api, "unavailable", &["A"]).await;
    // Ids are given in order, one to each message.
    until("three reminders", async || {
        let waiting = node.api.read("/outbox").await;
        let ids =
            waiting["content"].as_array()?.iter().filter_map(|one| one["id"].as_str()?.split_once('.')?.0.parse().ok());
        let ids: Vec<u64> = ids.collect();
        (ids.len() == 2 && ids[1] >= ids[0] + 3).then_some(())
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_channels_limit_was_not_tried_and_another_configuration_of_others_gives_it_no_turn() {
    let (gateway, pager, other) = (Gateway::start(), Pager::start(), Pager::start());
    let names = ["A", "B", "C"];
    let targets = targets(&gateway, &names).replace("[target.alert]\n", "[target.alert]\nchannels = [\"ops\"]\n");
    let config = format!("[alerting]\nlog = false\n{}{targets}", named(&pager, "ops", "rate_limit = \"1/h\""));
    let node = Node::start(&config).await;
    connected(&node.api, &names).await;
    go(&gateway, &node.api, "unavailable", &["A", "B"]).await;
    pager.arrivals(1).await;
    outbox_has(&node.api, 1).await;
    reload(&node, &format!("{config}{}", named(&other, "another", ""))).await;
    go(&gateway, &node.api, "unavailable", &["C"]).await;
    outbox_has(&node.api, 2).await;
    for waiting in node.api.read("/outbox").await["content"].as_array().expect("a list") {
        assert_eq!((&waiting["attempts"], &waiting["lastError"]), (&json!(0), &Value::Null), "{waiting}");
    }
    assert_eq!(pager.handle.arrivals().len(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_channel_that_a_bad_reload_took_away_is_told_when_it_is_there_again() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    play(&pager, "503");
    let names = ["A", "B"];
    let (without, targets) = ("[alerting]\nlog = false\n", targets(&gateway, &names));
    let node = Node::start(&format!("{without}{}{targets}", pager.channel())).await;
    connected(&node.api, &names).await;
    go(&gateway, &node.api, "unavailable", &names).await;
    pager.arrivals(2).await;
    reload(&node, &format!("{without}{targets}")).await;
    until("the reason", async || {
        let waiting = node.api.read("/outbox").await;
        let waiting = waiting["content"].as_array()?.clone();
        let says =
            |one: &Value| one["lastError"].as_str().is_some_and(|error| error.starts_with("no channel of this name"));
        (waiting.len() == 2 && waiting.iter().all(says)).then_some(())
    })
    .await;
    // Longer than its own next attempt was away.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!((total(&node.api, "dead").await, total(&node.api, "pending").await), (0, 2));
    play(&pager, "204");
    reload(&node, &format!("{without}{}{targets}", pager.channel())).await;
    outbox_has(&node.api, 0).await;
    assert_eq!(total(&node.api, "dead").await, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_joins_what_another_channel_tells_at_once() {
    // Another gateway for C: what is down is probed again before its interval is over.
    let (gateway, other, digest, pager) = (Gateway::start(), Gateway::start(), Pager::start(), Pager::start());
    let targets = format!("{}{}", targets(&gateway, &["A", "B"]), targets(&other, &["C"]));
    // All that the pager is told of comes within this.
    let grouping = "group_by = []\ngroup_wait = \"12s\"\ngroup_interval = \"1h\"";
    let channels = format!("{}{}", named(&digest, "digest", grouping), pager.channel());
    let node = Node::start(&format!("[alerting]\nlog = false\n{channels}{targets}")).await;
    connected(&node.api, &["A", "B", "C"]).await;
    go(&gateway, &node.api, "unavailable", &["A", "B"]).await;
    go(&other, &node.api, "unavailable", &["C"]).await;
    go(&other, &node.api, "none", &["C"]).await;
    pager.arrivals(4).await;
    assert_eq!(digest.handle.arrivals().len(), 0);
    let arrivals = digest.arrivals(2).await;
    let told_of = [("firing".to_owned(), 2), ("resolved".to_owned(), 1)];
    assert_eq!(kinds(&digest), told_of, "what began and ended meanwhile is told by its end alone");
    let end = told(&arrivals[1]);
    assert_eq!(end["data"]["alerts"][0]["target"], "C");
    outbox_has(&node.api, 0).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_grouping_of_a_channel_holds_for_what_waits() {
    let (gateway, digest) = (Gateway::start(), Pager::start());
    let names = ["A", "B", "C"];
    let config = |grouping: &str| {
        format!("[alerting]\nlog = false\n{}{}", named(&digest, "digest", grouping), targets(&gateway, &names))
    };
    let node = Node::start(&config("group_by = []\ngroup_wait = \"1h\"\ngroup_interval = \"1h\"")).await;
    connected(&node.api, &names).await;
    go(&gateway, &node.api, "unavailable", &["A", "B"]).await;
    outbox_has(&node.api, 2).await;
    reload(&node, &config("group_by = []\ngroup_wait = \"10ms\"\ngroup_interval = \"1h\"")).await;
    digest.arrivals(1).await;
    assert_eq!(kinds(&digest), [("firing".to_owned(), 2)]);
    outbox_has(&node.api, 0).await;
    go(&gateway, &node.api, "unavailable", &["C"]).await;
    outbox_has(&node.api, 1).await;
    assert_eq!(digest.handle.arrivals().len(), 1, "it waits for the interval");
    reload(&node, &config("group_by = [\"target\"]")).await;
    digest.arrivals(2).await;
    assert_eq!(kinds(&digest), [("firing".to_owned(), 2), ("firing".to_owned(), 1)]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_gives_up_whole_incidents_of_which_nobody_was_told_and_tells_the_others_when_it_can() {
    let (gateway, other, pager) = (Gateway::start(), Gateway::start(), Pager::start());
    play(&pager, "503");
    let (over, lasting) = (["A", "B", "C", "D"], ["E", "F", "G", "H", "I"]);
    let targets = format!("{}{}", targets(&gateway, &over), targets(&other, &lasting));
    let node = Node::start(&format!("[alerting]\nlog = false\noutbox_max = 10\n{}{targets}", pager.channel())).await;
    connected(&node.api, &[&over[..], &lasting[..]].concat()).await;
    go(&gateway, &node.api, "unavailable", &over).await;
    go(&gateway, &node.api, "none", &over).await;
    go(&other, &node.api, "unavailable", &lasting).await;
    until("the dead letters", async || (total(&node.api, "dead").await >= 4).then_some(())).await;
    assert!(total(&node.api, "pending").await <= 10);
    let mut dead: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for letter in node.api.read("/outbox?state=dead&size=200").await["content"].as_array().expect("a list") {
        assert!(text(&letter["lastError"]).contains("held 10 messages"), "{letter}");
        dead.entry(text(&letter["systemName"])).or_default().insert(text(&letter["message"]));
    }
    assert_eq!(dead.len(), 2, "{dead:?}");
    for (target, messages) in &dead {
        assert!(over.contains(&target.as_str()), "{target} lasts, and somebody has to be told");
        assert_eq!(messages.iter().map(String::as_str).collect::<Vec<_>>(), ["firing", "resolved"], "{target}");
    }
    play(&pager, "200");
    outbox_has(&node.api, 0).await;
    let delivered: BTreeSet<String> =
        pager.handle.arrivals().iter().map(|arrival| text(&told(arrival)["subject"])).collect();
    assert!(lasting.iter().all(|target| delivered.contains(*target)), "{delivered:?}");
    assert_eq!(total(&node.api, "dead").await, 4, "{}", node.api.read("/outbox?state=dead").await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_what_is_over_is_not_sent_again_since_nobody_would_end_it() {
    let (gateway, pager) = (Gateway::start(), Pager::start());
    play(&pager, "400");
    let node = Node::start(&format!("[alerting]\nlog = false\n{}{}", pager.channel(), targets(&gateway, &["A"]))).await;
    connected(&node.api, &["A"]).await;
    go(&gateway, &node.api, "unavailable", &["A"]).await;
    until("the dead letter", async || (total(&node.api, "dead").await == 1).then_some(())).await;
    go(&gateway, &node.api, "none", &["A"]).await;
    until("the other dead letter", async || (total(&node.api, "dead").await == 2).then_some(())).await;
    play(&pager, "200");
    let letters = node.api.read("/outbox?state=dead").await["content"].clone();
    let retry = async |message: &str| {
        let letter = letters.as_array().expect("a list").iter().find(|letter| letter["message"] == message);
        let id = letter.expect("it is there")["id"].as_str().expect("an id").to_owned();
        node.api.post(&format!("/outbox/{id}/retry"), json!({})).await
    };
    let refused = retry("firing").await.refused(409, "alert-over");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("its end")), "{refused}");
    assert_eq!(retry("resolved").await.status, 202);
    outbox_has(&node.api, 0).await;
    assert_eq!(kinds(&pager).last(), Some(&("resolved".to_owned(), 1)));
    assert_eq!(total(&node.api, "dead").await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_does_not_keep_the_rest_of_a_channel_from_being_sent_again() {
    let (gateway, other, pager) = (Gateway::start(), Gateway::start(), Pager::start());
    play(&pager, "400");
    let targets = format!("{}{}", targets(&gateway, &["OVER"]), targets(&other, &["LASTS"]));
    let node = Node::start(&format!("[alerting]\nlog = false\n{}{targets}", pager.channel())).await;
    let dead = async |number| {
        until("the dead letters", async || (total(&node.api, "dead").await == number).then_some(())).await;
    };
    connected(&node.api, &["OVER", "LASTS"]).await;
    go(&gateway, &node.api, "unavailable", &["OVER"]).await;
    dead(1).await;
    go(&gateway, &node.api, "none", &["OVER"]).await;
    dead(2).await;
    go(&other, &node.api, "unavailable", &["LASTS"]).await;
    dead(3).await;
    play(&pager, "200");
    let before = pager.handle.arrivals().len();
    for accepted in [2, 0] {
        let answer = node.api.post("/outbox/retry?channel=ops", json!({})).await;
        let expected = json!({"accepted": accepted, "refused": 1, "remaining": 1});
        assert_eq!((answer.status, answer.json()), (202, expected));
    }
    let arrivals = pager.arrivals(before + 2).await;
    // Of different incidents: neither waits for the other.
    let told_of = |event: Value| format!("{} of {}", event["type"], event["subject"]).replace('"', "");
    let told: BTreeSet<String> = arrivals[before..].iter().map(|arrival| told_of(told(arrival))).collect();
    let expected = ["breakwater.alert.firing of LASTS", "breakwater.alert.resolved of OVER"];
    assert_eq!(told.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    node.stop().await;
}
