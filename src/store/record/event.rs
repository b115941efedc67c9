//! Events, one by one and in the blocks that the log is made of.

use serde::{Deserialize, Serialize};

use super::alerting::AlertWhat;
use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use super::history::{Detail, State};
use super::words::{
    BreakerCause, BreakerMode, BreakerState, Correlation, IncidentV1, Length, RetryResult, Severity, Target, Time,
    time, timestamp,
};
use crate::domain::breaker;
use crate::domain::event::{Event, Logged};
use crate::domain::failure_history::{FailureDetail, HistoryEvent, IntegrationFailureHistory};
use crate::domain::id::{CorrelationId, DeliveryId, HistoryId, IncidentId, NoticeId, Sequence, Shard, StatusId};
use crate::domain::status::StatusEvent;
use crate::domain::time::Timestamp;

/// The fencing token of a log that only this process can write: it holds the folder's lock.
const FENCING_TOKEN: u64 = 1;

/// An event on its way to disk; its sequence is where it is put.
#[derive(Debug)]
pub(crate) struct EventToStore<'a> {
    /// What.
    pub(crate) event: &'a Event,
    /// When.
    pub(crate) at: Timestamp,
    /// With what it belongs together.
    pub(crate) correlation: &'a CorrelationId,
    /// What caused it.
    pub(crate) cause: Option<Sequence>,
    /// Whose log it is part of.
    pub(crate) shard: Shard,
    /// Whether a recorded failure's detail is in the same commit's history record, and need not be stored twice.
    pub(crate) detail_is_in_history: bool,
}

/// An event from disk.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    /// The event; where `detail_of` is set, its history's detail is still empty.
    pub(crate) logged: Logged,
    /// The history whose record holds the detail.
    pub(crate) detail_of: Option<HistoryId>,
}

