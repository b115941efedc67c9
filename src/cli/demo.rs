//! `breakwater demo`: a gateway that has bad minutes, a node that watches it, and somebody who is told, with a story.
//!
//! Everything is real and listens where a person can look: the simulator, the node with its store in `data/demo`, and
//! the receiver. The story is told from the node's own event log, so it shows nothing that the node does not know.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::{Exit, chain, exit_of, say, say_error, say_not_started, say_problems, told_to_stop};
use crate::actors::targets::TargetsHandle;
use crate::app::{App, Source};
use crate::clock::Clock;
use crate::config::channel::Webhook;
use crate::config::{ChannelKind, Config, Secret};
use crate::domain::alert::Acknowledged;
use crate::domain::breaker::State;
use crate::domain::event::{Event, Logged};
use crate::domain::failure_history::HistoryEvent;
use crate::domain::id::{CorrelationId, IncidentId, Sequence, Target};
use crate::domain::status::StatusEvent;
use crate::domain::time::{Moment, Timestamp};
use crate::simulator::receiver::{Arrival, Receiver, ReceiverOptions};
use crate::simulator::{Options, PhaseEntered, Scenario, Simulator};
use crate::store::Reader;

const CONFIG: &str = include_str!("../../config/demo.toml");
const SCENARIO: &str = include_str!("../../config/scenarios/demo.toml");
const SIMULATOR: ([u8; 4], u16) = ([127, 0, 0, 1], 8082);
const RECEIVER: ([u8; 4], u16) = ([127, 0, 0, 1], 8083);

/// Events that are told at once; a demo never has more.
const PAGE: usize = 100;

pub(super) async fn run(environment: &BTreeMap<String, String>) -> Exit {
    let config = match Config::parse(CONFIG, "config/demo.toml", Path::new("."), environment) {
        Ok(loaded) => loaded.config,
        Err(problems) => return say_problems(&problems),
    };
    let scenario = match Scenario::parse(SCENARIO) {
        Ok(scenario) => scenario,
        Err(problems) => {
            say_error(&problems.to_string());
            return Exit::Failed;
        }
    };
    let clock = Clock::system();
    let options = ReceiverOptions { secrets: secrets(&config), ..ReceiverOptions::default() };
    let bound = Receiver::bind(RECEIVER.into(), options, clock).and_then(|receiver| {
        let options = Options { scenario: Some(scenario), ..Options::default() };
        Ok((receiver, Simulator::bind(SIMULATOR.into(), options, clock)?))
    });
    let (receiver, simulator) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            say_error(&chain(&error));
            return Exit::Address;
        }
    };
    let watched = config.targets.values().map(|target| Target::new(&target.name, &target.endpoint)).collect();
    match App::build(config, Source::Fixed, clock).await {
        Ok(app) => play(receiver, simulator, app, watched, clock).await,
        Err(error) => say_not_started(error),
    }
}

async fn play(receiver: Receiver, simulator: Simulator, app: App, watched: Vec<Target>, clock: Clock) -> Exit {
    introduce(&app);
    let end = CancellationToken::new();
    let story = Story { clock, began: clock.moment() };
    let (reader, last) = (app.reader(), app.journal().last_sequence());
    let on_call = OnCall { targets: app.targets(), watched, clock };
    let telling = [
        tokio::spawn(until(end.clone(), story.phases(simulator.phases()))),
        tokio::spawn(until(end.clone(), story.events(reader, last))),
        tokio::spawn(until(end.clone(), story.arrivals(receiver.handle().subscribe(), on_call))),
        tokio::spawn(simulator.run(end.clone().cancelled_owned())),
        tokio::spawn(receiver.run(end.clone().cancelled_owned())),
    ];
    let ended = app.run(told_to_stop()).await;
    end.cancel();
    for task in telling {
        // What it had to say is said.
        drop(task.await);
    }
    exit_of(ended)
}

