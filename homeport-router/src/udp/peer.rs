//! Owns who talks over a socket for datagrams: a client, and which of this machine's addresses it wrote to.

use std::net::{IpAddr, SocketAddr};

/// A client, as the public socket sees it, and the address that it expects its answers from.
///
/// The address is `None` where the socket has only one, or where the kernel did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) client: SocketAddr,
    pub(super) to: Option<IpAddr>,
}
