//! A message of every kind, for the tests of the channels.

use super::told::{Kind, Teller, Told};
use crate::clock;
use crate::config::Language;
use crate::config::template::Template;
use crate::domain::alert::Severity;
use crate::domain::delivery::{Alert, Delivery, Group, Message, Of};
use crate::domain::failure_history::FailureType;
use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, IncidentId, NoticeId};
use crate::domain::time::Timestamp;

pub(super) fn at(text: &str) -> Timestamp {
    clock::parse(text).unwrap()
}

pub(super) fn alert() -> Alert {
    Alert {
        incident: IncidentId(7),
        severity: Severity::Critical,
        target: "PG_KCP".into(),
        cause: "3 probes in a row failed: HTTP 503".into(),
        since: at("2024-06-01T10:00:00.25Z"),
        acknowledge: None,
    }
}

pub(super) fn firing() -> Message {
    Message::Firing(alert())
}

pub(super) fn reminder() -> Message {
    Message::Reminder(alert())
}

/// With the link that a person acknowledges it by.
pub(super) fn escalated() -> Message {
    let url = "https://breakwater.example/alerts/7/acknowledge?token=a_b-c";
    Message::Escalated(Alert { acknowledge: Some(url.into()), ..alert() })
}

pub(super) fn group(of: Of, messages: Vec<Message>) -> Message {
    let members = (1..=messages.len() as u64).map(|n| DeliveryId { notice: NoticeId(n), ordinal: 1 }).collect();
    let count = u32::try_from(messages.len()).unwrap();
    Message::Grouped(Group { of, name: "payments".into(), count, messages, members })
}

/// One of trouble with more in it than is told one by one, one of ends, one of reports.
pub(super) fn groups() -> [Message; 3] {
    let of = |number: u64, target: String| Alert { incident: IncidentId(number), target: target.into(), ..alert() };
    let mut trouble = vec![escalated(), Message::Reminder(of(8, "CARD_MALL".into()))];
    trouble.extend((1..=20).map(|n| Message::Firing(of(8 + n, format!("PG_{n}")))));
    let end = |alert| Message::Resolved { alert, until: at("2024-06-01T10:05:00Z") };
    let ends = vec![end(alert()), end(of(8, "CARD_MALL".into()))];
    [group(Of::Trouble, trouble), group(Of::Ends, ends), group(Of::Reports, vec![recorded(), recorded()])]
}

/// A group of 30 whose words are as long as they can be, and take as much room as signs can.
pub(super) fn crowded() -> Delivery {
    let of = |n: u64| Alert {
        incident: IncidentId(n),
        target: format!("{n:02}{}", "결제대행사_".repeat(10)).into(),
        cause: "@*_\"🚨\n<b>".repeat(100).into(),
        ..alert()
    };
    let Message::Grouped(mut group) = group(Of::Trouble, (0..30).map(|n| Message::Firing(of(n))).collect()) else {
        unreachable!("it is a group");
    };
    group.name = "결제_&<*".repeat(12).into();
    delivery(Message::Grouped(group))
}

pub(super) fn resolved() -> Message {
    Message::Resolved { alert: alert(), until: at("2024-06-01T10:05:00Z") }
}

pub(super) fn recorded() -> Message {
    Message::FailureRecorded {
        severity: Severity::Warning,
        history: HistoryId(12),
        failure_type: FailureType::LocationWeatherApi,
        target: "WEATHER_API".into(),
        cause: "캠핑장 날씨를 \"읽지\" 못함".into(),
        occurred_at: at("2024-06-01T09:59:00Z"),
    }
}

pub(super) fn delivery(message: Message) -> Delivery {
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

/// Who tells, with a page to link to.
pub(super) fn teller(language: Language) -> Teller {
    Teller {
        node: "breakwater-1".into(),
        channel: "ops".into(),
        language,
        external_url: Some("https://breakwater.example".into()),
        template: None,
    }
}

/// The same with a template.
pub(super) fn teller_with(template: Template) -> Teller {
    Teller { template: Some(template), ..teller(Language::English) }
}

/// Every message in a language, one after the other, as `render` has it.
pub(super) fn every(language: Language, render: impl Fn(&Told<'_>) -> String) -> String {
    let teller = teller(language);
    let messages = [firing(), reminder(), escalated(), resolved(), recorded()].into_iter().chain(groups());
    let deliveries: Vec<Delivery> = messages.map(delivery).collect();
    let mut told: Vec<Told<'_>> = deliveries.iter().map(|delivery| teller.tell(delivery)).collect();
    told.push(teller.test(Kind::Test, at("2024-06-01T10:00:03Z")));
    told.iter().map(render).collect::<Vec<_>>().join("\n\n")
}

/// The same for a receiver that keeps open what nobody closes, a group's messages by themselves.
pub(super) fn every_apart(language: Language, render: impl Fn(&Told<'_>) -> String) -> String {
    every_closed(language, |told| told.each().iter().take(3).map(&render).collect::<Vec<_>>().join("\n\n"))
}

/// The same with the end of the test.
pub(super) fn every_closed(language: Language, render: impl Fn(&Told<'_>) -> String) -> String {
    let end = render(&teller(language).test(Kind::TestOver, at("2024-06-01T10:00:03Z")));
    format!("{}\n\n{end}", every(language, render))
}

/// A message whose words try to be more than words.
pub(super) fn hostile() -> Delivery {
    let mut hostile = alert();
    hostile.cause = "<!channel> @everyone [x](http://evil) *b* & \"q\" \u{1b}[31m\r\nBcc: a@b\r\n.\r\n`c`".into();
    delivery(Message::Firing(hostile))
}

/// A request as it goes on the wire.
pub(super) fn wire(request: super::request::Request) -> String {
    let super::request::Request { method, url, headers, body } = request;
    let headers: String = headers.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{method} {url}\n{}\n{body}", headers.replace(env!("CARGO_PKG_VERSION"), "VERSION"))
}
