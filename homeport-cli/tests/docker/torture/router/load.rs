//! Owns clients that come at a rate, whatever becomes of those before them: each connects, sends 64 bytes, gets them back and
//! closes. Judges nothing.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::attempt::{Attempt, End};
use super::space::Space;

/// No answer for so long is a failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// What is sent, and comes back.
pub(super) const SIZE: usize = 64;
/// So many are begun before anybody else is looked after.
const BATCH: u64 = 32;
/// Who is later than this is not made up for.
const LATE: Duration = Duration::from_secs(1);
/// Files that are kept for everything but clients.
const KEPT: usize = 1_000;

/// Clients that come until they are told to end.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Attempt>>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Where a test failed, what became of them is of no interest.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Load {
    /// So many a second, from now on.
    pub(super) fn start(space: &Space, server: SocketAddr, a_second: u32) -> Self {
        Self::start_from(Some(space), server, a_second)
    }

    /// The same from this machine itself.
    pub(super) fn start_here(server: SocketAddr, a_second: u32) -> Self {
        Self::start_from(None, server, a_second)
    }

    fn start_from(space: Option<&Space>, server: SocketAddr, a_second: u32) -> Self {
        let (over, space) = (Arc::new(AtomicBool::new(false)), space.cloned());
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            if let Some(space) = space {
                space.enter();
            }
            Clients::new(server).come(&told, a_second)
        });
        Self { over, thread: Some(thread) }
    }

    /// No more come.
    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// No more come; what became of each, once it did.
    pub(super) fn end(mut self) -> Vec<Attempt> {
        self.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Begins a connection, and does not wait for it.
pub(super) fn begin(server: SocketAddr) -> io::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// One who came.
struct Client {
    stream: TcpStream,
    begun: Instant,
    has_asked: bool,
    answer: Vec<u8>,
}

/// Those who are on the way, and what became of the others.
pub(super) struct Clients {
    server: SocketAddr,
    epoll: OwnedFd,
    here: HashMap<u64, Client>,
    /// In the order in which they came.
    waiting: VecDeque<(u64, Instant)>,
    attempts: Vec<Attempt>,
    most: usize,
}

/// What a client sends.
fn words(number: u64) -> [u8; SIZE] {
    let mut words = [b'.'; SIZE];
    words[..20].copy_from_slice(format!("{number:020}").as_bytes());
    words
}

impl Clients {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self {
            server,
            epoll: epoll::create(CreateFlags::CLOEXEC).unwrap(),
            here: HashMap::new(),
            waiting: VecDeque::new(),
            attempts: Vec::new(),
            most: super::most_files().saturating_sub(KEPT),
        }
    }

    /// So many a second come until it is over; what became of each, once it did.
    pub(super) fn come(mut self, over: &AtomicBool, a_second: u32) -> Vec<Attempt> {
        let every = Duration::from_secs(1) / a_second;
        let (mut next, mut number) = (Instant::now(), 0);
        let mut events: Vec<Event> = Vec::with_capacity(256);
        loop {
            let is_over = over.load(Ordering::Relaxed);
            if is_over && self.here.is_empty() {
                return self.attempts;
            }
            next = next.max(Instant::now().checked_sub(LATE).unwrap_or(next));
            let mut begun = 0;
            while !is_over && begun < BATCH && next <= Instant::now() && self.here.len() < self.most {
                self.begin(number);
                number += 1;
                begun += 1;
                next += every;
            }
            let pause =
                if is_over { Duration::from_millis(20) } else { next.saturating_duration_since(Instant::now()) };
            self.wait(&mut events, pause.min(Duration::from_millis(20)));
            self.give_up();
        }
    }

    fn begin(&mut self, number: u64) {
        let begun = Instant::now();
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        let stream = begin(self.server).and_then(|stream| {
            epoll::add(&self.epoll, &stream, EventData::new_u64(number), flags)?;
            Ok(stream)
        });
        match stream {
            Ok(stream) => {
                self.here.insert(number, Client { stream, begun, has_asked: false, answer: Vec::new() });
                self.waiting.push_back((number, begun + PATIENCE));
            }
            Err(error) => self.attempts.push(Attempt { begun, ended: Instant::now(), end: End::of(&error) }),
        }
    }

    fn wait(&mut self, events: &mut Vec<Event>, pause: Duration) {
        let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&pause)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in events.drain(..) {
            let number = event.data.u64();
            let Some(client) = self.here.get_mut(&number) else { continue };
            let end = match client.go_on(number) {
                Ok(None) => continue,
                Ok(Some(end)) => end,
                Err(error) => End::of(&error),
            };
            self.leave(number, end);
        }
    }

    fn give_up(&mut self) {
        let now = Instant::now();
        while let Some((number, until)) = self.waiting.front().copied() {
            if self.here.contains_key(&number) {
                if until > now {
                    return;
                }
                self.leave(number, End::Silent);
            }
            self.waiting.pop_front();
        }
    }

    fn leave(&mut self, number: u64, end: End) {
        if let Some(client) = self.here.remove(&number) {
            self.attempts.push(Attempt { begun: client.begun, ended: Instant::now(), end });
        }
    }
}

impl Client {
    /// Does what can be done; how it ended, where it did.
    fn go_on(&mut self, number: u64) -> io::Result<Option<End>> {
        let words = words(number);
        if !self.has_asked {
            match self.stream.write(&words) {
                Ok(_) => self.has_asked = true,
                Err(error) if is_later(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        loop {
            let mut piece = [0; SIZE];
            match self.stream.read(&mut piece[self.answer.len()..]) {
                Ok(0) => return Ok(Some(End::Cut)),
                Ok(count) => self.answer.extend_from_slice(&piece[self.answer.len()..][..count]),
                Err(error) if is_later(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            if self.answer.len() == SIZE {
                return Ok(Some(if self.answer == words { End::Answered } else { End::Wrong }));
            }
        }
    }
}

/// Whether it has to wait: before it is connected, or for more.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
