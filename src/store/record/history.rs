//! Histories: the aggregate, and the columns that lists are made of.

use serde::{Deserialize, Serialize};

use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use super::words::{FailureType, RetryResult, Time, time, timestamp};
use crate::domain::failure_history::{self, IntegrationFailureHistory};
use crate::domain::id::{HistoryId, StatusId};
use crate::domain::time::Timestamp;

/// What is known of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detail<'a> {
    error_code: &'a str,
    error_message: &'a str,
    request_payload: &'a str,
    response_payload: &'a str,
    additional_info: &'a str,
}

impl<'a> From<&'a failure_history::FailureDetail> for Detail<'a> {
    fn from(detail: &'a failure_history::FailureDetail) -> Self {
        let failure_history::FailureDetail {
            error_code,
            error_message,
            request_payload,
            response_payload,
            additional_info,
        } = detail;
        Self { error_code, error_message, request_payload, response_payload, additional_info }
    }
}

impl From<Detail<'_>> for failure_history::FailureDetail {
    fn from(detail: Detail<'_>) -> Self {
        let Detail { error_code, error_message, request_payload, response_payload, additional_info } = detail;
        Self {
            error_code: error_code.into(),
            error_message: error_message.into(),
            request_payload: request_payload.into(),
            response_payload: response_payload.into(),
            additional_info: additional_info.into(),
        }
    }
}

/// A history but for its detail, in the log and in the projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State<'a> {
    failure_type: FailureType,
    target_system: &'a str,
    occurred_at: Time,
    status_id: u64,
    retry_count: u32,
    retry_result: RetryResult,
    notified: bool,
    last_retried_at: Option<Time>,
    recovered_at: Option<Time>,
}

impl<'a> From<&'a IntegrationFailureHistory> for State<'a> {
    fn from(history: &'a IntegrationFailureHistory) -> Self {
        let IntegrationFailureHistory {
            id: _,
            failure_type,
            detail: _,
            target_system,
            occurred_at,
            status_id,
            retry_count,
            retry_result,
            notified,
            last_retried_at,
            recovered_at,
        } = history;
        Self {
            failure_type: (*failure_type).into(),
            target_system,
            occurred_at: (*occurred_at).into(),
            status_id: status_id.0,
            retry_count: *retry_count,
            retry_result: (*retry_result).into(),
            notified: *notified,
            last_retried_at: time(*last_retried_at),
            recovered_at: time(*recovered_at),
        }
    }
}

impl State<'_> {
    pub(super) fn with(self, id: HistoryId, detail: failure_history::FailureDetail) -> IntegrationFailureHistory {
        let Self {
            failure_type,
            target_system,
            occurred_at,
            status_id,
            retry_count,
            retry_result,
            notified,
            last_retried_at,
            recovered_at,
        } = self;
        IntegrationFailureHistory {
            id,
            failure_type: failure_type.into(),
            detail,
            target_system: target_system.into(),
            occurred_at: occurred_at.into(),
            status_id: StatusId(status_id),
            retry_count,
            retry_result: retry_result.into(),
            notified,
            last_retried_at: timestamp(last_retried_at),
            recovered_at: timestamp(recovered_at),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct HistoryV1<'a> {
    #[serde(borrow)]
    state: State<'a>,
    #[serde(borrow)]
    detail: Detail<'a>,
}

/// The aggregate; its id is the key.
pub(crate) fn encode_history<'e>(encoder: &'e mut Encoder, history: &IntegrationFailureHistory) -> &'e [u8] {
    encoder.encode(FIRST_VERSION, &HistoryV1 { state: history.into(), detail: (&history.detail).into() })
}

/// The aggregate with this id.
pub(crate) fn decode_history(id: HistoryId, bytes: &[u8]) -> Result<IntegrationFailureHistory, NotDecodable> {
    let HistoryV1 { state, detail } = decode(FIRST_VERSION, bytes)?;
    Ok(state.with(id, detail.into()))
}

/// Only what is known of the failure, for the event that recorded it.
pub(crate) fn decode_detail(bytes: &[u8]) -> Result<failure_history::FailureDetail, NotDecodable> {
    let HistoryV1 { state: _, detail } = decode(FIRST_VERSION, bytes)?;
    Ok(detail.into())
}

/// How many histories share a column block: with 21 bytes each a block stays under 3 KiB, so that a commit that
/// touches one rewrites little, and a million are read at start as 8,000 records.
pub(crate) const ROWS_PER_BLOCK: u64 = 128;

const ROW_BYTES: usize = 21;

