//! Incidents as they are kept after their end, silences and windows, and what the log says of all of them.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use super::words::{IncidentV2, Length, Time, time, timestamp};
use crate::domain::alert::{Incident, Record};
use crate::domain::event::Event;
use crate::domain::id::{DeliveryId, IncidentId, NoticeId, StatusId};
use crate::domain::quiet::{self, Quiet, Recurrence};

#[derive(Debug, Serialize, Deserialize)]
struct AlertV1<'a> {
    #[serde(borrow)]
    incident: IncidentV2<'a>,
    status: u64,
    target: &'a str,
    until: Option<Time>,
}

/// The incident; its id is the key.
pub(crate) fn encode_alert<'e>(encoder: &'e mut Encoder, record: &Record) -> &'e [u8] {
    let Record { incident, status, target, until } = record;
    let record = AlertV1 { incident: incident.into(), status: status.0, target, until: time(*until) };
    encoder.encode(FIRST_VERSION, &record)
}

/// An incident.
pub(crate) fn decode_alert(bytes: &[u8]) -> Result<Record, NotDecodable> {
    let AlertV1 { incident, status, target, until } = decode(FIRST_VERSION, bytes)?;
    Ok(Record { incident: incident.into(), status: StatusId(status), target: target.into(), until: timestamp(until) })
}

/// New variants go last: their order is on disk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Label {
    Target,
    Group,
    Severity,
    FailureType,
    Condition,
}

/// New variants go last: their order is on disk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Silence,
    Maintenance,
}

/// New variants go last: their order is on disk.
#[derive(Debug, Serialize, Deserialize)]
enum When<'a> {
    Once { from: Time, until: Time },
    Recurring { cron: &'a str, zone: &'a str, length: Length },
    ByRule { rule: &'a str, first: Time, zone: &'a str, length: Length },
}

#[derive(Debug, Serialize, Deserialize)]
struct Matcher<'a> {
    label: Label,
    value: &'a str,
    is_regex: bool,
    is_equal: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct QuietV1<'a> {
    id: &'a str,
    kind: Kind,
    #[serde(borrow)]
    matchers: Vec<Matcher<'a>>,
    #[serde(borrow)]
    when: When<'a>,
    created_by: &'a str,
    comment: &'a str,
    created_at: Time,
}

/// A silence or a window.
pub(crate) fn encode_quiet<'e>(encoder: &'e mut Encoder, quiet: &Quiet) -> &'e [u8] {
    encoder.encode(FIRST_VERSION, &QuietV1::from(quiet))
}

/// A silence or a window.
pub(crate) fn decode_quiet(bytes: &[u8]) -> Result<Quiet, NotDecodable> {
    decode::<QuietV1<'_>>(FIRST_VERSION, bytes).map(Quiet::from)
}

impl<'a> From<&'a Quiet> for QuietV1<'a> {
    fn from(quiet: &'a Quiet) -> Self {
        let Quiet { id, kind, matchers, when, created_by, comment, created_at } = quiet;
        Self {
            id,
            kind: match kind {
                quiet::Kind::Silence => Kind::Silence,
                quiet::Kind::Maintenance => Kind::Maintenance,
            },
            matchers: matchers.iter().map(Matcher::from).collect(),
            when: match when {
                quiet::When::Once { from, until } => When::Once { from: (*from).into(), until: (*until).into() },
                quiet::When::Recurring { by, zone, length } => {
                    let length = (*length).into();
                    match by {
                        Recurrence::Cron(cron) => When::Recurring { cron, zone, length },
                        Recurrence::Rule { rule, first } => When::ByRule { rule, first: (*first).into(), zone, length },
                    }
                }
            },
            created_by,
            comment,
            created_at: (*created_at).into(),
        }
    }
}

impl From<QuietV1<'_>> for Quiet {
    fn from(quiet: QuietV1<'_>) -> Self {
        let QuietV1 { id, kind, matchers, when, created_by, comment, created_at } = quiet;
        Self {
            id: id.into(),
            kind: match kind {
                Kind::Silence => quiet::Kind::Silence,
                Kind::Maintenance => quiet::Kind::Maintenance,
            },
            matchers: matchers.into_iter().map(Into::into).collect(),
            when: match when {
                When::Once { from, until } => quiet::When::Once { from: from.into(), until: until.into() },
                When::Recurring { cron, zone, length } => {
                    let by = Recurrence::Cron(cron.into());
                    quiet::When::Recurring { by, zone: zone.into(), length: Duration::from(length) }
                }
                When::ByRule { rule, first, zone, length } => {
                    let by = Recurrence::Rule { rule: rule.into(), first: first.into() };
                    quiet::When::Recurring { by, zone: zone.into(), length: Duration::from(length) }
                }
            },
            created_by: created_by.into(),
            comment: comment.into(),
            created_at: created_at.into(),
        }
    }
}

