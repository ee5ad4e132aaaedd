//! Owns clients that connect all the time, and ask for a page each time. Never decides what that comes to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::seen::{Attempt, Outcome};

/// How often one of them connects.
const EVERY: Duration = Duration::from_millis(5);
/// How many there are: while one tries to connect for as long as it does, each of the others begins once.
const CLIENTS: u32 = 20;
/// How long one tries to connect: a listening socket takes a connection at once, whoever reads from it later.
const TAKEN_WITHIN: Duration = Duration::from_millis(100);
/// How long one waits for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Clients that connect until they are told to end.
#[derive(Debug)]
pub(super) struct Clients {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Attempt>>>,
}

impl Clients {
    /// Clients of the server at this address; they connect from now on.
    pub(super) fn of(server: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let begun = Instant::now();
        let client = |number: u32| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || connect_until(&over, server, begun + EVERY * number))
        };
        Self { threads: (0..CLIENTS).map(client).collect(), over }
    }

    /// Ends them, and tells every connection.
    pub(super) fn end(self) -> Result<Vec<Attempt>> {
        self.over.store(true, Ordering::Relaxed);
        let mut attempts = Vec::new();
        for thread in self.threads {
            attempts.extend(thread.join().map_err(|_| anyhow!("a client of the benchmark ended by a panic"))?);
        }
        Ok(attempts)
    }
}

fn connect_until(over: &AtomicBool, server: SocketAddr, first: Instant) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut next = first;
    while !over.load(Ordering::Relaxed) {
        sleep(next.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        let outcome = ask(server);
        attempts.push(Attempt { begun, ended: Instant::now(), outcome });
        // What it could not do while it waited is not made up for.
        next = (next + EVERY * CLIENTS).max(Instant::now());
    }
    attempts
}

/// Asks once.
pub(super) fn ask(server: SocketAddr) -> Outcome {
    let Ok(mut stream) = TcpStream::connect_timeout(&server, TAKEN_WITHIN) else { return Outcome::Refused };
    let mut answer = Vec::new();
    let asked = stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.write_all(b"GET / HTTP/1.0\r\n\r\n"))
        .and_then(|()| stream.read_to_end(&mut answer));
    if asked.is_ok() && answer.starts_with(b"HTTP/1.") { Outcome::Answered } else { Outcome::Cut }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_a_refusal_and_a_cut_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            for answer in ["HTTP/1.1 200 OK\r\n\r\n", ""] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 18];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        assert_eq!([ask(server), ask(server)], [Outcome::Answered, Outcome::Cut]);
        thread.join().unwrap();
        assert_eq!(ask(server), Outcome::Refused);
    }
}
