//! One run: acts by dice, lives and deaths of the node, and at the end peace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use breakwater::clock::{self, Clock};
use breakwater::domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::judgement;
use crate::node::Node;
use crate::plan::{CHANNELS, Plan, TARGETS};
use crate::receivers::{Blow, Mood, Receivers};
use crate::services::{Health, Services};
use crate::victim::Victim;
use crate::witness::Witness;

/// Acts of one run.
const ACTS: usize = 60;
/// Looks at a node that is left in peace; each is a fifth of a second at least.
const LOOKS: usize = 300;
/// Looks in a row that find nothing: what a silence held back is told a moment after its end.
const CALM: usize = 3;

/// A run under way.
pub(crate) struct Run {
    dice: Dice,
    pub(crate) witness: Arc<Witness>,
    node: Node,
    services: Services,
    pub(crate) receivers: Receivers,
    plan: Plan,
    /// Events that the node showed, by their number, in one line each.
    shown: BTreeMap<u64, String>,
    /// Histories that the node said that it had recorded, and who is to be told of them.
    pub(crate) promised: Vec<(u64, BTreeSet<&'static str>)>,
    /// When there was peace; what a slow machine makes of it afterwards is another matter.
    pub(crate) peace_at: Option<Timestamp>,
}

/// What is done next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Service,
    Receiver,
    Report,
    Fail,
    Silence,
    Unsilence,
    Acknowledge,
    SendAgain,
    Reload,
    Kill,
    KillAtAMessage,
    KillAtTheStart,
    Restart,
    Look,
}

const WEIGHTS: &[(usize, Act)] = &[
    (36, Act::Service),
    (12, Act::Receiver),
    (8, Act::Report),
    (4, Act::Fail),
    (4, Act::Silence),
    (3, Act::Unsilence),
    (4, Act::Acknowledge),
    (6, Act::SendAgain),
    (6, Act::Reload),
    (3, Act::Kill),
    (7, Act::KillAtAMessage),
    (2, Act::KillAtTheStart),
    (2, Act::Restart),
    (5, Act::Look),
];

impl Run {
    /// The whole of it; `Err` with all that is known where something is wrong.
    pub(crate) async fn of(seed: u64) -> Result<(), String> {
        let (witness, victim) = (Arc::new(Witness::new()), Victim::default());
        let mut dice = Dice::of(seed, "acts");
        let mut run = Self {
            node: Node::new(victim.clone(), witness.clone()),
            services: Services::start().await,
            receivers: Receivers::start(seed, &CHANNELS, victim, witness.clone()).await,
            plan: Plan::whole(&mut dice),
            dice,
            witness,
            shown: BTreeMap::new(),
            promised: Vec::new(),
            peace_at: None,
        };
        run.play().await;
        // The receivers go on, and with them whom they could kill.
        run.node.victim.kill(&run.witness);
        if std::env::var_os("SIM_STORY").is_some() {
            eprintln!("seed {seed}\n{}", run.witness.story());
        }
        match run.witness.complaint() {
            Some(complaint) => Err(format!("seed {seed}, kept in {}\n{complaint}", run.node.keep().display())),
            None => Ok(()),
        }
    }

    async fn play(&mut self) {
        self.configure();
        self.live().await;
        for _ in 0..ACTS {
            let act = self.dice.weighed(WEIGHTS);
            self.act(act).await;
            tokio::time::sleep(self.dice.millis(150)).await;
            self.live_on().await;
            if self.witness.is_wrong() {
                return;
            }
        }
        self.have_peace().await;
        if !self.witness.is_wrong() {
            self.end().await;
        }
    }

    fn configure(&self) {
        self.node.configure(&self.plan.write(&self.node.data(), self.services.address, self.receivers.address));
    }

    /// Begins a life; another one where it ends at once.
    async fn live(&mut self) {
        loop {
            self.node.begin();
            if self.node.serves().await {
                break;
            }
            self.bury();
        }
        self.look().await;
    }

