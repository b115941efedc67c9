//! What every batch moves, and when the log had come how far.

use serde::{Deserialize, Serialize};

use super::codec::{Encoder, FIRST_VERSION, NotDecodable, decode};
use super::words::Time;
use crate::domain::id::{HistoryId, IdMarks, IncidentId, NoticeId, Sequence, StatusId};
use crate::domain::time::Timestamp;

/// The counters that make a batch a step from one whole state to the next; written with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Batches so far.
    pub(crate) commits: u64,
    /// The first event that is kept.
    pub(crate) first_sequence: Sequence,
    /// The last event; one less than the first where there is none.
    pub(crate) last_sequence: Sequence,
    /// The highest ids that were given.
    pub(crate) marks: IdMarks,
    /// Lines of transition logs so far.
    pub(crate) transitions: u64,
    /// Long values so far.
    pub(crate) overflows: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            commits: 0,
            first_sequence: Sequence(1),
            last_sequence: Sequence(0),
            marks: IdMarks::default(),
            transitions: 0,
            overflows: 0,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct HeadV1 {
    commits: u64,
    first_sequence: u64,
    last_sequence: u64,
    status: u64,
    history: u64,
    incident: u64,
    notice: u64,
    transitions: u64,
    overflows: u64,
}

impl Head {
    /// The place of the next event.
    pub(crate) const fn next_sequence(&self) -> Sequence {
        Sequence(self.last_sequence.0 + 1)
    }

    /// Moves the marks up; they never go down.
    pub(crate) fn raise(&mut self, marks: IdMarks) {
        let IdMarks { status, history, incident, notice } = marks;
        self.marks = IdMarks {
            status: self.marks.status.max(status),
            history: self.marks.history.max(history),
            incident: self.marks.incident.max(incident),
            notice: self.marks.notice.max(notice),
        };
    }

    pub(crate) fn encode<'e>(&self, encoder: &'e mut Encoder) -> &'e [u8] {
        let Self { commits, first_sequence, last_sequence, marks, transitions, overflows } = *self;
        let IdMarks { status, history, incident, notice } = marks;
        let record = HeadV1 {
            commits,
            first_sequence: first_sequence.0,
            last_sequence: last_sequence.0,
            status: status.0,
            history: history.0,
            incident: incident.0,
            notice: notice.0,
            transitions,
            overflows,
        };
        encoder.encode(FIRST_VERSION, &record)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotDecodable> {
        let record: HeadV1 = decode(FIRST_VERSION, bytes)?;
        Ok(Self {
            commits: record.commits,
            first_sequence: Sequence(record.first_sequence),
            last_sequence: Sequence(record.last_sequence),
            marks: IdMarks {
                status: StatusId(record.status),
                history: HistoryId(record.history),
                incident: IncidentId(record.incident),
                notice: NoticeId(record.notice),
            },
            transitions: record.transitions,
            overflows: record.overflows,
        })
    }
}

/// At this time the log had come so far: what came before was stored earlier. Retention goes by these marks, so that
/// no record needs a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// When.
    pub(crate) at: Timestamp,
    /// Lines of transition logs until then.
    pub(crate) transitions: u64,
    /// The highest notice until then.
    pub(crate) notice: NoticeId,
}

#[derive(Debug, Serialize, Deserialize)]
struct MarkV1 {
    at: Time,
    transitions: u64,
    notice: u64,
}

impl Mark {
    pub(crate) fn encode<'e>(&self, encoder: &'e mut Encoder) -> &'e [u8] {
        let Self { at, transitions, notice } = *self;
        encoder.encode(FIRST_VERSION, &MarkV1 { at: at.into(), transitions, notice: notice.0 })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NotDecodable> {
        let MarkV1 { at, transitions, notice } = decode(FIRST_VERSION, bytes)?;
        Ok(Self { at: at.into(), transitions, notice: NoticeId(notice) })
    }
}
