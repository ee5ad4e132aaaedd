//! Owns the clients that connect, ask, are answered and close: as often as they can, or at a rate. Judges nothing.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Place;
use super::token::{SIZE, Token};
use crate::say;

/// No answer for so long is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks.
#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    #[command(flatten)]
    place: Place,
    /// Clients at once.
    #[arg(long)]
    clients: u32,
    /// For how long.
    #[arg(long)]
    seconds: f64,
    /// Requests a second of all together; without it, as many as can be.
    #[arg(long)]
    rate: Option<f64>,
    /// So many requests of each client, however long they take, instead of a time.
    #[arg(long)]
    times: Option<usize>,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exchanges {
    /// Connections that were answered.
    pub(crate) answered: u64,
    /// Until the last one.
    pub(crate) seconds: f64,
    /// Half of the answers came within so many seconds.
    pub(crate) p50: f64,
    /// 99 % of the answers came within so many seconds.
    pub(crate) p99: f64,
    /// Connections that failed, or had another answer.
    pub(crate) errors: u64,
}

pub(super) fn run(ask: &Ask, token: Token) -> Result<()> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(ask.seconds);
    // At a rate, clients take turns, and each begins when it is its turn, however late the answer before came.
    let pause = ask.rate.map(|rate| Duration::from_secs_f64(1.0 / rate.max(0.1)));
    let threads: Vec<_> = (0..ask.clients)
        .map(|number| {
            let (at, times, clients) = (ask.place.at, ask.times.unwrap_or(usize::MAX), ask.clients);
            let turns = pause.map(|pause| (begun + pause * number, pause * clients));
            let end = if ask.times.is_some() { None } else { Some(end) };
            thread::spawn(move || ask_again(at, turns, times, end, token))
        })
        .collect();
    let (mut waits, mut errors) = (Vec::new(), 0);
    for thread in threads {
        let (more, wrong) = thread.join().ok().context("a client ended by a panic")?;
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

/// The wait that so many percent of sorted waits do not exceed.
pub(super) fn share(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Asks until the end, at each of its turns if it has any, and returns the waits and the number of failures.
fn ask_again(
    at: SocketAddr,
    turns: Option<(Instant, Duration)>,
    times: usize,
    end: Option<Instant>,
    token: Token,
) -> (Vec<Duration>, u64) {
    let (mut waits, mut errors) = (Vec::new(), 0);
    let mut turn = turns.map(|(first, _)| first);
    for _ in 0..times {
        let mut begun = Instant::now();
        if let (Some(due), Some((_, pause))) = (turn, turns) {
            thread::sleep(due.saturating_duration_since(begun));
            begun = due;
            turn = Some(due + pause);
        }
        if end.is_some_and(|end| begun >= end) {
            break;
        }
        match exchange(at, token) {
            Ok(true) => waits.push(begun.elapsed()),
            Ok(false) | Err(_) => errors += 1,
        }
    }
    (waits, errors)
}

/// One connection; says whether the answer was the right one.
fn exchange(at: SocketAddr, token: Token) -> io::Result<bool> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(token.bytes())?;
    let mut answer = [0; SIZE];
    stream.read_exact(&mut answer)?;
    Ok(answer == *token.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_waits_is_one_of_them() {
        let waits: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((share(&waits, 50).as_millis(), share(&waits, 99).as_millis()), (100, 198));
        assert_eq!(share(&waits[..1], 99).as_millis(), 1);
        assert_eq!(share(&[], 99), Duration::ZERO);
    }

    #[test]
    fn an_answer_of_somebody_else_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (ours, theirs): (Token, Token) = ("ours".parse().unwrap(), "theirs".parse().unwrap());
        let server = thread::spawn(move || {
            for token in [ours, theirs] {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; SIZE]).unwrap();
                stream.write_all(token.bytes()).unwrap();
            }
        });
        let (waits, errors) = ask_again(at, None, 2, None, ours);
        assert_eq!((waits.len(), errors), (1, 1));
        server.join().unwrap();
    }
}
