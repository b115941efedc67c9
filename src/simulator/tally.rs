//! Counts of what came, what was answered, and what was called back.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::Serialize;

use super::fate::Fate;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Payment,
    Transaction,
    Order,
    Cancel,
    Health,
    Weather,
}

impl Route {
    const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Transaction => "transaction",
            Self::Order => "order",
            Self::Cancel => "cancel",
            Self::Health => "health",
            Self::Weather => "weather",
        }
    }
}

/// What became of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallbackEnd {
    /// The merchant said 2xx.
    Delivered,
    /// The merchant said something else.
    Refused,
    /// There was no answer.
    Failed,
    /// It was left out on purpose.
    Withheld,
}

/// What became of the callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackReport {
    /// Requests that were tried, duplicates among them.
    pub sent: u64,
    /// Answered with 2xx.
    pub delivered: u64,
    /// Answered with something else.
    pub refused: u64,
    /// Not answered.
    pub failed: u64,
    /// Left out on purpose: `off`, `drop`.
    pub withheld: u64,
}

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// All counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counted: Mutex<Counted>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) requests: Counts,
    pub(super) answers: Counts,
    pub(super) callbacks: CallbackReport,
}

impl Tally {
    pub(super) fn note_request(&self, route: Route) {
        *self.counted.lock().requests.entry(route.name().to_owned()).or_default() += 1;
    }

    pub(super) fn note_fate(&self, fate: &Fate) {
        let name = match fate {
            Fate::Answer(response) => response.status().as_str().to_owned(),
            Fate::Hang => "hang".to_owned(),
            Fate::Reset => "reset".to_owned(),
        };
        *self.counted.lock().answers.entry(name).or_default() += 1;
    }

    pub(super) fn note_callback(&self, end: CallbackEnd) {
        let callbacks = &mut self.counted.lock().callbacks;
        callbacks.sent += u64::from(end != CallbackEnd::Withheld);
        match end {
            CallbackEnd::Delivered => callbacks.delivered += 1,
            CallbackEnd::Refused => callbacks.refused += 1,
            CallbackEnd::Failed => callbacks.failed += 1,
            CallbackEnd::Withheld => callbacks.withheld += 1,
        }
    }

    pub(super) fn counted(&self) -> Counted {
        self.counted.lock().clone()
    }
}
