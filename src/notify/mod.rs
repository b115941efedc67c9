//! Tells people: one message to one channel, and what came of it.
//!
//! Each channel is a pure function from a message to what goes on the wire (or into the log), with one IO half for all
//! that speak HTTP. When a message is due, when it is tried again, and when it is given up is not decided here: the
//! domain does that, and the outbox remembers it.

mod sender;

mod told;

mod grouped;

mod words;

mod webhook;

mod alertmanager;

mod slack;

mod discord;

mod teams;

mod mattermost;

mod telegram;

mod pagerduty;

mod opsgenie;

mod ntfy;

mod kakaotalk;

mod email;

mod exec;

mod log;

mod request;

mod transport;

mod smtp;

mod bucket;

mod quote;

mod confidential;

#[cfg(test)]
mod examples;

#[cfg(test)]
mod tests;

pub use sender::{Error, Sender, Standing};
