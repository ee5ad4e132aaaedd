//! Owns telling the host how init is doing: `sd_notify` messages to its datagram socket.
//! Never waits and never fails: a host that does not listen is no reason not to run. [spec: ENT-30, ENT-31]

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use homeport_core::entrypoint::NOTIFY_SOCKET;

use super::clock::Moment;

/// The way to the host's socket.
#[derive(Debug)]
pub(crate) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// The way to the socket that `NOTIFY_SOCKET` names, or to the place where the host puts it.
    pub(crate) fn new(named: Option<OsString>) -> Self {
        let name = named.unwrap_or_else(|| NOTIFY_SOCKET.into());
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
            None => SocketAddr::from_pathname(&name),
        };
        let open = || {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((socket, address?))
        };
        Self { socket: open().ok() }
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            drop(socket.send_to_addr(message.as_bytes(), address));
        }
    }

    /// The declared endpoints answer.
    pub(crate) fn ready(&self, text: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(text)));
    }

    /// What to show to people.
    pub(crate) fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", one_line(text)));
    }

    /// The configuration is being read again; `ready` follows.
    pub(crate) fn reloading(&self, now: Moment) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.micros()));
    }

    /// The port stops.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }
}

fn one_line(text: &str) -> String {
    homeport_core::text::clip(text, 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_a_socket_that_is_there_and_are_lost_without_harm_where_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let early = Notifier::new(Some(path.clone().into()));
        early.status("nobody listens");
        let host = UnixDatagram::bind(&path).unwrap();
        host.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        early.ready("up\nREADY=0");
        let mut buffer = [0; 200];
        let n = host.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"READY=1\nSTATUS=up\\nREADY=0");
        drop(host);
        early.stopping();
    }
}
