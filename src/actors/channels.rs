//! How each channel does: what waits for it, and what came of its last attempts.
//!
//! The notifier writes it, after each attempt and each second; pages and queries read it and ask nobody. Known since the
//! process began. Dead letters are counted by the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::delivery::Outcome;
use crate::domain::time::Timestamp;

/// Why a message is not tried whose channel is not there.
pub const NO_CHANNEL: &str =
    "no channel of this name can be used: add it to the config, or mend what the log says of it";

/// Every channel that was heard of, by name.
#[derive(Debug, Default)]
pub struct Channels {
    table: Mutex<BTreeMap<Arc<str>, Doing>>,
}

/// How one does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doing {
    /// Messages that wait.
    pub waiting: usize,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// When something is tried next; nothing where all that waits is under way.
    pub next: Option<Timestamp>,
    /// When a message last arrived.
    pub delivered_at: Option<Timestamp>,
    /// When an attempt last failed.
    pub failed_at: Option<Timestamp>,
    /// What it said then, without secrets.
    pub error: Option<Box<str>>,
    /// Attempts that failed since the last that did not.
    pub failures: u32,
}

impl Channels {
    /// How a channel does; nothing is known of one that nothing was sent to.
    #[must_use]
    pub fn of(&self, channel: &str) -> Doing {
        self.table.lock().get(channel).cloned().unwrap_or_default()
    }

    /// Those that something waits for.
    #[must_use]
    pub fn waited_for(&self) -> Vec<Arc<str>> {
        let table = self.table.lock();
        table.iter().filter(|(_, doing)| doing.waiting > 0).map(|(name, _)| name.clone()).collect()
    }

    /// So much waits for it.
    pub(crate) fn waits(&self, channel: &Arc<str>, waiting: usize, oldest: Option<Timestamp>, next: Option<Timestamp>) {
        let mut table = self.table.lock();
        let doing = table.entry(channel.clone()).or_default();
        (doing.waiting, doing.oldest, doing.next) = (waiting, oldest, next.filter(|_| waiting > 0));
    }

    /// An attempt came back.
    pub(crate) fn was_tried(&self, channel: &Arc<str>, outcome: &Outcome, now: Timestamp) {
        let mut table = self.table.lock();
        let doing = table.entry(channel.clone()).or_default();
        match outcome {
            Outcome::Delivered => {
                doing.delivered_at = Some(now);
                doing.failures = 0;
            }
            Outcome::Transient { error, .. } | Outcome::Permanent { error } => {
                doing.failed_at = Some(now);
                doing.error = Some(error.clone());
                doing.failures = doing.failures.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_fails_until_it_delivers_and_its_last_error_stays() {
        let (channels, ops, at) = (Channels::default(), Arc::from("ops"), Timestamp::from_nanos);
        let failed = |error: &str| Outcome::Transient { error: error.into(), retry_after: None };
        channels.waits(&ops, 2, Some(at(1)), Some(at(9)));
        channels.was_tried(&ops, &failed("503"), at(2));
        channels.was_tried(&ops, &Outcome::Permanent { error: "410".into() }, at(4));
        let doing = channels.of("ops");
        assert_eq!((doing.failures, doing.failed_at, doing.error.as_deref()), (2, Some(at(4)), Some("410")));
        assert_eq!((doing.waiting, doing.next, doing.delivered_at), (2, Some(at(9)), None));
        assert_eq!(channels.waited_for().len(), 1);
        channels.was_tried(&ops, &Outcome::Delivered, at(5));
        channels.waits(&ops, 0, None, Some(at(99)));
        let doing = channels.of("ops");
        assert_eq!((doing.failures, doing.delivered_at, doing.error.as_deref()), (0, Some(at(5)), Some("410")));
        assert_eq!(channels.waited_for(), Vec::<Arc<str>>::new());
        assert_eq!((doing.next, channels.of("nobody")), (None, Doing::default()));
    }
}
