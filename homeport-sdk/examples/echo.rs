//! A port that sends back what it gets, to show what a router does to connections; tests run it in images of their own.
//!
//! Its endpoints say by their names what is served there: `echo` sends everything back, `mute` takes connections and says
//! nothing, `hasty` ends each with the first that comes over it, `datagrams` sends back what comes over UDP. Where its image has
//! a file `/etc/echo.pause`, it listens only after so many milliseconds. Told to end, it answers who came and was not answered
//! yet, and ends then. One thread serves them all, so that some thousand connections a second cost a machine little, and as many
//! may stay open as the port may open files.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use homeport_sdk::init::{self, Context, Failure, Port, Service};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// The most that is read at once.
const PIECE: usize = 16 * 1024;
/// So many may wait to be accepted: whoever waited while there was no container comes at once.
const BACKLOG: i32 = 4096;
/// For how long those are waited for who have not said anything when this is to end.
const LAST: Duration = Duration::from_millis(300);
/// How often it is looked whether it is to end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// The most that is heard of at once.
const EVENTS: usize = 256;

/// Where it is said how long it takes until this listens.
const PAUSE: &str = "/etc/echo.pause";

/// How the connections of an endpoint are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Echo,
    Mute,
    Hasty,
    Datagrams,
}

impl Manner {
    fn of(endpoint: &str) -> Option<Self> {
        match endpoint {
            "echo" => Some(Self::Echo),
            "mute" => Some(Self::Mute),
            "hasty" => Some(Self::Hasty),
            "datagrams" => Some(Self::Datagrams),
            _ => None,
        }
    }
}

/// The port.
struct Echo;

impl Port for Echo {
    fn prepare(&self, cx: &Context) -> Result<Vec<Service>, Failure> {
        let endpoints = cx.manifest().endpoints.iter().map(|(name, endpoint)| format!("{name}={}", endpoint.port));
        Ok(vec![Service::new("main", "/port/init").args(endpoints)])
    }
}

