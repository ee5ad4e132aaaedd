//! Owns copying: one read into the thread's buffer and the writes that follow. Never keeps the buffer across a wait.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::sink::Sink;
use crate::traffic::Meter;

/// The size from which larger reads no longer save time; with 8 KiB a bulk transfer takes almost three times the CPU.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// What became of one read.
enum Copied {
    /// The data has ended.
    End,
    /// All that was read was written.
    All(usize),
    /// So much was written, and this is left over.
    Part(usize, Box<[u8]>),
}

/// Moves what one read gives, however long the receiver takes for it, and returns how much that was; `None` is the end of
/// the data.
pub(super) async fn copy(from: &TcpStream, to: &mut Sink<'_>, moved: Meter<'_>) -> io::Result<Option<usize>> {
    match poll_fn(|cx| poll_copy(cx, from, to)).await? {
        Copied::End => Ok(None),
        Copied::All(count) => {
            moved.add(count);
            Ok(Some(count))
        }
        Copied::Part(count, rest) => {
            moved.add(count);
            // Kept apart, as all that an idle connection has no use for.
            Box::pin(to.write_all(&rest, moved)).await?;
            Ok(Some(count + rest.len()))
        }
    }
}

fn poll_copy(cx: &mut Context<'_>, from: &TcpStream, to: &mut Sink<'_>) -> Poll<io::Result<Copied>> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            ready!(from.poll_read_ready(cx))?;
            let count = match read(from, scratch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                count => count?,
            };
            let bytes = scratch.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Poll::Ready(Ok(Copied::End));
            }
            let written = match to.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            };
            let rest = bytes.get(written..).unwrap_or_default();
            let copied = if rest.is_empty() { Copied::All(written) } else { Copied::Part(written, rest.into()) };
            return Poll::Ready(Ok(copied));
        }
    })
}

/// Reads once. A read that does not fill the buffer has emptied the socket, so that the next one waits without asking.
fn read(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = None;
    let asked = from.try_io(Interest::READABLE, || {
        let count = rustix::io::retry_on_intr(|| rustix::io::read(from, &mut *buffer))?;
        read = Some(count);
        if count > 0 && count < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    read.map_or(asked, Ok)
}
