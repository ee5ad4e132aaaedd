//! Owns moving many datagrams with one system call, and the address that an answer is sent from. Never decides what is sent.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, sendmmsg,
};

use super::flight::Flight;
use super::peer::Peer;

/// What the kernel says of each datagram beside its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: the socket has one address.
    Nothing,
    /// To which IPv4 address it was sent.
    V4,
    /// To which address it was sent, IPv4 ones in their IPv6 form.
    V6,
}

impl Asked {
    fn room(self) -> Option<Vec<u8>> {
        match self {
            Self::Nothing => None,
            Self::V4 => Some(nix::cmsg_space!(in_pktinfo)),
            Self::V6 => Some(nix::cmsg_space!(in6_pktinfo)),
        }
    }
}

/// Receives from clients, as many as there are and fit in, and returns how many that were. Waits for none.
pub(super) fn from_clients(socket: &impl AsRawFd, asked: Asked, flight: &mut Flight) -> io::Result<usize> {
    let (room, parcels) = flight.rest();
    let mut parts: Vec<_> = room.map(|part| [IoSliceMut::new(part)]).collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(parts.len(), asked.room());
    let got = recvmmsg(socket.as_raw_fd(), &mut headers, parts.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let mut count = 0;
    for one in got {
        count += 1;
        // A kernel says who sent it. Each has its place, also one that has to be passed over.
        let client = one.address.as_ref().and_then(address);
        let client = client.unwrap_or_else(|| SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
        parcels.push((Peer { client, to: sent_to(&one) }, one.bytes));
    }
    Ok(count)
}

/// Receives what a container has said to this client, at most so many datagrams and no more than fit in, and returns how many.
pub(super) fn from_container(socket: &impl AsRawFd, peer: Peer, most: usize, flight: &mut Flight) -> io::Result<usize> {
    let (room, parcels) = flight.rest();
    let mut parts: Vec<_> = room.take(most).map(|part| [IoSliceMut::new(part)]).collect();
    let mut headers = MultiHeaders::<()>::preallocate(parts.len(), None);
    let got = recvmmsg(socket.as_raw_fd(), &mut headers, parts.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let before = parcels.len();
    parcels.extend(got.map(|one| (peer, one.bytes)));
    Ok(parcels.len() - before)
}

/// Sends these to a container, in their order, and returns how many of them it got.
pub(super) fn to_container(socket: &impl AsRawFd, flight: &Flight, which: &[usize]) -> io::Result<usize> {
    let parts: Vec<_> = which.iter().map(|index| [IoSlice::new(flight.bytes(*index))]).collect();
    let mut headers = MultiHeaders::<()>::preallocate(parts.len(), None);
    let nobody = vec![None::<()>; parts.len()];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    Ok(sendmmsg(socket.as_raw_fd(), &mut headers, parts.iter(), nobody, [], flags)?.count())
}

/// Sends these to their clients, from the address that the first of them wrote to, and returns how many were sent.
pub(super) fn to_clients(socket: &impl AsRawFd, flight: &Flight, which: Range<usize>) -> io::Result<usize> {
    let peers = which.clone().filter_map(|index| flight.peer(index));
    let addresses: Vec<_> = peers.map(|peer| Some(SockaddrStorage::from(peer.client))).collect();
    let parts: Vec<_> = which.clone().map(|index| [IoSlice::new(flight.bytes(index))]).collect();
    let Some(first) = flight.peer(which.start) else { return Ok(0) };
    let (fd, parts) = (socket.as_raw_fd(), parts.as_slice());
    // The form of the address is that of the socket.
    match (first.client, first.to.map(|ip| ip.to_canonical())) {
        (SocketAddr::V4(_), Some(IpAddr::V4(ip))) => {
            let from = in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: in_addr { s_addr: 0 } };
            send(fd, parts, &addresses, Asked::V4, &[ControlMessage::Ipv4PacketInfo(&info)])
        }
        (SocketAddr::V6(_), Some(ip)) => {
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            let info = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            send(fd, parts, &addresses, Asked::V6, &[ControlMessage::Ipv6PacketInfo(&info)])
        }
        (_, None) | (SocketAddr::V4(_), Some(IpAddr::V6(_))) => send(fd, parts, &addresses, Asked::Nothing, &[]),
    }
}

fn send(
    fd: RawFd,
    parts: &[[IoSlice<'_>; 1]],
    addresses: &[Option<SockaddrStorage>],
    told: Asked,
    from: &[ControlMessage<'_>],
) -> io::Result<usize> {
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(parts.len(), told.room());
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    Ok(sendmmsg(fd, &mut headers, parts.iter(), addresses, from, flags)?.count())
}

/// The address of this machine that a datagram was sent to, if answers can be sent from there.
fn sent_to(received: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<IpAddr> {
    let ip = received.cmsgs().ok()?.find_map(|told| match told {
        // The local address, also where it was sent to all that are on a network.
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })?;
    (!ip.is_unspecified() && !ip.to_canonical().is_multicast()).then_some(ip)
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::time::Duration;

    use super::*;
    use crate::udp::flight::MOST;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    #[test]
    fn many_datagrams_are_moved_with_one_call_each_way_and_stay_as_they_are() {
        let (public, clients, container) = (socket(), [socket(), socket()], socket());
        let upstream = socket();
        upstream.connect(container.local_addr().unwrap()).unwrap();
        let sent: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; usize::from(n) * 61]).collect();
        for (n, bytes) in sent.iter().enumerate() {
            clients[n % 2].send_to(bytes, public.local_addr().unwrap()).unwrap();
        }
        Flight::with(|flight| {
            assert_eq!(from_clients(&public, Asked::Nothing, flight).unwrap(), 20);
            assert_eq!((flight.len(), flight.left(), flight.alike(0)), (20, 12, 0..20));
            assert_eq!(flight.sum(0..20), sent.iter().map(Vec::len).sum::<usize>());
            for (n, bytes) in sent.iter().enumerate() {
                let client = clients[n % 2].local_addr().unwrap();
                assert_eq!((flight.bytes(n), flight.peer(n)), (bytes.as_slice(), Some(Peer { client, to: None })));
            }
            let odd: Vec<usize> = (0..20).filter(|n| n % 2 == 1).collect();
            assert_eq!(to_container(&upstream, flight, &odd).unwrap(), 10);
            assert_eq!(to_clients(&public, flight, 4..8).unwrap(), 4);
        });
        let mut buffer = [0; 4096];
        for n in (0..20).filter(|n| n % 2 == 1) {
            let (length, from) = container.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (sent[n].as_slice(), upstream.local_addr().unwrap()));
            container.send_to(&buffer[..length], from).unwrap();
        }
        for n in 4..8 {
            assert_eq!(clients[n % 2].recv(&mut buffer).unwrap(), sent[n].len());
        }
        let peer = Peer { client: clients[0].local_addr().unwrap(), to: None };
        Flight::with(|flight| {
            assert_eq!(from_container(&upstream, peer, 3, flight).unwrap(), 3);
            assert_eq!(from_container(&upstream, peer, MOST, flight).unwrap(), 7);
            assert_eq!((flight.bytes(9), flight.peer(9)), (sent[19].as_slice(), Some(peer)));
        });
        let error = Flight::with(|flight| from_container(&upstream, peer, 1, flight)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_container_that_is_not_there_is_told_by_the_next_call() {
        let (gone, upstream) = (socket(), socket());
        upstream.connect(gone.local_addr().unwrap()).unwrap();
        drop(gone);
        let peer = Peer { client: upstream.local_addr().unwrap(), to: None };
        Flight::with(|flight| {
            flight.put(peer, b"lost");
            assert_eq!(to_container(&upstream, flight, &[0]).unwrap(), 1);
            let refused = to_container(&upstream, flight, &[0]).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        });
    }
}