async fn until(end: CancellationToken, story: impl Future<Output = ()>) {
    tokio::select! {
        () = end.cancelled() => {}
        () = story => {}
    }
}

fn secrets(config: &Config) -> Vec<Secret> {
    let webhooks = config.channels.values().filter_map(|channel| match_webhook(&channel.kind));
    webhooks.flat_map(|webhook| webhook.secrets.clone()).collect()
}

fn match_webhook(kind: &ChannelKind) -> Option<&Webhook> {
    if let ChannelKind::Webhook(webhook) = kind { Some(webhook) } else { None }
}

fn introduce(app: &App) {
    let node = app.local_addr();
    say(&format!(
        "\nA payment gateway simulator, a Breakwater node that watches it, and a receiver that is told.\n\n  \
         the page         http://{node}/\n  \
         the metrics      http://{node}/metrics\n  \
         the event log    curl -N http://{node}/events/stream\n  \
         the failures     curl http://{node}/integrationFailureHistories\n  \
         the simulator    http://127.0.0.1:8082/health\n  \
         the receiver     http://127.0.0.1:8083/_receiver\n\n\
         The gateway has a bad minute every eighty seconds: one incident, told, told again, acknowledged, resolved.\n\
          Kill this with -9 and start it again: it remembers.\n\
         Ctrl-C ends it.\n"
    ));
}

/// Somebody who sleeps through the first message and wakes up at the reminder.
struct OnCall {
    targets: TargetsHandle,
    watched: Vec<Target>,
    clock: Clock,
}

impl OnCall {
    async fn read(&self, event: &Value) {
        let (name, incident) = (&event["subject"], event["data"]["incident"].as_u64());
        let target = self.watched.iter().find(|target| *name == *target.system_name);
        let (Some(target), Some(incident)) = (target, incident) else { return };
        if event["type"] != "breakwater.alert.reminder" {
            return;
        }
        let by = Acknowledged { who: "kim".into(), comment: "I am on it".into(), at: self.clock.now() };
        let correlation = CorrelationId::new("on-call");
        // It may be over already, which is as good.
        drop(self.targets.acknowledge(target.clone(), IncidentId(incident), by, correlation).await);
    }
}

/// Tells what happens, each line with the seconds since the beginning.
#[derive(Clone, Copy)]
struct Story {
    clock: Clock,
    began: Moment,
}

impl Story {
    fn tell(self, who: &str, what: &str) {
        let seconds = self.clock.moment().since(self.began).as_secs_f64();
        say(&format!("{seconds:7.1} s  {who:<10} {what}"));
    }

    async fn phases(self, mut phases: watch::Receiver<PhaseEntered>) {
        loop {
            let PhaseEntered { name, duration, .. } = phases.borrow_and_update().clone();
            let length = duration.map(|length| format!(" for {} s", length.as_secs())).unwrap_or_default();
            self.tell("gateway", &format!("is now: {name}{length}"));
            if phases.changed().await.is_err() {
                return;
            }
        }
    }

