//! Owns clients of a public address: some that come and go, some hundred a second, and some that stay. Each says how it went.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::world::PATIENCE;

/// Threads whose clients come and go one after the other.
const COMING: usize = 8;
/// Between two clients of a thread.
const PAUSE: Duration = Duration::from_millis(15);

/// How clients fared.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Fared {
    /// Were served.
    pub(crate) served: usize,
    /// Nobody listened.
    pub(crate) refused: usize,
    /// Were cut off, and how.
    pub(crate) broken: Vec<String>,
}

/// Clients that go on until they are told to stop.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Fared>>,
}

impl Clients {
    /// Some hundred clients a second, each with one short exchange.
    pub(crate) fn that_come_and_go(address: SocketAddr) -> Self {
        Self::start(COMING, move |stop| {
            let mut fared = Fared::default();
            while !stop.load(Ordering::Relaxed) {
                match connect(address).and_then(|mut stream| exchange(&mut stream, b"a short exchange")) {
                    Ok(()) => fared.served += 1,
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => fared.refused += 1,
                    Err(error) => fared.broken.push(error.to_string()),
                }
                std::thread::sleep(PAUSE);
            }
            fared
        })
    }

    /// This many clients that stay connected, and exchange something again and again.
    pub(crate) fn that_stay(address: SocketAddr, count: usize) -> Self {
        let mut streams: Vec<_> = (0..count).map(|_| connect(address).unwrap()).collect();
        for stream in &mut streams {
            exchange(stream, b"hello").unwrap();
        }
        let streams = Arc::new(std::sync::Mutex::new(streams));
        Self::start(count, move |stop| {
            let mut stream = streams.lock().unwrap().pop().unwrap();
            let mut fared = Fared::default();
            while !stop.load(Ordering::Relaxed) {
                match exchange(&mut stream, b"still here") {
                    Ok(()) => fared.served += 1,
                    Err(error) => {
                        fared.broken.push(error.to_string());
                        return fared;
                    }
                }
                std::thread::sleep(PAUSE);
            }
            fared
        })
    }

    fn start(count: usize, client: impl Fn(&AtomicBool) -> Fared + Send + Sync + Clone + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let (stop, client) = (Arc::clone(&stop), client.clone());
            std::thread::spawn(move || client(&stop))
        });
        Self { threads: threads.collect(), stop }
    }

    /// Tells them to stop, and adds up how they fared.
    pub(crate) fn stop(self) -> Fared {
        self.stop.store(true, Ordering::Relaxed);
        let all = self.threads.into_iter().map(|thread| thread.join().unwrap());
        all.fold(Fared::default(), |mut sum, one| {
            sum.served += one.served;
            sum.refused += one.refused;
            sum.broken.extend(one.broken);
            sum
        })
    }
}

pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends something and gets the same back.
pub(crate) fn exchange(stream: &mut TcpStream, text: &[u8]) -> io::Result<()> {
    stream.write_all(text)?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    if answer == text { Ok(()) } else { Err(io::Error::other("another answer")) }
}

/// Passes if the peer resets the stream.
pub(crate) fn assert_reset(stream: &mut TcpStream) {
    assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}
