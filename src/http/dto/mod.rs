//! What the surface's JSON looks like: camelCase, times in RFC 3339, what is absent left out.
//!
//! The domain knows none of these shapes. Conversions take the domain's values apart member by member, so that a new
//! member is a compile error here and no silent loss.

pub(super) mod breaker;
pub(super) mod event;
pub(super) mod history;
pub(super) mod page;
pub(super) mod problem;
pub(super) mod status;
pub(super) mod target;
