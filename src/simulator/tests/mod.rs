//! The simulator and the receiver seen from outside: over loopback, or without sockets where tokio's paused time tells
//! how long something took.

mod bench;
mod callbacks;
mod contract;
mod control;
mod faults;
mod receiver;
mod scenario;
mod timing;
