//! How others steer the outbox: what waits is tried now, what was given up is sent again.

use actix::Addr;
use tokio::sync::oneshot;

use super::answer::{Outcome, PATIENCE, Refused, wait};
use super::failure_history::{Dismiss, FailureHistory, Resend};
use super::notifier::{Notifier, RetryNow};
use crate::domain::id::{CorrelationId, DeliveryId};
use crate::store::Reader;

/// Speaks to those who deliver. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OutboxHandle {
    histories: Addr<FailureHistory>,
    notifier: Addr<Notifier>,
    reader: Reader,
}

impl OutboxHandle {
    pub(crate) const fn new(histories: Addr<FailureHistory>, notifier: Addr<Notifier>, reader: Reader) -> Self {
        Self { histories, notifier, reader }
    }

    /// A message that waits is tried as soon as those before it are gone; a dead letter waits again from now on. Of an
    /// incident that is over only the end can be sent again.
    ///
    /// # Errors
    /// [`Refused::NoSuchDelivery`], [`Refused::IncidentOver`], [`Refused::NoAnswer`], [`Refused::Unreadable`].
    pub async fn retry(&self, id: DeliveryId, who: Box<str>, correlation: CorrelationId) -> Result<Outcome, Refused> {
        let dead = self.reader.dead_letter(id).map_err(super::failure_history::unreadable)?;
        if dead.is_none() {
            let waits = self.reader.delivery(id).map_err(super::failure_history::unreadable)?.is_some();
            // One that is left on disk for want of room comes when there is room.
            let asked = self.notifier.send(RetryNow(id)).timeout(PATIENCE).await.map_err(|_| Refused::NoAnswer)?;
            let nothing = Outcome { committed: None, observation: None };
            return if waits || asked { Ok(nothing) } else { Err(Refused::NoSuchDelivery) };
        }
        let (answer, outcome) = oneshot::channel();
        self.histories.do_send(Resend { id, who, correlation, answer });
        wait(outcome, PATIENCE).await
    }

    /// A dead letter that nobody wants any more is gone when this is answered. What waits is not let go of: it is told.
    ///
    /// # Errors
    /// [`Refused::NoSuchDelivery`], [`Refused::NoAnswer`], [`Refused::Unreadable`].
    pub async fn dismiss(&self, id: DeliveryId, who: Box<str>, correlation: CorrelationId) -> Result<Outcome, Refused> {
        let (answer, outcome) = oneshot::channel();
        self.histories.do_send(Dismiss { id, who, correlation, answer });
        wait(outcome, PATIENCE).await
    }
}
