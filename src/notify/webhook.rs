//! The `webhook` channel: a CloudEvent in an HTTP request that is signed as Standard Webhooks asks.
//!
//! Two things hold for every message: the body and the `webhook-id` are the same bytes in each attempt (only the
//! timestamp and with it the signature move), and the word `resolved` stands in messages of an incident's end and
//! in no other, since receivers look for it.
//!
//! Formats: CloudEvents 1.0 JSON (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>),
//! Standard Webhooks 1.0.0 (<https://github.com/standard-webhooks/standard-webhooks>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use crate::clock;
use crate::config::Secret;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Alert, Delivery, Group, Message, Of};

/// The end of an incident in the receiver's eyes, also in a text.
const RESOLVED: &str = "resolved";
/// What stands for that word in a cause ("the name could not be resolved") of a message that is none.
const INSTEAD_OF_RESOLVED: &str = "found";

/// An HTTP request as it goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// What `delivery` is on the wire. With no secrets it is not signed.
pub(super) fn render(delivery: &Delivery, url: &str, node: &str, now_unix: i64, secrets: &[Secret]) -> Request {
    let id = notice_id(delivery);
    let body = body(delivery, &id, node);
    let mut headers = vec![
        ("content-type", "application/cloudevents+json".to_owned()),
        ("user-agent", user_agent(node)),
        ("webhook-id", id.clone()),
        ("webhook-timestamp", now_unix.to_string()),
    ];
    if !secrets.is_empty() {
        headers.push(("webhook-signature", sign(&id, now_unix, &body, secrets)));
    }
    Request { method: "POST", url: url.to_owned(), headers, body }
}

fn notice_id(delivery: &Delivery) -> String {
    format!("n-{}", delivery.id)
}

/// This program and its version; the node's name too, where it can stand in a header's comment.
fn user_agent(node: &str) -> String {
    let program = concat!("breakwater/", env!("CARGO_PKG_VERSION"));
    let fits = !node.is_empty() && node.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '(' | ')' | '\\'));
    if fits { format!("{program} ({node})") } else { program.to_owned() }
}

fn sign(id: &str, now_unix: i64, body: &str, secrets: &[Secret]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
            mac.update(format!("{id}.{now_unix}.{body}").as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    signatures.join(" ")
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    correlationid: &'a str,
    data: Told<'a>,
}

/// What is told; a member that a message does not have is left out.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration_failure_history_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledge_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    /// The members of a group, at most 100; `count` says how many there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<Told<'a>>,
    /// The histories of a group of reports, at most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    integration_failure_history_ids: Vec<u64>,
}

fn body(delivery: &Delivery, id: &str, node: &str) -> String {
    let data = told(&delivery.message);
    let subject = match &delivery.message {
        Message::Grouped(group) => &*group.name,
        Message::Firing(_)
        | Message::Reminder(_)
        | Message::Escalated(_)
        | Message::Resolved { .. }
        | Message::FailureRecorded { .. } => data.target.unwrap_or_default(),
    };
    let event = CloudEvent {
        specversion: "1.0",
        id,
        source: node,
        r#type: type_of(&delivery.message),
        subject,
        time: clock::format(delivery.queued_at),
        datacontenttype: "application/json",
        correlationid: &delivery.correlation.0,
        data,
    };
    serde_json::to_string(&event).expect("a struct of texts and numbers is always JSON")
}

/// A group has the type of what it holds; a group of trouble says `firing`, whatever else is in it.
const fn type_of(message: &Message) -> &'static str {
    match message {
        Message::Firing(_) | Message::Grouped(Group { of: Of::Trouble, .. }) => "breakwater.alert.firing",
        Message::Reminder(_) => "breakwater.alert.reminder",
        Message::Escalated(_) => "breakwater.alert.escalated",
        Message::Resolved { .. } | Message::Grouped(Group { of: Of::Ends, .. }) => "breakwater.alert.resolved",
        Message::FailureRecorded { .. } | Message::Grouped(Group { of: Of::Reports, .. }) => {
            "breakwater.failure.recorded"
        }
    }
}

fn told(message: &Message) -> Told<'_> {
    match message {
        Message::Firing(alert) | Message::Reminder(alert) | Message::Escalated(alert) => lasting(alert),
        Message::Resolved { alert, until } => Told {
            status: Some(RESOLVED),
            cause: Some(alert.cause.to_string()),
            until: Some(clock::format(*until)),
            acknowledge_url: None,
            ..lasting(alert)
        },
        Message::FailureRecorded { history, failure_type, target, cause, occurred_at } => Told {
            integration_failure_history_id: Some(history.0),
            failure_type: Some(failure_type.as_str()),
            target: Some(target),
            cause: Some(without_resolved(cause)),
            since: Some(clock::format(*occurred_at)),
            ..Told::default()
        },
        Message::Grouped(group) => grouped(group),
    }
}

