//! Silences and maintenance windows: who may not be told of what, when.
//!
//! One actor keeps them (senders: the edge, the registry with another configuration), and everybody who tells people
//! looks at [`Quiets`], which holds only what is on disk. They survive a restart by their records in the store.

mod keeper;
mod standing;

pub(crate) use keeper::{Adopt, Changed, Keeper, Tell, Wiring};
pub use keeper::{QuietsHandle, Unwanted};
pub use standing::{Held, Listed, Quiets, Wrong};
