//! The accept loop: every HTTP socket of this program is served here.
//!
//! It owns the listening socket, the connections' tasks, TLS, and the limits: how long a request's head may take, how
//! long a client may not read, how many connections there are at a time, how long a shutdown waits. HTTP/1.1 and HTTP/2 are told apart by their first
//! bytes, under TLS too.
//!
//! A request of HTTP/1.1 whose end could be seen in two places is refused before it is parsed.
//!
//! It guarantees that a socket that could not be bound is an error before anything else has started; that no client and
//! no handler can stop it from accepting others; that [`Listener::serve`] returns within its deadline after the
//! shutdown began, whatever streams are open.
//!
//! Deliberately not here: routes and status codes. A service comes in, and whether it was made with warp is not known.

mod accept;
mod alarm;
mod answering;
mod complaints;
mod connection;
mod head;
mod screen;
mod socket;
mod wire;

#[cfg(test)]
mod tests;

pub use accept::{HEAD_READ, Limits, Listener, Reserved};
pub(crate) use alarm::Alarm;
pub use answering::{ConnectionControl, Peer, from_tower};
pub use complaints::Complaints;
pub use connection::Client;
pub use socket::Error;
