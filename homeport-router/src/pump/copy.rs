//! Owns copying: one read into the thread's buffer and the writes that follow. Never keeps the buffer across a wait.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::sink::Sink;
use super::urgent::has_more;
use crate::traffic::Meter;

/// The size from which larger reads no longer save time; with 8 KiB a bulk transfer takes almost three times the CPU.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// Which read of a direction it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing is looked for after an urgent byte: one among what somebody says first is against the sense of such, and a look would
    /// be a call more for each of the many connections that are over after one word and an answer.
    First,
    Later,
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
pub(super) async fn copy(
    from: &TcpStream,
    to: &mut Sink<'_>,
    moved: Meter<'_>,
    which: Read,
) -> io::Result<Option<usize>> {
    match poll_fn(|cx| poll_copy(cx, from, to, which)).await? {
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

fn poll_copy(cx: &mut Context<'_>, from: &TcpStream, to: &mut Sink<'_>, which: Read) -> Poll<io::Result<Copied>> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            ready!(from.poll_read_ready(cx))?;
            let count = match read(from, scratch, which) {
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

/// Reads once. A read that does not fill the buffer has emptied the socket, so that the next one waits without asking, or has come to
/// an urgent byte.
fn read(from: &TcpStream, buffer: &mut [u8], which: Read) -> io::Result<usize> {
    let mut read = None;
    let asked = from.try_io(Interest::READABLE, || {
        let count = rustix::io::retry_on_intr(|| rustix::io::read(from, &mut *buffer))?;
        read = Some(count);
        let is_short = count > 0 && count < buffer.len();
        let has_emptied = is_short && (which == Read::First || !has_more(from));
        if has_emptied { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    read.map_or(asked, Ok)
}