    /// A node that was killed lives again.
    async fn live_on(&mut self) {
        if self.node.victim.ended().is_some() {
            self.bury();
            self.live().await;
        }
    }

    /// Looks at what a process left.
    fn bury(&self) {
        let (status, wanted) = self.node.victim.ended().expect("it has ended");
        self.witness.expect(wanted, || format!("the node ended by itself, or not in order: {status}"));
        match breakwater::store::verify(&self.node.data()) {
            Ok(report) => self.witness.expect(report.findings.is_empty(), || format!("{:?}", report.findings)),
            // Killed before there was one.
            Err(breakwater::store::Error::NoStore { .. }) => {}
            Err(error) => self.witness.accuse(format!("the store: {error}")),
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Service => {
                let target = self.dice.pick(&TARGETS);
                let health =
                    self.dice.weighed(&[(5, Health::Up), (5, Health::Down), (1, Health::Slow), (2, Health::Flapping)]);
                self.witness.note(format!("{target} is {health:?}"));
                self.services.become_(target, health);
            }
            Act::Receiver => {
                let channel = self.dice.pick(&CHANNELS);
                let mood = self.dice.weighed(&[(3, Mood::Well), (4, Mood::Moody), (2, Mood::Away)]);
                self.witness.note(format!("{channel} is {mood:?}"));
                self.receivers.become_(channel, mood);
            }
            Act::Report => self.report().await,
            Act::Fail => {
                let target = self.dice.pick(&TARGETS);
                let more = json!({"failureReason": "all is declined", "failedAt": now()});
                let _ = self.tell(target, "failpaymentgatewayconnection", more).await;
            }
            Act::Silence => self.silence().await,
            Act::Unsilence => drop(self.unsilence().await),
            Act::Acknowledge => drop(self.acknowledge().await),
            Act::SendAgain => drop(self.send_again().await),
            Act::Reload => {
                self.plan.change(&mut self.dice);
                self.reload().await;
            }
            Act::Kill => {
                tokio::time::sleep(self.dice.millis(50)).await;
                self.node.victim.kill(&self.witness);
            }
            Act::KillAtAMessage => {
                let blow = self.dice.pick(&[Blow::BeforeTheAnswer, Blow::AfterTheAnswer]);
                self.witness.note(format!("the next message that is taken kills the node: {blow:?}"));
                self.receivers.arm(Some(blow));
            }
            Act::KillAtTheStart => {
                self.node.victim.kill(&self.witness);
                self.bury();
                self.node.begin();
                tokio::time::sleep(self.dice.millis(400)).await;
                self.node.victim.kill(&self.witness);
            }
            Act::Restart => self.stop().await,
            Act::Look => drop(self.look().await),
        }
    }

    async fn stop(&self) {
        self.witness.note("the node is asked to end");
        self.node.victim.ask_to_end();
        self.node.is_gone().await;
    }

    async fn report(&mut self) {
        let target = self.dice.pick(&["A", "C", "SMS", "BANK"]);
        let body = json!({
            "failureType": "OTHER", "targetSystem": target, "occurredAt": "2024-06-01T10:00:00Z",
            "integrationStatusId": 0, "failureDetail": {
                "errorCode": "N/A", "errorMessage": "it was refused", "requestPayload": "N/A",
                "responsePayload": "N/A", "additionalInfo": "N/A",
            },
        });
        let path = "/integrationFailureHistories/recordintegrationfailure";
        let Some((status, answer)) = self.node.post(path, Some(body)).await else { return };
        self.witness.note(format!("a failure of {target} is reported: {status}"));
        self.witness.expect(status == 200, || format!("a report: {status} {answer}"));
        let history = answer["data"]["integrationFailureHistoryId"].as_u64();
        self.promised.extend(history.map(|history| (history, self.plan.hears_of(target))));
    }

