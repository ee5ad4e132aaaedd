//! Owns the client that holds many connections open, over each of which something went once. Judges nothing.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Place;
use super::served::LET_GO;
use super::token::{SIZE, Token};
use crate::say;

/// No answer for so long is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Holds.
#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    #[command(flatten)]
    place: Place,
    /// How many connections.
    #[arg(long)]
    connections: usize,
}

/// Says `held` when all are there, and lets them go when its input ends.
pub(super) fn run(hold: &Hold, token: Token) -> Result<()> {
    let mut all = Vec::with_capacity(hold.connections);
    for n in 0..hold.connections {
        let stream = open(hold.place.at, *token.bytes(), token);
        all.push(stream.with_context(|| format!("connection {} of {} failed", n + 1, hold.connections))?);
    }
    say::line("held");
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(all);
    let mut last = *token.bytes();
    last[0] = LET_GO;
    open(hold.place.at, last, token).map(drop).context("the server does not let go")
}

fn open(at: SocketAddr, request: [u8; SIZE], token: Token) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&request)?;
    let mut answer = [0; SIZE];
    stream.read_exact(&mut answer)?;
    if answer == *token.bytes() { Ok(stream) } else { Err(io::ErrorKind::InvalidData.into()) }
}
