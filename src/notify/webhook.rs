//! The `webhook` channel: a CloudEvent in an HTTP request that is signed as Standard Webhooks asks.
//!
//! Two things hold for every message: the body and the `webhook-id` are the same bytes in each attempt (only the
//! timestamp and with it the signature move), and the word `resolved` stands in messages of an incident's end and
//! in no other, since receivers look for it.
//!
//! A status of 2xx is the receiver's word that it has the message, whatever the body says, as Standard Webhooks has it;
//! 410 and other refusals are for good, and a `Retry-After` is heard.
//!
//! Formats: CloudEvents 1.0 JSON (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>) in
//! the structured mode of its HTTP binding
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>), Standard Webhooks
//! 1.0.0 (<https://github.com/standard-webhooks/standard-webhooks>).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use super::grouped::Grouped;
use super::quote::{JSON_BYTES, cut_to};
use super::request::{PROGRAM, Request};
use super::told::{Kind, Told};
use crate::clock;
use crate::config::Secret;
use crate::config::channel::Webhook;
use crate::domain::delivery::Of;

/// Bytes of a cause in a group, as JSON writes them: a hundred of them stay under the 1 MB that servers take by default
/// (nginx: `client_max_body_size`). A cause by itself is told whole.
const GROUPED_CAUSE_MAX: usize = 8 * 1024;

/// What `told` is on the wire. With no secrets it is not signed.
pub(super) fn render(told: &Told<'_>, webhook: &Webhook, now_unix: i64) -> Request {
    let Webhook { url, secrets, content_type } = webhook;
    let (content_type, body) = match &told.custom {
        Some(body) => (content_type.to_string(), body.clone()),
        None => ("application/cloudevents+json".to_owned(), body(told)),
    };
    let mut headers = vec![
        ("content-type", content_type),
        ("user-agent", user_agent(told.node)),
        ("webhook-id", told.id.clone()),
        ("webhook-timestamp", now_unix.to_string()),
    ];
    if !secrets.is_empty() {
        headers.push(("webhook-signature", sign(&told.id, now_unix, &body, secrets)));
    }
    Request { method: "POST", url: url.text().into_owned(), headers, body }
}

/// This program and its version; the node's name too, where it can stand in a header's comment.
fn user_agent(node: &str) -> String {
    let fits = !node.is_empty() && node.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '(' | ')' | '\\'));
    if fits { format!("{PROGRAM} ({node})") } else { PROGRAM.to_owned() }
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
    /// Left out where it would be empty, which CloudEvents do not allow: of a group of everything.
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    data: Data<'a>,
}

/// What is told; a member that a message does not have is left out.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
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
    cause: Option<Cow<'a, str>>,
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
    alerts: Vec<Data<'a>>,
    /// The histories of a group of reports, at most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    integration_failure_history_ids: Vec<u64>,
}

/// The CloudEvent. A group has the type of what it holds; a group of trouble says `firing`, whatever else is in it.
pub(super) fn body(told: &Told<'_>) -> String {
    let r#type = match told.kind {
        Kind::Firing => "breakwater.alert.firing",
        Kind::Reminder => "breakwater.alert.reminder",
        Kind::Escalated => "breakwater.alert.escalated",
        Kind::Resolved => "breakwater.alert.resolved",
        Kind::Recorded => "breakwater.failure.recorded",
        Kind::Test | Kind::TestOver => "breakwater.channel.test",
    };
    let event = CloudEvent {
        specversion: "1.0",
        id: &told.id,
        source: told.node,
        r#type,
        subject: told.group.as_ref().map_or(told.target, |group| group.name),
        time: clock::format(told.at),
        datacontenttype: "application/json",
        correlationid: Some(told.correlation).filter(|correlation| !correlation.is_empty()),
        data: data(told),
    };
    serde_json::to_string(&event).expect("a struct of texts and numbers is always JSON")
}

