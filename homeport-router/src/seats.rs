//! Owns the seats of a route: who has one, how many wait for one, and the news that one was left. Never decides who comes in, which
//! the entrance does, and never for how long one waits, which the crowd does.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::crowd::Departures;
use crate::entrance::{Barred, Entrance, Origin, Source};

/// Those of all routes of a router.
#[derive(Debug)]
pub(crate) struct RouterSeats {
    free: Arc<Semaphore>,
    departures: AtomicU64,
}

impl RouterSeats {
    /// So many.
    pub(crate) fn new(seats: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(seats.min(Semaphore::MAX_PERMITS))), departures: AtomicU64::new(0) }
    }

    /// How many nobody has.
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }
}

/// Those of one route.
#[derive(Debug)]
pub(crate) struct Seats {
    entrance: Mutex<Entrance>,
    of_router: Arc<RouterSeats>,
    left: Notify,
    waiting: AtomicUsize,
}

/// The right to be one of the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    source: Source,
    /// That of the router; none only once it is given back.
    of_router: Option<OwnedSemaphorePermit>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.entrance().leave(self.source);
        drop(self.of_router.take());
        self.seats.of_router.departures.fetch_add(1, Ordering::Relaxed);
        self.seats.left.notify_waiters();
    }
}

/// A client that is accepted and waits for a seat, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Seats>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why there is no seat for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// The route does not let it in.
    Barred(Barred),
    /// The router has as many connections as it can have.
    OfRouter,
}

impl NoSeat {
    /// Whether there is none for anybody, whoever it is.
    pub(crate) const fn is_for_anybody(self) -> bool {
        matches!(self, Self::Barred(Barred::Full(_)) | Self::OfRouter)
    }
}

/// Whether one more may have a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vacancy {
    Some,
    /// So many have seats of the route, and so many have left theirs, of the route or of the router, as the lack is.
    None {
        open: usize,
        departures: Departures,
    },
}

impl Seats {
    /// Nobody has one, and nobody waits.
    pub(crate) fn new(entrance: Entrance, of_router: Arc<RouterSeats>) -> Self {
        Self { entrance: Mutex::new(entrance), of_router, left: Notify::new(), waiting: AtomicUsize::new(0) }
    }

    /// Who is in.
    pub(crate) fn entrance(&self) -> MutexGuard<'_, Entrance> {
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of all routes.
    pub(crate) fn of_router(&self) -> &RouterSeats {
        &self.of_router
    }

    /// Whether there is one, of the route and of the router, besides those for so many others.
    pub(crate) fn vacancy(&self, others: usize) -> Vacancy {
        let (open, limit, departures) = {
            let entrance = self.entrance();
            (entrance.open(), entrance.limit(), entrance.departures())
        };
        if open.saturating_add(others) >= limit {
            Vacancy::None { open, departures }
        } else if self.of_router.free() <= others {
            Vacancy::None { open, departures: Departures::new(self.of_router.departures.load(Ordering::Relaxed)) }
        } else {
            Vacancy::Some
        }
    }

    /// One for this client.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr, origin: Origin) -> Result<Seat, NoSeat> {
        let mut entrance = self.entrance();
        if let Some(barred) = entrance.bars(client, origin) {
            return Err(NoSeat::Barred(barred));
        }
        // Before the route's rate: a try for which the router has no seat uses up nothing of it.
        let of_router = Arc::clone(&self.of_router.free).try_acquire_owned().map_err(|_| NoSeat::OfRouter)?;
        let source = entrance.come(client, origin, Instant::now()).map_err(NoSeat::Barred)?;
        Ok(Seat { seats: Arc::clone(self), source, of_router: Some(of_router) })
    }

    /// One more waits for a seat.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// How many are accepted and wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Completes when somebody leaves this route from now on. That another route has left a seat of the router it does not tell.
    pub(crate) fn left(&self) -> Notified<'_> {
        self.left.notified()
    }
}