/// What lists filter and sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnRow {
    /// When it failed.
    pub(crate) occurred_at: Timestamp,
    /// The place in the log where it was recorded; never 0.
    pub(crate) recorded_by: u64,
    /// The number of its system's name.
    pub(crate) name: u32,
    /// Kind of system.
    pub(crate) failure_type: failure_history::FailureType,
    /// Last retry.
    pub(crate) retry_result: failure_history::RetryResult,
    /// People were told.
    pub(crate) notified: bool,
    /// Not recovered yet.
    pub(crate) open: bool,
}

/// The rows of 128 neighbouring ids: fixed places, since ids are dense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnBlock {
    bytes: Vec<u8>,
}

impl ColumnBlock {
    /// The block that holds this history's row, and the row's place in it.
    pub(crate) const fn place(id: HistoryId) -> (u64, usize) {
        (id.0 / ROWS_PER_BLOCK, (id.0 % ROWS_PER_BLOCK) as usize)
    }

    /// A block without rows.
    pub(crate) fn empty() -> Self {
        Self { bytes: vec![FIRST_VERSION] }
    }

    /// A block as it is on disk.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotDecodable> {
        match bytes.split_first() {
            None => Err(NotDecodable::Empty),
            Some((&FIRST_VERSION, rows)) => {
                let whole = rows.len() % ROW_BYTES == 0 && rows.len() / ROW_BYTES <= ROWS_PER_BLOCK as usize;
                let block = Self { bytes: bytes.to_vec() };
                if whole && rows.chunks_exact(ROW_BYTES).all(well_formed) {
                    Ok(block)
                } else {
                    Err(NotDecodable::Content)
                }
            }
            Some((&version, _)) => Err(NotDecodable::Version(version)),
        }
    }

    /// A block as it goes to disk.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is no row in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows().next().is_none()
    }

    /// The row at this place.
    pub(crate) fn row(&self, place: usize) -> Option<ColumnRow> {
        let begin = 1 + place * ROW_BYTES;
        read_row(self.bytes.get(begin..begin + ROW_BYTES)?)
    }

    /// All rows with their places.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, ColumnRow)> + '_ {
        self.bytes[1..].chunks_exact(ROW_BYTES).enumerate().filter_map(|(place, row)| Some((place, read_row(row)?)))
    }

    /// Puts a row into its place, or takes it out.
    pub(crate) fn set(&mut self, place: usize, row: Option<ColumnRow>) {
        let begin = 1 + place * ROW_BYTES;
        let end = begin + ROW_BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let bytes = &mut self.bytes[begin..end];
        match row {
            None => bytes.fill(0),
            Some(row) => write_row(bytes, row),
        }
    }
}

fn write_row(bytes: &mut [u8], row: ColumnRow) {
    let ColumnRow { occurred_at, recorded_by, name, failure_type, retry_result, notified, open } = row;
    let kind = match failure_type {
        failure_history::FailureType::PaymentGateway => 0,
        failure_history::FailureType::LocationWeatherApi => 1,
        failure_history::FailureType::Other => 2,
    };
    let result = match retry_result {
        failure_history::RetryResult::Success => 0,
        failure_history::RetryResult::Failure => 1,
        failure_history::RetryResult::NotApplicable => 2,
    };
    bytes[..8].copy_from_slice(&occurred_at.as_nanos().to_be_bytes());
    bytes[8..16].copy_from_slice(&recorded_by.to_be_bytes());
    bytes[16..20].copy_from_slice(&name.to_be_bytes());
    bytes[20] = kind | result << 2 | u8::from(notified) << 4 | u8::from(open) << 5;
}

/// `None` is a place without a row.
fn read_row(bytes: &[u8]) -> Option<ColumnRow> {
    let (occurred_at, rest) = bytes.split_first_chunk()?;
    let (recorded_by, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_first_chunk()?;
    let flags = *rest.first()?;
    let recorded_by = u64::from_be_bytes(*recorded_by);
    if recorded_by == 0 {
        return None;
    }
    let failure_type = match flags & 3 {
        0 => failure_history::FailureType::PaymentGateway,
        1 => failure_history::FailureType::LocationWeatherApi,
        _ => failure_history::FailureType::Other,
    };
    let retry_result = match flags >> 2 & 3 {
        0 => failure_history::RetryResult::Success,
        1 => failure_history::RetryResult::Failure,
        _ => failure_history::RetryResult::NotApplicable,
    };
    Some(ColumnRow {
        occurred_at: Timestamp::from_nanos(i64::from_be_bytes(*occurred_at)),
        recorded_by,
        name: u32::from_be_bytes(*name),
        failure_type,
        retry_result,
        notified: flags >> 4 & 1 == 1,
        open: flags >> 5 & 1 == 1,
    })
}

fn well_formed(row: &[u8]) -> bool {
    let flags = row[ROW_BYTES - 1];
    flags & 3 != 3 && flags >> 2 & 3 != 3 && flags >> 6 == 0
}
