//! Calls to a target through its breaker, and through what belongs around a breaker: for Rust programs with or without a
//! node, and under the proxy.
//!
//! A [`Guard`] owns a breaker. A call passes, outermost first, a rate limit, a bulkhead, the breaker, and then makes
//! attempts within one permit, each with a time limit; the breaker hears of the call, not of its attempts. What may be
//! repeated is repeated: what was not sent, what is idempotent, and what the target says that it did not do.
//!
//! ```
//! use std::time::Duration;
//! use breakwater::guard::{Error, Guard, Operation, Reply};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error<&'static str>> {
//! let guard = Guard::builder("PG_KCP")
//!     .attempts(3)
//!     .call_budget(Duration::from_secs(5))
//!     .bulkhead(16, 32, Duration::from_millis(200))
//!     .build();
//!
//! // Where every `Err` is the target's failure, a `Result` will do.
//! let balance = Operation::new("balance").idempotent();
//! let found = guard
//!     .call(&balance, |attempt| async move { if attempt.number < 3 { Err("down") } else { Ok(5_000) } })
//!     .await?;
//! assert_eq!(found, 5_000);
//!
//! // Where more is known, a `Reply` says it: a declined card is an answer, and the target is well.
//! let charge = Operation::new("charge").not_processed(&[500]);
//! let declined = guard.call(&charge, |_| async { Reply::<(), _>::declined("no funds") }).await;
//! assert_eq!(declined, Err(Error::Declined("no funds")));
//! assert_eq!(guard.view().breaker.lifetime.success, 2);
//! # Ok(())
//! # }
//! ```
//!
//! While the breaker is open, or the bulkhead or the rate are full, a call is refused at once with the time to come back:
//!
//! ```
//! use breakwater::guard::{Error, Guard, Operation};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let guard = Guard::builder("PG_KCP").build();
//! let charge = Operation::new("charge");
//! for _ in 0..10 {
//!     let _ = guard.call(&charge, |_| async { Err::<(), _>("down") }).await;
//! }
//! let error = guard.call(&charge, |_| async { Ok::<_, &str>(()) }).await.unwrap_err();
//! assert!(matches!(error, Error::Refused(_)));
//! assert!(error.retry_after().is_some_and(|pause| pause.as_secs() < 6));
//! # }
//! ```
//!
//! The same for any [`tower`] service; with [`Layer::http`] answers are understood by their status:
//!
//! ```
//! use breakwater::guard::{Guard, Layer, Operation};
//! use tower::{Layer as _, Service as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # #[derive(Clone)]
//! # struct Client;
//! # impl tower::Service<http::Request<String>> for Client {
//! #     type Response = http::Response<String>;
//! #     type Error = std::io::Error;
//! #     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
//! #         std::task::Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, _: http::Request<String>) -> Self::Future {
//! #         std::future::ready(Ok(http::Response::new("pong".to_owned())))
//! #     }
//! # }
//! let guard = Guard::builder("PG_KCP").build();
//! let mut client = Layer::http(guard, Operation::new("any")).repeating().layer(Client);
//! let response = client.call(http::Request::get("/ping").body(String::new()).unwrap()).await.unwrap();
//! assert_eq!(response.body(), "pong");
//! # }
//! ```
//!
//! Guaranteed: a call's time is never overrun by more than a millisecond, which is how finely tokio's timers go; what is
//! not safe is never repeated; a call that is dropped counts for nothing; a panic is a failure. A call that does not wait
//! takes no lock and, at the level of [`Around`], allocates nothing.
//!
//! Deliberately not here: connections and their time limit, which are the client's.

mod owned;

mod builder;
mod call;
mod error;
mod operation;
mod reply;

mod layer;
mod protocol;

mod around;
mod attempts;
mod entered;

mod bulkhead;
mod draws;
mod rate;
mod retries;

#[cfg(test)]
mod tests;

pub use crate::domain::guard::{Ended, Next, Policy, Refusal, Safety, WhyEnough};
pub use around::{Around, Refused};
pub use attempts::Attempt;
pub use builder::Builder;
pub use entered::Entered;
pub use error::Error;
pub use layer::{Layer, Service};
pub use operation::Operation;
pub use owned::{Guard, View};
pub use protocol::{By, Cloned, Http, Once, Plain, Protocol, Repeat};
pub use reply::{Answer, Reply};
