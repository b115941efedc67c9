//! A version byte, then postcard.

use serde::{Deserialize, Serialize};

/// Version 0 is no version: it marks a value that is kept elsewhere, in parts.
pub(crate) const FIRST_VERSION: u8 = 1;

/// Why a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotDecodable {
    /// No bytes at all.
    #[error("it is empty")]
    Empty,
    /// Written by a newer program.
    #[error("it has version {0}, which this program does not know")]
    Version(u8),
    /// Not the bytes of such a record.
    #[error("its bytes are not those of such a record")]
    Content,
}

/// Encodes records into one buffer that is used again and again.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    buffer: Vec<u8>,
}

impl Encoder {
    /// The record's bytes, until the next one.
    pub(crate) fn encode(&mut self, version: u8, record: &impl Serialize) -> &[u8] {
        self.buffer.clear();
        self.buffer.push(version);
        let buffer = std::mem::take(&mut self.buffer);
        self.buffer = postcard::to_extend(record, buffer).expect("a Vec grows, and every field's length is known");
        &self.buffer
    }

    /// The bytes of the record that was encoded last.
    pub(crate) fn last(&self) -> &[u8] {
        &self.buffer
    }
}

/// The record behind the version byte, if it has this version.
pub(super) fn decode<'a, T: Deserialize<'a>>(known: u8, bytes: &'a [u8]) -> Result<T, NotDecodable> {
    match bytes.split_first() {
        None => Err(NotDecodable::Empty),
        Some((&version, rest)) if version == known => exactly(rest),
        Some((&version, _)) => Err(NotDecodable::Version(version)),
    }
}

/// All of these bytes, none left over.
pub(super) fn exactly<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, NotDecodable> {
    let (record, rest) = postcard::take_from_bytes(bytes).map_err(|_| NotDecodable::Content)?;
    if rest.is_empty() { Ok(record) } else { Err(NotDecodable::Content) }
}
