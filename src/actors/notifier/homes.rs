//! In which line an incident is told.
//!
//! Pure. Which line a message belongs to is read from the configuration, and that may change while others of its incident
//! wait: its target gets another group, or is not configured any more. The end of an incident must not leave by another
//! line than its beginning, so as long as something of an incident waits, what comes of it waits behind that.

use std::collections::{BTreeMap, BTreeSet};

use super::lines::Line;
use crate::domain::id::{DeliveryId, IncidentId};

/// The incidents of which something waits for one channel, by itself or in a group.
#[derive(Debug, Default)]
pub(super) struct Homes(BTreeMap<IncidentId, Home>);

#[derive(Debug)]
struct Home {
    line: Line,
    waiting: BTreeSet<DeliveryId>,
}

impl Homes {
    /// One more of an incident waits, in this line unless others of it wait in another.
    pub(super) fn take_in(&mut self, incident: IncidentId, id: DeliveryId, line: &Line) {
        let home = self.0.entry(incident).or_insert_with(|| Home { line: line.clone(), waiting: BTreeSet::new() });
        home.waiting.insert(id);
    }

    /// Where an incident's messages wait; `None` where none does.
    pub(super) fn line(&self, incident: IncidentId) -> Option<&Line> {
        self.0.get(&incident).map(|home| &home.line)
    }

    /// What waits of an incident, in the order in which it was queued.
    pub(super) fn waiting(&self, incident: IncidentId) -> impl Iterator<Item = DeliveryId> {
        self.0.get(&incident).into_iter().flat_map(|home| home.waiting.iter().copied())
    }

    /// It does not wait any more.
    pub(super) fn left(&mut self, incident: IncidentId, id: DeliveryId) {
        let Some(home) = self.0.get_mut(&incident) else { return };
        home.waiting.remove(&id);
        if home.waiting.is_empty() {
            self.0.remove(&incident);
        }
    }
}
