//! Owns the writing into a socket. Never reads.

use std::future::poll_fn;
use std::io;

use tokio::net::TcpStream;

use crate::traffic::Meter;

/// Whether the kernel holds small segments back while earlier ones are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delay {
    /// It does not.
    Never,
    /// It would, and nothing was written yet: the first segment is never held back.
    Unwritten,
    /// It would, from the next segment on.
    Written,
}

/// The socket that one direction's bytes go to.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    stream: &'a TcpStream,
    delay: Delay,
}

impl<'a> Sink<'a> {
    /// A socket that holds nothing back.
    pub(super) fn prompt(stream: &'a TcpStream) -> Self {
        Self { stream, delay: Delay::Never }
    }

    /// A socket that is told before its second write to hold nothing back. One that ends with the first needs no telling.
    pub(super) fn prompt_from_second(stream: &'a TcpStream) -> Self {
        Self { stream, delay: Delay::Unwritten }
    }

    /// The socket, for a write that is not the first.
    pub(super) fn stream(&mut self) -> &'a TcpStream {
        if self.delay != Delay::Never {
            // An option that a dying socket refuses is passed over: its writes say what is wrong.
            self.stream.set_nodelay(true).unwrap_or(());
            self.delay = Delay::Never;
        }
        self.stream
    }

    /// Writes once, as much as is taken now.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.delay {
            Delay::Never => {}
            Delay::Unwritten => self.delay = Delay::Written,
            Delay::Written => {
                self.stream();
            }
        }
        self.stream.try_write(bytes)
    }

    /// Writes all, and counts what was taken.
    pub(super) async fn write_all(&mut self, mut bytes: &[u8], moved: Meter<'_>) -> io::Result<()> {
        while !bytes.is_empty() {
            poll_fn(|cx| self.stream.poll_write_ready(cx)).await?;
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_is_written_to_again_is_told_to_hold_nothing_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut sink = Sink::prompt_from_second(&stream);
        assert_eq!(sink.try_write(b"first").unwrap(), 5);
        assert!(!stream.nodelay().unwrap());
        assert_eq!(sink.try_write(b"second").unwrap(), 6);
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_socket_through_which_bulk_goes_holds_nothing_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(Sink::prompt_from_second(&stream).stream().nodelay().unwrap());
    }
}
