//! The answer to a command: of the events that it caused, the one that was asked for, and what followed.

use warp::reply::Response;

use super::dto::event::{Answer, Named};
use super::error::Problem;
use super::reply;
use crate::actors::answer::Outcome;
use crate::domain::event::Event;
use crate::domain::failure_history::HistoryEvent;
use crate::domain::status::StatusEvent;

/// Which event answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// PaymentGatewayConnected or PaymentGatewayConnectionFailed; if there is neither, PaymentGatewayRetried.
    Connection,
    /// PaymentGatewayConnectionFailed.
    Failure,
    /// PaymentGatewayRetried.
    Retry,
    /// IntegrationFailureRecorded.
    Record,
    /// IntegrationFailureRetried.
    FailureRetry,
    /// IntegrationFailureRecovered.
    Recovery,
    /// CircuitBreakerControlled.
    Control,
}

impl Wanted {
    /// How well an event answers: the lowest is the answer, `None` never is.
    const fn rank(self, event: &Event) -> Option<u8> {
        match (self, event) {
            (
                Self::Connection,
                Event::Status { event: StatusEvent::Connected { .. } | StatusEvent::ConnectionFailed { .. }, .. },
            )
            | (Self::Failure, Event::Status { event: StatusEvent::ConnectionFailed { .. }, .. })
            | (Self::Retry, Event::Status { event: StatusEvent::Retried { .. }, .. })
            | (Self::Record, Event::FailureRecorded(_))
            | (Self::FailureRetry, Event::History { event: HistoryEvent::Retried { .. }, .. })
            | (Self::Recovery, Event::History { event: HistoryEvent::Recovered { .. }, .. })
            | (Self::Control, Event::BreakerControlled { .. }) => Some(0),
            (Self::Connection, Event::Status { event: StatusEvent::Retried { .. }, .. }) => Some(1),
            (
                Self::Connection
                | Self::Failure
                | Self::Retry
                | Self::Record
                | Self::FailureRetry
                | Self::Recovery
                | Self::Control,
                Event::Status { .. }
                | Event::FailureRecorded(_)
                | Event::History { .. }
                | Event::BreakerTransitioned { .. }
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
                | Event::LocationWeatherInfoFailed { .. },
            ) => None,
        }
    }
}

/// The answer to a command that was carried out.
///
/// # Errors
/// It caused no event that answers it, which no command does.
pub(super) fn answer(outcome: &Outcome, wanted: Wanted) -> Result<Response, Problem> {
    let events: Vec<Event> = outcome.logged().into_iter().map(|logged| logged.event).collect();
    let answer = of_events(&events, wanted).ok_or_else(|| {
        tracing::error!(?wanted, "a command was carried out and caused no event that answers it");
        Problem::internal()
    })?;
    Ok(reply::json(&answer))
}

fn of_events(events: &[Event], wanted: Wanted) -> Option<Answer> {
    let ranked = events.iter().enumerate().filter_map(|(place, event)| Some((wanted.rank(event)?, place)));
    let (_, place) = ranked.min()?;
    let followed_by = events.iter().enumerate().filter(|(other, _)| *other != place);
    Some(Answer {
        event: Named::from(&events[place]),
        followed_by: followed_by.map(|(_, event)| Named::from(event)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::domain::failure_history::RetryResult;
    use crate::domain::id::{HistoryId, StatusId, Target};

    fn status(event: StatusEvent) -> Event {
        Event::Status { id: StatusId(1), target: Target::new("PG_KCP", "https://api.kcp.com"), event }
    }

    fn retried() -> Event {
        let retried_at = clock::parse("2024-06-02T09:00:00Z").unwrap();
        status(StatusEvent::Retried { retry_count: 1, retry_result: RetryResult::Failure, retried_at })
    }

    fn failed() -> Event {
        let last_failed_at = clock::parse("2024-06-02T09:00:00Z").unwrap();
        status(StatusEvent::ConnectionFailed { failure_reason: "".into(), last_failed_at })
    }

    fn recovered() -> Event {
        let recovered_at = clock::parse("2024-06-02T09:00:00.5Z").unwrap();
        Event::History { id: HistoryId(7), notified: true, event: HistoryEvent::Recovered { recovered_at } }
    }

    #[test]
    fn the_event_that_was_asked_for_answers_and_the_others_follow_in_their_order() {
        let answer = of_events(&[retried(), failed(), recovered()], Wanted::Connection).unwrap();
        insta::assert_json_snapshot!(answer, @r#"
        {
          "type": "PaymentGatewayConnectionFailed",
          "data": {
            "failureReason": "",
            "integrationStatusId": 1,
            "lastFailedAt": "2024-06-02T09:00:00Z",
            "state": "FAILED",
            "target": {
              "systemName": "PG_KCP",
              "endpoint": "https://api.kcp.com"
            }
          },
          "followedBy": [
            {
              "type": "PaymentGatewayRetried",
              "data": {
                "integrationStatusId": 1,
                "retriedAt": "2024-06-02T09:00:00Z",
                "retryCount": 1,
                "retryResult": "FAILURE",
                "state": "RETRYING",
                "target": {
                  "systemName": "PG_KCP",
                  "endpoint": "https://api.kcp.com"
                }
              }
            },
            {
              "type": "IntegrationFailureRecovered",
              "data": {
                "integrationFailureHistoryId": 7,
                "notified": true,
                "recoveredAt": "2024-06-02T09:00:00.5Z",
                "retryResult": "SUCCESS"
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn below_the_threshold_a_connection_is_answered_by_a_retry() {
        let answer = of_events(&[retried()], Wanted::Connection).unwrap();
        assert_eq!(answer.event.kind, "PaymentGatewayRetried");
        assert!(answer.followed_by.is_empty());
    }

    #[test]
    fn an_event_that_was_not_asked_for_is_no_answer() {
        assert_eq!(of_events(&[recovered()], Wanted::Retry), None);
    }
}
