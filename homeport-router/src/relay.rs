//! Owns the second way into a route: clients that a proxy in front of it has accepted and hands on, each introduced by its
//! addresses. Never decides who comes in: the gate and the entrance do, as for those who come by the public socket.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::acceptor::beats;
use crate::connection::serve;
use crate::gate::Admission;
use crate::introduced::{Ends, FIXED, ends, rest};
use crate::route::Route;
use crate::seating::Seating;
use crate::severed::Severed;
use crate::slice::Sliced;

/// How long a proxy may take to say whose connection it hands on: it says so with the first byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many are accepted at once and wait for a seat; the others wait in the socket's queue. Each has a descriptor that no seat stands for.
const WAITING: usize = 64;
/// After each so many who were handed on other routes have their turn.
const IN_A_ROW: u32 = 16;
/// The pause after nobody could be accepted for lack of descriptors.
const SHORT_OF: Duration = Duration::from_millis(50);

/// Lets in whom a proxy hands on, as the gate says, until the route is released; then resets what is live.
///
/// Goes on where no client is accepted on the public socket any more: who is handed on by then was accepted before. Safe to
/// cancel, as an acceptor is.
pub(crate) async fn relay(route: Arc<Route>, listener: UnixListener) {
    let mut gate = route.gate.subscribe();
    let mut connections = JoinSet::new();
    // Those who waited out a hold come all at once here, too. Each waits for a seat in its turn, as it would in a socket's queue.
    let seating = Arc::new(Seating::of(Arc::clone(&route)));
    let places = Arc::new(Semaphore::new(WAITING));
    let mut place = None;
    let mut in_a_row = 0;
    let mut beat = beats();
    loop {
        if in_a_row == IN_A_ROW {
            in_a_row = 0;
            yield_now().await;
        }
        let is_open = match gate.borrow_and_update().admission() {
            Admission::Forward(..) | Admission::Refuse => true,
            Admission::Wait(_) => false,
            Admission::Gone => break,
        };
        tokio::select! {
            // The route, which this task shares, owns the other end: an error cannot come.
            changed = gate.changed() => drop(changed),
            // It is never closed: an error cannot come.
            Ok(free) = Arc::clone(&places).acquire_owned(), if place.is_none() => place = Some(free),
            accepted = listener.accept(), if is_open && place.is_some() => match accepted {
                Ok((handed, _)) => {
                    in_a_row += 1;
                    if connections.is_empty() {
                        beat.reset();
                    }
                    let connection = take_in(Arc::clone(&route), handed, place.take(), Arc::clone(&seating));
                    connections.spawn(Sliced::one_of_many(Arc::clone(&route), connection));
                }
                Err(_) => sleep(SHORT_OF).await,
            },
            _ = beat.tick(), if !connections.is_empty() => route.beat.notify_waiters(),
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Serves one client to its end, where it may come in. It has its place among those who wait until then.
async fn take_in(route: Arc<Route>, handed: UnixStream, place: Option<OwnedSemaphorePermit>, seating: Arc<Seating>) {
    // Whoever is not introduced is no client: there is nobody to tell, and nothing to count.
    let Ok(Ok(ends)) = timeout(PATIENCE, introduction(&handed)).await else { return };
    let Ok(client) = as_stream(handed).map(Severed::new) else { return };
    // Who may not come does not wait to be told so.
    if !route.may_come(ends.client.ip()) {
        return;
    }
    let Some(seat) = seating.seat(route.seats.wait(), ends.client.ip()).await else { return };
    drop((place, seating));
    serve(route, client, ends.client, Some(Box::new(ends)), seat).await;
}

/// Reads who it is, and not a byte more.
async fn introduction(handed: &UnixStream) -> io::Result<Ends> {
    let mut fixed = [0; FIXED];
    read_exact(handed, &mut fixed).await?;
    let mut more = vec![0; rest(&fixed).ok_or(io::ErrorKind::InvalidData)?];
    read_exact(handed, &mut more).await?;
    ends(&fixed, &more).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

async fn read_exact(handed: &UnixStream, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        handed.readable().await?;
        match handed.try_read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The connection as those have it that come by the public socket. What is asked of it is what every stream socket can do; the
/// options of TCP are refused, and passed over.
fn as_stream(handed: UnixStream) -> io::Result<TcpStream> {
    let handed: StdUnixStream = handed.into_std()?;
    TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(handed)))
}