fn data<'a>(told: &'a Told<'_>) -> Data<'a> {
    match &told.group {
        Some(group) => grouped(told, group),
        None => Data {
            incident: told.incident,
            status: told.status(),
            integration_failure_history_id: told.history,
            failure_type: told.failure_type,
            severity: told.incident.map(|_| told.severity.as_str()),
            target: Some(told.target),
            cause: Some(Cow::Borrowed(&told.cause)),
            since: Some(clock::format(told.since)),
            until: told.until.map(clock::format),
            acknowledge_url: told.acknowledge,
            ..Data::default()
        },
    }
}

fn grouped<'a>(told: &'a Told<'_>, group: &'a Grouped<'_>) -> Data<'a> {
    let Grouped { of, name, count, members, .. } = group;
    let whole = Data { status: told.status(), group: Some(name), count: Some(*count), ..Data::default() };
    match of {
        Of::Trouble | Of::Ends => Data { alerts: members.iter().map(member).collect(), ..whole },
        Of::Reports => reports(members, whole),
    }
}

/// One message of a group.
fn member<'a>(told: &'a Told<'_>) -> Data<'a> {
    let cause = cut_to(&told.cause, GROUPED_CAUSE_MAX, JSON_BYTES);
    Data { cause: Some(Cow::Owned(cause)), ..data(told) }
}

