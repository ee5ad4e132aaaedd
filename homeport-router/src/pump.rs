//! Owns the moving of bytes between two connected sockets. Never connects, never decides when a connection must end.
//!
//! A connection keeps no buffer while it is idle or moving well: each thread has one of 64 KiB, borrowed for the time of
//! one read and the write that follows. Only what the receiver does not take at once is kept, until it does; meanwhile
//! nothing more is read from the sender.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::traffic::Counter;

/// The size from which larger reads no longer save time; with 8 KiB a bulk transfer takes almost three times the CPU.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// Moves bytes both ways until both sides have ended their data, and counts those that were handed on.
///
/// Each side's end of data is passed on by itself, and the other direction goes on for as long as it wants to
/// (half-close). A reset of either side is an error, also when only the other side could still send; all bytes that came
/// before it have been handed to the kernel then. Not safe to cancel and resume: bytes in between are lost, so the
/// connection must be reset.
pub(crate) async fn pump(
    client: &mut TcpStream,
    target: &mut TcpStream,
    from_client: &Counter,
    to_client: &Counter,
) -> io::Result<()> {
    let (client_reads, client_writes) = client.split();
    let (target_reads, target_writes) = target.split();
    let mut up = pin!(carry(client_reads, target_writes, from_client));
    let mut down = pin!(carry(target_reads, client_writes, to_client));
    tokio::select! {
        client = &mut up => {
            let client = client?;
            tokio::select! {
                target = &mut down => target.map(|_| ()),
                error = reset_of(&client) => Err(error),
            }
        }
        target = &mut down => {
            let target = target?;
            tokio::select! {
                client = &mut up => client.map(|_| ()),
                error = reset_of(&target) => Err(error),
            }
        }
    }
}

/// Moves one direction's bytes until their end, passes the end on, and gives the finished half back.
async fn carry<'a>(mut from: ReadHalf<'a>, mut to: WriteHalf<'_>, moved: &Counter) -> io::Result<ReadHalf<'a>> {
    loop {
        match poll_fn(|cx| poll_move(cx, &mut from, &mut to)).await? {
            Moved::All(0) => break,
            Moved::All(count) => moved.add(count),
            Moved::Part(count, rest) => {
                moved.add(count);
                write_rest(&mut to, &rest, moved).await?;
            }
        }
    }
    poll_fn(|cx| Pin::new(&mut to).poll_shutdown(cx)).await?;
    Ok(from)
}

enum Moved {
    /// All that was read was written; 0 is the end of the data.
    All(usize),
    /// So much was written, and this is left over.
    Part(usize, Box<[u8]>),
}

fn poll_move(cx: &mut Context<'_>, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Poll<io::Result<Moved>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let read = buffer.filled();
        if read.is_empty() {
            return Poll::Ready(Ok(Moved::All(0)));
        }
        let written = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        let rest = read.get(written..).unwrap_or_default();
        let moved = if rest.is_empty() { Moved::All(written) } else { Moved::Part(written, rest.into()) };
        Poll::Ready(Ok(moved))
    })
}

async fn write_rest(to: &mut WriteHalf<'_>, mut rest: &[u8], moved: &Counter) -> io::Result<()> {
    while !rest.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *to).poll_write(cx, rest)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        moved.add(written);
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Completes when the peer, whose data has ended, resets the connection. Nothing reads from it then, so nothing else
/// would notice before the other side sends.
async fn reset_of(half: &ReadHalf<'_>) -> io::Error {
    match half.ready(Interest::ERROR).await {
        Ok(_) => io::ErrorKind::ConnectionReset.into(),
        Err(error) => error,
    }
}
