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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_means_what_the_table_says() {
        let outcome = |status| ended(status, Safety::Unsafe, false).outcome;
        for status in [100, 200, 204, 302, 400, 402, 404, 409, 410, 418, 422, 451] {
            assert_eq!(outcome(status), Outcome::Success, "{status}");
        }
        for status in [401, 403, 407, 425, 429, 501, 505] {
            assert_eq!(outcome(status), Outcome::Ignored, "{status}");
        }
        for status in [408, 500, 503, 507, 599] {
            assert_eq!(outcome(status), Outcome::Failure, "{status}");
        }
        for status in [502, 504] {
            assert_eq!(outcome(status), Outcome::Unknown, "{status}");
        }
    }

    #[test]
    fn a_failure_is_as_safe_as_its_request_unless_it_says_that_nothing_was_done() {
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(ended(status, Safety::Unsafe, false).safety, Safety::Unsafe, "{status}");
            assert_eq!(ended(status, Safety::Idempotent, false).safety, Safety::Idempotent, "{status}");
            assert_eq!(
                ended(status, Safety::Unsafe, true),
                Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed)
            );
        }
    }

    #[test]
    fn wrong_credentials_are_not_tried_again_and_throttling_is() {
        assert_eq!(ended(401, Safety::Idempotent, false).safety, Safety::Unsafe);
        assert_eq!(ended(429, Safety::Unsafe, false).safety, Safety::NotProcessed);
    }

    #[test]
    fn an_answer_that_is_declared_not_processed_is_a_failure_also_below_500() {
        assert_eq!(ended(409, Safety::Unsafe, true), Ended::new(Outcome::Failure).with_safety(Safety::NotProcessed));
    }

    #[test]
    fn methods_are_idempotent_as_rfc_9110_says() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert_eq!(safety_of_method(method), Safety::Idempotent, "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "get", ""] {
            assert_eq!(safety_of_method(method), Safety::Unsafe, "{method}");
        }
    }
}
