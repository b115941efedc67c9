//! TLS: whom to trust, the handshake, and what its failures mean.

mod faults;
mod handshake;
mod trust;

pub(super) use faults::{failure, fault};
pub(super) use handshake::{Handshake, handshake};
pub(super) use trust::{Protocols, Trust, fingerprint};