/// What is open.
#[derive(Debug)]
enum Open {
    Listener(TcpListener, Manner),
    /// What comes to it is sent back.
    Datagrams(UdpSocket),
    /// A connection over which nothing came yet.
    Fresh(TcpStream),
    /// A connection, and what it has yet to be sent.
    Connection(TcpStream, Vec<u8>),
    /// A connection that nothing is read from.
    Ignored(#[expect(dead_code, reason = "it is open for as long as it is here")] TcpStream),
}

/// Everything that is open, by the number that the kernel tells it by.
#[derive(Debug)]
struct Server {
    epoll: rustix::fd::OwnedFd,
    open: HashMap<u64, Open>,
    next: u64,
    piece: Vec<u8>,
}

impl Server {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, open: HashMap::new(), next: 0, piece: vec![0; PIECE] })
    }

    fn listen(&mut self, manner: Manner, port: u16) -> io::Result<()> {
        if manner == Manner::Datagrams {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
            socket.set_nonblocking(true)?;
            epoll::add(&self.epoll, &socket, EventData::new_u64(self.next), EventFlags::IN)?;
            self.open.insert(self.next, Open::Datagrams(socket));
            self.next += 1;
            return Ok(());
        }
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        epoll::add(&self.epoll, &listener, EventData::new_u64(self.next), EventFlags::IN)?;
        self.open.insert(self.next, Open::Listener(listener, manner));
        self.next += 1;
        Ok(())
    }

    /// Serves until it is told to end, and then those to whom it owes an answer.
    fn serve(mut self, end: &AtomicBool) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        let (mut ends, mut is_quiet) = (None, false);
        loop {
            if end.load(Ordering::Relaxed) {
                self.open.retain(|_, open| match open {
                    Open::Listener(..) | Open::Datagrams(_) | Open::Fresh(_) => true,
                    Open::Connection(_, rest) => !rest.is_empty(),
                    Open::Ignored(_) => false,
                });
                let is_owed = self.open.values().any(|open| !matches!(open, Open::Listener(..) | Open::Datagrams(_)));
                if Instant::now() > *ends.get_or_insert(Instant::now() + LAST) || (is_quiet && !is_owed) {
                    return Ok(());
                }
            }
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&LOOK)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            is_quiet = events.is_empty();
            for event in events.drain(..) {
                self.happened(event.data.u64());
            }
        }
    }

    fn happened(&mut self, number: u64) {
        match self.open.remove(&number) {
            Some(Open::Listener(listener, manner)) => {
                self.accept(&listener, manner);
                self.open.insert(number, Open::Listener(listener, manner));
            }
            Some(Open::Datagrams(socket)) => {
                while let Ok((count, from)) = socket.recv_from(&mut self.piece) {
                    // One for which there is no room is lost, as everywhere.
                    socket.send_to(&self.piece[..count], from).unwrap_or(0);
                }
                self.open.insert(number, Open::Datagrams(socket));
            }
            Some(Open::Fresh(stream)) => self.go_on(number, stream, Vec::new()),
            Some(Open::Connection(stream, rest)) => self.go_on(number, stream, rest),
            Some(Open::Ignored(_)) | None => {}
        }
    }

    fn go_on(&mut self, number: u64, stream: TcpStream, rest: Vec<u8>) {
        // Whoever is gone, or resets, is dropped.
        if let Ok(Some(rest)) = self.echo(number, &stream, rest) {
            self.open.insert(number, Open::Connection(stream, rest));
        }
    }

    /// Takes all who wait; what cannot be taken now is tried at the next event.
    fn accept(&mut self, listener: &TcpListener, manner: Manner) {
        while let Ok((stream, _)) = listener.accept() {
            let wanted = match manner {
                Manner::Echo | Manner::Hasty | Manner::Datagrams => EventFlags::IN,
                // Only its end is told.
                Manner::Mute => EventFlags::RDHUP,
            };
            let is_added = stream.set_nonblocking(true).is_ok()
                && epoll::add(&self.epoll, &stream, EventData::new_u64(self.next), wanted).is_ok();
            if is_added {
                let open = if manner == Manner::Echo { Open::Fresh(stream) } else { Open::Ignored(stream) };
                self.open.insert(self.next, open);
                self.next += 1;
            }
        }
    }

    /// Sends back what is there. `None` once the peer has ended and has everything.
    fn echo(&mut self, number: u64, mut stream: &TcpStream, mut rest: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        let had_rest = !rest.is_empty();
        if !had_rest {
            let count = match stream.read(&mut self.piece) {
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(rest)),
                Err(error) => return Err(error),
            };
            rest.extend_from_slice(&self.piece[..count]);
        }
        match stream.write(&rest) {
            Ok(count) => drop(rest.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if had_rest == rest.is_empty() {
            // While something waits to be sent nothing is read: a peer that only sends fills no memory.
            let wanted = if rest.is_empty() { EventFlags::IN } else { EventFlags::OUT };
            epoll::modify(&self.epoll, stream, EventData::new_u64(number), wanted)?;
        }
        Ok(Some(rest))
    }
}

fn serve(endpoints: &[(Manner, u16)]) -> io::Result<()> {
    let pause = std::fs::read_to_string(PAUSE).ok().and_then(|text| text.trim().parse().ok());
    std::thread::sleep(pause.map_or(Duration::ZERO, Duration::from_millis));
    let mut server = Server::new()?;
    for (manner, port) in endpoints {
        server.listen(*manner, *port)?;
    }
    let end = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&end))?;
    server.serve(&end)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let endpoint = |word: &String| {
        let (name, port) = word.split_once('=')?;
        Some((Manner::of(name)?, port.parse().ok()?))
    };
    // The service is this very program: there is no other in its image.
    let endpoints: Option<Vec<(Manner, u16)>> = words.iter().map(endpoint).collect();
    match endpoints.filter(|endpoints| !endpoints.is_empty()) {
        None => init::main(Echo),
        Some(endpoints) if serve(&endpoints).is_ok() => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    }
}
