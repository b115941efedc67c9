//! Watches and the lines of their transition logs.

use serde::{Deserialize, Serialize};

use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use super::words::{
    BreakerMode, BreakerState, Correlation, IncidentV1, IncidentV2, IntegrationState, Origin, Target, Time, time,
    timestamp,
};
use crate::domain::alert::Incident;
use crate::domain::event::StateChange;
use crate::domain::id::{HistoryId, Sequence, StatusId};
use crate::domain::status::IntegrationStatus;
use crate::domain::watch;

/// Since an incident remembers how it was told.
const SECOND_VERSION: u8 = 2;

type WatchV1<'a> = WatchWith<'a, IncidentV1<'a>>;
type WatchV2<'a> = WatchWith<'a, IncidentV2<'a>>;

#[derive(Debug, Serialize, Deserialize)]
struct WatchWith<'a, I> {
    #[serde(borrow)]
    target: Target<'a>,
    state: IntegrationState,
    last_attempted_at: Option<Time>,
    last_succeeded_at: Option<Time>,
    last_failed_at: Option<Time>,
    failure_reason: Option<&'a str>,
    retry_count: u32,
    failures_in_row: u32,
    successes_in_row: u32,
    #[serde(borrow)]
    trouble: Option<Trouble<'a>>,
    incident: Option<I>,
    #[serde(borrow)]
    breaker: Breaker<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Trouble<'a> {
    #[serde(borrow)]
    correlation: Correlation<'a>,
    began_by: Option<u64>,
    since: Time,
    attempts: u32,
    history: Option<u64>,
    origin: Origin,
}

#[derive(Debug, Serialize, Deserialize)]
struct Breaker<'a> {
    state: BreakerState,
    mode: BreakerMode,
    level: u32,
    since: Time,
    open_until: Option<Time>,
    #[serde(borrow)]
    forced: Option<Forced<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Forced<'a> {
    who: &'a str,
    reason: &'a str,
    until: Option<Time>,
}

/// The projection; its status's id is the key.
pub(crate) fn encode_watch<'e>(encoder: &'e mut Encoder, watch: &watch::Watch) -> &'e [u8] {
    let watch::Watch { status, failures_in_row, successes_in_row, trouble, incident, breaker } = watch;
    let IntegrationStatus {
        id: _,
        target,
        state,
        last_attempted_at,
        last_succeeded_at,
        last_failed_at,
        failure_reason,
        retry_count,
    } = status;
    let record = WatchV2 {
        target: target.into(),
        state: (*state).into(),
        last_attempted_at: time(*last_attempted_at),
        last_succeeded_at: time(*last_succeeded_at),
        last_failed_at: time(*last_failed_at),
        failure_reason: failure_reason.as_deref(),
        retry_count: *retry_count,
        failures_in_row: *failures_in_row,
        successes_in_row: *successes_in_row,
        trouble: trouble.as_ref().map(Trouble::from),
        incident: incident.as_deref().map(IncidentV2::from),
        breaker: breaker.into(),
    };
    encoder.encode(SECOND_VERSION, &record)
}

/// The projection of this status.
pub(crate) fn decode_watch(id: StatusId, bytes: &[u8]) -> Result<watch::Watch, NotDecodable> {
    match bytes.first() {
        Some(&FIRST_VERSION) => decode::<WatchV1<'_>>(FIRST_VERSION, bytes).map(|record| watch_of(id, record)),
        Some(_) | None => decode::<WatchV2<'_>>(SECOND_VERSION, bytes).map(|record| watch_of(id, record)),
    }
}

fn watch_of<I: Into<Incident>>(id: StatusId, record: WatchWith<'_, I>) -> watch::Watch {
    watch::Watch {
        status: IntegrationStatus {
            id,
            target: record.target.into(),
            state: record.state.into(),
            last_attempted_at: timestamp(record.last_attempted_at),
            last_succeeded_at: timestamp(record.last_succeeded_at),
            last_failed_at: timestamp(record.last_failed_at),
            failure_reason: record.failure_reason.map(Into::into),
            retry_count: record.retry_count,
        },
        failures_in_row: record.failures_in_row,
        successes_in_row: record.successes_in_row,
        trouble: record.trouble.map(Into::into),
        incident: record.incident.map(|incident| Box::new(incident.into())),
        breaker: record.breaker.into(),
    }
}

impl<'a> From<&'a watch::Trouble> for Trouble<'a> {
    fn from(trouble: &'a watch::Trouble) -> Self {
        let watch::Trouble { correlation, began_by, since, attempts, history, origin } = trouble;
        Self {
            correlation: correlation.into(),
            began_by: began_by.map(|sequence| sequence.0),
            since: (*since).into(),
            attempts: *attempts,
            history: history.map(|history| history.0),
            origin: (*origin).into(),
        }
    }
}

impl From<Trouble<'_>> for watch::Trouble {
    fn from(trouble: Trouble<'_>) -> Self {
        let Trouble { correlation, began_by, since, attempts, history, origin } = trouble;
        Self {
            correlation: correlation.into(),
            began_by: began_by.map(Sequence),
            since: since.into(),
            attempts,
            history: history.map(HistoryId),
            origin: origin.into(),
        }
    }
}

impl<'a> From<&'a watch::BreakerRecord> for Breaker<'a> {
    fn from(breaker: &'a watch::BreakerRecord) -> Self {
        let watch::BreakerRecord { state, mode, level, since, open_until, forced } = breaker;
        let forced = forced.as_ref().map(|forced| {
            let watch::Forced { who, reason, until } = forced;
            Forced { who, reason, until: time(*until) }
        });
        Self {
            state: (*state).into(),
            mode: (*mode).into(),
            level: *level,
            since: (*since).into(),
            open_until: time(*open_until),
            forced,
        }
    }
}

impl From<Breaker<'_>> for watch::BreakerRecord {
    fn from(breaker: Breaker<'_>) -> Self {
        let Breaker { state, mode, level, since, open_until, forced } = breaker;
        Self {
            state: state.into(),
            mode: mode.into(),
            level,
            since: since.into(),
            open_until: timestamp(open_until),
            forced: forced.map(|Forced { who, reason, until }| watch::Forced {
                who: who.into(),
                reason: reason.into(),
                until: timestamp(until),
            }),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct TransitionV1<'a> {
    at: Time,
    from: IntegrationState,
    to: IntegrationState,
    cause: &'a str,
}

/// One line of a transition log.
pub(crate) fn encode_transition<'e>(encoder: &'e mut Encoder, change: &StateChange) -> &'e [u8] {
    let StateChange { at, from, to, cause } = change;
    let record = TransitionV1 { at: (*at).into(), from: (*from).into(), to: (*to).into(), cause };
    encoder.encode(FIRST_VERSION, &record)
}

/// One line of a transition log.
pub(crate) fn decode_transition(bytes: &[u8]) -> Result<StateChange, NotDecodable> {
    let TransitionV1 { at, from, to, cause } = decode(FIRST_VERSION, bytes)?;
    Ok(StateChange { at: at.into(), from: from.into(), to: to.into(), cause: cause.into() })
}
