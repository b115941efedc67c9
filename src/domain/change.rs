//! What a decision wants to be kept, and the proof that it was.

use super::alert::Record;
use super::delivery::Delivery;
use super::event::{Logged, Occurrence, StateChange};
use super::failure_history::IntegrationFailureHistory;
use super::id::{DeliveryId, Sequence, StatusId};
use super::quiet::Quiet;
use super::watch::Watch;

/// Everything that one decision wants on disk: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// For the event log, in order.
    pub events: Vec<Occurrence>,
    /// Targets as they stand after it.
    pub watches: Vec<Watch>,
    /// Histories as they stand after it.
    pub histories: Vec<IntegrationFailureHistory>,
    /// Lines for the targets' transition logs.
    pub transitions: Vec<(StatusId, StateChange)>,
    /// Incidents as they stand after it.
    pub alerts: Vec<Record>,
    /// Silences and maintenance windows that come or go.
    pub quiets: Vec<QuietChange>,
    /// What it does to the outbox.
    pub deliveries: Vec<DeliveryChange>,
    /// Events of others that must not be taken twice: `source` and `id` of a CloudEvent.
    pub received: Option<(Box<str>, Box<str>)>,
}

/// A change of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryChange {
    /// A new entry, or an entry after a failed attempt: it waits.
    Wait(Delivery),
    /// It arrived, and leaves.
    Done(DeliveryId),
    /// It is given up: from the waiting ones to the dead letters.
    Dead(Delivery),
}

/// A silence or a maintenance window comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuietChange {
    /// This one.
    Put(Box<Quiet>),
    /// The one with this id.
    Remove(Box<str>),
}

/// Something that is on disk. Only the store can say so; effects take nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    value: T,
    first: Sequence,
}

impl<T> Committed<T> {
    /// For the store alone (`tests/tidy.rs` checks): `value` is synced; `first` is the sequence of its first event.
    pub const fn by_store(value: T, first: Sequence) -> Self {
        Self { value, first }
    }

    /// What is on disk.
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// What is on disk, taken out.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl Committed<Change> {
    /// Its events with their places in the log.
    pub fn logged(&self) -> impl Iterator<Item = Logged> + '_ {
        self.value.events.iter().zip(self.first.0..).map(|(occurrence, sequence)| {
            let Occurrence { event, at, correlation, cause } = occurrence.clone();
            Logged { sequence: Sequence(sequence), event, at, correlation, cause: cause.map(|c| self.resolve(c)) }
        })
    }

    /// The place in the log of the event with this index.
    #[must_use]
    pub const fn sequence(&self, index: usize) -> Sequence {
        Sequence(self.first.0 + index as u64)
    }

    const fn resolve(&self, cause: super::event::Cause) -> Sequence {
        match cause {
            super::event::Cause::Logged(sequence) => sequence,
            super::event::Cause::Earlier(index) => self.sequence(index),
        }
    }
}
