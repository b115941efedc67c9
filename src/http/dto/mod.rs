//! What the surface's JSON looks like: camelCase, times in RFC 3339, what is absent left out.
//!
//! The domain knows none of these shapes. Conversions take the domain's values apart member by member, so that a new
//! member is a compile error here and no silent loss.

pub(crate) mod alerting;
pub(crate) mod alerting_event;
pub(crate) mod breaker;
pub(crate) mod call;
pub(crate) mod channel;
pub(crate) mod command;
pub(crate) mod event;
pub(crate) mod history;
pub(crate) mod inputs;
pub(crate) mod list;
pub(crate) mod problem;
pub(crate) mod quiet;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod words;
