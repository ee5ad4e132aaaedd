//! Owns the conversation with a haproxy on its own socket: commands go there, and what it says comes back. Never knows what is
//! said.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;

/// How long a haproxy may take for an answer: it does nothing that takes time, but the machine may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// No answer is longer: a session is told in half a kilobyte, and there are at most some ten thousand.
const LONGEST: u64 = 64 << 20;

/// The way to one haproxy.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    path: PathBuf,
}

impl Admin {
    /// The one that has this socket.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The process that listens there.
    ///
    /// # Errors
    /// `NotFound` and `ConnectionRefused` where nobody does.
    pub(super) fn process(&self) -> io::Result<Pid> {
        Ok(socket_peercred(&self.connect()?)?.pid)
    }

    /// Connects at once or not at all: where as many wait already as can, the next one would wait for ever.
    fn connect(&self) -> io::Result<UnixStream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &SocketAddrUnix::new(&self.path)?) {
            Ok(()) => {}
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    /// Has these commands done, one right after the other with nothing in between, and returns all that was said.
    ///
    /// # Errors
    /// It is not there, or does not answer in time. What was done by then is not known.
    pub(super) fn ask(&self, commands: &[String]) -> io::Result<String> {
        let end = Instant::now() + PATIENCE;
        let mut stream = self.connect()?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{}\n", commands.join("; ")).as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut said = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            let mut part = [0; 16 * 1024];
            match stream.read(&mut part) {
                Ok(0) => return Ok(String::from_utf8_lossy(&said).into_owned()),
                Ok(count) if said.len() as u64 <= LONGEST => said.extend(part.get(..count).unwrap_or_default()),
                Ok(_) => return Err(io::Error::other("it says more than anybody asked for")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn commands_go_in_one_line_and_all_that_is_said_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).unwrap();
            stream.write_all(&vec![b'x'; 100_000]).unwrap();
            heard
        });
        let admin = Admin::at(path);
        let said = admin.ask(&["show info".to_owned(), "show stat".to_owned()]).unwrap();
        assert_eq!((said.len(), other.join().unwrap().as_str()), (100_000, "show info; show stat\n"));
        assert_eq!(admin.ask(&[]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn one_that_hangs_is_not_waited_for_by_whoever_connects() {
        let dir = tempfile::tempdir().unwrap();
        // Never accepts; so many wait already as can.
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        rustix::net::listen(&listener, 1).unwrap();
        let admin = Admin::at(dir.path().join("s"));
        let mut waiting = Vec::new();
        let refused = loop {
            match admin.connect() {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error.kind(),
            }
        };
        assert_eq!((refused, admin.ask(&[]).unwrap_err().kind()), (io::ErrorKind::TimedOut, io::ErrorKind::TimedOut));
        assert!(waiting.len() < 10);
    }

    #[test]
    fn the_process_that_listens_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let admin = Admin::at(dir.path().join("s"));
        assert_eq!(admin.process().unwrap_err().kind(), io::ErrorKind::NotFound);
        let _listener = UnixListener::bind(dir.path().join("s")).unwrap();
        assert_eq!(admin.process().unwrap(), rustix::process::getpid());
    }
}
