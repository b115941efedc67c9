//! Probes: calls a target once, and says what was found.
//!
//! A [`Prober`] holds what all targets share (trusted certificates, TLS settings, tokens). It turns a configured probe into
//! a [`Prepared`] one, where everything that can be done once is done; that one is called again and again, each time with
//! a deadline that covers the whole of it. A probe always ends in an observation: an error of ours is one too, as
//! [`Reason::Internal`](crate::domain::observation::Reason::Internal).
//!
//! Not here: when to probe, what an observation means for the target, and metrics.

mod prober;

mod certificate;
mod dns;
mod grpc;
mod http;
mod icmp;
mod status_page;
mod tcp;

mod dial;
mod stream;
mod tls;

mod describe;
mod error;
mod failure;
mod trace;

#[cfg(test)]
mod tests;

pub use describe::describe;
pub use error::Error;
pub use failure::is_ours;
pub use prober::{Prepared, Prober};
