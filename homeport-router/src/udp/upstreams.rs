//! Owns which containers have said something: one set of the kernel's for all sockets of a route, so that a session needs no
//! task of its own and all that have answered are found with one call. Never reads what they said.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::retry_on_intr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sessions::SessionId;

/// How many are found with one call.
const AT_ONCE: usize = 64;

/// The containers' sockets of a route. One that is closed leaves by itself.
#[derive(Debug)]
pub(super) struct Upstreams {
    set: AsyncFd<OwnedFd>,
    /// Those that may have something to be read. Each is told once, and stays here until it was read to the end.
    ready: VecDeque<SessionId>,
}

impl Upstreams {
    /// None yet.
    pub(super) fn new() -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "it is for what may exchange its descriptor; the other way is unsafe for all alike"
        )]
        let set = AsyncFd::with_interest(set, Interest::READABLE)?;
        Ok(Self { set, ready: VecDeque::new() })
    }

    /// Looks after this socket too.
    pub(super) fn add(&self, socket: &impl AsFd, id: SessionId) -> io::Result<()> {
        let data = epoll::EventData::new_u64(id.get());
        Ok(epoll::add(&self.set, socket, data, epoll::EventFlags::IN | epoll::EventFlags::ET)?)
    }

    /// Completes when a socket has something to be read, or an error to be told. Safe to cancel.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        while self.ready.is_empty() {
            let mut guard = self.set.readable().await?;
            let (mut found, mut failed) = (Vec::with_capacity(AT_ONCE), None);
            let looked = guard.try_io(|set| {
                let look = || epoll::wait(set, spare_capacity(&mut found), Some(&Timespec::default()));
                match retry_on_intr(look) {
                    // There may be more.
                    Ok(AT_ONCE) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => failed = Some(io::Error::from(error)),
                }
                Err(io::ErrorKind::WouldBlock.into())
            });
            drop(looked);
            if let Some(error) = failed {
                return Err(error);
            }
            self.ready.extend(found.iter().map(|event| SessionId::new(event.data.u64())));
        }
        // Whoever always has something to read lets others have their turn all the same.
        tokio::task::consume_budget().await;
        Ok(())
    }

    /// The one that is to be read next.
    pub(super) fn next(&self) -> Option<SessionId> {
        self.ready.front().copied()
    }

    /// It was read to the end.
    pub(super) fn is_read(&mut self) {
        self.ready.pop_front();
    }
}
