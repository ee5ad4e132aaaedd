//! Owns the binding of public sockets for datagrams, and the taking up of those that another process bound. Never receives.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::batch::Asked;
use crate::address::{ListenAddress, ListenHost};
use crate::listen::{Family, bound_for, is_without_ipv6};

/// How much the kernel keeps of what has come: the datagrams of some thousand clients who send at once.
const ROOM: usize = 4 << 20;

/// Binds the address, not blocking. `*` is one socket for both families, or for IPv4 alone where the machine has no IPv6.
///
/// Nobody else can have the address beside it: two sockets would share its datagrams in a way that neither knows.
pub(crate) fn bind(address: ListenAddress) -> io::Result<UdpSocket> {
    let port = address.port().get();
    match address.host() {
        ListenHost::Any => match open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), Family::Both) {
            Err(error) if is_without_ipv6(&error) => open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Family::V4),
            bound => bound,
        },
        ListenHost::Ip(ip @ IpAddr::V4(_)) => open(SocketAddr::from((ip, port)), Family::V4),
        ListenHost::Ip(ip @ IpAddr::V6(_)) => open(SocketAddr::from((ip, port)), Family::V6),
    }
}

fn open(address: SocketAddr, family: Family) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    match family {
        Family::V4 => {}
        Family::V6 => socket.set_only_v6(true)?,
        Family::Both => socket.set_only_v6(false)?,
    }
    // Before it is bound: nothing that comes lacks it.
    give_options(&socket, address)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn give_options(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match asked(address) {
        Asked::Nothing => {}
        Asked::V4 => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        Asked::V6 => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    // Beyond what everybody may have this takes a privilege. Without it there is as much as everybody may have.
    setsockopt(socket, sockopt::RcvBufForce, &ROOM).or_else(|_| setsockopt(socket, sockopt::RcvBuf, &ROOM))?;
    Ok(())
}

/// What the kernel has to be asked about the datagrams of a socket that is bound there.
pub(super) fn asked(bound: SocketAddr) -> Asked {
    match bound {
        _ if !bound.ip().is_unspecified() => Asked::Nothing,
        SocketAddr::V4(_) => Asked::V4,
        SocketAddr::V6(_) => Asked::V6,
    }
}

/// Takes up a socket that is bound already, with what has come to it. Where it is not the one that the address would be bound
/// with now, what it is instead.
pub(crate) fn adopt(address: ListenAddress, socket: OwnedFd) -> io::Result<Result<UdpSocket, String>> {
    let socket = Socket::from(socket);
    if socket.r#type()? != Type::DGRAM || socket.protocol()? != Some(Protocol::UDP) {
        return Ok(Err("takes no datagrams".to_owned()));
    }
    let does = if socket.peer_addr().is_ok() { "takes datagrams of one peer alone" } else { "takes datagrams" };
    let bound = match bound_for(address, &socket, does)? {
        Ok(bound) if socket.peer_addr().is_ok() => return Ok(Err(format!("{does} on `{bound}`"))),
        Ok(bound) => bound,
        Err(found) => return Ok(Err(found)),
    };
    socket.set_nonblocking(true)?;
    give_options(&socket, bound)?;
    Ok(Ok(socket.into()))
}
