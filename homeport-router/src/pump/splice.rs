//! Owns a bulk transfer: the kernel moves it from socket to socket, through a pipe. Never keeps a pipe that is empty.

use std::future::poll_fn;
use std::io;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use super::run::{Run, is_large};
use super::sink::Sink;
use super::urgent::has_more;
use crate::pipe::{Pipe, Pipes, is_beyond_pipes};
use crate::traffic::Meter;
use crate::turn::Turn;

/// Whoever takes nothing for so long gives the pipe to another transfer that needs one.
const STALLED: Duration = Duration::from_secs(1);

/// What became of the pipe.
enum Drained {
    /// It is empty and given back.
    Through,
    /// What it held had to be copied.
    Copied,
}

/// Moves the data for as long as much of it comes at once, and counts what was handed on. What it returns with is for
/// copying to find out: the end of the data, little data, or that there is no pipe.
pub(super) async fn splice(from: &TcpStream, to: &mut Sink<'_>, moved: Meter<'_>, pipes: &Pipes) -> io::Result<Run> {
    // Both since the last wait.
    let (mut at_once, mut turn) = (0, None);
    loop {
        poll_fn(|cx| from.poll_read_ready(cx)).await?;
        let Some(mut pipe) = pipes.take() else { return Ok(Run::without_pipe()) };
        let most = turn.get_or_insert_with(|| pipes.transfers.begin()).left();
        match from.try_io(Interest::READABLE, || fill(&mut pipe, from, most)) {
            Ok(0) => {
                pipes.give_back(pipe);
                return Ok(Run::default());
            }
            Ok(count) => {
                at_once += count;
                if let Drained::Copied = drain(pipe, to, moved, pipes, &mut turn).await? {
                    return Ok(Run::without_pipe());
                }
                if turn.as_mut().is_some_and(|turn| turn.is_over_after(count)) {
                    yield_now().await;
                }
            }
            Err(error) => {
                pipes.give_back(pipe);
                turn = None;
                match error.kind() {
                    io::ErrorKind::WouldBlock if is_large(at_once) => at_once = 0,
                    io::ErrorKind::WouldBlock => return Ok(Run::default()),
                    _ if is_beyond_pipes(&error) => return Ok(Run::without_pipe()),
                    _ => return Err(error),
                }
            }
        }
    }
}

/// Fills the pipe. 0 is for copying to find out: the end of the data, or an urgent byte, of whose rest nothing would tell once more.
fn fill(pipe: &mut Pipe, from: &TcpStream, most: usize) -> io::Result<usize> {
    // What has come between the first and the look is moved as well; what is behind an urgent byte is not.
    for _ in 0..2 {
        match pipe.fill(from, most) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && has_more(from) => {}
            filled => return filled,
        }
    }
    Ok(0)
}

/// Moves all that the pipe holds into the socket, however long that takes. The turn ends where that has to be waited for.
async fn drain(
    mut pipe: Pipe,
    to: &mut Sink<'_>,
    moved: Meter<'_>,
    pipes: &Pipes,
    turn: &mut Option<Turn<'_>>,
) -> io::Result<Drained> {
    let stream = to.stream();
    while pipe.held() > 0 {
        let is_stuck = match stream.try_io(Interest::WRITABLE, || pipe.drain(stream)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                moved.add(count);
                false
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *turn = None;
                wait(stream, pipes).await? == Wait::Stalled
            }
            Err(error) if is_beyond_pipes(&error) => true,
            Err(error) => return Err(error),
        };
        if is_stuck {
            let rest = pipe.empty()?;
            pipes.give_back(pipe);
            to.write_all(&rest, moved).await?;
            return Ok(Drained::Copied);
        }
    }
    pipes.give_back(pipe);
    Ok(Drained::Through)
}

/// How a wait for the receiver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It takes more.
    Writable,
    /// It has taken nothing for long, and somebody else needs the pipe.
    Stalled,
}

async fn wait(stream: &TcpStream, pipes: &Pipes) -> io::Result<Wait> {
    let since = Instant::now();
    loop {
        tokio::select! {
            biased;
            writable = poll_fn(|cx| stream.poll_write_ready(cx)) => return writable.map(|()| Wait::Writable),
            () = pipes.wanted() => if since.elapsed() >= STALLED {
                return Ok(Wait::Stalled);
            }
        }
    }
}
