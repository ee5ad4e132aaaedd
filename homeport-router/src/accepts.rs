//! Owns whom a route accepts on its public socket while another process accepts there too, and how it is seen that this one does
//! not. Never accepts anybody.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often it is looked whether somebody waits.
const LOOK: Duration = Duration::from_millis(100);
/// The same once somebody does.
const LOOK_CLOSELY: Duration = Duration::from_millis(20);

/// Whom a route accepts on its public socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accepts {
    /// Every client, as soon as it comes.
    #[default]
    Everybody,
    /// Whom another process has left waiting that accepts on a duplicate of the socket: it hangs, or has ended.
    WhoIsLeft,
}

/// What was seen of a socket's queue while another process accepts on it. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queue {
    looks: u32,
    waited_at: u32,
    taken_in: bool,
}

impl Queue {
    /// One of which nothing was seen yet. Somebody has to wait in it for this long, at every look, before anybody is taken in:
    /// a process that gets to run has emptied it at one of them, however many clients come.
    pub(crate) fn new(left_waiting: Duration) -> Self {
        // The first look only tells that somebody waits, and not since when.
        let looks = left_waiting.as_millis().div_ceil(LOOK_CLOSELY.as_millis()) + 1;
        Self { looks: u32::try_from(looks).unwrap_or(u32::MAX), waited_at: 0, taken_in: false }
    }

    /// Notes a look, and says whether those who wait are taken in here.
    pub(crate) fn look(&mut self, is_waited_at: bool) -> bool {
        let was_taken_in = std::mem::take(&mut self.taken_in);
        if is_waited_at {
            self.waited_at = self.waited_at.saturating_add(1).min(self.looks);
            self.taken_in = self.waited_at == self.looks;
        } else if !was_taken_in {
            // The other process has emptied it.
            self.waited_at = 0;
        }
        self.taken_in
    }

    /// When to look again.
    pub(crate) const fn pause(self) -> Duration {
        if self.waited_at == 0 { LOOK } else { LOOK_CLOSELY }
    }
}

/// Whether somebody waits in the socket's queue now; of a connection, whether a read would not wait.
pub(crate) fn is_waited_at(socket: &impl AsFd) -> bool {
    let mut sets = [PollFd::new(socket, PollFlags::IN)];
    poll(&mut sets, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_waits_is_taken_in_when_the_queue_is_never_seen_empty() {
        let fresh = Queue::new(Duration::from_millis(160));
        let mut queue = fresh;
        assert_eq!(queue.pause(), LOOK);
        for look in 1..9 {
            assert!(!queue.look(true), "look {look}");
            assert_eq!(queue.pause(), LOOK_CLOSELY);
        }
        assert!(queue.look(true) && queue.look(true));
        // What was emptied here says nothing about the other process: who comes next is not made to wait as long again.
        assert!(!queue.look(false) && queue.look(true));
        // Emptied by the other one, it begins anew.
        assert!(!queue.look(false) && !queue.look(false));
        assert_eq!(queue, fresh);
        assert!(!queue.look(true));
        assert!(Queue::new(Duration::ZERO).look(true), "one look at the least");
    }

    #[test]
    fn one_that_is_seen_empty_now_and_then_is_left_to_the_other_process() {
        let mut queue = Queue::new(Duration::from_millis(160));
        assert!((0..1000).all(|look| !queue.look(look % 8 != 0)));
    }

    #[test]
    fn a_socket_is_waited_at_until_its_last_client_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_waited_at(&listener));
        let address = listener.local_addr().unwrap();
        let _clients = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        for _ in 0..2 {
            assert!(is_waited_at(&listener));
            drop(listener.accept().unwrap());
        }
        assert!(!is_waited_at(&listener));
    }
}
