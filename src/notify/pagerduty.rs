//! The `pagerduty` channel: the Events API v2.
//!
//! The deduplication key is stored with the incident before the first event leaves, so that reminders update the alert
//! and the end closes it, also after a restart. It has at most 168 letters of the 255 that are allowed. Severities are
//! `critical`, `error`, `warning` and `info`, of which ours are three. Format, limits and answers:
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>,
//! <https://developer.pagerduty.com/docs/send-alert-event>.

use serde_json::json;

use super::quote::cut;
use super::request::{Answer, Request, Verdict};
use super::told::Told;
use crate::clock;
use crate::config::channel::PagerDuty;

/// Letters of a summary.
const SUMMARY_MAX: usize = 1_024;
/// Letters of the cause in the details: all of an event may have 512 KB.
const CAUSE_MAX: usize = 32_000;

pub(super) fn render(told: &Told<'_>, pagerduty: &PagerDuty) -> Request {
    let PagerDuty { url, routing_key } = pagerduty;
    let action = if told.kind.is_over() { "resolve" } else { "trigger" };
    let mut details =
        json!({"cause": cut(&told.cause, CAUSE_MAX), "node": told.node, "since": clock::format(told.since)});
    for (name, number) in [("incident", told.incident), ("integrationFailureHistoryId", told.history)] {
        if let Some(number) = number {
            details[name] = json!(number);
        }
    }
    if let Some(until) = told.until {
        details["until"] = json!(clock::format(until));
    }
    let mut event = json!({
        "routing_key": routing_key.text(),
        "event_action": action,
        "dedup_key": told.key,
        "client": "Breakwater",
        "payload": {
            "summary": cut(&format!("{}: {}", told.title, told.short_cause), SUMMARY_MAX),
            "source": told.target,
            "severity": told.severity.as_str(),
            "timestamp": clock::format(told.since),
            "component": told.target,
            "class": told.failure_type.unwrap_or("incident"),
            "custom_details": details,
        },
    });
    if let Some(link) = &told.link {
        event["client_url"] = json!(link);
        let acknowledge = told.acknowledge.map(|url| json!({"href": url, "text": told.to_acknowledge}));
        let links = std::iter::once(json!({"href": link, "text": told.open})).chain(acknowledge);
        event["links"] = links.collect();
    }
    Request::json(format!("{}/v2/enqueue", url.text()), &event)
}

/// 202 is the only good answer; another 2xx is from somebody between us and PagerDuty, so the event is sent again, which
/// its key makes harmless. 400 is an event that will never be taken.
pub(super) fn judge(answer: &Answer<'_>) -> Verdict {
    match answer.status {
        202 => Verdict::Delivered,
        200..=299 => Verdict::Transient { retry_after: answer.retry_after },
        _ => answer.by_status(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{every_apart, wire};
    use super::super::told::Kind;
    use super::*;
    use crate::config::{Language, Secret};

    fn service() -> PagerDuty {
        PagerDuty { url: Secret::new(b"https://events.pagerduty.com"), routing_key: Secret::new(b"R0UTINGKEY") }
    }

    #[test]
    fn every_message_on_the_wire() {
        insta::assert_snapshot!(every_apart(Language::English, |told| wire(render(told, &service()))));
    }

    #[test]
    fn a_test_closes_what_it_opened() {
        let teller = super::super::examples::teller(Language::English);
        let now = super::super::examples::at("2024-06-01T10:00:00Z");
        let (opened, closed) = (teller.test(Kind::Test, now), teller.test(Kind::TestOver, now));
        assert_eq!(opened.key, closed.key);
        assert!(render(&opened, &service()).body.contains(r#""event_action":"trigger""#));
        assert!(render(&closed, &service()).body.contains(r#""event_action":"resolve""#));
    }

    #[test]
    fn only_202_is_taken() {
        let judged = |status| judge(&Answer { status, retry_after: None, body: b"" });
        assert_eq!(judged(202), Verdict::Delivered);
        assert_eq!(judged(400), Verdict::Permanent);
        for status in [200, 429, 500, 503] {
            assert_eq!(judged(status), Verdict::Transient { retry_after: None }, "{status}");
        }
    }
}
