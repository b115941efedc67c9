//! A guard around any tower service: [`Layer`] and [`Service`].
//!
//! The guarded service is ready at all times; the inner one's readiness is waited for within each attempt, so that it
//! counts against the attempt's time and holds a place in the bulkhead. Each call allocates its future.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::Error;
use super::operation::Operation;
use super::owned::Guard;
use super::protocol::{By, Cloned, Http, Once, Plain, Protocol, Repeat};

/// Puts a guard around services. All of them share its breaker, bulkhead and budgets.
#[derive(Debug, Clone)]
pub struct Layer<P = Plain, R = Once> {
    guard: Guard,
    operation: Operation,
    protocol: P,
    repeat: R,
}

impl Layer {
    /// Every answer is a success, every error a failure that is as safe to repeat as `operation`. One attempt.
    #[must_use]
    pub fn new(guard: Guard, operation: Operation) -> Self {
        Self { guard, operation, protocol: Plain, repeat: Once }
    }
}

impl Layer<Http, Once> {
    /// For services of `http::Request` and `http::Response`: an answer means what its status says (see
    /// [`status::ended`](crate::domain::guard::status::ended)), `Retry-After` is honoured, idempotent methods are safe to
    /// repeat, and an error is unknown. One attempt.
    #[must_use]
    pub fn http(guard: Guard, operation: Operation) -> Self {
        let protocol = Http::new(&guard);
        Self { guard, operation, protocol, repeat: Once }
    }
}

impl<P, R> Layer<P, R> {
    /// Attempts as the guard's policy says, each with a clone of the request.
    #[must_use]
    pub fn repeating(self) -> Layer<P, Cloned> {
        self.with_repeat(Cloned)
    }

    /// As [`Layer::repeating`], with requests that can be cloned only now and then: where `clone` gives none, the attempt is
    /// the last one.
    #[must_use]
    pub fn repeating_by<F>(self, clone: F) -> Layer<P, By<F>> {
        self.with_repeat(By(clone))
    }

    /// What an answer or error means is what `classify` says: `Fn(&Operation, Safety, &Result<Response, Error>) -> Ended`.
    /// The [`Safety`](crate::domain::guard::Safety) is the operation's.
    #[must_use]
    pub fn classified<F>(self, classify: F) -> Layer<By<F>, R> {
        let Self { guard, operation, protocol: _, repeat } = self;
        Layer { guard, operation, protocol: By(classify), repeat }
    }

    fn with_repeat<S>(self, repeat: S) -> Layer<P, S> {
        let Self { guard, operation, protocol, repeat: _ } = self;
        Layer { guard, operation, protocol, repeat }
    }
}

impl<S, P: Clone, R: Clone> tower::Layer<S> for Layer<P, R> {
    type Service = Service<S, P, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Service { inner, layer: self.clone() }
    }
}

/// A service with a guard around it.
#[derive(Debug, Clone)]
pub struct Service<S, P = Plain, R = Once> {
    inner: S,
    layer: Layer<P, R>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<Request, S, P, R> tower::Service<Request> for Service<S, P, R>
where
    S: tower::Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    P: Protocol<Request, S::Response, S::Error> + Clone + Send + Sync + 'static,
    R: Repeat<Request> + Clone + Send + Sync + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = BoxFuture<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { inner, layer } = self;
        Box::pin(guarded(inner.clone(), layer.clone(), request))
    }
}

/// One call. Each attempt has a clone of the service and of the request; one that finds the request not to be cloned has
/// the request itself, and is the last.
async fn guarded<Request, S, P, R>(
    inner: S,
    layer: Layer<P, R>,
    request: Request,
) -> Result<S::Response, Error<S::Error>>
where
    S: tower::Service<Request> + Clone,
    P: Protocol<Request, S::Response, S::Error>,
    R: Repeat<Request>,
{
    let Layer { guard, operation, protocol, repeat } = layer;
    let safety = protocol.safety(&operation, &request);
    let spare = if operation.limits(guard.policy()).attempts > 1 { repeat.repeat(&request) } else { None };
    let operation = if spare.is_some() { operation } else { operation.attempts(1) };
    let (mut next, mut kept) = (Some(request), spare);
    let attempt = move |_| {
        let request = next.take()?;
        next = kept.as_ref().and_then(|kept| repeat.repeat(kept)).or_else(|| kept.take());
        Some(once(inner.clone(), request))
    };
    let ended = |result: &Result<_, _>| protocol.ended(&operation, safety, result);
    guard.run(&operation, safety, attempt, ended).await?.result()
}

async fn once<Request, S: tower::Service<Request>>(mut service: S, request: Request) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}
