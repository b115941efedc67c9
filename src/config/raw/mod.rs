//! The files as they are written: text with places, and typed values taken from it, one key at a time.
//!
//! Owns where a value stands and how it is told that it is not what was needed. Knows no key by name.

pub(crate) mod field;
pub(crate) mod files;
pub(crate) mod findings;
pub(crate) mod section;
pub(crate) mod source;
pub(crate) mod suggest;
pub(crate) mod tree;
