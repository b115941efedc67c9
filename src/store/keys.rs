//! The keys of the one tree: a letter for the kind of record, then numbers, most significant byte first, so that the
//! tree's order is the numbers' order.
//!
//! One tree, since a batch on one tree is atomic and costs half of a transaction over two.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::id::{CorrelationId, DeliveryId, NoticeId, Sequence, StatusId};

/// The kinds of records; the letter is on disk, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// incident: as it was last, also after its end.
    Alert = b'a',
    /// correlation, sequence: that event belongs to that correlation.
    Correlation = b'c',
    /// delivery: a dead letter.
    Dead = b'd',
    /// first sequence: a block of events of the log.
    Event = b'e',
    /// history: the aggregate.
    History = b'h',
    /// hash of source and id: an event of others that was taken.
    Received = b'i',
    /// block of statuses: what moved without being an event.
    Live = b'l',
    /// name: the store's own records.
    Meta = b'm',
    /// status, number: a line of a transition log.
    Transition = b'n',
    /// delivery: an entry of the outbox.
    Waiting = b'o',
    /// id: a silence or a maintenance window.
    Quiet = b'q',
    /// period, block of statuses, start: rollups.
    Rollup = b'r',
    /// number: the name of a system, for the columns.
    Name = b's',
    /// sequence: when the log had come so far.
    Mark = b't',
    /// number, chunk: a part of a value that is too long for one.
    Overflow = b'v',
    /// status: all that a target's actor owns.
    Watch = b'w',
    /// block of histories: the columns of the list.
    Columns = b'x',
}

impl Kind {
    /// Every kind, in the tree's order.
    pub(super) const ALL: [Self; 17] = [
        Self::Alert,
        Self::Correlation,
        Self::Dead,
        Self::Event,
        Self::History,
        Self::Received,
        Self::Live,
        Self::Meta,
        Self::Transition,
        Self::Waiting,
        Self::Quiet,
        Self::Rollup,
        Self::Name,
        Self::Mark,
        Self::Overflow,
        Self::Watch,
        Self::Columns,
    ];

    /// The letter.
    pub(super) const fn letter(self) -> u8 {
        self as u8
    }

    /// What people call such a record.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Quiet => "silence or window",
            Self::Correlation => "correlation",
            Self::Dead => "dead letter",
            Self::Event => "event block",
            Self::History => "history",
            Self::Received => "received event",
            Self::Live => "live block",
            Self::Meta => "meta record",
            Self::Transition => "transition",
            Self::Waiting => "outbox entry",
            Self::Rollup => "rollup block",
            Self::Name => "system name",
            Self::Mark => "time mark",
            Self::Overflow => "overflow chunk",
            Self::Watch => "watch",
            Self::Columns => "column block",
        }
    }
}

/// The store's format version.
pub(super) const FORMAT: &[u8] = b"mformat";
/// What every batch moves: counters, marks, ends of the log.
pub(super) const HEAD: &[u8] = b"mhead";

/// What signs the links by which an alert is acknowledged: 32 random bytes, made once.
pub(super) const SECRET: &[u8] = b"msecret";

/// Before the number of the first of some events that were lost, and that the operator goes on without.
pub(super) const LOST: &[u8] = b"mlost";

/// The key for a loss that begins with this event.
pub(super) fn lost(first: Sequence) -> [u8; 13] {
    let mut key = [0; 13];
    key[..LOST.len()].copy_from_slice(LOST);
    key[LOST.len()..].copy_from_slice(&first.0.to_be_bytes());
    key
}