    async fn arrivals(self, mut arrivals: broadcast::Receiver<Arc<Arrival>>, on_call: OnCall) {
        loop {
            match arrivals.recv().await {
                Ok(arrival) => {
                    let event: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
                    let key = event["data"]["incident"].as_u64();
                    let incident = key.map(|id| format!("  incident {id}")).unwrap_or_default();
                    self.tell("receiver", &format!("got {arrival}{incident}"));
                    on_call.read(&event).await;
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn events(self, reader: Reader, mut last: watch::Receiver<Sequence>) {
        let mut told = *last.borrow_and_update();
        if told.0 > 0 {
            self.tell("node", &format!("remembers {told} events of earlier runs"));
        }
        loop {
            match reader.events_after(told, PAGE) {
                Ok(events) => {
                    for (logged, next) in events.iter().zip(events.iter().skip(1).map(Some).chain([None])) {
                        told = logged.sequence;
                        if !is_told_by_next(logged, next) {
                            self.tell("node", &sentence(logged));
                        }
                    }
                    if events.len() == PAGE {
                        continue;
                    }
                }
                Err(error) => return say_error(&chain(&error)),
            }
            if last.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A further attempt in an outage is two events, "retried" and "failed"; the second says it all.
fn is_told_by_next(logged: &Logged, next: Option<&Logged>) -> bool {
    let caused = next.is_some_and(|next| {
        next.cause == Some(logged.sequence)
            && matches!(next.event, Event::Status { event: StatusEvent::ConnectionFailed { .. }, .. })
    });
    caused && matches!(logged.event, Event::Status { event: StatusEvent::Retried { .. }, .. })
}

fn sentence(logged: &Logged) -> String {
    let sequence = logged.sequence;
    let words = match &logged.event {
        Event::Status { target, event, .. } => of_status(&target.system_name, event),
        Event::FailureRecorded(history) => {
            format!("{}: failure {} is recorded: {}", history.target_system, history.id, history.detail.error_message)
        }
        Event::History { id, event: HistoryEvent::Retried { retry_count, retry_result, .. }, .. } => {
            format!("failure {id}: retry {retry_count} was a {}", retry_result.as_str())
        }
        Event::History { id, event: HistoryEvent::Recovered { .. }, .. } => format!("failure {id} is over"),
        Event::BreakerTransitioned { target, transition, open_until, .. } => {
            let name = &target.system_name;
            match transition.to {
                State::Open => format!("{name}: the breaker opens{}", until_when(*open_until, logged.at)),
                State::HalfOpen => format!("{name}: the breaker lets trials pass"),
                State::Closed => format!("{name}: the breaker closes"),
            }
        }
        Event::BreakerControlled { target, who, reason, .. } => {
            format!("{}: {who} took hold of the breaker: {reason}", target.system_name)
        }
        Event::AlertFired { target, incident, .. } => {
            format!("{target}: incident {} begins, people are told", incident.id)
        }
        Event::AlertResolved { target, incident, since, .. } => {
            let lasted = logged.at.since(*since).as_secs();
            format!("{target}: incident {incident} is over after {lasted} s, people are told")
        }
        Event::AlertAcknowledged { target, incident, who, .. } => {
            format!("{target}: incident {incident} is acknowledged by {who}, nobody is reminded any more")
        }
        Event::AlertEscalated { target, incident, channels, .. } => {
            format!("{target}: incident {incident} needs somebody, {} are told", channels.join(", "))
        }
        Event::QuietCreated { quiet } => format!("{} asked for quiet: {}", quiet.created_by, quiet.comment),
        Event::QuietRemoved { quiet, who } => format!("{who} ended the quiet that was for: {}", quiet.comment),
        Event::NotificationResent { delivery, channel, .. } => {
            format!("message {delivery} is sent again over {channel}")
        }
        Event::NotificationDismissed { delivery, channel, who } => {
            format!("{who} gave up message {delivery} for {channel}")
        }
        Event::NotificationDeadLettered { channel, error, .. } => {
            format!("nobody could be told over {channel}: {error}")
        }
        Event::LocationWeatherInfoFailed { error_message, .. } => {
            format!("the weather could not be had: {error_message}")
        }
    };
    format!("#{sequence:<5} {words}")
}

fn of_status(name: &str, event: &StatusEvent) -> String {
    match event {
        StatusEvent::Connected { .. } => format!("{name} is CONNECTED"),
        StatusEvent::ConnectionFailed { failure_reason, .. } => format!("{name} is FAILED: {failure_reason}"),
        StatusEvent::Retried { retry_count, .. } => format!("{name}: attempt {retry_count} failed, trying again"),
    }
}

fn until_when(open_until: Option<Timestamp>, now: Timestamp) -> String {
    open_until.map(|until| format!(" for {:.1} s", until.since(now).as_secs_f64())).unwrap_or_default()
}
