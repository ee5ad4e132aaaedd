//! Owns the rule that a connection which did not end well must not look as if it had. Never reads or writes.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A client may sit behind a slow or sleeping link; a mobile one pays for each probe with its battery.
pub(crate) const PROBE_CLIENT_AFTER: Duration = Duration::from_mins(5);
/// A container is on this machine: one that is gone without a word is noticed within a minute.
pub(crate) const PROBE_TARGET_AFTER: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// How the peer sees the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Reset,
    Ordinary,
}

/// A stream whose peer is reset when it is dropped, unless it was let go.
///
/// Whatever ends a connection early, a task that is aborted included, the peer sees a reset and not the end of the data.
#[derive(Debug)]
pub(crate) struct Severed {
    stream: TcpStream,
    end: End,
}

impl Severed {
    /// Takes the stream in, with the options that every forwarded connection has: no delay of small segments, and
    /// probes of a silent peer. Options that a dying socket refuses are passed over: its reads say what is wrong.
    pub(crate) fn new(stream: TcpStream, probe_after: Duration) -> Self {
        let keepalive = TcpKeepalive::new().with_time(probe_after).with_interval(PROBE_INTERVAL).with_retries(PROBES);
        stream.set_nodelay(true).unwrap_or(());
        SockRef::from(&stream).set_tcp_keepalive(&keepalive).unwrap_or(());
        Self { stream, end: End::Reset }
    }

    /// The stream.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Closes the stream in the ordinary way: both directions ended by themselves.
    pub(crate) fn let_go(mut self) {
        self.end = End::Ordinary;
    }
}

impl Drop for Severed {
    fn drop(&mut self) {
        if self.end == End::Reset {
            self.stream.set_zero_linger().unwrap_or(());
        }
    }
}

/// Resets a client that was just accepted.
pub(crate) fn reset(stream: TcpStream) {
    drop(Severed { stream, end: End::Reset });
}
