//! Owns pipes through which the kernel moves bytes from socket to socket: how many there are, and that one is given on
//! only when it is empty. Never decides what is moved.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::turn::Transfers;

/// What a pipe is asked to hold, the best first. One MiB is the most that an unprivileged process gets; less than the
/// last moves nothing that copying would not.
const CAPACITIES: [usize; 2] = [1 << 20, 1 << 18];
/// So many empty pipes stay open. Of those that are lent at once most hold what a slow receiver does not take.
const KEPT: usize = 4;

/// The pipes of a router. Each is two descriptors, and exists only as far as it is needed.
#[derive(Debug)]
pub(crate) struct Pipes {
    places: Arc<Semaphore>,
    empty: Mutex<Vec<Pipe>>,
    wanted: Notify,
    /// Those for whom they are.
    pub(crate) transfers: Transfers,
}

/// A pipe, lent to one direction of a connection. Dropped, it is closed with all that it holds.
#[derive(Debug)]
pub(crate) struct Pipe {
    entry: OwnedFd,
    exit: OwnedFd,
    capacity: usize,
    held: usize,
    _place: OwnedSemaphorePermit,
}

impl Pipes {
    /// At most so many pipes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            empty: Mutex::default(),
            wanted: Notify::new(),
            transfers: Transfers::default(),
        }
    }

    /// An empty pipe. `None` where all are lent, or the kernel gives none: it has to be done without, and those who hold
    /// one for long are told.
    pub(crate) fn take(&self) -> Option<Pipe> {
        let kept = self.empty.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pipe = kept.or_else(|| {
            let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
            Pipe::open(place).ok()
        });
        if pipe.is_none() {
            self.wanted.notify_waiters();
        }
        pipe
    }

    /// Takes a pipe back. One that holds something, or is one too many, is closed: what is in it is nobody else's.
    pub(crate) fn give_back(&self, pipe: Pipe) {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.held == 0 && empty.len() < KEPT {
            empty.push(pipe);
        }
    }

    /// Completes when somebody has to do without a pipe from now on.
    pub(crate) fn wanted(&self) -> Notified<'_> {
        self.wanted.notified()
    }
}

impl Pipe {
    fn open(place: OwnedSemaphorePermit) -> io::Result<Self> {
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut refused = Errno::INVAL;
        for capacity in CAPACITIES {
            match fcntl_setpipe_size(&entry, capacity) {
                Ok(_) => return Ok(Self { entry, exit, capacity, held: 0, _place: place }),
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    /// How many bytes are in it.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Moves what the socket has into the pipe, `most` bytes of it, which are some. The pipe has to be empty: only then does
    /// "would block" mean the socket: that it is empty, or has come to an urgent byte. 0 is the end of the data.
    pub(crate) fn fill(&mut self, from: impl AsFd, most: usize) -> io::Result<usize> {
        let count = splice(from, None, &self.entry, None, self.capacity.min(most), SpliceFlags::NONBLOCK)?;
        self.held += count;
        Ok(count)
    }

    /// Moves what the pipe holds into the socket, as far as that takes it.
    pub(crate) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let count = splice(&self.exit, None, to, None, self.held, SpliceFlags::NONBLOCK)?;
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }

    /// Takes out all that the pipe holds.
    pub(crate) fn empty(&mut self) -> io::Result<Box<[u8]>> {
        let mut bytes = vec![0; self.held];
        while self.held > 0 {
            let from = bytes.len() - self.held;
            let count = rustix::io::read(&self.exit, bytes.get_mut(from..).unwrap_or_default())?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.held = self.held.saturating_sub(count);
        }
        Ok(bytes.into_boxed_slice())
    }
}

/// Whether the error says that these bytes cannot be moved through a pipe, now or at all, and copying them may still do.
pub(crate) fn is_beyond_pipes(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOMEM | Errno::NOBUFS | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Both ends of one connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn no_more_pipes_are_lent_than_there_may_be_and_no_more_kept_than_needed() {
        let pipes = Pipes::new(6);
        let lent: Vec<Pipe> = (0..6).map(|_| pipes.take().unwrap()).collect();
        assert!(pipes.take().is_none());
        for pipe in lent {
            pipes.give_back(pipe);
        }
        assert_eq!((pipes.empty.lock().unwrap().len(), pipes.places.available_permits()), (KEPT, 6 - KEPT));
        assert!(Pipes::new(0).take().is_none());
    }

    #[test]
    fn a_pipe_that_holds_something_is_never_given_on() {
        let pipes = Pipes::new(1);
        let (mut sends, gets) = pair();
        sends.write_all(b"secret").unwrap();
        let mut pipe = pipes.take().unwrap();
        assert_eq!(pipe.fill(&gets, 99).unwrap(), 6);
        pipes.give_back(pipe);
        let mut next = pipes.take().unwrap();
        assert_eq!(next.held(), 0);
        sends.write_all(b"other").unwrap();
        next.fill(&gets, 99).unwrap();
        assert_eq!(&*next.empty().unwrap(), b"other");
    }

    #[test]
    fn bytes_go_through_to_the_socket_or_out_into_memory() {
        let pipes = Pipes::new(1);
        let ((mut sends, gets), (takes, mut reads)) = (pair(), pair());
        let mut pipe = pipes.take().unwrap();
        sends.write_all(b"through").unwrap();
        for (most, count) in [(5, 5), (99, 2)] {
            assert_eq!((pipe.fill(&gets, most).unwrap(), pipe.drain(&takes).unwrap(), pipe.held()), (count, count, 0));
        }
        let mut got = [0; 7];
        reads.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"through");
        assert_eq!(&*pipe.empty().unwrap(), b"");
        drop(sends);
        assert_eq!(pipe.fill(&gets, 99).unwrap(), 0, "the end of the data");
    }

    #[tokio::test]
    async fn who_has_to_do_without_a_pipe_is_heard_by_those_who_hold_one() {
        let pipes = Pipes::new(1);
        let _held = pipes.take().unwrap();
        let wanted = pipes.wanted();
        tokio::pin!(wanted);
        assert!(!wanted.as_mut().enable(), "nobody wants one yet");
        assert!(pipes.take().is_none());
        wanted.await;
    }

    #[test]
    fn what_copying_may_still_do_is_told_from_the_end_of_a_connection() {
        for errno in [Errno::INVAL, Errno::NOMEM] {
            assert!(is_beyond_pipes(&errno.into()), "{errno}");
        }
        for errno in [Errno::CONNRESET, Errno::PIPE, Errno::AGAIN, Errno::NOTCONN] {
            assert!(!is_beyond_pipes(&errno.into()), "{errno}");
        }
    }
}
