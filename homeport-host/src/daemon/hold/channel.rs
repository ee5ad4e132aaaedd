//! Owns how one message, and a descriptor with it, gets from a daemon to a holder and back: a local socket that keeps messages
//! apart, to which only the same user may connect. Never knows what is said.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::MESSAGE_LIMIT;

/// How long one message may take: both ends are on this machine, and neither does anything that takes time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many may wait to be taken in.
const BACKLOG: i32 = 8;

/// One end of a conversation.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// A message that came, with its descriptor.
#[derive(Debug)]
pub(super) struct Received<T> {
    /// The message; `None` where it was not understood.
    pub(super) message: Option<T>,
    pub(super) descriptor: Option<OwnedFd>,
}

impl Channel {
    /// Connects to the holder that listens there.
    ///
    /// # Errors
    /// `NotFound` and `ConnectionRefused` where there is none; `PermissionDenied` where it is of another user.
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        retry_on_intr(|| rustix::net::connect(&socket, &SocketAddrUnix::new(path)?))?;
        Self::of(socket)
    }

    /// Takes in who connected.
    ///
    /// # Errors
    /// `PermissionDenied` where that is another user.
    pub(super) fn accept(listener: &OwnedFd) -> io::Result<Self> {
        Self::of(retry_on_intr(|| rustix::net::accept_with(listener, SocketFlags::CLOEXEC))?)
    }

    fn of(socket: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_peercred(&socket)?.uid != rustix::process::geteuid() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        sockopt::set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Sends a message, with a duplicate of the descriptor.
    pub(super) fn send(&self, message: &impl Serialize, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MESSAGE_LIMIT {
            return Err(io::Error::other(format!("a message of {} bytes is too long", bytes.len())));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(descriptor) = descriptor.as_ref() {
            control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
        }
        let parts = [IoSlice::new(&bytes)];
        retry_on_intr(|| rustix::net::sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// The next message; `None` where the other end is gone.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<Received<T>>> {
        let mut bytes = vec![0; MESSAGE_LIMIT];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.0, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        if got.bytes == 0 {
            return Ok(None);
        }
        let descriptor = control.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let is_whole = !got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
        let text = bytes.get(..got.bytes).filter(|_| is_whole).unwrap_or_default();
        Ok(Some(Received { message: serde_json::from_slice(text).ok(), descriptor }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Listens there for daemons, instead of whoever did before; nobody can connect before it is closed to others.
pub(super) fn listen(path: &Path) -> io::Result<OwnedFd> {
    fs::remove_file(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn pair() -> (Channel, Channel, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let near = Channel::connect(&path).unwrap();
        let far = Channel::accept(&listener).unwrap();
        (near, far, dir)
    }

    #[test]
    fn a_message_comes_with_its_descriptor_and_apart_from_the_next() {
        let (near, far, _dir) = pair();
        let (mut reader, writer) = io::pipe().unwrap();
        near.send(&"first", Some(writer.as_fd())).unwrap();
        near.send(&"second", None).unwrap();
        drop(writer);
        let first = far.receive::<String>().unwrap().unwrap();
        assert_eq!(first.message.as_deref(), Some("first"));
        let mut copy = io::PipeWriter::from(first.descriptor.unwrap());
        copy.write_all(b"through").unwrap();
        drop(copy);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        let second = far.receive::<String>().unwrap().unwrap();
        assert_eq!((second.message.as_deref(), second.descriptor.is_none()), (Some("second"), true));
        drop(near);
        assert!(far.receive::<String>().unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_no_such_thing_or_too_long_is_not_understood() {
        let (near, far, _dir) = pair();
        near.send(&17, None).unwrap();
        assert!(far.receive::<String>().unwrap().unwrap().message.is_none());
        rustix::net::send(&near, &vec![b'"'; MESSAGE_LIMIT + 1], SendFlags::NOSIGNAL).unwrap();
        assert!(far.receive::<String>().unwrap().unwrap().message.is_none());
        assert!(near.send(&"x".repeat(MESSAGE_LIMIT), None).is_err());
        near.send(&"after", None).unwrap();
        assert_eq!(far.receive::<String>().unwrap().unwrap().message.as_deref(), Some("after"));
    }

    #[test]
    fn where_nobody_listens_that_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert_eq!(Channel::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
        drop(listen(&path).unwrap());
        assert_eq!(Channel::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let _again = listen(&path).unwrap();
        Channel::connect(&path).unwrap();
    }
}
