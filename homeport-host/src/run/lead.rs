//! Owns where an operation leads the clients of an instance, on its way and back: who waits, who is turned away, and which
//! container they come to. Never decides which operation does so.

use homeport_core::name::EndpointName;

use super::error::StepError;
use super::holding::Kept;
use super::journal::with_causes;
use super::records;
use super::session::Session;
use crate::engine::{ContainerId, ContainerRef};
use crate::ledger::RouteRecord;
use crate::progress::Event;

/// Whether a route leads to the container that was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Led {
    /// It does.
    Yes,
    /// The container does not run any more.
    NoTarget,
}

impl Session<'_, '_> {
    /// Lets the clients of every route wait, until they are led somewhere or this process ends.
    pub(super) fn hold_routes(&mut self) -> Result<(), StepError> {
        for route in self.writer.routes(&self.instance)? {
            self.host.routes.hold(&self.route_id(&route.endpoint))?;
            self.keep_waiting(&route.endpoint)?;
        }
        Ok(())
    }

    /// Lets clients of this route, who wait, wait on for as long as it takes.
    pub(super) fn keep_waiting(&mut self, endpoint: &EndpointName) -> Result<(), StepError> {
        let kept = self.holding.keep(self.route_id(endpoint));
        kept.map_err(|source| StepError::Io { action: "start the thread that lets clients wait", source })
    }

    /// Lets those wait on whom an operation that was cut off let wait. What keeps the daemon from it is no reason not to
    /// take the operation back: nobody waits at one that is gone, and leading clients back starts it.
    pub(super) fn hold_again(&mut self) -> Result<(), StepError> {
        for route in self.writer.routes(&self.instance)? {
            let held = self.host.routes.hold(&self.route_id(&route.endpoint)).map_err(StepError::from);
            match held {
                Err(error) if error.is_death() => return Err(error),
                Ok(()) | Err(_) => self.keep_waiting_or_tell(&route.endpoint),
            }
        }
        Ok(())
    }

    /// The same on the way back, which goes on where it cannot be: then they wait for as long as the router lets them.
    fn keep_waiting_or_tell(&mut self, endpoint: &EndpointName) {
        if let Err(error) = self.keep_waiting(endpoint) {
            let text =
                format!("clients of `{endpoint}` may be turned away before this is over: {}", with_causes(&error));
            self.host.progress.event(&Event::Warning { text });
        }
    }

    /// Leads a route to the container of this operation.
    pub(super) fn point(&mut self, endpoint: &EndpointName) -> Result<(), StepError> {
        let missing = |missing| StepError::OutOfOrder { step: "point_route", missing };
        let route = self.blueprint("point_route")?.routes.get(endpoint).ok_or(missing("the route"))?;
        let container = self.container.as_ref().ok_or(missing("the container"))?;
        let id = self.route_id(endpoint);
        let kept = self.holding.let_go(&id);
        let pointed = self.host.routes.point(&id, container, route.target);
        if pointed.is_err() && kept == Kept::Yes {
            // They wait until it is taken back.
            self.keep_waiting_or_tell(endpoint);
        }
        Ok(pointed?)
    }

    /// Turns the clients of a route away. Those of a container that retires stay with it.
    pub(super) fn close_route(&self, endpoint: &EndpointName) -> Result<(), StepError> {
        let retiring = self.writer.retiring(&self.instance)?.into_iter().map(|one| one.container);
        let id = self.route_id(endpoint);
        self.holding.let_go(&id);
        Ok(self.host.routes.close(&id, &retiring.collect::<Vec<_>>())?)
    }

    /// Gives the address of a route up, and ends its connections.
    pub(super) fn release_route(&self, endpoint: &EndpointName) -> Result<(), StepError> {
        let id = self.route_id(endpoint);
        self.holding.let_go(&id);
        Ok(self.host.routes.release(&id)?)
    }

    /// Leads the routes to where they led before, if the container that they led to still runs. One that cannot be led keeps
    /// no other from it.
    ///
    /// # Errors
    /// The first that one of them had.
    pub(super) fn unhold_routes(&mut self) -> Result<(), StepError> {
        let mut failed = None;
        for route in self.writer.routes(&self.instance)? {
            match self.unhold(&route) {
                Err(error) if error.is_death() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
                Ok(()) => {}
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn unhold(&mut self, route: &RouteRecord) -> Result<(), StepError> {
        if self.lead_to_present(route)? == Led::Yes {
            return Ok(());
        }
        if self.kind.is_change_of_version() {
            // The version from before is started again at once.
            self.let_wait(&route.endpoint)
        } else {
            self.close_route(&route.endpoint)
        }
    }

    /// Leads one route to where it led before; its clients wait where nothing runs.
    pub(super) fn lead_back(&mut self, endpoint: &EndpointName) -> Result<(), StepError> {
        let route = self.writer.routes(&self.instance)?.into_iter().find(|route| route.endpoint == *endpoint);
        let led = route.map_or(Ok(Led::NoTarget), |route| self.lead_to_present(&route))?;
        if led == Led::NoTarget { self.let_wait(endpoint) } else { Ok(()) }
    }

    fn let_wait(&mut self, endpoint: &EndpointName) -> Result<(), StepError> {
        self.host.routes.hold(&self.route_id(endpoint))?;
        self.keep_waiting_or_tell(endpoint);
        Ok(())
    }

    /// Leads a route to the container that the ledger has, if that runs.
    fn lead_to_present(&mut self, route: &RouteRecord) -> Result<Led, StepError> {
        let container = self.writer.instance(&self.instance)?.and_then(|record| record.container);
        match container {
            Some(container) if self.runs(&ContainerRef::Id(container.clone()))? => self.lead_to(route, &container),
            _ => Ok(Led::NoTarget),
        }
    }

    /// Leads a route to a container. Its clients wait on where that fails.
    fn lead_to(&mut self, route: &RouteRecord, container: &ContainerId) -> Result<Led, StepError> {
        let kept = self.holding.let_go(&self.route_id(&route.endpoint));
        let led = self.find_and_lead(route, container);
        if led.is_err() && kept == Kept::Yes {
            self.keep_waiting_or_tell(&route.endpoint);
        }
        led
    }

    /// A daemon that does not run is started, and takes up every address that the ledger has; one that has lost this one
    /// binds it again.
    fn find_and_lead(&self, route: &RouteRecord, container: &ContainerId) -> Result<Led, StepError> {
        let (routes, id) = (&self.host.routes, self.route_id(&route.endpoint));
        routes.ensure()?;
        let mut pointed = routes.point(&id, container, route.target_port);
        if pointed.as_ref().is_err_and(crate::routes::RoutesError::is_no_such_route)
            && let Some(address) = records::listen_address(route)
        {
            routes.reserve(&id, address.host(), address.transport(), &[address.port()])?;
            pointed = routes.point(&id, container, route.target_port);
        }
        match pointed {
            Err(error) if error.is_no_such_target() => Ok(Led::NoTarget),
            pointed => Ok(pointed.map(|()| Led::Yes)?),
        }
    }

    fn runs(&self, container: &ContainerRef) -> Result<bool, StepError> {
        Ok(self.host.engine.inspect(container)?.is_some_and(|facts| facts.state.is_running()))
    }
}
