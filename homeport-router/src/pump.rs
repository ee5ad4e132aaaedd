//! Owns the moving of bytes between two connected sockets. Never connects, never decides when a connection must end.
//!
//! A connection keeps no buffer and no pipe while it is idle or moving well. What is small is copied through one buffer a
//! thread ([`mod@copy`]); a direction that keeps moving much has the kernel move it, through a pipe that is borrowed for as
//! long as something is in it ([`mod@splice`]). Only what the receiver does not take at once is kept, until it does;
//! meanwhile nothing more is read from the sender.

mod copy;
mod run;
mod sink;
mod splice;
mod urgent;

use std::io;
use std::net::Shutdown;
use std::pin::pin;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use crate::pipe::Pipes;
use crate::traffic::{Meter, Passed, Traffic};
use copy::{Read, copy};
use run::Run;
use sink::Sink;
use splice::splice;

/// Moves bytes both ways until both sides have ended their data, and counts those that were handed on.
///
/// The end of the data that ends first is passed on, and the other direction goes on for as long as it wants to
/// (half-close); that of the other is passed on by closing both sockets, which is the caller's. A reset of either side is
/// an error, also when only the other side could still send; all bytes that came before it have been handed to the kernel
/// then. Not safe to cancel and resume: bytes in between are lost, so the connection must be reset.
pub(crate) async fn pump(
    client: &TcpStream,
    target: &TcpStream,
    passed: &Passed,
    traffic: &Traffic,
    pipes: &Pipes,
) -> io::Result<()> {
    let from_client = Meter { own: &passed.from_client, route: &traffic.from_clients };
    let to_client = Meter { own: &passed.to_client, route: &traffic.to_clients };
    let mut up = pin!(carry(client, Sink::prompt_from_second(target), from_client, pipes));
    let mut down = pin!(carry(target, Sink::prompt(client), to_client, pipes));
    tokio::select! {
        client_ended = &mut up => {
            client_ended?;
            end(target)?;
            tokio::select! {
                target_ended = &mut down => target_ended,
                error = Box::pin(reset_of(client)) => Err(error),
            }
        }
        target_ended = &mut down => {
            target_ended?;
            end(client)?;
            tokio::select! {
                client_ended = &mut up => client_ended,
                error = Box::pin(reset_of(target)) => Err(error),
            }
        }
    }
}

/// Moves one direction's bytes until their end.
#[expect(
    clippy::manual_async_fn,
    reason = "it would keep room for its arguments twice, for as long as the connection lives"
)]
fn carry<'a>(
    from: &'a TcpStream,
    mut to: Sink<'a>,
    moved: Meter<'a>,
    pipes: &'a Pipes,
) -> impl Future<Output = io::Result<()>> + 'a {
    async move {
        let (mut run, mut which) = (Run::default(), Read::First);
        while let Some(count) = copy(from, &mut to, moved, which).await? {
            which = Read::Later;
            run.copied(count);
            if run.takes_turns() {
                yield_now().await;
            }
            if run.is_bulk() {
                // Kept apart: few connections are ever there, and an idle one shall not have room for it.
                run = Box::pin(splice(from, &mut to, moved, pipes)).await?;
            }
        }
        Ok(())
    }
}

/// Tells the peer that no more data comes.
fn end(stream: &TcpStream) -> io::Result<()> {
    match SockRef::from(stream).shutdown(Shutdown::Write) {
        // Reset meanwhile: whoever reads from it is told.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        ended => ended,
    }
}

/// Completes when the peer, whose data has ended, resets the connection. Nothing reads from it then, so nothing else
/// would notice before the other side sends.
async fn reset_of(stream: &TcpStream) -> io::Error {
    match stream.ready(Interest::ERROR).await {
        Ok(_) => io::ErrorKind::ConnectionReset.into(),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
