//! Connections to targets: dialled, kept, and used again.
//!
//! A connection belongs to the lane (one runtime) that made it. One of HTTP/1.1 is driven by whoever uses it, within his
//! own task, and by nobody while it rests; one of HTTP/2 has a task of its own.

mod dial;

mod fault;

mod http1;

mod origin;

mod quiet;

mod stream;

mod trust;

pub(super) use dial::Link;
pub(super) use fault::Fault;
pub(super) use http1::Http1;
pub(super) use origin::{Origin, Pooling};
