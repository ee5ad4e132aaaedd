//! Owns the writing into a socket. Never reads.

use std::future::poll_fn;
use std::io;

use tokio::net::TcpStream;

use crate::traffic::Counter;

/// The socket that one direction's bytes go to.
#[derive(Debug)]
pub(super) struct Sink<'a>(&'a TcpStream);

impl<'a> Sink<'a> {
    /// The sink that this socket is.
    pub(super) fn of(stream: &'a TcpStream) -> Self {
        Self(stream)
    }

    /// The socket.
    pub(super) fn stream(&mut self) -> &'a TcpStream {
        self.0
    }

    /// Writes once, as much as is taken now.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// Writes all, and counts what was taken.
    pub(super) async fn write_all(&mut self, mut bytes: &[u8], moved: &Counter) -> io::Result<()> {
        while !bytes.is_empty() {
            poll_fn(|cx| self.0.poll_write_ready(cx)).await?;
            match self.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    moved.add(count);
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
