//! Idempotency keys: what was answered to them.
//!
//! A key belongs to its tenant. Only a payment that was stored is remembered, also where its answer was lost; a request
//! that failed before leaves its key as it was, since its payment never was. One key too many makes the oldest be
//! forgotten. The status codes follow draft-ietf-httpapi-idempotency-key-header-06.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::ledger::Purchase;

/// A digest of what was asked for: tells two requests apart without keeping a card number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint([u8; 32]);

type Key = (Arc<str>, Arc<str>);

/// The keys that are remembered.
#[derive(Debug)]
pub(super) struct Replays {
    capacity: usize,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    entries: HashMap<Key, Entry>,
    oldest_first: VecDeque<Key>,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// `None` while the first request is under way.
    transaction_key: Option<Arc<str>>,
}

/// What a key says about a request.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing: go on, and tell the claim what was stored.
    Never(Claim),
    /// This transaction was made for it.
    Answered(Arc<str>),
    /// The first request has not ended.
    InProgress,
    /// It was used for something else.
    OtherRequest,
}

impl Replays {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), keys: Mutex::default() }
    }

    pub(super) fn look_up(self: &Arc<Self>, tenant: &Arc<str>, key: &str, purchase: &Purchase) -> Seen {
        let key: Key = (Arc::clone(tenant), key.into());
        let fingerprint = fingerprint(purchase);
        let mut keys = self.keys.lock();
        if let Some(entry) = keys.entries.get(&key) {
            return match &entry.transaction_key {
                _ if entry.fingerprint != fingerprint => Seen::OtherRequest,
                None => Seen::InProgress,
                Some(transaction_key) => Seen::Answered(Arc::clone(transaction_key)),
            };
        }
        while keys.oldest_first.len() >= self.capacity {
            if let Some(oldest) = keys.oldest_first.pop_front() {
                keys.entries.remove(&oldest);
            }
        }
        keys.oldest_first.push_back(key.clone());
        keys.entries.insert(key.clone(), Entry { fingerprint, transaction_key: None });
        Seen::Never(Claim { replays: Arc::clone(self), key })
    }
}

/// A key whose first request is under way. Dropped without a transaction, it was never used.
#[derive(Debug)]
pub(super) struct Claim {
    replays: Arc<Replays>,
    key: Key,
}

impl Claim {
    pub(super) fn stored(&self, transaction_key: &Arc<str>) {
        if let Some(entry) = self.replays.keys.lock().entries.get_mut(&self.key) {
            entry.transaction_key = Some(Arc::clone(transaction_key));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut keys = self.replays.keys.lock();
        if keys.entries.get(&self.key).is_some_and(|entry| entry.transaction_key.is_none()) {
            keys.entries.remove(&self.key);
            // It is among the newest.
            if let Some(place) = keys.oldest_first.iter().rposition(|key| *key == self.key) {
                keys.oldest_first.remove(place);
            }
        }
    }
}

fn fingerprint(purchase: &Purchase) -> Fingerprint {
    let Purchase { order_id, card_type, card_no, amount, callback_url } = purchase;
    let mut digest = Sha256::new();
    for part in [order_id, card_type.name(), card_no.reveal(), &amount.to_string(), callback_url] {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    Fingerprint(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::super::card::{CardNumber, CardType};
    use super::*;

    fn purchase(amount: i64) -> Purchase {
        Purchase {
            order_id: "000042".into(),
            card_type: CardType::Kb,
            card_no: CardNumber::parse("1234-5678-9814-1451").unwrap(),
            amount,
            callback_url: "http://localhost:8080".into(),
        }
    }

    fn claim(replays: &Arc<Replays>, tenant: &str, key: &str) -> Claim {
        match replays.look_up(&tenant.into(), key, &purchase(1)) {
            Seen::Never(claim) => claim,
            seen @ (Seen::Answered(_) | Seen::InProgress | Seen::OtherRequest) => panic!("{seen:?}"),
        }
    }

    #[test]
    fn a_key_answers_what_it_answered() {
        let replays = Arc::new(Replays::new(10));
        let first = claim(&replays, "u", "k");
        assert!(matches!(replays.look_up(&"u".into(), "k", &purchase(1)), Seen::InProgress));
        first.stored(&"20240601:TR:000001".into());
        drop(first);
        assert!(
            matches!(replays.look_up(&"u".into(), "k", &purchase(1)), Seen::Answered(key) if &*key == "20240601:TR:000001")
        );
        assert!(matches!(replays.look_up(&"u".into(), "k", &purchase(2)), Seen::OtherRequest));
        claim(&replays, "other", "k");
    }

    #[test]
    fn a_request_that_stored_nothing_leaves_its_key_unused() {
        let replays = Arc::new(Replays::new(10));
        drop(claim(&replays, "u", "k"));
        claim(&replays, "u", "k");
        assert!(replays.keys.lock().oldest_first.is_empty());
    }

    #[test]
    fn one_key_too_many_makes_the_oldest_be_forgotten() {
        let replays = Arc::new(Replays::new(2));
        for key in ["a", "b", "c"] {
            claim(&replays, "u", key).stored(&"t".into());
        }
        assert!(matches!(replays.look_up(&"u".into(), "b", &purchase(1)), Seen::Answered(_)));
        claim(&replays, "u", "a");
        assert!(replays.keys.lock().entries.len() <= 2);
    }
}
