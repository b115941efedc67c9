//! A message to people on its way into the outbox: one entry for each channel, all with one notice's id.

use std::sync::Arc;

use super::delivery::{Delivery, Message};
use super::id::{CorrelationId, DeliveryId, HistoryId, Ids, NoticeId};
use super::time::Timestamp;

/// What a notice says, and of what.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What.
    pub message: &'a Message,
    /// The history whose `notified` it decides.
    pub history: Option<HistoryId>,
    /// With what it belongs together.
    pub correlation: &'a CorrelationId,
}

/// One entry of the outbox for each channel; the first 255 channels get one.
pub fn deliveries(
    about: &About<'_>,
    channels: &[Arc<str>],
    ids: &Ids,
    now: Timestamp,
) -> impl Iterator<Item = Delivery> {
    let notice = if channels.is_empty() { NoticeId(0) } else { ids.notice() };
    let siblings = u8::try_from(channels.len()).unwrap_or(u8::MAX);
    (0..u8::MAX).zip(channels).map(move |(ordinal, channel)| Delivery {
        id: DeliveryId { notice, ordinal },
        siblings,
        channel: channel.clone(),
        message: about.message.clone(),
        history: about.history,
        correlation: about.correlation.clone(),
        queued_at: now,
        tried_since: now,
        attempts: 0,
        next_attempt_at: now,
        last_error: None,
    })
}
