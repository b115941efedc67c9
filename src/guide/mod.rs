//! The guide: documents that go with the code and are compiled with it, so that a link to something that was renamed
//! fails the build.
//!
//! Nothing runs here. Whoever wants to use Breakwater starts with the README; whoever wants to change it, with
//! [`architecture`] and [`style`].

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("style.md")]
pub mod style {}

pub mod decisions;

#[doc = include_str!("changelog.md")]
pub mod changelog {}
