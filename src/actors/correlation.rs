//! Correlations for what begins on this node and that nobody named.

use uuid::Uuid;

use crate::domain::id::CorrelationId;

/// A new one: UUIDv7, so that they sort by time.
#[must_use]
pub fn fresh() -> CorrelationId {
    CorrelationId::new(Uuid::now_v7().hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}
