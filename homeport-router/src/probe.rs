//! Owns the probes that find a peer which fell silent. Never ends a connection: its next read says what a probe found.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A client may sit behind a slow or sleeping link; a mobile one pays for each probe with its battery.
const CLIENT_AFTER: Duration = Duration::from_mins(5);
/// A container is on this machine: one that is gone without a word is noticed within a minute.
const TARGET_AFTER: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

fn every(after: Duration) -> TcpKeepalive {
    TcpKeepalive::new().with_time(after).with_interval(INTERVAL).with_retries(PROBES)
}

/// Has every client of a listening socket probed: connections have the options of the socket that they came through.
pub(crate) fn probe_clients(listener: &SockRef<'_>) -> io::Result<()> {
    listener.set_tcp_keepalive(&every(CLIENT_AFTER))
}

/// Has a container's connection probed. A dying one refuses, and its reads say what is wrong.
pub(crate) fn probe_target(stream: &TcpStream) {
    SockRef::from(stream).set_tcp_keepalive(&every(TARGET_AFTER)).unwrap_or(());
}
