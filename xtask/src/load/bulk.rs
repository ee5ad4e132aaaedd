//! Owns the client that takes as much as comes, over one or more connections. Judges nothing.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::Place;
use super::token::Token;
use crate::say;

/// How much is read at once.
const PIECE: usize = 256 * 1024;
/// What comes before is no measure: windows grow, transfers turn to their best way.
const WARM_UP: Duration = Duration::from_millis(200);
/// Nothing for so long is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes.
#[derive(Debug, clap::Args)]
pub(super) struct Take {
    #[command(flatten)]
    place: Place,
    /// Connections at once.
    #[arg(long)]
    streams: usize,
    /// For how long, without 0.2 s before.
    #[arg(long)]
    seconds: f64,
}

/// What was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bulk {
    /// In the time that counts.
    pub(crate) bytes: u64,
    /// That time.
    pub(crate) seconds: f64,
    /// With what came before it.
    pub(crate) all_bytes: u64,
    /// Connections that failed, ended or had other bytes than were sent.
    pub(crate) errors: u64,
}

/// What one connection took.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    warm: u64,
    counted: u64,
    is_wrong: bool,
}

pub(super) fn run(take: &Take, token: Token) -> Result<()> {
    let start = Arc::new(Barrier::new(take.streams));
    let time = Duration::from_secs_f64(take.seconds);
    let threads: Vec<_> = (0..take.streams)
        .map(|_| {
            let (start, at) = (Arc::clone(&start), take.place.at);
            thread::spawn(move || take_one(at, &start, time, token))
        })
        .collect();
    let mut all = Bulk { bytes: 0, seconds: take.seconds, all_bytes: 0, errors: 0 };
    for thread in threads {
        let one = thread.join().ok().context("a client ended by a panic")?;
        all.bytes += one.counted;
        all.all_bytes += one.counted + one.warm;
        all.errors += u64::from(one.is_wrong);
    }
    say::line(serde_json::to_string(&all)?);
    Ok(())
}

fn take_one(at: SocketAddr, start: &Barrier, time: Duration, token: Token) -> Taken {
    let stream = TcpStream::connect(at).and_then(|stream| stream.set_read_timeout(Some(PATIENCE)).map(|()| stream));
    start.wait();
    let mut seen = Taken::default();
    let Ok(mut stream) = stream else { return Taken { is_wrong: true, ..seen } };
    let counts_from = Instant::now() + WARM_UP;
    let end = counts_from + time;
    let mut piece = vec![0; PIECE];
    let mut place = 0;
    loop {
        let Ok(count @ 1..) = stream.read(&mut piece) else { break seen.is_wrong = true };
        if !token.fits(place, &piece[..count]) {
            break seen.is_wrong = true;
        }
        place += count;
        let now = Instant::now();
        if now >= end {
            break;
        }
        let counter = if now < counts_from { &mut seen.warm } else { &mut seen.counted };
        *counter += count as u64;
    }
    seen
}
