//! Owns the view of a socket that a route listens on, for whoever keeps a duplicate of it. Never accepts and never closes it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;

use crate::address::ListenAddress;
use crate::route_id::RouteId;

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
    pub(crate) socket: Arc<TcpListener>,
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
