//! Owns connections that stay, over which something goes all the time, and how those ended that did. Judges nothing.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attempt::End;
use super::load::{PATIENCE, SIZE};
use super::space::Space;

/// How many there are.
pub(super) const LONG: usize = 20;
/// Between two exchanges of one.
const PAUSE: Duration = Duration::from_millis(25);

/// Connections that stay.
pub(super) struct Longs {
    space: Space,
    server: SocketAddr,
    over: Arc<AtomicBool>,
    stay: Vec<Long>,
}

impl Drop for Longs {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Where a test failed, how they ended is of no interest.
        self.stay.drain(..).for_each(|long| drop(long.thread.join()));
    }
}

struct Long {
    /// What the connection was made with: a container, and which of its runs.
    with: String,
    thread: JoinHandle<Option<End>>,
}

/// One that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) with: String,
    pub(super) end: End,
}

impl Longs {
    /// None yet.
    pub(super) fn to(space: &Space, server: SocketAddr) -> Self {
        Self { space: space.clone(), server, over: Arc::new(AtomicBool::new(false)), stay: Vec::new() }
    }

    /// As many as there are to be, the new ones with what runs now, each of which has exchanged something; how many did not,
    /// which are among the broken then.
    pub(super) fn fill(&mut self, with: &str) -> Result<(), String> {
        let (tell, told) = mpsc::channel();
        let missing = LONG - self.stay.len();
        for _ in 0..missing {
            let (space, server, over, tell) = (self.space.clone(), self.server, Arc::clone(&self.over), tell.clone());
            let thread = std::thread::spawn(move || {
                space.enter();
                stay(server, &over, &tell).err().map(|error| End::of(&error))
            });
            self.stay.push(Long { with: with.to_owned(), thread });
        }
        drop(tell);
        let until = Instant::now() + PATIENCE * 2;
        let exchanged = |_: &usize| told.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok();
        let nothing = missing - (0..missing).take_while(exchanged).count();
        if nothing == 0 {
            Ok(())
        } else {
            Err(format!("{nothing} of {missing} long connections came to nothing: {with}"))
        }
    }

    /// Takes out those that have ended.
    pub(super) fn broken(&mut self) -> Vec<Broken> {
        let (ended, stay) = std::mem::take(&mut self.stay).into_iter().partition(|long| long.thread.is_finished());
        self.stay = stay;
        let ended: Vec<Long> = ended;
        let broken = |long: Long| Some(Broken { end: long.thread.join().unwrap()?, with: long.with });
        ended.into_iter().filter_map(broken).collect()
    }

    /// Ends them, and tells those that had ended before.
    pub(super) fn end(mut self) -> Vec<Broken> {
        let mut broken = self.broken();
        self.over.store(true, Ordering::Relaxed);
        for long in self.stay.drain(..) {
            broken.extend(long.thread.join().unwrap().map(|end| Broken { with: long.with, end }));
        }
        broken
    }
}

/// Exchanges something again and again until it is told to end; tells once that the first exchange is done.
fn stay(server: SocketAddr, over: &AtomicBool, tell: &mpsc::Sender<()>) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut number = 0_u64;
    while !over.load(Ordering::Relaxed) {
        let words = [number.to_be_bytes(); SIZE / 8].concat();
        stream.write_all(&words)?;
        let mut answer = [0; SIZE];
        stream.read_exact(&mut answer)?;
        if answer != *words {
            return Err(io::Error::other("another answer"));
        }
        if number == 0 {
            // Who asked may have given up.
            tell.send(()).unwrap_or(());
        }
        number += 1;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
