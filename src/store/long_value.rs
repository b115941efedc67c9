//! Values that are too long for one record.
//!
//! sled puts a page that outgrows 128 KiB into a file of its own and never syncs that file: it would be lost with the
//! power. A page holds up to about 20 records, so none may be longer than 6,000 bytes. A longer value is stored in
//! parts under numbers of its own, and its key holds only where they are.

use super::error::Error;
use super::keys;

/// The longest value of one record.
pub(super) const LIMIT: usize = 6_000;

/// No record has this version.
const MARKER: u8 = 0;

/// Where the parts of a value are: marker, number, length.
pub(super) fn pointer(number: u64, length: usize) -> [u8; 17] {
    let mut bytes = [MARKER; 17];
    bytes[1..9].copy_from_slice(&number.to_be_bytes());
    bytes[9..].copy_from_slice(&(length as u64).to_be_bytes());
    bytes
}

/// The number and length of a value in parts.
pub(super) fn pointed_at(value: &[u8]) -> Option<(u64, usize)> {
    if value.first() != Some(&MARKER) || value.len() != 17 {
        return None;
    }
    Some((keys::number_at(value, 1)?, usize::try_from(keys::number_at(value, 9)?).ok()?))
}

/// The keys and parts of a value.
pub(super) fn parts(number: u64, value: &[u8]) -> impl Iterator<Item = ([u8; 11], &[u8])> {
    (0..).zip(value.chunks(LIMIT)).map(move |(chunk, part)| (keys::overflow(number, chunk), part))
}

/// The keys of a value's parts.
pub(super) fn part_keys(number: u64, length: usize) -> impl Iterator<Item = [u8; 11]> {
    let parts = u16::try_from(length.div_ceil(LIMIT)).unwrap_or(u16::MAX);
    (0..parts).map(move |chunk| keys::overflow(number, chunk))
}

/// The value itself, put together if it is in parts.
pub(super) fn whole(tree: &sled::Tree, key: &[u8], value: sled::IVec) -> Result<sled::IVec, Error> {
    let Some((number, length)) = pointed_at(&value) else { return Ok(value) };
    let mut bytes = Vec::with_capacity(length.min(1 << 20));
    for part in part_keys(number, length) {
        let part = tree.get(part).map_err(Error::sled("read a part of a record"))?;
        bytes.extend_from_slice(&part.ok_or_else(|| Error::damaged(keys::describe(key), "a part of it is missing"))?);
    }
    if bytes.len() == length {
        Ok(bytes.into())
    } else {
        Err(Error::damaged(keys::describe(key), "its parts do not have its length"))
    }
}
