//! Owns the view of a socket that a route listens on, for whoever keeps a duplicate of it. Never accepts and never closes it.

use std::io;
use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use homeport_core::manifest::Transport;
use tokio::net::{TcpListener, UdpSocket};

use crate::address::ListenAddress;
use crate::route_id::RouteId;
use crate::{listen, udp};

/// A public socket that is bound and not served yet.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(StdListener),
    Udp(StdSocket),
}

impl Bound {
    /// Binds the address.
    pub(crate) fn at(address: ListenAddress, backlog: u16) -> io::Result<Self> {
        match address.transport() {
            Transport::Tcp => listen::listen(address, backlog).map(Self::Tcp),
            Transport::Udp => udp::bind(address).map(Self::Udp),
        }
    }

    /// Takes up a socket that is bound there already; what it is instead, where it is not.
    pub(crate) fn adopted(address: ListenAddress, socket: OwnedFd, backlog: u16) -> io::Result<Result<Self, String>> {
        Ok(match address.transport() {
            Transport::Tcp => listen::adopt(address, socket, backlog)?.map(Self::Tcp),
            Transport::Udp => udp::adopt(address, socket)?.map(Self::Udp),
        })
    }
}

/// A public socket that is served. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) enum Served {
    Tcp(Arc<TcpListener>),
    Udp(Arc<UdpSocket>),
}

impl Served {
    /// By the runtime that this thread is in.
    pub(crate) fn of(bound: Bound) -> io::Result<Self> {
        match bound {
            Bound::Tcp(listener) => TcpListener::from_std(listener).map(|listener| Self::Tcp(Arc::new(listener))),
            Bound::Udp(socket) => UdpSocket::from_std(socket).map(|socket| Self::Udp(Arc::new(socket))),
        }
    }
}

/// Tells one socket from every other that this process has had, also where a route was released and has the same address again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketNumber(u64);

impl SocketNumber {
    /// A number that no socket has had.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A socket that a route listens on. As long as this lives the descriptor is open; the route may be released meanwhile.
#[derive(Debug, Clone)]
pub struct Listening {
    /// The route.
    pub id: RouteId,
    /// Its address.
    pub address: ListenAddress,
    /// Which socket it is.
    pub number: SocketNumber,
    pub(crate) socket: Served,
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Served::Tcp(listener) => listener.as_fd(),
            Served::Udp(socket) => socket.as_fd(),
        }
    }
}