impl StoredEvent {
    /// The event with the detail put in.
    pub(crate) fn with_detail(mut self, detail: FailureDetail) -> Logged {
        if let Event::FailureRecorded(history) = &mut self.logged.event {
            history.detail = detail;
        }
        self.logged
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct EventV1<'a> {
    shard: u16,
    token: u64,
    at: Time,
    #[serde(borrow)]
    correlation: Correlation<'a>,
    cause: Option<u64>,
    #[serde(borrow)]
    what: What<'a>,
}

/// New variants go last: their order is on disk.
#[derive(Debug, Serialize, Deserialize)]
enum What<'a> {
    Status {
        id: u64,
        #[serde(borrow)]
        target: Target<'a>,
        #[serde(borrow)]
        event: StatusWhat<'a>,
    },
    FailureRecorded {
        id: u64,
        #[serde(borrow)]
        state: State<'a>,
        #[serde(borrow)]
        detail: Option<Detail<'a>>,
    },
    History {
        id: u64,
        notified: bool,
        event: HistoryWhat,
    },
    BreakerTransitioned {
        id: u64,
        target: Target<'a>,
        from: BreakerState,
        to: BreakerState,
        cause: BreakerCause,
        level: u32,
        open_for: Option<Length>,
        open_until: Option<Time>,
    },
    BreakerControlled {
        id: u64,
        target: Target<'a>,
        mode: BreakerMode,
        reset: bool,
        who: &'a str,
        reason: &'a str,
        until: Option<Time>,
    },
    AlertFired {
        id: u64,
        target: &'a str,
        incident: IncidentV1<'a>,
    },
    AlertResolved {
        id: u64,
        target: &'a str,
        incident: u64,
        severity: Severity,
        since: Time,
    },
    NotificationDeadLettered {
        notice: u64,
        ordinal: u8,
        channel: &'a str,
        history: Option<u64>,
        error: &'a str,
    },
    LocationWeatherInfoFailed {
        campsite_id: i64,
        error_message: &'a str,
        location_weather_info_id: i64,
        requested_at: Time,
    },
    Alerting(#[serde(borrow)] AlertWhat<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
enum StatusWhat<'a> {
    Connected { last_succeeded_at: Time },
    ConnectionFailed { failure_reason: &'a str, last_failed_at: Time },
    Retried { retry_count: u32, retry_result: RetryResult, retried_at: Time },
}

#[derive(Debug, Serialize, Deserialize)]
enum HistoryWhat {
    Retried { retry_count: u32, retry_result: RetryResult, retried_at: Time },
    Recovered { recovered_at: Time },
}

/// The record of an event.
pub(crate) fn encode_event<'e>(encoder: &'e mut Encoder, event: &EventToStore<'_>) -> &'e [u8] {
    let EventToStore { event, at, correlation, cause, shard, detail_is_in_history } = *event;
    let record = EventV1 {
        shard: shard.number(),
        token: FENCING_TOKEN,
        at: at.into(),
        correlation: correlation.into(),
        cause: cause.map(|cause| cause.0),
        what: What::of(event, detail_is_in_history),
    };
    encoder.encode(FIRST_VERSION, &record)
}

/// The event that was stored at this place.
pub(crate) fn decode_event(sequence: Sequence, bytes: &[u8]) -> Result<StoredEvent, NotDecodable> {
    let EventV1 { shard, token: _, at, correlation, cause, what } = decode(FIRST_VERSION, bytes)?;
    if shard >= Shard::COUNT {
        return Err(NotDecodable::Content);
    }
    let (event, detail_of) = what.into_event();
    let logged = Logged { sequence, event, at: at.into(), correlation: correlation.into(), cause: cause.map(Sequence) };
    Ok(StoredEvent { logged, detail_of })
}

impl<'a> What<'a> {
    fn of(event: &'a Event, detail_is_in_history: bool) -> Self {
        match event {
            Event::Status { id, target, event } => {
                Self::Status { id: id.0, target: target.into(), event: event.into() }
            }
            Event::FailureRecorded(history) => Self::FailureRecorded {
                id: history.id.0,
                state: (&**history).into(),
                detail: (!detail_is_in_history).then(|| (&history.detail).into()),
            },
            Event::History { id, notified, event } => {
                Self::History { id: id.0, notified: *notified, event: event.into() }
            }
            Event::BreakerTransitioned { id, target, transition, open_until } => {
                transitioned(*id, target, transition, *open_until)
            }
            Event::BreakerControlled { id, target, mode, reset, who, reason, until } => Self::BreakerControlled {
                id: id.0,
                target: target.into(),
                mode: (*mode).into(),
                reset: *reset,
                who,
                reason,
                until: time(*until),
            },
            Event::AlertFired { id, target, incident } => Self::Alerting(AlertWhat::fired(*id, target, incident)),
            Event::AlertAcknowledged { id, target, incident, who, comment } => {
                Self::Alerting(AlertWhat::Acknowledged { id: id.0, target, incident: incident.0, who, comment })
            }
            Event::AlertEscalated { id, target, incident, cause, channels, worse } => {
                Self::Alerting(AlertWhat::escalated(*id, target, *incident, cause, channels, *worse))
            }
            Event::QuietCreated { quiet } => Self::Alerting(AlertWhat::QuietCreated { quiet: (&**quiet).into() }),
            Event::QuietRemoved { quiet, who } => Self::Alerting(AlertWhat::removed(quiet, who)),
            Event::NotificationResent { delivery, channel, who } => {
                Self::Alerting(AlertWhat::resent(*delivery, channel, who))
            }
            Event::NotificationDismissed { delivery, channel, who } => {
                Self::Alerting(AlertWhat::dismissed(*delivery, channel, who))
            }
            Event::AlertResolved { id, target, incident, severity, since } => Self::AlertResolved {
                id: id.0,
                target,
                incident: incident.0,
                severity: (*severity).into(),
                since: (*since).into(),
            },
            Event::NotificationDeadLettered { delivery, channel, history, error } => Self::NotificationDeadLettered {
                notice: delivery.notice.0,
                ordinal: delivery.ordinal,
                channel,
                history: history.map(|history| history.0),
                error,
            },
            Event::LocationWeatherInfoFailed { campsite_id, error_message, location_weather_info_id, requested_at } => {
                Self::LocationWeatherInfoFailed {
                    campsite_id: *campsite_id,
                    error_message,
                    location_weather_info_id: *location_weather_info_id,
                    requested_at: (*requested_at).into(),
                }
            }
        }
    }

    fn into_event(self) -> (Event, Option<HistoryId>) {
        let event = match self {
            Self::FailureRecorded { id, state, detail } => return recorded(HistoryId(id), state, detail),
            Self::Status { id, target, event } => {
                Event::Status { id: StatusId(id), target: target.into(), event: event.into() }
            }
            Self::History { id, notified, event } => {
                Event::History { id: HistoryId(id), notified, event: event.into() }
            }
            Self::BreakerTransitioned { id, target, from, to, cause, level, open_for, open_until } => {
                Event::BreakerTransitioned {
                    id: StatusId(id),
                    target: target.into(),
                    transition: breaker::Transition {
                        from: from.into(),
                        to: to.into(),
                        cause: cause.into(),
                        level,
                        open_for: open_for.map(Into::into),
                    },
                    open_until: timestamp(open_until),
                }
            }
            Self::BreakerControlled { id, target, mode, reset, who, reason, until } => Event::BreakerControlled {
                id: StatusId(id),
                target: target.into(),
                mode: mode.into(),
                reset,
                who: who.into(),
                reason: reason.into(),
                until: timestamp(until),
            },
            Self::AlertFired { id, target, incident } => {
                Event::AlertFired { id: StatusId(id), target: target.into(), incident: Box::new(incident.into()) }
            }
            Self::AlertResolved { id, target, incident, severity, since } => Event::AlertResolved {
                id: StatusId(id),
                target: target.into(),
                incident: IncidentId(incident),
                severity: severity.into(),
                since: since.into(),
            },
            Self::Alerting(what) => what.into(),
            Self::NotificationDeadLettered { notice, ordinal, channel, history, error } => {
                Event::NotificationDeadLettered {
                    delivery: DeliveryId { notice: NoticeId(notice), ordinal },
                    channel: channel.into(),
                    history: history.map(HistoryId),
                    error: error.into(),
                }
            }
            Self::LocationWeatherInfoFailed { campsite_id, error_message, location_weather_info_id, requested_at } => {
                Event::LocationWeatherInfoFailed {
                    campsite_id,
                    error_message: error_message.into(),
                    location_weather_info_id,
                    requested_at: requested_at.into(),
                }
            }
        };
        (event, None)
    }
}

fn transitioned<'a>(
    id: StatusId,
    target: &'a crate::domain::id::Target,
    transition: &breaker::Transition,
    open_until: Option<Timestamp>,
) -> What<'a> {
    let breaker::Transition { from, to, cause, level, open_for } = *transition;
    What::BreakerTransitioned {
        id: id.0,
        target: target.into(),
        from: from.into(),
        to: to.into(),
        cause: cause.into(),
        level,
        open_for: open_for.map(Length::from),
        open_until: time(open_until),
    }
}

