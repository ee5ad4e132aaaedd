//! What can stand in front of the router and lead a route's new clients to its container without it. The router listens on every
//! public address all the while: whoever is not led elsewhere comes to it, so that taking a route away from an accelerator
//! fails no client.
//!
//! ```text
//! route's state, its rules, what this machine has ── decide (pure) ──> with the router, and why, or a Front
//!                                                                        |
//!                          daemon ── point, unpoint, apply, observe ──> Accelerator
//! ```
//!
//! `decide` says which routes are fronted, and by what; `obstacle` names what is in the way; an [`Accelerator`] acts, and is the
//! only one to.

mod decide;
mod error;
mod front;
mod haproxy;
mod nft;
mod obstacle;
mod total;

pub use decide::{Offer, Offers, Way, decide};
pub use error::AcceleratorError;
pub use front::{Asked, Drift, Flow, Flows, Front, Silent};
pub use haproxy::Haproxy;
pub use nft::Nftables;
pub use obstacle::Obstacle;
pub use total::Total;

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use homeport_router::{Backend, ContainerId, RouteId, Router};

use crate::layout::Layout;

/// Leads the new clients of some routes past the router. Every method blocks until it is done, and may come from any thread; the
/// daemon calls one at a time.
pub trait Accelerator: Debug + Send + Sync {
    /// Its name.
    fn backend(&self) -> Backend;

    /// What it has to offer on this machine, as it is now: looks, and changes nothing.
    fn offer(&self) -> Offer;

    /// From here on it stands in front of this router; before, it only tells what it has to offer.
    fn stand_before(&self, _router: &Router) {}

    /// Takes up what an earlier daemon left, so that nothing of it leads anywhere any more, and its connections are known as far
    /// as their containers are. Called once, before anything else is.
    fn begin(&self) -> Result<(), AcceleratorError>;

    /// Duplicates of the public sockets that what an earlier daemon left listens on still; none where it listens on none itself.
    ///
    /// # Errors
    /// Why one that listens does not give its socket.
    fn sockets(&self) -> Vec<(RouteId, Result<OwnedFd, AcceleratorError>)> {
        Vec::new()
    }

    /// Makes everything as it has to be for exactly these, whatever it is now. The same again changes nothing for any client.
    fn apply(&self, wanted: &[Front]) -> Result<(), AcceleratorError>;

    /// Leads the route as this says from now on. When it returns, no connection begins with an earlier target of it.
    ///
    /// # Errors
    /// The route may still be led as before, or not at all.
    fn point(&self, front: &Front) -> Result<(), AcceleratorError>;

    /// Leads the route nowhere any more: its clients come to the router. When it returns, no connection begins with its target
    /// but through that. Connections that there are go on. A route that is not led is fine.
    ///
    /// # Errors
    /// The route may still be led as before.
    fn unpoint(&self, id: &RouteId) -> Result<(), AcceleratorError>;

    /// Whether everything is as it was made. Called about once a second, also where nothing is led.
    fn observe(&self) -> Result<Drift, AcceleratorError>;

    /// The connections that it carries, of each route with each container.
    fn flows(&self, silent: Silent) -> Flows;

    /// What it has counted of each route since the daemon began, as it was told by the last [`flows`](Self::flows); nothing of
    /// what it does not count.
    fn totals(&self) -> Vec<(RouteId, Total)> {
        Vec::new()
    }

    /// Ends the connections of the route with the container, and returns their number.
    fn end_flows(&self, id: &RouteId, container: &ContainerId) -> Result<usize, AcceleratorError>;

    /// Leads nothing any more, ends every connection, and leaves nothing behind on this machine.
    fn give_up(&self) -> Result<(), AcceleratorError>;
}

/// Those that this HomePort has. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Accelerators(Arc<[Arc<dyn Accelerator>]>);

impl Accelerators {
    /// All that there are, for the HomePort of this layout.
    pub fn of(layout: &Layout) -> Self {
        Self::new(vec![Arc::new(Nftables::new(layout.state_dir())), Arc::new(Haproxy::new(layout))])
    }

    /// These.
    pub fn new(all: Vec<Arc<dyn Accelerator>>) -> Self {
        Self(all.into())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Accelerator> {
        self.0.iter().map(|one| &**one)
    }

    /// The one of this name; `None` for the router itself, and where there is none.
    pub fn by(&self, backend: Backend) -> Option<&dyn Accelerator> {
        self.iter().find(|one| one.backend() == backend)
    }

    /// Takes away what a daemon left behind that was killed, connections as well.
    ///
    /// # Errors
    /// The first of them that could not; the others did.
    pub fn end_leftover(&self) -> Result<(), AcceleratorError> {
        let ended = |one: &dyn Accelerator| one.begin().and_then(|()| one.give_up());
        self.iter().map(ended).fold(Ok(()), Result::and)
    }

    /// Everything that keeps a route from being carried by what its rules ask for, on this machine as it is now.
    pub fn obstacles(&self, asked: &Asked<'_>) -> Vec<Obstacle> {
        let offers = self.by(asked.rules.backend).map(|one| (one.backend(), one.offer())).into_iter().collect();
        decide::obstacles(asked, &offers)
    }
}
