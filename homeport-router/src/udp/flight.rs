//! Owns the datagrams that are under way in a thread: who each is from or for, and its bytes, in a buffer that the thread has
//! once. Never decides where one goes.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use super::peer::Peer;

/// How many datagrams are moved with one call; more save next to nothing.
pub(super) const MOST: usize = 32;
/// No datagram is larger.
const LARGEST: usize = 1 << 16;

thread_local! {
    /// Two MiB of address space, of which only the pages are there that a datagram was in: four KiB for each of the usual size.
    static FLIGHT: RefCell<Flight> = RefCell::new(Flight::new());
}

/// Some datagrams, at most as many as one call moves.
pub(super) struct Flight {
    room: Box<[u8]>,
    /// Whose each is, and how long.
    parcels: Vec<(Peer, usize)>,
}

impl Flight {
    fn new() -> Self {
        Self { room: vec![0; MOST * LARGEST].into(), parcels: Vec::with_capacity(MOST) }
    }

    /// Does this with the thread's flight, which is empty. It must not come to this again.
    pub(super) fn with<R>(moves: impl FnOnce(&mut Self) -> R) -> R {
        FLIGHT.with_borrow_mut(|flight| {
            flight.parcels.clear();
            moves(flight)
        })
    }

    /// How many are in it.
    pub(super) fn len(&self) -> usize {
        self.parcels.len()
    }

    /// How many more fit in.
    pub(super) fn left(&self) -> usize {
        MOST - self.parcels.len()
    }

    /// Whose this one is.
    pub(super) fn peer(&self, index: usize) -> Option<Peer> {
        self.parcels.get(index).map(|(peer, _)| *peer)
    }

    /// Its bytes.
    pub(super) fn bytes(&self, index: usize) -> &[u8] {
        let length = self.parcels.get(index).map_or(0, |(_, length)| *length);
        self.room.get(index * LARGEST..index * LARGEST + length).unwrap_or_default()
    }

    /// How many bytes these have.
    pub(super) fn sum(&self, which: Range<usize>) -> usize {
        self.parcels.get(which).unwrap_or_default().iter().map(|(_, length)| length).sum()
    }

    /// From this one on, those that are answered from the same address.
    pub(super) fn alike(&self, from: usize) -> Range<usize> {
        let rest = self.parcels.get(from..).unwrap_or_default();
        let Some((first, _)) = rest.first() else { return from..from };
        from..from + rest.iter().take_while(|(peer, _)| peer.to == first.to).count()
    }

    /// Puts one more in. One for which there is no room is left out.
    pub(super) fn put(&mut self, peer: Peer, bytes: &[u8]) {
        let at = self.parcels.len() * LARGEST;
        if let Some(room) = self.room.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
            self.parcels.push((peer, bytes.len()));
        }
    }

    /// The room for those that are received next, one part each, and where it is noted whose they are.
    pub(super) fn rest(&mut self) -> (impl Iterator<Item = &mut [u8]>, &mut Vec<(Peer, usize)>) {
        let used = self.parcels.len();
        (self.room.chunks_exact_mut(LARGEST).skip(used), &mut self.parcels)
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("parcels", &self.parcels).finish_non_exhaustive()
    }
}
