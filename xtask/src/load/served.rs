//! Owns the serving side of a measured path: one port for each kind of client. Never knows what is between.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};

use super::datagrams::is_of;
use super::token::{SIZE, Token};
use crate::say;

/// Threads that answer requests: more than clients ask at once, so that none waits for another.
const ANSWERING: usize = 64;
/// Threads that answer datagrams.
const ECHOING: usize = 2;
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
    /// The port of bulk data; the three after it are of requests, of idle connections and of datagrams.
    #[arg(long)]
    port: u16,
}

pub(super) fn run(serve: &Serve, token: Token) -> Result<()> {
    let listen = |more: u16| {
        let address = (serve.at, serve.port + more);
        TcpListener::bind(address).with_context(|| format!("cannot listen on `{}:{}`", address.0, address.1))
    };
    let (bulk, requests, idle) = (listen(0)?, Arc::new(listen(1)?), listen(2)?);
    let address = (serve.at, serve.port + 3);
    let datagrams = UdpSocket::bind(address).with_context(|| format!("cannot bind `{}:{}`", address.0, address.1))?;
    let datagrams = Arc::new(datagrams);
    for _ in 0..ECHOING {
        let datagrams = Arc::clone(&datagrams);
        thread::spawn(move || echo(&datagrams, token));
    }
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

/// Sends back each datagram of this benchmark, and no other.
fn echo(socket: &UdpSocket, token: Token) {
    let mut bytes = [0; SIZE + 1];
    loop {
        // Whatever is wrong with one datagram is its client's to find out.
        if let Ok((length, from)) = socket.recv_from(&mut bytes)
            && let Some(request) = bytes.get(..length).filter(|request| is_of(token, request))
        {
            socket.send_to(request, from).unwrap_or(0);
        }
    }
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
