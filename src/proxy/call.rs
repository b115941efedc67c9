//! A guarded call to one target: let in or refused, attempted once or several times, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, Version};
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
use crate::domain::guard::{Ended, Limits, Next, Safety, status};
use crate::guard::Entered;

/// What came of a call.
pub(super) struct Called {
    pub(super) answer: Result<Response<Reply>, Problem>,
    /// Whether somebody else may answer instead: the target did not do it, or there is nothing to do.
    pub(super) may_fall_back: bool,
}

impl Called {
    fn refused(why: Why, destination: &Destination) -> Self {
        let problem = Problem { why, target: Arc::clone(&destination.target.name) };
        Self { answer: Err(problem), may_fall_back: true }
    }
}

/// A call as it is to be made.
pub(super) struct Call<'c> {
    pub(super) caller: &'c Caller,
    pub(super) route: &'c Route,
    pub(super) operation: Option<&'c Operation>,
}

/// What came of the attempts so far.
#[derive(Debug, Clone, Copy)]
struct Attempted {
    /// Of the last one.
    outcome: Outcome,
    /// Of the least safe one: what the first may have done, the second does not undo.
    safety: Safety,
}

impl Attempted {
    fn and(before: Option<Self>, ended: Ended) -> Self {
        let safety = before.map_or(ended.safety, |before| before.safety.min(ended.safety));
        Self { outcome: ended.outcome, safety }
    }

    /// Whether somebody else may answer instead. An idempotency key, or that a method is idempotent, is worth something at
    /// one target only: another knows nothing of what the first has done.
    fn may_fall_back(self, method: &Method) -> bool {
        match self.safety {
            _ if self.outcome == Outcome::Success => false,
            Safety::NotProcessed | Safety::NotSent => true,
            Safety::Idempotent => method.is_safe(),
            Safety::Unsafe => false,
        }
    }
}

/// An answer that was looked into as far as it had to be.
struct Seen {
    answer: Answer,
    /// What was read of its body.
    read: Option<Bytes>,
}

