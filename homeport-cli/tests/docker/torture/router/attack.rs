//! Owns clients that mean harm: what each kind does until it is dropped. Judges nothing.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::attempt::End;
use super::case::Extent;
use super::elsewhere::Elsewhere;
use super::load::{Clients, begin};
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
/// What harm needs to begin, and a crowd of which everybody is to be there.
const SETTLED: Duration = Duration::from_millis(700);
const STANDING: Duration = Duration::from_secs(4);
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
    /// 10,000 connections that are begun and never finished, and 9,500 that are made and not used: while they come.
    Crowd,
    /// The same once they are there: those who were turned away come again.
    StandingCrowd,
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
    const ALL: [Self; 7] =
        [Self::Crowd, Self::StandingCrowd, Self::SlowReaders, Self::Resets, Self::PortScan, Self::Mute, Self::Hasty];

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
            Self::StandingCrowd => "standing_crowd",
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

    /// What is counted of what it does.
    pub(super) const fn deeds(self) -> &'static str {
        match self {
            Self::Crowd | Self::StandingCrowd | Self::Hasty => "connections",
            Self::SlowReaders => "bytes sent",
            Self::Resets => "resets",
            Self::PortScan => "ports tried",
            Self::Mute => "words sent",
        }
    }

    /// What it needs to begin, before it is looked how others fare.
    pub(super) const fn begins_in(self) -> Duration {
        match self {
            Self::StandingCrowd => STANDING,
            _ => SETTLED,
        }
    }

    /// Begins it at a port of this machine, from a network that has nothing else; from `deaf` come those who never finish. Where it
    /// is to come from `elsewhere`, it uses next to no processor time that somebody else wants.
    pub(super) fn begin(self, from: &Space, deaf: &Space, port: u16, elsewhere: Option<&Elsewhere>) -> Harm {
        let server = SocketAddr::from((from.machine(), port));
        let unheard = SocketAddr::from((deaf.machine(), port));
        let doing = Doing { over: Arc::new(AtomicBool::new(false)), done: Arc::new(AtomicU64::new(0)) };
        let mut harm = Harm { began: Instant::now(), doing, threads: Vec::new() };
        match self {
            Self::Crowd | Self::StandingCrowd => {
                harm.start(deaf, elsewhere, move |doing| hold(unheard, HALF_OPEN, b"", doing));
                harm.start(from, elsewhere, move |doing| hold(server, IDLE, b"", doing));
            }
            Self::SlowReaders => harm.start(from, elsewhere, move |doing| send(server, doing)),
            Self::Mute => harm.start(from, elsewhere, move |doing| hold(server, WAITING, &[b'?'; 64], doing)),
            Self::Resets => harm.start(from, elsewhere, move |doing| again(RESETS, doing, |_| reset(server))),
            Self::PortScan => harm.start(from, elsewhere, move |doing| scan(server.ip(), doing)),
            Self::Hasty => harm.start(from, elsewhere, move |doing| {
                let attempts = Clients::new(server).come(&doing.over, CUT);
                doing.did(attempts.iter().filter(|attempt| matches!(attempt.end, End::Cut | End::Reset)).count());
            }),
        }
        harm
    }
}

/// What all threads of one harm share.
#[derive(Clone)]
struct Doing {
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Doing {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn did(&self, deeds: usize) {
        self.done.fetch_add(deeds as u64, Ordering::Relaxed);
    }
}

/// What does harm until it is dropped.
pub(super) struct Harm {
    began: Instant,
    doing: Doing,
    threads: Vec<JoinHandle<()>>,
}

impl Harm {
    fn start(&mut self, from: &Space, elsewhere: Option<&Elsewhere>, act: impl FnOnce(&Doing) + Send + 'static) {
        let (doing, from, elsewhere) = (self.doing.clone(), from.clone(), elsewhere.cloned());
        self.threads.push(std::thread::spawn(move || {
            if let Some(elsewhere) = elsewhere {
                elsewhere.enter();
            }
            from.enter();
            act(&doing);
        }));
    }

    /// Ends it; how much was done a second.
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    pub(super) fn end(mut self) -> f64 {
        self.stop();
        let lasted = self.began.elapsed();
        self.doing.done.load(Ordering::Relaxed) as f64 / lasted.as_secs_f64()
    }

    fn stop(&mut self) {
        self.doing.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What went wrong with who means harm is not what is tried.
            drop(thread.join());
        }
    }
}

impl Drop for Harm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes so many connections, says something over each, keeps what is kept of them, and makes some anew for those that are not.
fn hold(server: SocketAddr, count: usize, says: &[u8], doing: &Doing) {
    let (mut held, mut made) = (Vec::with_capacity(count), 0);
    for turn in 1_u32.. {
        if doing.is_over() {
            return;
        }
        let more = if made < count { BURST } else { AGAIN };
        for _ in 0..more.min(count - held.len()) {
            // Nothing waits for an answer, not even for that the connection is there.
            if let Ok(stream) = begin(server) {
                held.push(stream);
                doing.did(usize::from(says.is_empty()));
            }
            made += 1;
        }
        std::thread::sleep(TURN);
        if turn.is_multiple_of(LOOK) {
            held.retain_mut(|stream| is_kept(stream, says, doing));
        }
    }
}

/// Whether a connection is there, or on its way; says something over it.
fn is_kept(stream: &mut TcpStream, says: &[u8], doing: &Doing) -> bool {
    let is_later = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected);
    if !says.is_empty() {
        match stream.write(says) {
            Ok(_) => doing.did(1),
            Err(error) if is_later(&error) => {}
            Err(_) => return false,
        }
    }
    match stream.read(&mut [0]) {
        Ok(count) => count > 0,
        Err(error) => is_later(&error),
    }
}

/// Sends as much as is taken over each of some connections, and reads nothing.
fn send(server: SocketAddr, doing: &Doing) {
    let mut held: Vec<TcpStream> = (0..SLOW).filter_map(|_| begin(server).ok()).collect();
    let piece = vec![b'x'; 64 * 1024];
    while !doing.is_over() {
        for stream in &mut held {
            // Full is what it is to be; and one that was reset is of no more use.
            while let Ok(count) = stream.write(&piece)
                && !doing.is_over()
            {
                doing.did(count);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Does something so often a second.
fn again(a_second: u32, doing: &Doing, mut act: impl FnMut(u32) -> io::Result<()>) {
    let every = Duration::from_secs(1) / a_second;
    let (mut next, mut number) = (Instant::now(), 0_u32);
    while !doing.is_over() {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        doing.did(usize::from(act(number).is_ok()));
        number = number.wrapping_add(1);
        next = (next + every).max(Instant::now());
    }
}

fn reset(server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(1))?;
    // The next line is what it came for; what it says only gives the container work too.
    drop(stream.write(b"never mind"));
    Ok(set_socket_linger(&stream, Some(Duration::ZERO))?)
}

fn scan(machine: IpAddr, doing: &Doing) {
    let mut open = std::collections::VecDeque::new();
    again(SCANNED, doing, |number| {
        let port = u16::try_from(number % 65_535).unwrap() + 1;
        open.push_back(begin((machine, port).into())?);
        if open.len() > 200 {
            drop(open.pop_front());
        }
        Ok(())
    });
}
