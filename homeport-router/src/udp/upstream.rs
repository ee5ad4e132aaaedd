//! Owns a session's socket to its container, and what an error on it means. Never moves a datagram.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// A socket of this machine that speaks with this container alone: the kernel drops what others send to it, and says where the
/// container is not there.
pub(super) fn connect(target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(target), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.connect(&target.into())?;
    // On one machine a free port of the ephemeral range may meet itself: nobody is there.
    if target.ip().is_loopback() && socket.local_addr()?.as_socket() == Some(target) {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(socket.into())
}

/// Whether there is nothing to be read, or no room to write.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Whether the error is what became of one datagram, and the socket works.
pub(super) fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}