fn recorded(id: HistoryId, state: State<'_>, detail: Option<Detail<'_>>) -> (Event, Option<HistoryId>) {
    let elsewhere = detail.is_none().then_some(id);
    let detail = detail.map_or_else(no_detail, Into::into);
    let history: IntegrationFailureHistory = state.with(id, detail);
    (Event::FailureRecorded(Box::new(history)), elsewhere)
}

fn no_detail() -> FailureDetail {
    FailureDetail {
        error_code: "".into(),
        error_message: "".into(),
        request_payload: "".into(),
        response_payload: "".into(),
        additional_info: "".into(),
    }
}

impl<'a> From<&'a StatusEvent> for StatusWhat<'a> {
    fn from(event: &'a StatusEvent) -> Self {
        match event {
            StatusEvent::Connected { last_succeeded_at } => {
                Self::Connected { last_succeeded_at: (*last_succeeded_at).into() }
            }
            StatusEvent::ConnectionFailed { failure_reason, last_failed_at } => {
                Self::ConnectionFailed { failure_reason, last_failed_at: (*last_failed_at).into() }
            }
            StatusEvent::Retried { retry_count, retry_result, retried_at } => Self::Retried {
                retry_count: *retry_count,
                retry_result: (*retry_result).into(),
                retried_at: (*retried_at).into(),
            },
        }
    }
}

