//! The guarded proxy: real calls go through it to their target, past that target's breaker and all that is around it.
//!
//! A route says which requests go to which target ([`config::proxy`](crate::config::proxy)). Routes with a socket of
//! their own are served by threads of their own, one runtime each, where a request is read, sent on and answered without
//! ever changing the thread; those by prefix or host stand in front of the API on its socket. Both take the same path:
//!
//! | Step | In |
//! |---|---|
//! | Which route, and what the target is asked for | `routes`, `path` |
//! | What is refused before anybody is asked | `admission` |
//! | The headers, in both directions | `headers` |
//! | Rate limit, bulkhead, breaker, attempts, fallback | `call` |
//! | One attempt over a kept or a new connection | `attempt`, `upstream` |
//! | What an answer means | `outcome` |
//! | Bodies, in both directions, as they come | `outgoing`, `reply` |
//! | Refusals, as problem+json | `problem` |
//!
//! It guarantees that a request which may have reached a target is repeated only where that does no harm; that what this
//! node could not do itself, and what its client did, never counts against the target; and that the keys a route adds are
//! in no log, no answer and no header for anybody else. Not here: deciding (the domain and `guard`), and committing.

mod problem;

mod path;

mod routes;

mod targets;

mod headers;

mod admission;

mod outcome;

mod outgoing;

mod upstream;

mod template;

mod attempt;

mod reply;

mod call;

mod forward;

mod front;

mod service;

mod threads;

pub use front::Front;
pub use reply::Reply;
pub use service::{Error, Proxy};
pub use threads::{DataPlane, Sockets};