fn grouped(group: &Group) -> Told<'_> {
    let Group { of, name, count, messages, members: _ } = group;
    let whole = Told { group: Some(name), count: Some(*count), ..Told::default() };
    match of {
        Of::Trouble => Told { status: Some("firing"), alerts: messages.iter().map(told).collect(), ..whole },
        Of::Ends => Told { status: Some(RESOLVED), alerts: messages.iter().map(told).collect(), ..whole },
        Of::Reports => reports(messages, whole),
    }
}

/// What all of them share is said once; the first one's cause stands for them.
fn reports<'a>(messages: &'a [Message], whole: Told<'a>) -> Told<'a> {
    let first = messages.first().map(told).unwrap_or_default();
    let all = |same: &dyn Fn(&Told<'_>) -> bool| messages.iter().map(told).all(|other| same(&other));
    Told {
        failure_type: first.failure_type.filter(|kind| all(&|other| other.failure_type == Some(*kind))),
        target: first.target.filter(|target| all(&|other| other.target == Some(*target))),
        cause: first.cause.clone(),
        since: first.since.clone(),
        integration_failure_history_ids: messages
            .iter()
            .filter_map(|message| told(message).integration_failure_history_id)
            .collect(),
        ..whole
    }
}

fn lasting(alert: &Alert) -> Told<'_> {
    let Alert { incident, severity, target, cause, since, acknowledge } = alert;
    Told {
        incident: Some(incident.0),
        status: Some("firing"),
        severity: Some(Severity::as_str(*severity)),
        target: Some(target),
        cause: Some(without_resolved(cause)),
        since: Some(clock::format(*since)),
        acknowledge_url: acknowledge.as_deref(),
        ..Told::default()
    }
}

