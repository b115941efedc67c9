//! The HTTP probe.
//!
//! A target's probe is prepared as a [`hop`]: where to dial and the request's bytes. Each time it goes over a fresh
//! connection or the kept one, through the [`answer`]'s checks, and maybe along redirects. HTTP/1.1 is read here, since a
//! probe wants little of it and at little cost; HTTP/2 is hyper's.
//!
//! Not here: cookies, compression (a body is checked as it was sent), caches.

mod answer;
mod checks;
mod credentials;
mod decoder;
mod hop;
mod http1;
mod http2;
mod redirect;
mod request;
mod retry_after;
mod shared;
mod target;
mod token;

pub(super) use answer::{CHECKED_IN_PLACE_BYTES_MAX as PARSED_IN_PLACE_BYTES_MAX, told};
pub(super) use http2::{Connection as Http2, words as http2_failure};
pub(super) use retry_after::parse as granted_pause;
pub(super) use shared::Shared;
pub(super) use target::HttpTarget;
