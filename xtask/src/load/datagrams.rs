//! Owns the clients that ask and are answered by datagrams: each has so many under way all the time. Judges nothing.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Place;
use super::exchange::{Exchanges, share};
use super::token::{SIZE, Token};
use crate::say;

/// What has no answer for so long is lost, and an error.
const PATIENCE: Duration = Duration::from_secs(1);
/// The bytes of a request that say which one it is.
const NUMBER: usize = 4;

/// Asks.
#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    #[command(flatten)]
    place: Place,
    /// Clients at once.
    #[arg(long)]
    clients: u32,
    /// How many datagrams of each client are under way.
    #[arg(long)]
    window: usize,
    /// For how long; once round where it is 0.
    #[arg(long)]
    seconds: f64,
}

pub(super) fn run(ask: &Ask, token: Token) -> Result<()> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(ask.seconds);
    let threads: Vec<_> = (0..ask.clients)
        .map(|_| {
            let (at, window) = (ask.place.at, ask.window);
            thread::spawn(move || ask_again(at, window, end, token))
        })
        .collect();
    let (mut waits, mut errors) = (Vec::new(), 0);
    for thread in threads {
        let (more, wrong) = thread.join().ok().context("a client ended by a panic")??;
        waits.extend(more);
        errors += wrong;
    }
    waits.sort_unstable();
    let all = Exchanges {
        answered: waits.len() as u64,
        seconds: begun.elapsed().as_secs_f64(),
        p50: share(&waits, 50).as_secs_f64(),
        p99: share(&waits, 99).as_secs_f64(),
        errors,
    };
    say::line(serde_json::to_string(&all)?);
    Ok(())
}

/// A request that only its own answer is like.
fn request(token: Token, number: u32) -> [u8; SIZE] {
    let mut bytes = *token.bytes();
    bytes[..NUMBER].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Whether these bytes are a request of this benchmark, and so its answer.
pub(super) fn is_of(token: Token, bytes: &[u8]) -> bool {
    bytes.len() == SIZE && bytes[NUMBER..] == token.bytes()[NUMBER..]
}

/// Asks until the end, and waits for what is under way then. Returns the waits and the number of failures.
fn ask_again(at: SocketAddr, window: usize, end: Instant, token: Token) -> io::Result<(Vec<Duration>, u64)> {
    let own: SocketAddr = if at.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(own)?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut waits, mut errors, mut next) = (Vec::new(), 0, 0);
    // The number of each that is under way, and since when.
    let mut under_way: Vec<(u32, Instant)> = Vec::with_capacity(window);
    loop {
        while under_way.len() < window && (next == 0 || Instant::now() < end) {
            under_way.push((next, Instant::now()));
            match socket.send(&request(token, next)) {
                Ok(_) => {}
                // What an earlier one met is told to a later one; both are gone.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => errors += 1,
                Err(error) => return Err(error),
            }
            next += 1;
        }
        if under_way.is_empty() {
            return Ok((waits, errors));
        }
        let mut answer = [0; SIZE + 1];
        match socket.recv(&mut answer) {
            Ok(length) if is_of(token, &answer[..length]) => {
                let number = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
                match under_way.iter().position(|(waiting, _)| *waiting == number) {
                    Some(place) => waits.push(under_way.swap_remove(place).1.elapsed()),
                    // Sent twice, or later than it was waited for.
                    None => errors += 1,
                }
            }
            Ok(_) => errors += 1,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {
                errors += under_way.len() as u64;
                under_way.clear();
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_of_somebody_else_is_an_error() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let (ours, theirs): (Token, Token) = ("ours".parse().unwrap(), "theirs".parse().unwrap());
        // It is there for as long as the process is: nobody is told that it is not.
        thread::spawn(move || {
            let mut bytes = [0; SIZE];
            for n in 0.. {
                let (_, from) = server.recv_from(&mut bytes).unwrap();
                match n {
                    0 => drop(server.send_to(&bytes, from)),
                    // The second is answered by somebody else, the third twice, and all after it never.
                    1 => drop(server.send_to(theirs.bytes(), from)),
                    2 => drop((server.send_to(&bytes, from), server.send_to(&bytes, from))),
                    _ => {}
                }
            }
        });
        let end = Instant::now() + Duration::from_millis(500);
        let (waits, errors) = ask_again(at, 4, end, ours).unwrap();
        // One of somebody else, one twice, and the four under way that nobody answers, the second among them.
        assert_eq!((waits.len(), errors), (2, 6));
    }

    #[test]
    fn as_many_are_under_way_as_were_wished_and_all_are_answered() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let token: Token = "ours".parse().unwrap();
        let serving = thread::spawn(move || {
            let (mut bytes, mut count) = ([0; SIZE], 0_u64);
            while let Ok((_, from)) = server.recv_from(&mut bytes) {
                assert!(is_of(token, &bytes));
                server.send_to(&bytes, from).unwrap();
                count += 1;
            }
            count
        });
        let (waits, errors) = ask_again(at, 8, Instant::now() + Duration::from_millis(50), token).unwrap();
        assert_eq!((errors, waits.len() as u64), (0, serving.join().unwrap()));
        assert!(waits.len() >= 8);
    }
}
