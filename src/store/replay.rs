//! The projections as the log alone would have them, to compare with those that are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::event::{Event, Logged};
use crate::domain::failure_history::IntegrationFailureHistory;
use crate::domain::id::{HistoryId, StatusId, Target};
use crate::domain::status::IntegrationStatus;

/// What the events of the kept log add up to.
#[derive(Debug)]
pub(super) struct Replay {
    /// Histories whose beginning is in the kept log, without their texts.
    histories: BTreeMap<HistoryId, IntegrationFailureHistory>,
    /// Statuses of which anything is in the kept log.
    statuses: BTreeMap<StatusId, IntegrationStatus>,
    nowhere: Target,
}

impl Replay {
    /// Before the first event.
    pub(super) fn new() -> Self {
        let empty: Arc<str> = "".into();
        let nowhere = Target { system_name: Arc::clone(&empty), endpoint: empty };
        Self { histories: BTreeMap::new(), statuses: BTreeMap::new(), nowhere }
    }

    /// Takes the next event.
    pub(super) fn apply(&mut self, logged: Logged) {
        match logged.event {
            Event::FailureRecorded(mut history) => {
                history.target_system = "".into();
                history.detail.error_code = "".into();
                history.detail.error_message = "".into();
                history.detail.request_payload = "".into();
                history.detail.response_payload = "".into();
                history.detail.additional_info = "".into();
                self.histories.insert(history.id, *history);
            }
            Event::History { id, notified: _, event } => {
                if let Some(history) = self.histories.get_mut(&id) {
                    history.apply(&event);
                }
            }
            Event::Status { id, target: _, event } => {
                let new = || IntegrationStatus::new(id, self.nowhere.clone());
                self.statuses.entry(id).or_insert_with(new).apply(&event);
            }
            Event::BreakerTransitioned { .. }
            | Event::BreakerControlled { .. }
            | Event::AlertFired { .. }
            | Event::AlertResolved { .. }
            | Event::AlertAcknowledged { .. }
            | Event::AlertEscalated { .. }
            | Event::QuietCreated { .. }
            | Event::QuietRemoved { .. }
            | Event::NotificationResent { .. }
            | Event::NotificationDismissed { .. }
            | Event::NotificationDeadLettered { .. }
            | Event::LocationWeatherInfoFailed { .. } => {}
        }
    }

    /// What is different in the stored history, if anything.
    pub(super) fn compare_history(&self, stored: &IntegrationFailureHistory) -> Option<String> {
        let replayed = self.histories.get(&stored.id)?;
        let of = |history: &IntegrationFailureHistory| {
            (history.retry_count, history.retry_result, history.last_retried_at, history.recovered_at)
        };
        (of(stored) != of(replayed)).then(|| {
            format!(
                "it says {:?} where its events say {:?} (retries, result, last retry, recovery)",
                of(stored),
                of(replayed)
            )
        })
    }

    /// What is different in the stored status, if anything. Times and counts also move without events.
    pub(super) fn compare_status(&self, stored: &IntegrationStatus) -> Option<String> {
        let replayed = self.statuses.get(&stored.id)?;
        (stored.state != replayed.state)
            .then(|| format!("it says {} where its events say {}", stored.state.as_str(), replayed.state.as_str()))
    }
}
