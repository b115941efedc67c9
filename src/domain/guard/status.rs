//! What an HTTP status says about the target, and about trying again.
//!
//! The target of a guarded call is the system behind it, not our request: an answer that refuses the request shows a
//! target that works. Meanings are RFC 9110's; 425 and 429 are RFC 8470's and RFC 6585's.

use super::call::{Ended, Safety};
use crate::domain::breaker::Outcome;

/// How an attempt ended that was answered with `status`. `request` says whether the request may be repeated in any case:
/// [`Safety::Idempotent`] or [`Safety::Unsafe`]. `not_processed` is true where the operation's own table declares that
/// this answer means that nothing was done.
///
/// | status | outcome | |
/// |---|---|---|
/// | 1xx, 2xx, 3xx, other 4xx | success | a refused card is an answer |
/// | 401, 403, 407 | ignored | misconfigured: says nothing about the target, and repeating it changes nothing |
/// | 425, 429 | ignored, not processed | throttled; come back later |
/// | 408, other 5xx | failure | |
/// | 501, 505 | ignored | our request is of a kind that it does not know |
/// | 502, 504 | unknown | somebody in between answered; the target may have done it |
///
/// A `Retry-After` is added by who has read it: [`Ended::with_retry_after`].
#[must_use]
pub const fn ended(status: u16, request: Safety, not_processed: bool) -> Ended {
    let safety = if not_processed { Safety::NotProcessed } else { request };
    match status {
        401 | 403 | 407 | 501 | 505 => Ended::new(Outcome::Ignored),
        425 | 429 => Ended::new(Outcome::Ignored).with_safety(Safety::NotProcessed),
        502 | 504 if !not_processed => Ended::new(Outcome::Unknown).with_safety(safety),
        408 | 500..=599 => Ended::new(Outcome::Failure).with_safety(safety),
        _ => Ended::new(if not_processed { Outcome::Failure } else { Outcome::Success }).with_safety(safety),
    }
}

/// Whether a request with this method may be repeated (RFC 9110, 9.2.2). Methods are case-sensitive.
#[must_use]
pub fn safety_of_method(method: &str) -> Safety {
    match method {
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE" => Safety::Idempotent,
        _ => Safety::Unsafe,
    }
}