impl Call<'_> {
    /// A refusal that is known before anything of the request's body was read. `None` promises nothing.
    pub(super) fn glance(&self, destination: &Destination) -> Option<Called> {
        let shared = &self.caller.shared;
        let guarded = destination.target.guarded(&shared.board, shared.clock)?;
        let no = guarded.around.glance(&guarded.gate).err()?;
        Some(Called::refused(Why::Guarded(no.why, no.retry_after), destination))
    }

    /// How long it may take to one target, as far as is known now.
    pub(super) fn budget(&self, destination: &Destination) -> Duration {
        let shared = &self.caller.shared;
        let guarded = destination.target.guarded(&shared.board, shared.clock);
        guarded.map_or(Duration::MAX, |guarded| self.limits(guarded.around.policy().limits()).call_budget)
    }

    /// Makes it. If it is the last one the template's headers go with it.
    pub(super) async fn to(&self, destination: &Destination, template: &mut Template, is_last: bool) -> Called {
        let shared = &self.caller.shared;
        let refused = |why| Called::refused(why, destination);
        let Some(guarded) = destination.target.guarded(&shared.board, shared.clock) else {
            return refused(Why::NoTarget);
        };
        // Before anything is counted: it is no matter of the target's.
        let Some(path) = template.path_at(destination) else {
            let problem = Problem { why: Why::PathTooLong, target: Arc::clone(&destination.target.name) };
            return Called { answer: Err(problem), may_fall_back: false };
        };
        let policy = guarded.around.policy();
        let limits = self.limits(policy.limits());
        let mut entered = match guarded.around.enter_with(&guarded.gate, limits).await {
            Ok(entered) => entered,
            Err(no) => return refused(Why::Guarded(no.why, no.retry_after)),
        };
        let looks_into_body = self.operation.is_some_and(|one| one.outcomes.iter().any(|row| row.json.is_some()));
        let to = template.addressed_to(destination, path, looks_into_body, is_last);
        let safety = self.safety(&template.method, to.headers());
        let mut last: Option<(Attempted, Result<Seen, Fault>)> = None;
        loop {
            let limit = entered.attempt_limit();
            if limit.is_zero() {
                return match last {
                    Some((so_far, seen)) => self.called(destination, entered, limits, (so_far, seen), &template.method),
                    // Nothing was asked of the target: the permit goes back, and nothing is counted.
                    None => refused(Why::BudgetOver),
                };
            }
            let before = last.take().map(|(so_far, seen)| {
                if let Ok(Seen { answer, .. }) = seen {
                    answer.body.discard();
                }
                so_far
            });
            entered.attempt_began();
            let terms = Terms {
                lane: self.caller.lane,
                connect_timeout: policy.connect_timeout,
                deadline: Instant::now() + limit,
            };
            let answered = attempt::attempt(destination, template, &to, terms).await;
            let (ended, seen) = match answered {
                Ok(answer) => match self.look(answer, safety, terms.deadline).await {
                    Ok((ended, seen)) => (ended, Ok(seen)),
                    Err(fault) => (fault.ended(safety), Err(fault)),
                },
                Err(fault) => (fault.ended(safety), Err(fault)),
            };
            let so_far = Attempted::and(before, ended);
            let repeatable = if template.can_be_sent() { ended } else { ended.with_safety(Safety::Unsafe) };
            match entered.attempt_ended(&repeatable) {
                Next::Again { after } => {
                    last = Some((so_far, seen));
                    tokio::time::sleep(after).await;
                }
                Next::Enough(_) => {
                    return self.called(destination, entered, limits, (so_far, seen), &template.method);
                }
            }
        }
    }

    /// Of repeating a request at the same target in any case, by the headers that are sent.
    pub(super) fn safety(&self, method: &Method, headers: &HeaderMap) -> Safety {
        let header = self.operation.and_then(|operation| operation.idempotency_header.as_ref());
        let key = headers.get(header.unwrap_or(&self.route.spec.idempotency_header));
        let by_key = key.is_some_and(|key| !key.is_empty());
        if by_key || self.operation.is_some_and(|operation| operation.idempotent) {
            return Safety::Idempotent;
        }
        status::safety_of_method(method.as_str())
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
    async fn look(&self, mut answer: Answer, safety: Safety, deadline: Instant) -> Result<(Ended, Seen), Fault> {
        let http::response::Parts { status, headers, .. } = &answer.head;
        let looks = outcome::looks_into_body(self.operation, *status, headers);
        let (read, json) = if looks { Box::pin(self.read(&mut answer, deadline)).await? } else { (None, None) };
        let http::response::Parts { status, headers, .. } = &answer.head;
        let clock = self.caller.shared.clock;
        let ended = outcome::of_answer(self.operation, safety, *status, headers, json.as_ref(), clock);
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
                Some(Err(source)) => return Err(Fault::Broken(source)),
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

    fn called(
        &self,
        destination: &Destination,
        entered: Entered,
        limits: Limits,
        last: (Attempted, Result<Seen, Fault>),
        method: &Method,
    ) -> Called {
        let (so_far, seen) = last;
        let answer = self.conclude(destination, entered, limits, so_far.outcome, seen);
        let is_theirs = matches!(&answer, Err(problem) if problem.why == Why::AnswerTooLarge);
        Called { answer, may_fall_back: so_far.may_fall_back(method) && !is_theirs }
    }

    fn conclude(
        &self,
        destination: &Destination,
        entered: Entered,
        limits: Limits,
        outcome: Outcome,
        seen: Result<Seen, Fault>,
    ) -> Result<Response<Reply>, Problem> {
        let problem = |why| Problem { why, target: Arc::clone(&destination.target.name) };
        let seen = match seen {
            Ok(seen) => seen,
            Err(fault) => {
                entered.done(outcome);
                self.caller.shared.note_fault(&destination.target.name, &fault);
                return Err(problem(fault.why()));
            }
        };
        let limit = self.route.spec.response_limit;
        if limit.is_some_and(|limit| seen.answer.body.size_hint().lower() > limit) {
            entered.done(outcome);
            return Err(problem(Why::AnswerTooLarge));
        }
        let via = match seen.answer.head.version {
            Version::HTTP_2 => &self.caller.shared.via_http2,
            _ => &self.caller.shared.via_http1,
        };
        let answer = respond(seen, via, |first, body| {
            Passing::new(first, body, (entered, outcome), limit, limits.attempt_timeout)
        });
        Ok(answer)
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
        None => {
            passing.goes_on();
            Reply::Passing(Box::new(passing))
        }
    };
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_fall_back(method: &Method, attempts: &[(Outcome, Safety)]) -> bool {
        let ended = attempts.iter().map(|(outcome, safety)| Ended::new(*outcome).with_safety(*safety));
        let attempted = ended.fold(None, |before, ended| Some(Attempted::and(before, ended)));
        attempted.expect("one was made").may_fall_back(method)
    }

    #[test]
    fn somebody_else_is_asked_only_if_the_target_has_done_nothing_in_any_attempt() {
        let (failed, unknown) = (Outcome::Failure, Outcome::Unknown);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert!(may_fall_back(&method, &[(failed, Safety::NotSent)]), "{method}");
            assert!(may_fall_back(&method, &[(failed, Safety::NotProcessed), (failed, Safety::NotSent)]), "{method}");
            assert!(!may_fall_back(&method, &[(failed, Safety::Idempotent)]), "{method}");
            assert!(!may_fall_back(&method, &[(unknown, Safety::Idempotent), (failed, Safety::NotSent)]), "{method}");
            assert!(
                !may_fall_back(&method, &[(failed, Safety::Idempotent), (failed, Safety::NotProcessed)]),
                "{method}"
            );
        }
    }

    #[test]
    fn what_only_reads_may_be_asked_of_anybody_who_can_say_more() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(may_fall_back(&method, &[(Outcome::Unknown, Safety::Idempotent)]), "{method}");
            assert!(!may_fall_back(&method, &[(Outcome::Ignored, Safety::Unsafe)]), "wrong credentials: {method}");
            assert!(!may_fall_back(&method, &[(Outcome::Success, Safety::Idempotent)]), "{method}");
        }
    }
}
