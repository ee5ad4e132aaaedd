//! Owns hearing that somebody changed a table of the kernel's, whoever and whichever. Never says what was changed.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// The group of those who are told of changes of nftables, as a bit of a mask.
const CHANGES: u32 = 1 << 6;

/// What the kernel has told since it was asked last.
#[derive(Debug)]
pub(super) struct Events(OwnedFd);

impl Events {
    /// From now on.
    pub(super) fn follow() -> rustix::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, CHANGES))?;
        Ok(Self(socket))
    }

    /// Whether anything was changed since this was asked last, or may have been.
    pub(super) fn take(&self) -> bool {
        let mut is_changed = false;
        let mut buffer = [0; 8192];
        loop {
            match rustix::net::recv(&self.0, &mut buffer, RecvFlags::empty()) {
                Err(Errno::AGAIN) => return is_changed,
                // More was changed than waits to be read, or something else is wrong: then it is looked.
                Err(error) if error != Errno::NOBUFS && error != Errno::INTR => return true,
                _ => is_changed = true,
            }
        }
    }
}
