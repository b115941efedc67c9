//! The `alertmanager` channel: Prometheus' Alertmanager, API v2.
//!
//! An alert there is its labels, so they are the same through an incident, whatever else changes: what, since when, and
//! how bad stands in annotations. One incident is one alert, since its number is a label: the end of one cannot end the
//! next. What fires is said again and again, because an Alertmanager takes what it does not hear of any more for
//! resolved: `endsAt` is four intervals away. Format (API v2, since Alertmanager 0.16):
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::request::{Answer, Request, Verdict};
use super::told::{Kind, Told};
use crate::clock;
use crate::config::Secret;
use crate::config::channel::Alertmanager;
use crate::domain::time::Timestamp;

/// So many intervals without a word end an alert, as Prometheus has it.
const INTERVALS: u32 = 4;

/// What these messages are for one replica.
pub(super) fn render(told: &[Told<'_>], alertmanager: &Alertmanager, replica: &Secret, now: Timestamp) -> Request {
    let alerts: Vec<Value> = told.iter().map(|told| alert(told, alertmanager, now)).collect();
    Request::json(format!("{}/api/v2/alerts", replica.text()), &alerts).authorized(&alertmanager.login)
}

fn alert(told: &Told<'_>, alertmanager: &Alertmanager, now: Timestamp) -> Value {
    let name = match told.kind {
        Kind::Firing | Kind::Reminder | Kind::Escalated | Kind::Resolved => "IntegrationInTrouble",
        Kind::Recorded => "IntegrationFailureReported",
        Kind::Test | Kind::TestOver => "BreakwaterTest",
    };
    let mut labels = Map::new();
    for (label, value) in &alertmanager.labels {
        labels.insert(label.to_string(), json!(&**value));
    }
    labels.insert("alertname".into(), json!(name));
    labels.insert("integration".into(), json!(told.target));
    labels.insert("severity".into(), json!(told.severity.as_str()));
    labels.insert("incident".into(), json!(number(told)));
    labels.insert("instance".into(), json!(told.node));
    labels.insert("job".into(), json!("breakwater"));
    let lasting = now.plus(longest_silence(alertmanager.interval));
    let mut alert = json!({
        "labels": labels,
        "annotations": {"summary": told.title, "description": told.text(), "cause": told.cause},
        "startsAt": clock::format(told.since),
        // An end before the beginning (a clock was set back) would be refused for good, and nothing would end.
        "endsAt": clock::format(told.until.unwrap_or(lasting).max(told.since)),
    });
    if let Some(link) = &told.link {
        alert["generatorURL"] = json!(link);
    }
    alert
}

/// The last part of the key: the incident's number, or the report's, with its time.
fn number<'a>(told: &'a Told<'_>) -> &'a str {
    told.key.rsplit_once('/').map_or(&*told.key, |(_, number)| number)
}

fn longest_silence(interval: Duration) -> Duration {
    interval * INTERVALS
}

/// 200 is taken by this replica, and has no body that could say otherwise; 400 is an alert that no replica will ever take.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    answer.by_status()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{alert as an_alert, at, delivery, every_closed, reminder, resolved, teller, wire};
    use super::*;
    use crate::config::Language;
    use crate::config::channel::Login;
    use crate::domain::delivery::Message;

    fn channel() -> Alertmanager {
        Alertmanager {
            urls: vec![Secret::new(b"http://alertmanager-0:9093")],
            interval: Duration::from_secs(60),
            labels: [("team".into(), "payments".into())].into(),
            login: Login::None,
        }
    }

    fn now() -> Timestamp {
        at("2024-06-01T10:00:03Z")
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every_closed(Language::English, |told| {
            wire(render(told.each(), &channel(), &channel().urls[0], now()))
        }));
    }

    #[test]
    fn an_end_is_never_before_its_beginning() {
        let early = Message::Resolved { alert: an_alert(), until: at("2024-06-01T09:00:00Z") };
        let early = delivery(early);
        let told = teller(Language::English);
        let alert = alert(&told.tell(&early), &channel(), now());
        assert_eq!(alert["endsAt"], alert["startsAt"]);
    }

    #[test]
    fn labels_are_the_same_from_the_first_message_to_the_last_and_in_every_repetition() {
        let teller = teller(Language::English);
        let incident = an_alert();
        let (reminder, resolved) = (delivery(reminder()), delivery(resolved()));
        let again = teller.tell_again(&incident, None, now().plus(Duration::from_secs(3_600)));
        let labels: Vec<Value> = [again, teller.tell(&reminder), teller.tell(&resolved)]
            .iter()
            .map(|told| alert(told, &channel(), now())["labels"].clone())
            .collect();
        assert!(labels.windows(2).all(|pair| pair[0] == pair[1]), "{labels:?}");
    }
}
