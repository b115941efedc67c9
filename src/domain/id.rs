//! What things are called: ids that are given once and never again, and the names people give.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// One integration target's status, for as long as the store lives; a rename of the target keeps it.
    StatusId
);
number!(
    /// One recorded failure.
    HistoryId
);
number!(
    /// One incident: the time in which people know that a target is in trouble.
    IncidentId
);
number!(
    /// One message to people; it is sent to one or more channels.
    NoticeId
);
number!(
    /// A place in the event log. The first event has 1; none is ever left out or used twice.
    Sequence
);

/// One message to one channel: the notice, and which of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The message.
    pub notice: NoticeId,
    /// The place of the channel among the notice's channels; at most 255 channels a notice.
    pub ordinal: u8,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.notice, self.ordinal)
    }
}

/// An external system that this shop depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its name in the shop, e.g. `PG_KCP`.
    pub system_name: Arc<str>,
    /// Where it is, e.g. `https://api.kcp.com`.
    pub endpoint: Arc<str>,
}

impl Target {
    /// A target from its two parts.
    #[must_use]
    pub fn new(system_name: &str, endpoint: &str) -> Self {
        Self { system_name: system_name.into(), endpoint: endpoint.into() }
    }
}

/// Ties together everything that one request or one outage caused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(pub Arc<str>);

impl CorrelationId {
    /// From text that an edge has checked: 1 to 128 visible ASCII characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of 1,024 fixed parts that the targets are spread over; one node writes a shard at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// How many there are, for ever: the number is part of what is on disk.
    pub const COUNT: u16 = 1024;

    /// The shard of a status: its id by Fibonacci hashing, so that neighbours do not share one.
    #[must_use]
    pub const fn of(id: StatusId) -> Self {
        Self((id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as u16)
    }

    /// Its number, below [`Shard::COUNT`].
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The highest ids that were given so far; stored with every commit, so that none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdMarks {
    /// Of the statuses.
    pub status: StatusId,
    /// Of the histories.
    pub history: HistoryId,
    /// Of the incidents.
    pub incident: IncidentId,
    /// Of the notices.
    pub notice: NoticeId,
}

/// Gives ids, each once. It begins where the store's marks say that the last process ended.
#[derive(Debug, Default)]
pub struct Ids {
    status: AtomicU64,
    history: AtomicU64,
    incident: AtomicU64,
    notice: AtomicU64,
}

impl Ids {
    /// Goes on after these.
    #[must_use]
    pub const fn after(marks: IdMarks) -> Self {
        Self {
            status: AtomicU64::new(marks.status.0),
            history: AtomicU64::new(marks.history.0),
            incident: AtomicU64::new(marks.incident.0),
            notice: AtomicU64::new(marks.notice.0),
        }
    }

    /// A new status's.
    pub fn status(&self) -> StatusId {
        StatusId(next(&self.status))
    }

    /// A new history's.
    pub fn history(&self) -> HistoryId {
        HistoryId(next(&self.history))
    }

    /// A new incident's.
    pub fn incident(&self) -> IncidentId {
        IncidentId(next(&self.incident))
    }

    /// A new notice's.
    pub fn notice(&self) -> NoticeId {
        NoticeId(next(&self.notice))
    }

    /// The highest that were given.
    #[must_use]
    pub fn marks(&self) -> IdMarks {
        IdMarks {
            status: StatusId(self.status.load(Ordering::Relaxed)),
            history: HistoryId(self.history.load(Ordering::Relaxed)),
            incident: IncidentId(self.incident.load(Ordering::Relaxed)),
            notice: NoticeId(self.notice.load(Ordering::Relaxed)),
        }
    }
}

fn next(last: &AtomicU64) -> u64 {
    last.fetch_add(1, Ordering::Relaxed) + 1
}
