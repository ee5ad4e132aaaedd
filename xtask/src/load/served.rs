//! Owns the serving side of a measured path: one port for each kind of client. Never knows what is between.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};

use super::token::{SIZE, Token};
use crate::say;

/// Threads that answer requests: more than clients ask at once, so that none waits for another.
const ANSWERING: usize = 64;
/// Whole tokens of one write of bulk data, 256 KiB.
const PIECE: usize = 4096;
/// The first byte of a request to let all idle connections go.
pub(super) const LET_GO: u8 = b'!';

/// Serves.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The address.
    #[arg(long)]
    at: IpAddr,
    /// The port of bulk data; the two after it are of requests and of idle connections.
    #[arg(long)]
    port: u16,
}

pub(super) fn run(serve: &Serve, token: Token) -> Result<()> {
    let listen = |more: u16| {
        let address = (serve.at, serve.port + more);
        TcpListener::bind(address).with_context(|| format!("cannot listen on `{}:{}`", address.0, address.1))
    };
    let (bulk, requests, idle) = (listen(0)?, Arc::new(listen(1)?), listen(2)?);
    for _ in 0..ANSWERING {
        let requests = Arc::clone(&requests);
        thread::spawn(move || requests.incoming().flatten().for_each(|stream| answer(stream, token).unwrap_or(())));
    }
    thread::spawn(move || {
        for stream in bulk.incoming().flatten() {
            thread::spawn(move || send(stream, token).unwrap_or(()));
        }
    });
    say::line("ready");
    hold(&idle, token);
    Ok(())
}

/// Answers one request, and waits for the client's end.
fn answer(mut stream: TcpStream, token: Token) -> std::io::Result<()> {
    let mut request = [0; SIZE];
    stream.read_exact(&mut request)?;
    stream.write_all(token.bytes())?;
    stream.read(&mut request).map(drop)
}

/// Sends until the client is gone.
fn send(mut stream: TcpStream, token: Token) -> std::io::Result<()> {
    let piece = token.repeated(PIECE);
    loop {
        stream.write_all(&piece)?;
    }
}

/// Answers the first request of each connection, and keeps it until it is told to let all go.
fn hold(listener: &TcpListener, token: Token) {
    let mut held = Vec::new();
    for mut stream in listener.incoming().flatten() {
        let mut request = [0; SIZE];
        if stream.read_exact(&mut request).and_then(|()| stream.write_all(token.bytes())).is_ok() {
            held.push(stream);
        }
        if request[0] == LET_GO {
            held.clear();
        }
    }
}
