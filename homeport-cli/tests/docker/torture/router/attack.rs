//! Owns clients that mean harm: what each kind does until it is dropped. Judges nothing.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::case::Extent;
use super::load::{Load, begin};
use super::space::Space;
use super::stage::ECHO;

/// How many connections are begun and never finished, and how many more are made and not used.
const HALF_OPEN: usize = 10_000;
const IDLE: usize = 9_500;
/// So many are made in one turn at first, and for those that were turned away.
const BURST: usize = 250;
const AGAIN: usize = 5;
/// Between two turns, and after so many it is looked who was turned away.
const TURN: Duration = Duration::from_millis(20);
const LOOK: u32 = 10;
/// How many send and never read.
const SLOW: usize = 256;
/// How many wait for an answer that never comes.
const WAITING: usize = 500;
/// How many come a second and reset, or scan a port.
const RESETS: u32 = 500;
const SCANNED: u32 = 2_000;
/// How many come a second to a container that ends each.
const CUT: u32 = 300;

/// A kind of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    /// 10,000 connections that are begun and never finished, and 9,500 that are made and not used.
    Crowd,
    /// Clients that send as much as they can and never read.
    SlowReaders,
    /// Clients that reset as soon as they are connected.
    Resets,
    /// Every port of the machine is tried.
    PortScan,
    /// Clients of a container that takes connections and never answers.
    Mute,
    /// Clients of a container that ends each connection at once.
    Hasty,
}

impl Attack {
    const ALL: [Self; 6] = [Self::Crowd, Self::SlowReaders, Self::Resets, Self::PortScan, Self::Mute, Self::Hasty];

    /// Those that are tried.
    pub(super) fn all(extent: Extent) -> Vec<Self> {
        match extent {
            Extent::Full => Self::ALL.to_vec(),
            Extent::Few => vec![Self::Crowd, Self::Mute],
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Crowd => "crowd",
            Self::SlowReaders => "slow_readers",
            Self::Resets => "resets",
            Self::PortScan => "port_scan",
            Self::Mute => "mute_container",
            Self::Hasty => "hasty_container",
        }
    }

    /// The endpoint that it goes to.
    pub(super) const fn endpoint(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Hasty => "hasty",
            _ => ECHO,
        }
    }

    /// Begins it at a port of this machine, from a network that has nothing else; from `deaf` come those who never finish.
    pub(super) fn begin(self, from: &Space, deaf: &Space, port: u16) -> Harm {
        let server = SocketAddr::from((from.machine(), port));
        let unheard = SocketAddr::from((deaf.machine(), port));
        let mut harm = Harm { over: Arc::new(AtomicBool::new(false)), threads: Vec::new(), load: None };
        match self {
            Self::Crowd => {
                harm.start(deaf, move |over| hold(unheard, HALF_OPEN, b"", over));
                harm.start(from, move |over| hold(server, IDLE, b"", over));
            }
            Self::SlowReaders => harm.start(from, move |over| send(server, over)),
            Self::Mute => harm.start(from, move |over| hold(server, WAITING, &[b'?'; 64], over)),
            Self::Resets => harm.start(from, move |over| again(RESETS, over, |_| reset(server))),
            Self::PortScan => harm.start(from, move |over| scan(server.ip(), over)),
            Self::Hasty => harm.load = Some(Load::start(from, server, CUT)),
        }
        harm
    }
}

/// What does harm until it is dropped.
pub(super) struct Harm {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    load: Option<Load>,
}

impl Harm {
    fn start(&mut self, from: &Space, act: impl FnOnce(&AtomicBool) + Send + 'static) {
        let (over, from) = (Arc::clone(&self.over), from.clone());
        self.threads.push(std::thread::spawn(move || {
            from.enter();
            act(&over);
        }));
    }
}

impl Drop for Harm {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.load = None;
        for thread in self.threads.drain(..) {
            // What went wrong with who means harm is not what is tried.
            drop(thread.join());
        }
    }
}

/// Makes so many connections, says something over each, keeps what is kept of them, and makes some anew for those that are not.
fn hold(server: SocketAddr, count: usize, says: &[u8], over: &AtomicBool) {
    let (mut held, mut made) = (Vec::with_capacity(count), 0);
    for turn in 1_u32.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let more = if made < count { BURST } else { AGAIN };
        for _ in 0..more.min(count - held.len()) {
            // Nothing waits for an answer, not even for that the connection is there.
            held.extend(begin(server));
            made += 1;
        }
        std::thread::sleep(TURN);
        if turn.is_multiple_of(LOOK) {
            held.retain_mut(|stream| is_kept(stream, says));
        }
    }
}

/// Whether a connection is there, or on its way; says something over it.
fn is_kept(stream: &mut TcpStream, says: &[u8]) -> bool {
    let is_later = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected);
    if !says.is_empty() && stream.write(says).is_err_and(|error| !is_later(&error)) {
        return false;
    }
    match stream.read(&mut [0]) {
        Ok(count) => count > 0,
        Err(error) => is_later(&error),
    }
}

/// Sends as much as is taken over each of some connections, and reads nothing.
fn send(server: SocketAddr, over: &AtomicBool) {
    let mut held: Vec<TcpStream> = (0..SLOW).filter_map(|_| begin(server).ok()).collect();
    let piece = vec![b'x'; 64 * 1024];
    while !over.load(Ordering::Relaxed) {
        for stream in &mut held {
            // Full is what it is to be; and one that was reset is of no more use.
            while stream.write(&piece).is_ok() && !over.load(Ordering::Relaxed) {}
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Does something so often a second.
fn again(a_second: u32, over: &AtomicBool, mut act: impl FnMut(u32)) {
    let every = Duration::from_secs(1) / a_second;
    let (mut next, mut number) = (Instant::now(), 0_u32);
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        act(number);
        number = number.wrapping_add(1);
        next = (next + every).max(Instant::now());
    }
}

fn reset(server: SocketAddr) {
    if let Ok(mut stream) = TcpStream::connect_timeout(&server, Duration::from_secs(1)) {
        // The next line is what it came for; what it says only gives the container work too.
        drop(stream.write(b"never mind"));
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap_or(());
    }
}

fn scan(machine: IpAddr, over: &AtomicBool) {
    let mut open = std::collections::VecDeque::new();
    again(SCANNED, over, |number| {
        let port = u16::try_from(number % 65_535).unwrap() + 1;
        open.extend(begin((machine, port).into()));
        if open.len() > 200 {
            drop(open.pop_front());
        }
    });
}
