//! The user's own words: MiniJinja templates, checked when the configuration is.
//!
//! A template that exists has been rendered once for an example of every message, so a name that there is not, or a
//! body that is no JSON, is a mistake in the configuration and not in the night. What it may take is limited.

mod context;

mod escape;

mod render;

pub use context::Context;
pub use escape::Escaping;
pub use render::{Error, Template};
