//! Owns the kernel's connection tracking: which translated connections there are, and deleting some. Never decides which. Who was
//! connected by one that is deleted is reset at the next packet, since nobody here knows its connection.

mod wire;

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

pub(super) use self::wire::{Entry, Stage};

/// The most that the kernel writes at once.
const DATAGRAM: usize = 1 << 16;
/// What may wait to be read: the kernel goes on only when there is room, and never loses any of a list.
const WAITING: usize = 1 << 20;
/// How long the kernel may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Every connection whose destination was translated, for which this says so.
pub(super) fn all(is_meant: impl Fn(&Entry) -> bool) -> io::Result<Vec<Entry>> {
    let socket = open()?;
    let mut found = Vec::new();
    exchange(&socket, &wire::ask_for_all(), &mut vec![0; DATAGRAM], |said| {
        found.extend(said.into_iter().filter(&is_meant));
    })?;
    Ok(found)
}

/// Deletes these as far as they are what they were when they were listed, and returns how many that was. What becomes something else
/// within the few microseconds between the question and the order is deleted all the same.
///
/// The kernel numbers a connection by the place that it has in memory: where a client comes again from the same port, the new
/// connection has the name of the one that was over. And a client whose first packet was answered meanwhile may have nothing to say
/// before it hears something, so that it would never be told that nobody knows its connection any more.
pub(super) fn delete(entries: &[Entry]) -> io::Result<usize> {
    if entries.is_empty() {
        return Ok(0);
    }
    let socket = open()?;
    let (mut deleted, mut now, mut buffer) = (0, Vec::new(), vec![0; DATAGRAM]);
    for entry in entries {
        now.clear();
        let done = exchange(&socket, &wire::ask_for(entry), &mut buffer, |said| now.extend(said)).and_then(|()| {
            if !now.iter().any(|now| entry.is_still(now)) {
                return Ok(0);
            }
            exchange(&socket, &wire::delete(entry), &mut buffer, drop).map(|()| 1)
        });
        match done {
            Ok(count) => deleted += count,
            // It has ended by itself.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(deleted)
}

fn open() -> io::Result<OwnedFd> {
    let protocol = Some(netlink::NETFILTER);
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    set_socket_recv_buffer_size(&socket, WAITING)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

fn exchange(socket: &OwnedFd, request: &[u8], buffer: &mut [u8], mut with: impl FnMut(Vec<Entry>)) -> io::Result<()> {
    rustix::net::send(socket, request, SendFlags::empty())?;
    loop {
        let (length, _) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty())?;
        let said = wire::read(&buffer[..length]);
        with(said.entries);
        match said.end {
            None => {}
            Some(0) => return Ok(()),
            Some(number) => return Err(io::Error::from_raw_os_error(number)),
        }
    }
}

#[cfg(test)]
mod tests;