impl From<StatusWhat<'_>> for StatusEvent {
    fn from(event: StatusWhat<'_>) -> Self {
        match event {
            StatusWhat::Connected { last_succeeded_at } => {
                Self::Connected { last_succeeded_at: last_succeeded_at.into() }
            }
            StatusWhat::ConnectionFailed { failure_reason, last_failed_at } => {
                Self::ConnectionFailed { failure_reason: failure_reason.into(), last_failed_at: last_failed_at.into() }
            }
            StatusWhat::Retried { retry_count, retry_result, retried_at } => {
                Self::Retried { retry_count, retry_result: retry_result.into(), retried_at: retried_at.into() }
            }
        }
    }
}

impl From<&HistoryEvent> for HistoryWhat {
    fn from(event: &HistoryEvent) -> Self {
        match event {
            HistoryEvent::Retried { retry_count, retry_result, retried_at } => Self::Retried {
                retry_count: *retry_count,
                retry_result: (*retry_result).into(),
                retried_at: (*retried_at).into(),
            },
            HistoryEvent::Recovered { recovered_at } => Self::Recovered { recovered_at: (*recovered_at).into() },
        }
    }
}

impl From<HistoryWhat> for HistoryEvent {
    fn from(event: HistoryWhat) -> Self {
        match event {
            HistoryWhat::Retried { retry_count, retry_result, retried_at } => {
                Self::Retried { retry_count, retry_result: retry_result.into(), retried_at: retried_at.into() }
            }
            HistoryWhat::Recovered { recovered_at } => Self::Recovered { recovered_at: recovered_at.into() },
        }
    }
}

/// Neighbouring events of one batch in one value: a version byte, then each event with its length (four bytes, most
/// significant first) before it. sled splits its pages by the number of keys, so small values cost more than they
/// weigh.
#[derive(Debug, Default)]
pub(crate) struct EventBlock {
    bytes: Vec<u8>,
}

impl EventBlock {
    /// Whether nothing is in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether one more event of this size would make it larger than `limit`.
    pub(crate) const fn is_full(&self, event: usize, limit: usize) -> bool {
        !self.is_empty() && self.bytes.len() + 4 + event > limit
    }

    /// Adds an encoded event.
    pub(crate) fn push(&mut self, event: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.push(FIRST_VERSION);
        }
        let length = u32::try_from(event.len()).expect("an event's texts are limited where they come in");
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(event);
    }

    /// The bytes for disk, and an empty block.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The encoded events of a block, in order.
    pub(crate) fn split(bytes: &[u8]) -> Result<Vec<&[u8]>, NotDecodable> {
        let (&version, mut rest) = bytes.split_first().ok_or(NotDecodable::Empty)?;
        if version != FIRST_VERSION {
            return Err(NotDecodable::Version(version));
        }
        let mut events = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk() {
            let (event, tail) =
                tail.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(NotDecodable::Content)?;
            events.push(event);
            rest = tail;
        }
        if rest.is_empty() && !events.is_empty() { Ok(events) } else { Err(NotDecodable::Content) }
    }
}
