//! Owns the datagrams that wait while a route is held: which are kept, and which are dropped where there are too many. Pure;
//! never sends one.

use std::collections::VecDeque;

use super::peer::Peer;
use crate::entrance::Source;

/// So many datagrams wait at most.
const DATAGRAMS: usize = 256;
/// Those of one source at most: nobody can take the room of all.
const OF_ONE_SOURCE: usize = 64;
/// So many bytes wait at most.
const BYTES: usize = 512 * 1024;

/// A client's datagram that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) peer: Peer,
    pub(super) bytes: Box<[u8]>,
}

/// The datagrams of a route that wait, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    all: VecDeque<Waiting>,
    bytes: usize,
}

impl Queue {
    /// Lets it wait as the last one, and returns how many are dropped for it. Where there is no room the earliest go: their
    /// senders are the most likely to have given up, or to have sent them again.
    pub(super) fn push(&mut self, waiting: Waiting) -> usize {
        let mut dropped = 0;
        let source = Source::of(waiting.peer.client.ip());
        let is_of_it = |other: &Waiting| Source::of(other.peer.client.ip()) == source;
        if self.all.iter().filter(|other| is_of_it(other)).count() >= OF_ONE_SOURCE
            && let Some(earliest) = self.all.iter().position(is_of_it)
        {
            self.drop_at(earliest);
            dropped += 1;
        }
        self.bytes += waiting.bytes.len();
        self.all.push_back(waiting);
        while self.all.len() > DATAGRAMS || self.bytes > BYTES {
            self.drop_at(0);
            dropped += 1;
        }
        dropped
    }

    fn drop_at(&mut self, index: usize) {
        let gone = self.all.remove(index);
        self.bytes -= gone.map_or(0, |gone| gone.bytes.len());
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// All that wait, the earliest first; none waits any more.
    pub(super) fn take(&mut self) -> VecDeque<Waiting> {
        self.bytes = 0;
        std::mem::take(&mut self.all)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;

    fn waiting(source: u8, number: u16, length: usize) -> Waiting {
        let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, source)), number.max(1));
        Waiting { peer: Peer { client, to: None }, bytes: vec![source; length].into() }
    }

    #[test]
    fn what_waits_is_sent_on_in_its_order_and_no_more() {
        let mut queue = Queue::default();
        let all: Vec<_> = (0..10).map(|number| waiting(1, number, 100)).collect();
        for one in &all {
            assert_eq!(queue.push(one.clone()), 0);
        }
        assert_eq!((queue.len(), Vec::from(queue.take())), (10, all));
        assert_eq!((queue.len(), queue.take().len()), (0, 0));
    }

    #[test]
    fn one_source_takes_no_more_than_its_share_of_the_room() {
        let mut queue = Queue::default();
        queue.push(waiting(1, 1, 10));
        let dropped: usize = (0..1_000).map(|number| queue.push(waiting(2, number, 10))).sum();
        assert_eq!((dropped, queue.len()), (1_000 - OF_ONE_SOURCE, 1 + OF_ONE_SOURCE));
        let all = queue.take();
        assert_eq!(all[0], waiting(1, 1, 10), "that of another source still waits");
        assert_eq!(all[1], waiting(2, 936, 10), "the earliest of it were dropped");
    }

    proptest! {
        /// The bounds hold, nothing is lost without being counted, and what waits is the latest of what came.
        #[test]
        fn whatever_comes_the_bounds_hold_and_everything_is_counted(
            pushes in prop::collection::vec((0u8..12, 0usize..9_000), 0..600),
        ) {
            let (mut queue, mut dropped, mut came) = (Queue::default(), 0, Vec::new());
            for (number, (source, length)) in pushes.into_iter().enumerate() {
                let one = waiting(source, u16::try_from(number).unwrap() + 1, length);
                came.push(one.clone());
                dropped += queue.push(one);
                let bytes: usize = queue.all.iter().map(|one| one.bytes.len()).sum();
                prop_assert_eq!(bytes, queue.bytes);
                prop_assert!(queue.len() <= DATAGRAMS && bytes <= BYTES);
                for source in 0..12 {
                    let of_it = queue.all.iter().filter(|one| one.bytes.first() == Some(&source)).count();
                    prop_assert!(of_it <= OF_ONE_SOURCE);
                }
            }
            prop_assert_eq!(queue.len() + dropped, came.len());
            let mut rest = came.iter();
            for one in &queue.all {
                prop_assert!(rest.any(|other| other == one), "the order is kept");
            }
            if let Some(last) = came.last() {
                prop_assert_eq!(queue.all.back(), Some(last), "the last one always waits");
            }
        }
    }
}