/// A letter and one number.
pub(super) fn numbered(kind: Kind, number: u64) -> [u8; 9] {
    let mut key = [kind.letter(); 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The block of events that begins with this one.
pub(super) fn event(first: Sequence) -> [u8; 9] {
    numbered(Kind::Event, first.0)
}

/// A silence or a window; ids are short.
pub(super) fn quiet(id: &str) -> Vec<u8> {
    let mut key = vec![Kind::Quiet.letter()];
    key.extend_from_slice(id.as_bytes());
    key
}

/// A delivery, waiting or dead.
pub(super) fn delivery(kind: Kind, id: DeliveryId) -> [u8; 10] {
    let mut key = [kind.letter(); 10];
    key[1..9].copy_from_slice(&id.notice.0.to_be_bytes());
    key[9] = id.ordinal;
    key
}

/// One line of a target's transition log.
pub(super) fn transition(id: StatusId, number: u64) -> [u8; 17] {
    let mut key = [Kind::Transition.letter(); 17];
    key[1..9].copy_from_slice(&id.0.to_be_bytes());
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Sixteen bytes for a correlation: a UUID's own (version 7: in the order of time, which keeps the tree's writes
/// together), else the beginning of the text's SHA-256. Readers compare the text, so a collision costs nothing but time.
pub(super) fn correlation_prefix(correlation: &CorrelationId) -> [u8; 17] {
    let mut key = [Kind::Correlation.letter(); 17];
    match plain_uuid(&correlation.0) {
        Some(uuid) => key[1..].copy_from_slice(uuid.as_bytes()),
        None => key[1..].copy_from_slice(&Sha256::digest(correlation.0.as_bytes())[..16]),
    }
    key
}

/// That this event belongs to this correlation.
pub(super) fn correlation(correlation: &CorrelationId, sequence: Sequence) -> [u8; 25] {
    let mut key = [0; 25];
    key[..17].copy_from_slice(&correlation_prefix(correlation));
    key[17..].copy_from_slice(&sequence.0.to_be_bytes());
    key
}

/// An event of others; the zero byte keeps `("a", "bc")` and `("ab", "c")` apart.
pub(super) fn received(source: &str, id: &str) -> [u8; 17] {
    let mut hash = Sha256::new();
    hash.update(source.as_bytes());
    hash.update([0]);
    hash.update(id.as_bytes());
    let mut key = [Kind::Received.letter(); 17];
    key[1..].copy_from_slice(&hash.finalize()[..16]);
    key
}

/// Rollups of one block of statuses: `period` is its tier's letter, `start` in minutes since 1970.
pub(super) fn rollup(period: u8, block: u64, start: u64) -> [u8; 18] {
    let mut key = [Kind::Rollup.letter(); 18];
    key[1] = period;
    key[2..10].copy_from_slice(&block.to_be_bytes());
    key[10..].copy_from_slice(&start.to_be_bytes());
    key
}

/// One part of a long value.
pub(super) fn overflow(number: u64, chunk: u16) -> [u8; 11] {
    let mut key = [Kind::Overflow.letter(); 11];
    key[1..9].copy_from_slice(&number.to_be_bytes());
    key[9..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// The number that fills a key from `offset` on; `None` where the key is too short.
pub(super) fn number_at(key: &[u8], offset: usize) -> Option<u64> {
    let bytes = key.get(offset..offset.checked_add(8)?)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The delivery that a key names.
pub(super) fn delivery_of(key: &[u8]) -> Option<DeliveryId> {
    if key.len() != 10 {
        return None;
    }
    Some(DeliveryId { notice: NoticeId(number_at(key, 1)?), ordinal: *key.last()? })
}

/// A UUID, if the text is exactly how one is written: 36 characters, lower case.
pub(super) fn plain_uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (*uuid.hyphenated().encode_lower(&mut buffer) == *text).then_some(uuid)
}

/// How a person would name the record with this key.
pub(super) fn describe(key: &[u8]) -> String {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| key.first() == Some(&kind.letter())) else {
        return format!("the unknown key {}", hex(key));
    };
    let word = kind.word();
    match kind {
        Kind::Alert
        | Kind::Event
        | Kind::History
        | Kind::Live
        | Kind::Name
        | Kind::Mark
        | Kind::Watch
        | Kind::Columns => match number_at(key, 1) {
            Some(number) => format!("{word} {number} (prefix {})", char::from(kind.letter())),
            None => format!("{word} {} (prefix {})", hex(key), char::from(kind.letter())),
        },
        Kind::Waiting | Kind::Dead => match delivery_of(key) {
            Some(id) => format!("{word} {id} (prefix {})", char::from(kind.letter())),
            None => format!("{word} {} (prefix {})", hex(key), char::from(kind.letter())),
        },
        Kind::Meta | Kind::Quiet => {
            format!("{word} {} (prefix {})", String::from_utf8_lossy(&key[1..]), char::from(kind.letter()))
        }
        Kind::Correlation | Kind::Received | Kind::Transition | Kind::Rollup | Kind::Overflow => {
            format!("{word} {} (prefix {})", hex(&key[1..]), char::from(kind.letter()))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_do() {
        assert!(event(Sequence(255)) < event(Sequence(256)));
        assert!(transition(StatusId(1), u64::MAX) < transition(StatusId(2), 0));
        let id = |notice, ordinal| DeliveryId { notice: NoticeId(notice), ordinal };
        assert!(delivery(Kind::Waiting, id(1, 255)) < delivery(Kind::Waiting, id(2, 0)));
        assert_eq!(delivery_of(&delivery(Kind::Dead, id(7, 3))), Some(id(7, 3)));
    }

    #[test]
    fn the_kinds_are_listed_in_the_trees_order_and_no_letter_is_used_twice() {
        assert!(Kind::ALL.windows(2).all(|pair| pair[0].letter() < pair[1].letter()));
    }

    #[test]
    fn uuids_keep_their_order_and_other_spellings_of_one_are_other_correlations() {
        let of = |text: &str| correlation_prefix(&CorrelationId::new(text));
        let early = of("01900000-0000-7000-8000-000000000001");
        assert!(early < of("01900000-0001-7000-8000-000000000000"));
        assert_ne!(early, of("01900000000070008000000000000001"));
        assert_ne!(of("order-1"), of("order-2"));
    }

    #[test]
    fn a_key_is_described_for_people() {
        insta::assert_snapshot!(describe(&numbered(Kind::History, 17)), @"history 17 (prefix h)");
        insta::assert_snapshot!(describe(HEAD), @"meta record head (prefix m)");
        insta::assert_snapshot!(describe(&[b'h', 1]), @"history 6801 (prefix h)");
        insta::assert_snapshot!(describe(b"?"), @"the unknown key 3f");
    }
}
