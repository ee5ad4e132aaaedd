//! Owns a simulation of the public sockets for tests: in memory, its state outlives the simulated process.
//! Never opens a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use homeport_core::unit::PortNumber;
use homeport_router::{ListenAddress, ListenHost, RouteId, RouteStatus};

use super::{Routes, RoutesError};
use crate::engine::ContainerId;

/// Where a simulated route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimLead {
    /// Clients wait.
    Held,
    /// Clients reach this container.
    To(ContainerId, PortNumber),
    /// Clients are turned away.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    routes: BTreeMap<RouteId, (ListenAddress, SimLead)>,
    taken: BTreeSet<PortNumber>,
}

/// A simulated holder of public sockets; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct SimRoutes(Arc<Mutex<State>>);

impl SimRoutes {
    /// Lets some other program hold this port.
    pub fn take(&self, port: PortNumber) {
        self.state().taken.insert(port);
    }

    /// Every route and where it leads.
    pub fn leads(&self) -> BTreeMap<RouteId, (ListenAddress, SimLead)> {
        self.state().routes.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lead(&self, id: &RouteId, lead: SimLead) {
        if let Some(route) = self.state().routes.get_mut(id) {
            route.1 = lead;
        }
    }
}

impl Routes for SimRoutes {
    fn ensure(&self) -> Result<(), RoutesError> {
        Ok(())
    }

    fn reserve(&self, id: &RouteId, host: ListenHost, ports: &[PortNumber]) -> Result<PortNumber, RoutesError> {
        let mut state = self.state();
        // As the daemon does it: another address is given up first, and had again where none of these can be had.
        let given_up = match state.routes.get(id) {
            Some((held, _)) if held.host() == host && ports.contains(&held.port()) => return Ok(held.port()),
            Some(_) => state.routes.remove(id),
            None => None,
        };
        for port in ports {
            let Ok(address) = ListenAddress::new(host, *port) else { continue };
            let free = !state.taken.contains(port) && state.routes.values().all(|(held, _)| !held.overlaps(address));
            if free {
                state.routes.insert(id.clone(), (address, SimLead::Held));
                return Ok(*port);
            }
        }
        if let Some((held, _)) = given_up {
            state.routes.insert(id.clone(), (held, SimLead::Held));
        }
        let message = format!("`{ports:?}` cannot be listened on: a simulated process holds it");
        Err(RoutesError::Refused { code: "HP-RTR-003", message, help: None })
    }

    fn point(&self, id: &RouteId, container: &ContainerId, port: PortNumber) -> Result<(), RoutesError> {
        self.lead(id, SimLead::To(container.clone(), port));
        Ok(())
    }

    fn hold(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.lead(id, SimLead::Held);
        Ok(())
    }

    fn close(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.lead(id, SimLead::Closed);
        Ok(())
    }

    fn release(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.state().routes.remove(id);
        Ok(())
    }

    fn status(&self) -> Result<Vec<RouteStatus>, RoutesError> {
        Ok(Vec::new())
    }
}
