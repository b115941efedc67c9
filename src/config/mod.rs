//! The configuration: read from TOML, checked whole, and then only as checked types.
//!
//! Owns the files' shape: keys, defaults, limits and units, all of them documented in `config/breakwater.toml`.
//! Guarantees that every problem is told at once, with its place and what to do, and that a [`Config`] that exists is
//! right. Watching the files and applying a change are not here.

mod load;

mod secret;

pub mod channel;
mod model;
pub mod probe;
pub mod template;

pub mod proxy;

mod raw;

mod env;

mod expression;

mod units;

mod validate;

mod change;

mod show;

mod error;

#[cfg(test)]
mod tests;

pub use change::{Change, change};
pub use channel::{Channel, ChannelKind};
pub use error::{Problem, Problems};
pub use expression::expression;
pub use load::Loaded;
pub use model::{Alerting, Config, Connectivity, Http, LONGEST_TIMEOUT, Language, Monitor, Node, Scope, Store, Target};
pub use secret::Secret;
