//! Owns the host's end of readiness: a datagram socket that takes an init's `READY=1`. [spec: ENT-30]
//! Believes only the container's first process, by the credentials that the kernel attaches.

use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind,
    recvmsg, socket_with,
};

/// The longest message that is read; a longer one is cut.
const MESSAGE_LIMIT: usize = 4096;
/// The most messages that are read at once: whoever writes without end does not keep the reader from its deadline.
const MESSAGES: usize = 64;

/// What an init said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Whether it said that it is ready.
    pub(crate) ready: bool,
    /// What it said of what it is doing, the latest.
    pub(crate) status: Option<String>,
}

/// The socket, bound; it goes away with its directory.
#[derive(Debug)]
pub(crate) struct NotifySocket(OwnedFd);

impl NotifySocket {
    /// Binds the socket at `path`, which must not exist.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        set_socket_passcred(&socket, true)?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Any process of the container may write; who wrote is checked for each message.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self(socket))
    }

    /// Waits at most `limit` for messages and returns what the process `pid` said in those that are there.
    pub(crate) fn receive(&self, pid: u32, limit: Duration) -> io::Result<Notice> {
        let mut notice = Notice::default();
        let timeout =
            Timespec { tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: limit.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for _ in 0..MESSAGES {
            match self.take(pid)? {
                Some(message) => notice.read(&message),
                None => break,
            }
        }
        Ok(notice)
    }

    /// The next message; one of another process is empty. `None` where there is no more.
    fn take(&self, pid: u32) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; MESSAGE_LIMIT];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC);
        let length = match received {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => return Ok(Some(Vec::new())),
            Err(error) => return Err(error.into()),
        };
        let sender = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid.as_raw_nonzero().get()),
            _ => None,
        });
        bytes.truncate(length);
        let believed = sender.and_then(|sender| u32::try_from(sender).ok()) == Some(pid);
        Ok(Some(if believed { bytes } else { Vec::new() }))
    }
}

impl Notice {
    /// Takes over one message: lines of `NAME=VALUE`; names that are not known are left out.
    fn read(&mut self, message: &[u8]) {
        for line in String::from_utf8_lossy(message).lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => self.ready = true,
                Some(("STATUS", text)) => self.status = Some(homeport_core::text::clip(text, 200)),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn only_the_containers_first_process_is_believed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("notify");
        let socket = NotifySocket::bind(&path).unwrap();
        let me = std::process::id();
        let wait = Duration::from_millis(50);
        assert_eq!(socket.receive(me, wait).unwrap(), Notice::default());
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"STATUS=starting\n", &path).unwrap();
        sender.send_to(b"READY=1\nSTATUS=up\nX=1", &path).unwrap();
        let notice = socket.receive(me, wait).unwrap();
        assert_eq!(notice, Notice { ready: true, status: Some("up".into()) });
        sender.send_to(b"READY=1", &path).unwrap();
        assert!(!socket.receive(me + 1, wait).unwrap().ready, "another process is not believed");
        sender.send_to(b"READY=0\nREADY\n\xff=1", &path).unwrap();
        assert!(!socket.receive(me, wait).unwrap().ready);
    }
}