    /// An application tells how a system does.
    async fn tell(&self, target: &str, what: &str, more: Value) -> Option<u16> {
        let endpoint = format!("http://{}/{target}", self.services.address);
        let mut body = json!({"target": {"systemName": target, "endpoint": endpoint}});
        body.as_object_mut()?.extend(more.as_object()?.clone());
        let (status, answer) = self.node.post(&format!("/integrationStatuses/{what}"), Some(body)).await?;
        self.witness.note(format!("{what} of {target}: {status}"));
        self.witness.expect(status < 500, || format!("{what}: {status} {answer}"));
        Some(status)
    }

    async fn silence(&mut self) {
        let target = self.dice.pick(&TARGETS);
        let body = json!({
            "matchers": [{"name": "target", "value": target}], "comment": "known", "endsAt": "2100-01-01T00:00:00Z",
        });
        let path = self.dice.pick(&["/silences", "/maintenances"]);
        let Some((status, answer)) = self.node.post(path, Some(body)).await else { return };
        self.witness.note(format!("{target} is silenced: {status}"));
        self.witness.expect(status == 201, || format!("a silence: {status} {answer}"));
    }

    async fn unsilence(&self) -> Option<()> {
        for path in ["/silences", "/maintenances"] {
            let quiets = self.node.get(path).await?;
            for quiet in quiets["content"].as_array()? {
                if quiet["status"]["state"] == "active" {
                    let id = quiet["id"].as_str()?;
                    let (status, _) = self.node.ask(Method::DELETE, &format!("{path}/{id}"), None).await?;
                    self.witness.note(format!("the silence of {} ends: {status}", quiet["matchers"][0]["value"]));
                }
            }
        }
        Some(())
    }

    async fn acknowledge(&mut self) -> Option<()> {
        let alerts = self.node.get("/alerts?state=firing").await?;
        let alerts = alerts["content"].as_array().filter(|alerts| !alerts.is_empty())?;
        let id = alerts[self.dice.below(alerts.len())]["id"].as_u64()?;
        let body = json!({"who": "kim", "comment": "I look"});
        let (status, _) = self.node.post(&format!("/alerts/{id}/acknowledge"), Some(body)).await?;
        self.witness.note(format!("incident {id} is acknowledged: {status}"));
        Some(())
    }

    /// Some of what was given up is sent again, and some of what waits is tried now.
    async fn send_again(&mut self) -> Option<()> {
        if self.dice.chance(20) {
            let channel = self.dice.pick(&CHANNELS);
            let (status, _) = self.node.post(&format!("/outbox/retry?channel={channel}"), None).await?;
            self.witness.note(format!("all letters for {channel} are sent again: {status}"));
            return Some(());
        }
        let state = self.dice.pick(&["dead", "dead", "pending"]);
        let letters = self.node.list(&format!("/outbox?state={state}")).await?;
        for letter in letters {
            if self.dice.chance(60) {
                self.try_again(&letter).await?;
            }
        }
        Some(())
    }

    async fn try_again(&self, letter: &Value) -> Option<u16> {
        let id = letter["id"].as_str()?;
        let (status, answer) = self.node.post(&format!("/outbox/{id}/retry"), None).await?;
        let (channel, message, state) = (&letter["channel"], &letter["message"], &letter["state"]);
        self.witness.note(format!("{id} ({message} for {channel}, {state}) is sent again: {status}"));
        self.witness.expect([202, 404, 409].contains(&status), || format!("sent again: {status} {answer}"));
        Some(status)
    }

    async fn reload(&mut self) {
        self.configure();
        self.witness.note(format!("{:?}", self.plan));
        if let Some((status, answer)) = self.node.post("/-/reload", None).await {
            self.witness.expect(status == 200, || format!("a reload: {status} {answer}"));
        }
    }