impl<'a> From<&'a quiet::Matcher> for Matcher<'a> {
    fn from(matcher: &'a quiet::Matcher) -> Self {
        let quiet::Matcher { label, value, is_regex, is_equal } = matcher;
        let label = match label {
            quiet::Label::Target => Label::Target,
            quiet::Label::Group => Label::Group,
            quiet::Label::Severity => Label::Severity,
            quiet::Label::FailureType => Label::FailureType,
            quiet::Label::Condition => Label::Condition,
        };
        Self { label, value, is_regex: *is_regex, is_equal: *is_equal }
    }
}

impl From<Matcher<'_>> for quiet::Matcher {
    fn from(matcher: Matcher<'_>) -> Self {
        let Matcher { label, value, is_regex, is_equal } = matcher;
        let label = match label {
            Label::Target => quiet::Label::Target,
            Label::Group => quiet::Label::Group,
            Label::Severity => quiet::Label::Severity,
            Label::FailureType => quiet::Label::FailureType,
            Label::Condition => quiet::Label::Condition,
        };
        Self { label, value: value.into(), is_regex, is_equal }
    }
}

/// What the log says of alerts. New variants go last: their order is on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AlertWhat<'a> {
    Fired {
        id: u64,
        target: &'a str,
        #[serde(borrow)]
        incident: IncidentV2<'a>,
    },
    Acknowledged {
        id: u64,
        target: &'a str,
        incident: u64,
        who: &'a str,
        comment: &'a str,
    },
    Escalated {
        id: u64,
        target: &'a str,
        incident: u64,
        cause: &'a str,
        #[serde(borrow)]
        channels: Vec<&'a str>,
        worse: bool,
    },
    QuietCreated {
        #[serde(borrow)]
        quiet: QuietV1<'a>,
    },
    QuietRemoved {
        #[serde(borrow)]
        quiet: QuietV1<'a>,
        who: &'a str,
    },
    Resent {
        notice: u64,
        ordinal: u8,
        channel: &'a str,
        who: &'a str,
    },
    Dismissed {
        notice: u64,
        ordinal: u8,
        channel: &'a str,
        who: &'a str,
    },
}

impl<'a> AlertWhat<'a> {
    pub(super) fn fired(id: StatusId, target: &'a str, incident: &'a Incident) -> Self {
        Self::Fired { id: id.0, target, incident: incident.into() }
    }

    pub(super) fn removed(quiet: &'a Quiet, who: &'a str) -> Self {
        Self::QuietRemoved { quiet: quiet.into(), who }
    }

    pub(super) fn resent(delivery: DeliveryId, channel: &'a str, who: &'a str) -> Self {
        Self::Resent { notice: delivery.notice.0, ordinal: delivery.ordinal, channel, who }
    }

    pub(super) fn dismissed(delivery: DeliveryId, channel: &'a str, who: &'a str) -> Self {
        Self::Dismissed { notice: delivery.notice.0, ordinal: delivery.ordinal, channel, who }
    }

    pub(super) fn escalated(
        id: StatusId,
        target: &'a str,
        incident: IncidentId,
        cause: &'a str,
        channels: &'a [Arc<str>],
        worse: bool,
    ) -> Self {
        let channels = channels.iter().map(|channel| &**channel).collect();
        Self::Escalated { id: id.0, target, incident: incident.0, cause, channels, worse }
    }
}

impl From<AlertWhat<'_>> for Event {
    fn from(what: AlertWhat<'_>) -> Self {
        match what {
            AlertWhat::Fired { id, target, incident } => {
                Self::AlertFired { id: StatusId(id), target: target.into(), incident: Box::new(incident.into()) }
            }
            AlertWhat::Acknowledged { id, target, incident, who, comment } => Self::AlertAcknowledged {
                id: StatusId(id),
                target: target.into(),
                incident: IncidentId(incident),
                who: who.into(),
                comment: comment.into(),
            },
            AlertWhat::Escalated { id, target, incident, cause, channels, worse } => Self::AlertEscalated {
                id: StatusId(id),
                target: target.into(),
                incident: IncidentId(incident),
                cause: cause.into(),
                channels: channels.into_iter().map(Into::into).collect(),
                worse,
            },
            AlertWhat::QuietCreated { quiet } => Self::QuietCreated { quiet: Box::new(quiet.into()) },
            AlertWhat::QuietRemoved { quiet, who } => {
                Self::QuietRemoved { quiet: Box::new(quiet.into()), who: who.into() }
            }
            AlertWhat::Resent { notice, ordinal, channel, who } => Self::NotificationResent {
                delivery: DeliveryId { notice: NoticeId(notice), ordinal },
                channel: channel.into(),
                who: who.into(),
            },
            AlertWhat::Dismissed { notice, ordinal, channel, who } => Self::NotificationDismissed {
                delivery: DeliveryId { notice: NoticeId(notice), ordinal },
                channel: channel.into(),
                who: who.into(),
            },
        }
    }
}