/// What all of them share is said once; the first one's cause stands for them.
fn reports<'a>(members: &'a [Told<'_>], whole: Data<'a>) -> Data<'a> {
    let first = members.first().map(data).unwrap_or_default();
    Data {
        failure_type: first.failure_type.filter(|kind| members.iter().all(|other| other.failure_type == Some(*kind))),
        target: first.target.filter(|target| members.iter().all(|other| other.target == *target)),
        cause: first.cause,
        since: first.since,
        integration_failure_history_ids: members.iter().filter_map(|member| member.history).collect(),
        ..whole
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{
        self, alert, at, delivery, escalated, firing, group, recorded, reminder, resolved, teller,
    };
    use super::*;
    use crate::config::Language;
    use crate::config::template::{Escaping, Template};
    use crate::domain::delivery::{Alert, Delivery, Message};

    const URL: &str = "https://hooks.example/breakwater";
    const NOW: i64 = 1_717_236_010;

    fn secrets() -> Vec<Secret> {
        vec![Secret::new(b"the key of today"), Secret::new(b"the key of yesterday")]
    }

    fn sent(delivery: &Delivery, node: &str, now_unix: i64, secrets: Vec<Secret>) -> Request {
        let mut teller = teller(Language::Korean);
        teller.node = node.into();
        let webhook = Webhook { url: Secret::new(URL.as_bytes()), secrets, content_type: "application/json".into() };
        render(&teller.tell(delivery), &webhook, now_unix)
    }

    fn wire(message: Message) -> String {
        examples::wire(sent(&delivery(message), "breakwater-1", NOW, secrets()))
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
    fn an_escalated_alert_on_the_wire() {
        insta::assert_snapshot!(wire(escalated()));
    }

    #[test]
    fn a_test_on_the_wire() {
        let webhook = Webhook { url: Secret::new(URL.as_bytes()), secrets: vec![], content_type: "text/json".into() };
        let teller = teller(Language::English);
        let test = teller.test(Kind::Test, at("2024-06-01T10:00:03Z"));
        insta::assert_snapshot!(examples::wire(render(&test, &webhook, NOW)));
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
            groups.into_iter().map(|one| sent(&delivery(one), "breakwater-1", NOW, vec![]).body).collect();
        insta::assert_snapshot!(bodies.join("\n\n"));
    }

    #[test]
    fn a_group_of_everything_has_no_subject_since_an_empty_one_is_no_cloudevent() {
        let Message::Grouped(mut everything) = group(Of::Ends, vec![resolved()]) else { unreachable!() };
        everything.name = "".into();
        let body = sent(&delivery(Message::Grouped(everything)), "n", NOW, vec![]).body;
        let event: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((event.get("subject"), &event["data"]["group"]), (None, &serde_json::json!("")));
    }

    #[test]
    fn a_group_of_the_longest_causes_has_less_than_a_megabyte() {
        let cause: Box<str> = "결\u{1}".repeat(8 * 1_024).into();
        let long = || Message::Firing(Alert { cause: cause.clone(), ..alert() });
        let body = sent(&delivery(group(Of::Trouble, (0..100).map(|_| long()).collect())), "n", NOW, vec![]).body;
        assert!(body.len() < 1_000_000, "{}", body.len());
        assert!(sent(&delivery(long()), "n", NOW, vec![]).body.contains(&*serde_json::to_string(&cause).unwrap()));
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

            let first = sent(&first, "breakwater-1", NOW, secrets());
            let retry = sent(&retry, "breakwater-1", NOW + 3_600, secrets());

            assert_eq!(first.body, retry.body);
            assert_eq!(header(&first, "webhook-id"), header(&retry, "webhook-id"));
            assert_ne!(header(&first, "webhook-signature"), header(&retry, "webhook-signature"));
        }
    }

    #[test]
    fn a_message_of_another_store_that_counts_alike_has_another_id() {
        let (ours, theirs) = (delivery(firing()), delivery(resolved()));
        let theirs = Delivery { queued_at: at("2024-07-01T10:00:00Z"), ..theirs };
        let id = |delivery: &Delivery| sent(delivery, "n", NOW, vec![]).headers[2].clone();
        assert_eq!((ours.id, id(&ours).0), (theirs.id, "webhook-id"));
        assert_ne!(id(&ours), id(&theirs));
    }

    #[test]
    fn without_secrets_it_is_not_signed() {
        let request = sent(&delivery(firing()), "breakwater-1", NOW, vec![]);
        assert_eq!(header(&request, "webhook-signature"), None);
        assert_eq!(header(&request, "webhook-id"), Some("n-41.1-1717236003000"));
    }

    #[test]
    fn only_the_end_of_an_incident_says_resolved() {
        let mut unlucky = alert();
        unlucky.cause = "DNS: api.kcp.com could not be resolved (Resolved by 10.0.0.2)".into();
        for message in [Message::Firing(unlucky.clone()), Message::Reminder(unlucky.clone())] {
            let body = sent(&delivery(message), "n", NOW, vec![]).body;
            assert!(!body.to_ascii_lowercase().contains("resolved"), "{body}");
            assert!(body.contains("api.kcp.com could not be found (found by 10.0.0.2)"), "{body}");
        }
        let over = Message::Resolved { alert: unlucky, until: at("2024-06-01T10:05:00Z") };
        assert!(sent(&delivery(over), "n", NOW, vec![]).body.contains("could not be resolved"));
    }

    #[test]
    fn a_node_name_that_fits_no_header_is_left_out_of_the_user_agent() {
        let request = sent(&delivery(firing()), "방파제 (1)", NOW, vec![]);
        assert_eq!(header(&request, "user-agent"), Some(concat!("breakwater/", env!("CARGO_PKG_VERSION"))));
        assert!(request.body.contains(r#""source":"방파제 (1)""#), "{}", request.body);
    }

    #[test]
    fn a_template_makes_the_whole_body_and_names_its_type() {
        let template = Template::new(r#"{"text": {{ title }}}"#, Escaping::Json).unwrap();
        let teller = examples::teller_with(template);
        let webhook = Webhook { url: Secret::new(URL.as_bytes()), secrets: vec![], content_type: "text/json".into() };
        let request = render(&teller.tell(&delivery(firing())), &webhook, NOW);
        assert_eq!(request.body, r#"{"text": "PG_KCP is in trouble"}"#);
        assert_eq!(header(&request, "content-type"), Some("text/json"));
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }
}
