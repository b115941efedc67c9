//! Breakwater stands between a shop and the systems it depends on.

pub mod actors;
pub mod app;
pub mod breaker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod guard;
pub mod guide;
pub mod http;
pub mod listener;
pub mod metrics;
pub mod notify;
pub mod probes;
pub mod proxy;
pub mod simulator;
pub mod store;
