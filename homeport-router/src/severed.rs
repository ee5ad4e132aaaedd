//! Owns the rule that a connection which did not end well must not look as if it had. Never reads or writes.

use tokio::net::TcpStream;

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
    /// Takes the stream in.
    pub(crate) fn new(stream: TcpStream) -> Self {
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
