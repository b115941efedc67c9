//! Entries of the outbox and dead letters: the same shape under two prefixes.

use serde::{Deserialize, Serialize};

use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use super::words::{Correlation, FailureType, Severity, Time};
use crate::domain::alert;
use crate::domain::delivery::{self, Delivery};
use crate::domain::id::{DeliveryId, HistoryId, IncidentId, NoticeId};

/// Since `tried_since` is kept.
const SECOND_VERSION: u8 = 2;

#[derive(Debug, Serialize, Deserialize)]
struct DeliveryV1<'a> {
    siblings: u8,
    channel: &'a str,
    #[serde(borrow)]
    message: Message<'a>,
    history: Option<u64>,
    #[serde(borrow)]
    correlation: Correlation<'a>,
    queued_at: Time,
    attempts: u32,
    next_attempt_at: Time,
    last_error: Option<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DeliveryV2<'a> {
    siblings: u8,
    channel: &'a str,
    #[serde(borrow)]
    message: Message<'a>,
    history: Option<u64>,
    #[serde(borrow)]
    correlation: Correlation<'a>,
    queued_at: Time,
    tried_since: Time,
    attempts: u32,
    next_attempt_at: Time,
    last_error: Option<&'a str>,
}

impl<'a> From<DeliveryV1<'a>> for DeliveryV2<'a> {
    fn from(record: DeliveryV1<'a>) -> Self {
        let DeliveryV1 {
            siblings,
            channel,
            message,
            history,
            correlation,
            queued_at,
            attempts,
            next_attempt_at,
            last_error,
        } = record;
        Self {
            siblings,
            channel,
            message,
            history,
            correlation,
            queued_at,
            tried_since: queued_at,
            attempts,
            next_attempt_at,
            last_error,
        }
    }
}

/// New variants go last: their order is on disk.
#[derive(Debug, Serialize, Deserialize)]
enum Message<'a> {
    Firing(#[serde(borrow)] Alert<'a>),
    Reminder(#[serde(borrow)] Alert<'a>),
    Resolved {
        #[serde(borrow)]
        alert: Alert<'a>,
        until: Time,
    },
    FailureRecorded {
        history: u64,
        failure_type: FailureType,
        target: &'a str,
        cause: &'a str,
        occurred_at: Time,
    },
    Escalated(#[serde(borrow)] Alert<'a>),
    Grouped {
        of: Of,
        name: &'a str,
        count: u32,
        #[serde(borrow)]
        messages: Vec<Message<'a>>,
        members: Vec<(u64, u8)>,
    },
    /// In place of `FailureRecorded` since it has a severity; before that each was a warning.
    Reported {
        history: u64,
        failure_type: FailureType,
        target: &'a str,
        severity: Severity,
        cause: &'a str,
        occurred_at: Time,
    },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Of {
    Trouble,
    Ends,
    Reports,
}

#[derive(Debug, Serialize, Deserialize)]
struct Alert<'a> {
    incident: u64,
    severity: Severity,
    target: &'a str,
    cause: &'a str,
    since: Time,
}

/// The entry; its id is the key.
pub(crate) fn encode_delivery<'e>(encoder: &'e mut Encoder, delivery: &Delivery) -> &'e [u8] {
    let Delivery {
        id: _,
        siblings,
        channel,
        message,
        history,
        correlation,
        queued_at,
        tried_since,
        attempts,
        next_attempt_at,
        last_error,
    } = delivery;
    let record = DeliveryV2 {
        siblings: *siblings,
        channel,
        message: message.into(),
        history: history.map(|history| history.0),
        correlation: correlation.into(),
        queued_at: (*queued_at).into(),
        tried_since: (*tried_since).into(),
        attempts: *attempts,
        next_attempt_at: (*next_attempt_at).into(),
        last_error: last_error.as_deref(),
    };
    encoder.encode(SECOND_VERSION, &record)
}

