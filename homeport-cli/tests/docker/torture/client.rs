//! Owns the port's clients: one request at a time, and one that writes notes until it is told to stop, and remembers
//! which of them were confirmed. Never looks at a disk.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a client waits: one that waits for another version to be ready may wait for some seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How long between two notes.
const PAUSE: Duration = Duration::from_millis(200);

/// A note, and when it was confirmed, if it was.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) text: String,
    pub(super) confirmed: Option<Instant>,
}

/// Asks one line and returns the answer.
pub(super) fn ask(address: &str, line: &str, patience: Duration) -> io::Result<String> {
    let address = address.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.trim_end() {
        "" => Err(io::ErrorKind::UnexpectedEof.into()),
        answer => Ok(answer.to_owned()),
    }
}

/// Writes a note; whether it was confirmed.
pub(super) fn put(address: &str, name: &str, text: &str, patience: Duration) -> io::Result<()> {
    match ask(address, &format!("put {name} {text}"), patience)?.as_str() {
        "ok" => Ok(()),
        other => Err(io::Error::other(other.to_owned())),
    }
}

/// What answers: its version, and the format that it writes.
pub(super) fn about(address: &str, patience: Duration) -> io::Result<(String, u64)> {
    let answer = ask(address, "about", patience)?;
    let (version, format) = answer.split_once(' ').ok_or_else(|| io::Error::other(answer.clone()))?;
    Ok((version.to_owned(), format.parse().map_err(io::Error::other)?))
}

/// A client that writes one note after the other.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<String, Put>>,
}

impl Writer {
    /// Its notes are called `PREFIX-0` and so on.
    pub(super) fn start(address: &str, prefix: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, address, prefix) = (Arc::clone(&stop), address.to_owned(), prefix.to_owned());
        let thread = std::thread::spawn(move || {
            let mut notes = BTreeMap::new();
            while !told.load(Ordering::Relaxed) {
                let name = format!("{prefix}-{}", notes.len());
                let text = format!("this is \"{name}\"");
                let done = put(&address, &name, &text, PATIENCE).ok().map(|()| Instant::now());
                notes.insert(name, Put { text, confirmed: done });
                std::thread::sleep(PAUSE);
            }
            notes
        });
        Self { stop, thread }
    }

    /// Ends it once its last note is answered; everything that it tried to write.
    pub(super) fn stop(self) -> BTreeMap<String, Put> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
