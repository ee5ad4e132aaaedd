//! The public addresses as operations see them: a trait that the daemon keeps for real and a simulation keeps for tests.
//! Never carries a byte of a client's connection.

mod account;
mod error;
mod sim;

pub use account::{Account, Unbound, Wish};
pub use error::RoutesError;
pub use homeport_router::{
    AccessLog, Backend, BackendError, Carried, Datagrams, ListenAddress, ListenHost, Moved, RefusedBecause, RouteRules,
    RouteState, RouteStatus, SourceAddress,
};
pub use sim::{SimClient, SimClientId, SimLead, SimRoutes};

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::RouteId;

use crate::engine::ContainerId;

/// What operations ask of whoever holds the public sockets. Every method blocks until it is done.
pub trait Routes: Send + Sync + std::fmt::Debug {
    /// Sees to it that the daemon runs; starts it where it does not.
    fn ensure(&self) -> Result<(), RoutesError>;

    /// Binds the first of these ports that is free over this transport, or finds the one that the route holds already. Until it
    /// is pointed, clients wait.
    ///
    /// # Errors
    /// [`RoutesError::Refused`] with the name of the process that has it where none of them is free.
    fn reserve(
        &self,
        id: &RouteId,
        host: ListenHost,
        transport: Transport,
        ports: &[PortNumber],
    ) -> Result<PortNumber, RoutesError>;

    /// Leads the route to this port of the container. Its address is looked up anew: a stored one may be another's.
    ///
    /// # Errors
    /// [`RoutesError::NotRunning`] where the daemon does not run; [`RoutesError::is_no_such_route`] where it does not have
    /// the route; [`RoutesError::is_no_such_target`] where the container does not run.
    fn point(&self, id: &RouteId, container: &ContainerId, port: PortNumber) -> Result<(), RoutesError>;

    /// Lets clients wait while a container is replaced, for at most the router's limit from the last time that this was asked
    /// for. A route that is not there is fine.
    fn hold(&self, id: &RouteId) -> Result<(), RoutesError>;

    /// Turns clients away, and ends those that are connected with another container than these. A route that is not there
    /// is fine.
    fn close(&self, id: &RouteId, staying: &[ContainerId]) -> Result<(), RoutesError>;

    /// Lets in what these rules say from now on; clients that are connected stay.
    ///
    /// # Errors
    /// [`RoutesError::NotRunning`] where the daemon does not run; [`RoutesError::is_no_such_route`] where it does not have
    /// the route.
    fn set_rules(&self, id: &RouteId, rules: &RouteRules) -> Result<(), RoutesError>;

    /// Gives the address up. A route that is not there is fine; so is a daemon that does not run: the next one has what the
    /// ledger has.
    fn release(&self, id: &RouteId) -> Result<(), RoutesError>;

    /// Every route as it is now; `None` where the daemon does not run.
    fn account(&self) -> Result<Option<Account>, RoutesError>;
}