/// `cause` without the word that means the end of an incident, in any case of its letters.
fn without_resolved(cause: &str) -> String {
    let mut rest = cause;
    let mut clean = String::with_capacity(cause.len());
    while let Some(at) = rest.to_ascii_lowercase().find(RESOLVED) {
        clean.push_str(&rest[..at]);
        clean.push_str(INSTEAD_OF_RESOLVED);
        rest = &rest[at + RESOLVED.len()..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::failure_history::FailureType;
    use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, IncidentId, NoticeId};
    use crate::domain::time::Timestamp;

    const URL: &str = "https://hooks.example/breakwater";
    const NOW: i64 = 1_717_236_010;

    fn at(text: &str) -> Timestamp {
        clock::parse(text).unwrap()
    }

    fn alert() -> Alert {
        Alert {
            incident: IncidentId(7),
            severity: Severity::Critical,
            target: "PG_KCP".into(),
            cause: "3 probes in a row failed: HTTP 503".into(),
            since: at("2024-06-01T10:00:00.25Z"),
            acknowledge: None,
        }
    }

    pub(crate) fn firing() -> Message {
        Message::Firing(alert())
    }

    pub(crate) fn reminder() -> Message {
        Message::Reminder(alert())
    }

    pub(crate) fn resolved() -> Message {
        Message::Resolved { alert: alert(), until: at("2024-06-01T10:05:00Z") }
    }

    pub(crate) fn recorded() -> Message {
        Message::FailureRecorded {
            history: HistoryId(12),
            failure_type: FailureType::LocationWeatherApi,
            target: "WEATHER_API".into(),
            cause: "캠핑장 날씨를 \"읽지\" 못함".into(),
            occurred_at: at("2024-06-01T09:59:00Z"),
        }
    }

    pub(crate) fn escalated() -> Message {
        Message::Escalated(alert())
    }

    pub(crate) fn group(of: Of, messages: Vec<Message>) -> Message {
        let members = (1..=messages.len() as u64).map(|n| DeliveryId { notice: NoticeId(n), ordinal: 1 }).collect();
        let count = u32::try_from(messages.len()).unwrap();
        Message::Grouped(Group { of, name: "payments".into(), count, messages, members })
    }

    pub(crate) fn delivery(message: Message) -> Delivery {
        Delivery {
            id: DeliveryId { notice: NoticeId(41), ordinal: 1 },
            siblings: 2,
            channel: "ops".into(),
            message,
            history: None,
            correlation: CorrelationId::new("018fd3a0-7000-7000-8000-000000000001"),
            queued_at: at("2024-06-01T10:00:03Z"),
            tried_since: at("2024-06-01T10:00:03Z"),
            attempts: 0,
            next_attempt_at: at("2024-06-01T10:00:03Z"),
            last_error: None,
        }
    }

    fn secrets() -> Vec<Secret> {
        vec![Secret::new(b"the key of today"), Secret::new(b"the key of yesterday")]
    }

    fn wire(message: Message) -> String {
        let Request { method, url, headers, body } = render(&delivery(message), URL, "breakwater-1", NOW, &secrets());
        let headers: String = headers.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let headers = headers.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        format!("{method} {url}\n{headers}\n{body}")
    }

    #[test]
    fn a_firing_alert_on_the_wire() {
        insta::assert_snapshot!(wire(firing()));
    }

    #[test]
    fn a_reminder_on_the_wire() {
        insta::assert_snapshot!(wire(reminder()));
    }

    #[test]
    fn a_resolved_alert_on_the_wire() {
        insta::assert_snapshot!(wire(resolved()));
    }

    #[test]
    fn a_recorded_failure_on_the_wire() {
        insta::assert_snapshot!(wire(recorded()));
    }

    #[test]
    fn groups_on_the_wire() {
        let mut linked = alert();
        linked.acknowledge = Some("https://node/alerts/7/acknowledge?token=t".into());
        let trouble = group(Of::Trouble, vec![Message::Firing(linked), reminder(), escalated()]);
        let groups = [trouble, group(Of::Ends, vec![resolved()]), group(Of::Reports, vec![recorded(), recorded()])];
        let bodies: Vec<_> =
            groups.into_iter().map(|one| render(&delivery(one), URL, "breakwater-1", NOW, &[]).body).collect();
        insta::assert_snapshot!(bodies.join("\n\n"));
    }

    #[test]
    fn the_signature_is_that_of_the_published_example() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#, &[Secret::new(&key)]);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_retry_repeats_id_and_body_byte_for_byte() {
        for message in [firing(), reminder(), escalated(), resolved(), recorded(), group(Of::Ends, vec![resolved()])] {
            let first = delivery(message);
            let mut retry = first.clone();
            retry.attempts = 5;
            retry.next_attempt_at = at("2024-06-01T11:00:00Z");
            retry.last_error = Some("503 Service Unavailable".into());

            let first = render(&first, URL, "breakwater-1", NOW, &secrets());
            let retry = render(&retry, URL, "breakwater-1", NOW + 3_600, &secrets());

            assert_eq!(first.body, retry.body);
            assert_eq!(header(&first, "webhook-id"), header(&retry, "webhook-id"));
            assert_ne!(header(&first, "webhook-signature"), header(&retry, "webhook-signature"));
        }
    }

    #[test]
    fn without_secrets_it_is_not_signed() {
        let request = render(&delivery(firing()), URL, "breakwater-1", NOW, &[]);
        assert_eq!(header(&request, "webhook-signature"), None);
        assert_eq!(header(&request, "webhook-id"), Some("n-41.1"));
    }

    #[test]
    fn only_the_end_of_an_incident_says_resolved() {
        let mut unlucky = alert();
        unlucky.cause = "DNS: api.kcp.com could not be resolved (Resolved by 10.0.0.2)".into();
        for message in [Message::Firing(unlucky.clone()), Message::Reminder(unlucky.clone())] {
            let body = render(&delivery(message), URL, "n", NOW, &[]).body;
            assert!(!body.to_ascii_lowercase().contains(RESOLVED), "{body}");
            assert!(body.contains("api.kcp.com could not be found (found by 10.0.0.2)"), "{body}");
        }
        let over = Message::Resolved { alert: unlucky, until: at("2024-06-01T10:05:00Z") };
        assert!(render(&delivery(over), URL, "n", NOW, &[]).body.contains("could not be resolved"));
    }

    #[test]
    fn a_node_name_that_fits_no_header_is_left_out_of_the_user_agent() {
        let request = render(&delivery(firing()), URL, "방파제 (1)", NOW, &[]);
        assert_eq!(header(&request, "user-agent"), Some(concat!("breakwater/", env!("CARGO_PKG_VERSION"))));
        assert!(request.body.contains(r#""source":"방파제 (1)""#), "{}", request.body);
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }
}