/// The entry with this id.
pub(crate) fn decode_delivery(id: DeliveryId, bytes: &[u8]) -> Result<Delivery, NotDecodable> {
    let record: DeliveryV2<'_> = match bytes.first() {
        Some(&FIRST_VERSION) => decode::<DeliveryV1<'_>>(FIRST_VERSION, bytes)?.into(),
        Some(_) | None => decode(SECOND_VERSION, bytes)?,
    };
    Ok(Delivery {
        id,
        siblings: record.siblings,
        channel: record.channel.into(),
        message: record.message.into(),
        history: record.history.map(HistoryId),
        correlation: record.correlation.into(),
        queued_at: record.queued_at.into(),
        tried_since: record.tried_since.into(),
        attempts: record.attempts,
        next_attempt_at: record.next_attempt_at.into(),
        last_error: record.last_error.map(Into::into),
    })
}

impl<'a> From<&'a delivery::Message> for Message<'a> {
    fn from(message: &'a delivery::Message) -> Self {
        match message {
            delivery::Message::Firing(alert) => Self::Firing(alert.into()),
            delivery::Message::Reminder(alert) => Self::Reminder(alert.into()),
            delivery::Message::Resolved { alert, until } => {
                Self::Resolved { alert: alert.into(), until: (*until).into() }
            }
            delivery::Message::FailureRecorded { history, failure_type, target, severity, cause, occurred_at } => {
                Self::Reported {
                    history: history.0,
                    failure_type: (*failure_type).into(),
                    target,
                    severity: (*severity).into(),
                    cause,
                    occurred_at: (*occurred_at).into(),
                }
            }
            delivery::Message::Escalated(alert) => Self::Escalated(alert.into()),
            delivery::Message::Grouped(delivery::Group { of, name, count, messages, members }) => Self::Grouped {
                of: (*of).into(),
                name,
                count: *count,
                messages: messages.iter().map(Into::into).collect(),
                members: members.iter().map(|member| (member.notice.0, member.ordinal)).collect(),
            },
        }
    }
}

impl From<Message<'_>> for delivery::Message {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Firing(alert) => Self::Firing(alert.into()),
            Message::Reminder(alert) => Self::Reminder(alert.into()),
            Message::Resolved { alert, until } => Self::Resolved { alert: alert.into(), until: until.into() },
            Message::FailureRecorded { history, failure_type, target, cause, occurred_at } => Self::FailureRecorded {
                history: HistoryId(history),
                failure_type: failure_type.into(),
                target: target.into(),
                severity: alert::Severity::Warning,
                cause: cause.into(),
                occurred_at: occurred_at.into(),
            },
            Message::Reported { history, failure_type, target, severity, cause, occurred_at } => {
                Self::FailureRecorded {
                    history: HistoryId(history),
                    failure_type: failure_type.into(),
                    target: target.into(),
                    severity: severity.into(),
                    cause: cause.into(),
                    occurred_at: occurred_at.into(),
                }
            }
            Message::Escalated(alert) => Self::Escalated(alert.into()),
            Message::Grouped { of, name, count, messages, members } => Self::Grouped(delivery::Group {
                of: of.into(),
                name: name.into(),
                count,
                messages: messages.into_iter().map(Into::into).collect(),
                members: members
                    .into_iter()
                    .map(|(notice, ordinal)| DeliveryId { notice: NoticeId(notice), ordinal })
                    .collect(),
            }),
        }
    }
}

impl From<delivery::Of> for Of {
    fn from(of: delivery::Of) -> Self {
        match of {
            delivery::Of::Trouble => Self::Trouble,
            delivery::Of::Ends => Self::Ends,
            delivery::Of::Reports => Self::Reports,
        }
    }
}

impl From<Of> for delivery::Of {
    fn from(of: Of) -> Self {
        match of {
            Of::Trouble => Self::Trouble,
            Of::Ends => Self::Ends,
            Of::Reports => Self::Reports,
        }
    }
}

impl<'a> From<&'a delivery::Alert> for Alert<'a> {
    fn from(alert: &'a delivery::Alert) -> Self {
        // Where it is acknowledged is put in when it is sent.
        let delivery::Alert { incident, severity, target, cause, since, acknowledge: _ } = alert;
        Self { incident: incident.0, severity: (*severity).into(), target, cause, since: (*since).into() }
    }
}

impl From<Alert<'_>> for delivery::Alert {
    fn from(alert: Alert<'_>) -> Self {
        let Alert { incident, severity, target, cause, since } = alert;
        Self {
            incident: IncidentId(incident),
            severity: severity.into(),
            target: target.into(),
            cause: cause.into(),
            since: since.into(),
            acknowledge: None,
        }
    }
}