    /// What the node showed it shows for ever.
    async fn look(&mut self) -> Option<()> {
        let mut after = 0;
        loop {
            let page = self.node.get(&format!("/events?limit=1000&after={after}")).await?;
            let content = page["content"].as_array()?;
            if content.is_empty() {
                break;
            }
            for event in content {
                let number: u64 = event["id"].as_str()?.parse().ok()?;
                let (event, kind) = (event.to_string(), &event["type"]);
                self.witness.expect(number == after + 1, || format!("event {number} follows {after}"));
                after = number;
                let first = self.shown.entry(number).or_insert_with(|| {
                    self.witness.note(format!("event {number}: {kind}"));
                    event.clone()
                });
                self.witness.expect(*first == event, || format!("it was another event before:\n  {first}\n  {event}"));
            }
        }
        let last = self.shown.keys().next_back().copied().unwrap_or(0);
        self.witness.expect(after >= last, || format!("event {last} was there, and the last is {after}"));
        Some(())
    }

    /// Everybody is well, and the node is left alone until nothing fires and nothing waits.
    async fn have_peace(&mut self) {
        self.witness.note("peace");
        self.receivers.arm(None);
        TARGETS.iter().for_each(|target| self.services.become_(target, Health::Up));
        CHANNELS.iter().for_each(|channel| self.receivers.become_(channel, Mood::Well));
        self.plan = self.plan.made_whole();
        self.live_on().await;
        self.reload().await;
        self.unsilence().await;
        let (mut left, mut calm) = (String::from("nothing"), 0);
        for _ in 0..LOOKS {
            match self.settle().await {
                Some(found) if found.is_empty() => calm += 1,
                Some(found) => (left, calm) = (found, 0),
                None => return self.witness.accuse("the node does not answer in peace".into()),
            }
            if calm == CALM {
                self.peace_at = Some(Clock::system().now());
                return self.witness.note("nothing fires and nothing waits");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.witness.accuse(format!("there is peace, and this is left: {left}"));
    }

    /// What still fires, waits, or can be sent again; it is sent again.
    async fn settle(&mut self) -> Option<String> {
        let mut left = Vec::new();
        for letter in self.node.list("/outbox?state=pending").await? {
            left.push(format!("waits: {letter}"));
            self.try_again(&letter).await?;
        }
        for letter in self.node.list("/outbox?state=dead").await? {
            match self.try_again(&letter).await? {
                409 if letter["state"] == "dead" => {}
                _ => left.push(format!("dead: {letter}")),
            }
        }
        let alerts = self.node.list("/alerts?state=firing").await?;
        // Given up and over: who is alerted of such letters dismisses them.
        let only_letters = |alert: &Value| alert["conditions"] == json!(["dead_letters"]);
        if alerts.iter().any(only_letters) && left.is_empty() {
            self.dismiss_all().await?;
        }
        for alert in &alerts {
            // What an application said is ended by an attempt that somebody asks for.
            self.tell(alert["systemName"].as_str()?, "connectpaymentgateway", json!({})).await?;
        }
        left.extend(alerts.iter().map(|alert| format!("fires: {alert}")));
        for target in TARGETS {
            let found = self.node.get(&format!("/targets/{target}")).await?;
            if found["state"] != "CONNECTED" {
                left.push(format!("{target} is {}", found["state"]));
            }
        }
        Some(left.join("\n    "))
    }

    async fn dismiss_all(&mut self) -> Option<()> {
        for letter in self.node.list("/outbox?state=dead").await? {
            let id = letter["id"].as_str()?;
            self.node.ask(Method::DELETE, &format!("/outbox/{id}"), None).await?;
            self.witness.note(format!("{id} is dismissed"));
        }
        Some(())
    }

    /// The node ends in order, and its store is held against what the receivers got.
    async fn end(&mut self) {
        self.look().await;
        self.stop().await;
        self.bury();
        judgement::pass(self, &self.node.data()).await;
    }
}

fn now() -> String {
    clock::format(Clock::system().now())
}
