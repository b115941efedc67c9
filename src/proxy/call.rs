//! A guarded call to one target: let in or refused, attempted once or several times, and what came of it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use tokio::time::Instant;

use super::attempt::{self, Answer, Terms};
use super::headers;
use super::outcome;
use super::problem::{Problem, Why};
use super::reply::{Passing, Reply};
use super::routes::{Destination, Route};
use super::service::Caller;
use super::template::Template;
use super::upstream::Fault;
use crate::config::proxy::Operation;
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Limits, Next, Safety};
use crate::guard::Entered;

/// What came of a call.
pub(super) struct Called {
    pub(super) answer: Result<Response<Reply>, Problem>,
    /// Whether somebody else may be asked instead: the target did not do it, or doing it twice is no harm.
    pub(super) may_fall_back: bool,
}

/// A call as it is to be made.
pub(super) struct Call<'c> {
    pub(super) caller: &'c Caller,
    pub(super) route: &'c Route,
    pub(super) operation: Option<&'c Operation>,
    /// Of repeating the request in any case.
    pub(super) safety: Safety,
}

/// An answer that was looked into as far as it had to be.
struct Seen {
    answer: Answer,
    /// What was read of its body.
    read: Option<Bytes>,
}

impl Call<'_> {
    /// Makes it. If it is the last one the template's headers go with it.
    pub(super) async fn to(&self, destination: &Destination, template: &mut Template, is_last: bool) -> Called {
        let shared = &self.caller.shared;
        let refused = |why| {
            let problem = Problem { why, target: Arc::clone(&destination.target.name) };
            Called { answer: Err(problem), may_fall_back: true }
        };
        let Some(guarded) = destination.target.guarded(&shared.board, shared.clock) else {
            return refused(Why::NoTarget);
        };
        let policy = guarded.around.policy();
        let limits = self.limits(policy.limits());
        let mut entered = match guarded.around.enter_with(&guarded.gate, limits).await {
            Ok(entered) => entered,
            Err(no) => return refused(Why::Guarded(no.why, no.retry_after)),
        };
        let looks_into_body = self.operation.is_some_and(|one| one.outcomes.iter().any(|row| row.json.is_some()));
        let to = template.addressed_to(destination, looks_into_body, is_last);
        let mut last = None;
        loop {
            let limit = entered.attempt_limit();
            if limit.is_zero() {
                if let Some(outcome) = last {
                    entered.done(outcome);
                }
                // Else nothing was asked of the target: the permit goes back, and nothing is counted.
                return refused(Why::BudgetOver);
            }
            entered.attempt_began();
            let terms = Terms {
                lane: self.caller.lane,
                connect_timeout: policy.connect_timeout,
                deadline: Instant::now() + limit,
                is_repeatable: self.safety > Safety::Unsafe,
            };
            let attempted = attempt::attempt(destination, template, &to, terms).await;
            let (ended, seen) = match attempted {
                Ok(answer) => match self.look(answer, terms.deadline).await {
                    Ok((ended, seen)) => (ended, Ok(seen)),
                    Err(fault) => (fault.ended(self.safety), Err(fault)),
                },
                Err(fault) => (fault.ended(self.safety), Err(fault)),
            };
            last = Some(ended.outcome);
            let repeatable = if template.can_be_sent() { ended } else { ended.with_safety(Safety::Unsafe) };
            match entered.attempt_ended(&repeatable) {
                Next::Again { after } => {
                    if let Ok(Seen { answer, .. }) = seen {
                        answer.body.discard();
                    }
                    tokio::time::sleep(after).await;
                }
                Next::Enough(_) => return self.conclude(destination, entered, limits, ended, seen),
            }
        }
    }

    fn limits(&self, of_target: Limits) -> Limits {
        let Some(operation) = self.operation else { return of_target };
        Limits {
            attempts: operation.attempts.unwrap_or(of_target.attempts),
            attempt_timeout: operation.attempt_timeout.unwrap_or(of_target.attempt_timeout),
            // An operation that may take longer than a whole call may, makes the call longer.
            call_budget: of_target.call_budget.max(operation.attempt_timeout.unwrap_or_default()),
        }
    }

    /// What an answer means, by its head or, where the operation's table asks for it, by its body.
    async fn look(&self, mut answer: Answer, deadline: Instant) -> Result<(Ended, Seen), Fault> {
        let http::response::Parts { status, headers, .. } = &answer.head;
        let looks = outcome::looks_into_body(self.operation, *status, headers);
        let (read, json) = if looks { Box::pin(self.read(&mut answer, deadline)).await? } else { (None, None) };
        let http::response::Parts { status, headers, .. } = &answer.head;
        let clock = self.caller.shared.clock;
        let ended = outcome::of_answer(self.operation, self.safety, *status, headers, json.as_ref(), clock);
        Ok((ended, Seen { answer, read }))
    }

    /// The body up to the limit; the JSON only if that was all of it.
    async fn read(
        &self,
        answer: &mut Answer,
        deadline: Instant,
    ) -> Result<(Option<Bytes>, Option<serde_json::Value>), Fault> {
        let mut read = BytesMut::new();
        let whole = loop {
            let part = std::future::poll_fn(|context| answer.body.poll_part(context));
            let Ok(part) = tokio::time::timeout_at(deadline, part).await else { return Err(Fault::TimedOut) };
            match part {
                None => break true,
                Some(Err(source)) => return Err(Fault::Broken { stale: false, source }),
                Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            }
            if read.len() > self.route.spec.inspect_limit {
                break false;
            }
            if answer.body.has_ended() {
                break true;
            }
        };
        let json = if whole { serde_json::from_slice(&read).ok() } else { None };
        Ok((Some(read.freeze()), json))
    }

    fn conclude(
        &self,
        destination: &Destination,
        entered: Entered,
        limits: Limits,
        ended: Ended,
        seen: Result<Seen, Fault>,
    ) -> Called {
        let has_failed = ended.outcome != Outcome::Success;
        let may_fall_back = has_failed && ended.safety > Safety::Unsafe;
        let problem = |why| Problem { why, target: Arc::clone(&destination.target.name) };
        let seen = match seen {
            Ok(seen) => seen,
            Err(fault) => {
                entered.done(ended.outcome);
                self.caller.shared.note_fault(&destination.target.name, &fault);
                return Called { answer: Err(problem(fault.why())), may_fall_back };
            }
        };
        let limit = self.route.spec.response_limit;
        if limit.is_some_and(|limit| seen.answer.body.size_hint().lower() > limit) {
            entered.done(ended.outcome);
            return Called { answer: Err(problem(Why::AnswerTooLarge)), may_fall_back: false };
        }
        let answer = respond(seen, &self.caller.shared.via_http1, |first, body| {
            Passing::new(first, body, (entered, ended.outcome), limit, limits.attempt_timeout)
        });
        Called { answer: Ok(answer), may_fall_back }
    }
}

/// The answer for the client. A body that is whole already is not passed on in parts.
fn respond(
    seen: Seen,
    via: &http::HeaderValue,
    passing: impl FnOnce(Option<Bytes>, attempt::AnswerBody) -> Passing,
) -> Response<Reply> {
    let Seen { answer: Answer { mut head, body }, read } = seen;
    headers::of_response(&mut head.headers, via);
    let mut response = Response::new(Reply::Whole(Bytes::new()));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    let mut passing = passing(read, body);
    *response.body_mut() = match passing.whole_at_once() {
        Some(bytes) => Reply::Whole(bytes),
        None => Reply::Passing(Box::new(passing)),
    };
    response
}
