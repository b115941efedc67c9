//! How a guarded tower service understands its answers, and makes a request a second time.

use super::operation::Operation;
use super::owned::Guard;
use crate::clock::{self, Clock};
use crate::domain::breaker::Outcome;
use crate::domain::guard::{Ended, Safety, status};

/// What a service's requests and answers mean.
pub trait Protocol<Request, Response, Error> {
    /// Whether this request may be repeated in any case.
    fn safety(&self, operation: &Operation, request: &Request) -> Safety;

    /// How an attempt ended that came back with `result`.
    fn ended(&self, operation: &Operation, safety: Safety, result: &Result<Response, Error>) -> Ended;
}

/// How a request is made a second time.
pub trait Repeat<Request> {
    /// The same request again; `None` if that cannot be.
    fn repeat(&self, request: &Request) -> Option<Request>;
}

/// An answer is a success, an error a failure.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

/// HTTP: by method, status and `Retry-After`.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    clock: Clock,
}

/// As a function says.
#[derive(Debug, Clone, Copy)]
pub struct By<F>(pub(super) F);

/// No request is made a second time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Once;

/// A request is cloned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cloned;

impl<Request, Response, Error> Protocol<Request, Response, Error> for Plain {
    fn safety(&self, operation: &Operation, _: &Request) -> Safety {
        operation.safety()
    }

    fn ended(&self, _: &Operation, safety: Safety, result: &Result<Response, Error>) -> Ended {
        let outcome = if result.is_ok() { Outcome::Success } else { Outcome::Failure };
        Ended::new(outcome).with_safety(safety)
    }
}

impl Http {
    /// By the guard's clock, which a `Retry-After` that is a date is compared with.
    #[must_use]
    pub fn new(guard: &Guard) -> Self {
        Self { clock: guard.clock() }
    }

    /// How an attempt ended that was answered: what [`Layer::http`](super::Layer::http) makes of an answer, for functions
    /// that know more of the errors.
    pub fn answered<B>(&self, operation: &Operation, safety: Safety, response: &http::Response<B>) -> Ended {
        let pause = response.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|value| clock::parse_retry_after(value, self.clock.now()));
        operation.ended_as(response.status().as_u16(), safety).with_retry_after(pause)
    }
}

impl<Body, B, Error> Protocol<http::Request<Body>, http::Response<B>, Error> for Http {
    fn safety(&self, operation: &Operation, request: &http::Request<Body>) -> Safety {
        operation.safety().max(status::safety_of_method(request.method().as_str()))
    }

    fn ended(&self, operation: &Operation, safety: Safety, result: &Result<http::Response<B>, Error>) -> Ended {
        match result {
            Ok(response) => self.answered(operation, safety, response),
            Err(_) => Ended::new(Outcome::Unknown).with_safety(safety),
        }
    }
}

impl<Request, Response, Error, F> Protocol<Request, Response, Error> for By<F>
where
    F: Fn(&Operation, Safety, &Result<Response, Error>) -> Ended,
{
    fn safety(&self, operation: &Operation, _: &Request) -> Safety {
        operation.safety()
    }

    fn ended(&self, operation: &Operation, safety: Safety, result: &Result<Response, Error>) -> Ended {
        (self.0)(operation, safety, result)
    }
}

impl<Request> Repeat<Request> for Once {
    fn repeat(&self, _: &Request) -> Option<Request> {
        None
    }
}

impl<Request: Clone> Repeat<Request> for Cloned {
    fn repeat(&self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

impl<Request, F: Fn(&Request) -> Option<Request>> Repeat<Request> for By<F> {
    fn repeat(&self, request: &Request) -> Option<Request> {
        (self.0)(request)
    }
}
