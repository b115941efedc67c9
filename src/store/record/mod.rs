//! The shapes on disk, apart from the domain's: postcard, one version byte in front of each record.
//!
//! Conversions take domain types apart field by field, so that a new field is a compile error and not a silent loss.
//! A shape that was released is never edited: a change is a new shape with a new version, and the old one stays
//! readable. `tests/data/store-v1` holds a stored sample of each.

mod alerting;
mod codec;
mod delivery;
mod event;
mod head;
mod history;
mod observation;
mod watch;
mod words;

pub(super) use alerting::{decode_alert, decode_quiet, encode_alert, encode_quiet};
pub(super) use codec::{Encoder, NotDecodable};
pub(super) use delivery::{decode_delivery, encode_delivery};
pub(super) use event::{EventBlock, EventToStore, StoredEvent, decode_event, encode_event};
pub(super) use head::{Head, Mark};
pub(super) use history::{ColumnBlock, ColumnRow, ROWS_PER_BLOCK, decode_detail, decode_history, encode_history};
pub(super) use observation::{LiveBlock, LiveEntry, RollupBlock};
pub(super) use watch::{decode_transition, decode_watch, encode_transition, encode_watch};

#[cfg(test)]
mod samples;
