//! Binding: a listening socket, or a sentence that says why there is none.
//!
//! Deliberately not here: accepting.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps until they are accepted. More than the usual 128, because a full house makes
/// accepting wait, and Linux cuts the number at its own limit.
const BACKLOG: i32 = 1024;

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port belongs to somebody else.
    #[error(
        "cannot listen on {address}: another program already does; stop that program, or choose another address or port"
    )]
    PortTaken {
        /// Asked for.
        address: SocketAddr,
    },
    /// The machine does not allow it.
    #[error(
        "cannot listen on {address}: this user may not; choose a port above 1023, or give the program that permission"
    )]
    NotPermitted {
        /// Asked for.
        address: SocketAddr,
    },
    /// The address belongs to no interface.
    #[error(
        "cannot listen on {address}: this machine has no such address; choose one of its own, or 127.0.0.1 for this machine only"
    )]
    NoSuchAddress {
        /// Asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}; choose another address or look at the machine's limits")]
    CannotListen {
        /// Asked for.
        address: SocketAddr,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
}

pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    try_bind(address).map_err(|error| explain(address, error))
}

fn try_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last run's connections to leave TIME_WAIT. (On Windows the option means that two
    // programs may share a port, which is what nobody wants.)
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(address: SocketAddr, source: io::Error) -> Error {
    let kind = source.kind();
    if kind == io::ErrorKind::AddrInUse {
        return Error::PortTaken { address };
    }
    if kind == io::ErrorKind::PermissionDenied {
        return Error::NotPermitted { address };
    }
    if kind == io::ErrorKind::AddrNotAvailable {
        return Error::NoSuchAddress { address };
    }
    Error::CannotListen { address, source }
}
