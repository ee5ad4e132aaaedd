//! Owns what a simulated daemon has in memory: routes, where each leads, and its clients. Pure: the time
//! comes in, and so does where a container is. Never opens a socket.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use homeport_core::unit::PortNumber;
use homeport_router::{
    Generation, ListenAddress, LiveConnections, RouteId, RouteRules, RouteState, RouteStatus, Target,
};

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

/// What has become of a simulated client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimClient {
    /// It waits until its route leads somewhere.
    Waits,
    /// It is connected with this container.
    With(ContainerId),
    /// It was turned away, or its connection has ended.
    Reset,
}

/// Names a client of a simulated route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimClientId(usize);

#[derive(Debug)]
struct Route {
    address: ListenAddress,
    lead: SimLead,
    /// Since when it is held.
    since: Instant,
    /// Its target, counted.
    target: Option<(Generation, Target)>,
    targets: u64,
    rules: RouteRules,
}

#[derive(Debug)]
struct Client {
    route: RouteId,
    is: SimClient,
    generation: Generation,
}

/// Routes by their names, and every client that there ever was.
#[derive(Debug, Default)]
pub(super) struct Table {
    routes: BTreeMap<RouteId, Route>,
    clients: Vec<Client>,
}

impl Table {
    /// Closes every route that has been held for this long.
    pub(super) fn expire(&mut self, now: Instant, limit: Duration) {
        let is_over = |route: &Route| route.lead == SimLead::Held && now.duration_since(route.since) >= limit;
        let over: Vec<RouteId> =
            self.routes.iter().filter(|(_, route)| is_over(route)).map(|(id, _)| id.clone()).collect();
        for id in over {
            self.lead(&id, SimLead::Closed);
            self.reset(&id, |is| *is == SimClient::Waits);
        }
    }

    pub(super) fn leads(&self) -> BTreeMap<RouteId, (ListenAddress, SimLead)> {
        self.routes.iter().map(|(id, route)| (id.clone(), (route.address, route.lead.clone()))).collect()
    }

    pub(super) fn address(&self, id: &RouteId) -> Option<ListenAddress> {
        self.routes.get(id).map(|route| route.address)
    }

    pub(super) fn has(&self, id: &RouteId) -> bool {
        self.routes.contains_key(id)
    }

    /// Whether no route has the address, or one that cannot be had beside it.
    pub(super) fn is_free(&self, address: ListenAddress) -> bool {
        self.routes.values().all(|route| !route.address.overlaps(address))
    }

    /// Binds the address. Clients wait.
    pub(super) fn bind(&mut self, id: &RouteId, address: ListenAddress, now: Instant) {
        let route =
            Route { address, lead: SimLead::Held, since: now, target: None, targets: 0, rules: RouteRules::default() };
        self.routes.insert(id.clone(), route);
    }

    /// Notes what a route that is there lets in.
    pub(super) fn set_rules(&mut self, id: &RouteId, rules: RouteRules) {
        if let Some(route) = self.routes.get_mut(id) {
            route.rules = rules;
        }
    }

    /// Leads a route that is there to the target, and whoever waits for it. The same target again changes nothing.
    pub(super) fn point(&mut self, id: &RouteId, container: &ContainerId, port: PortNumber, target: Target) {
        let lead = SimLead::To(container.clone(), port);
        let Some(route) = self.routes.get_mut(id) else { return };
        if route.lead == lead {
            return;
        }
        route.lead = lead;
        route.targets += 1;
        let generation = Generation::new(route.targets);
        route.target = Some((generation, target));
        for client in self.clients.iter_mut().filter(|client| client.route == *id && client.is == SimClient::Waits) {
            (client.is, client.generation) = (SimClient::With(container.clone()), generation);
        }
    }

    /// Lets clients wait; those that are connected stay so.
    pub(super) fn hold(&mut self, id: &RouteId, now: Instant) {
        self.lead(id, SimLead::Held);
        if let Some(route) = self.routes.get_mut(id) {
            route.since = now;
        }
    }

    /// Turns clients away, and ends those that are connected with another container than these.
    pub(super) fn close(&mut self, id: &RouteId, staying: &[ContainerId]) {
        self.lead(id, SimLead::Closed);
        self.reset(id, |is| !matches!(is, SimClient::With(container) if staying.contains(container)));
    }

    /// Gives the address up, and says which one it was.
    pub(super) fn release(&mut self, id: &RouteId) -> Option<ListenAddress> {
        let released = self.routes.remove(id);
        self.reset(id, |_| true);
        released.map(|route| route.address)
    }

    /// Gives every address up.
    pub(super) fn clear(&mut self) {
        self.routes.clear();
        self.clients.iter_mut().for_each(|client| client.is = SimClient::Reset);
    }

    /// A client that comes to the route's address.
    pub(super) fn connect(&mut self, id: &RouteId) -> SimClientId {
        let route = self.routes.get(id);
        let is = match route.map(|route| &route.lead) {
            Some(SimLead::Held) => SimClient::Waits,
            Some(SimLead::To(container, _)) => SimClient::With(container.clone()),
            Some(SimLead::Closed) | None => SimClient::Reset,
        };
        let generation = Generation::new(route.map_or(0, |route| route.targets));
        self.clients.push(Client { route: id.clone(), is, generation });
        SimClientId(self.clients.len() - 1)
    }

    pub(super) fn client(&self, client: SimClientId) -> SimClient {
        self.clients.get(client.0).map_or(SimClient::Reset, |client| client.is.clone())
    }

    /// Ends what is connected with containers that do not run: their processes are gone.
    pub(super) fn end_dead(&mut self, runs: impl Fn(&ContainerId) -> bool) {
        let is_dead = |is: &SimClient| matches!(is, SimClient::With(container) if !runs(container));
        self.clients.iter_mut().filter(|client| is_dead(&client.is)).for_each(|client| client.is = SimClient::Reset);
    }

    /// Every route as it is now, in the order of their names.
    pub(super) fn status(&self) -> Vec<RouteStatus> {
        self.routes.iter().map(|(id, route)| self.status_of(id, route)).collect()
    }

    fn status_of(&self, id: &RouteId, route: &Route) -> RouteStatus {
        let state = match (&route.lead, &route.target) {
            (SimLead::Held, _) => RouteState::Held,
            (SimLead::To(..), Some((generation, target))) => {
                RouteState::Running { generation: *generation, target: target.clone() }
            }
            (SimLead::To(..), None) | (SimLead::Closed, _) => RouteState::Closed,
        };
        let mut live: BTreeMap<Generation, LiveConnections> = BTreeMap::new();
        for client in self.clients.iter().filter(|client| client.route == *id) {
            let SimClient::With(container) = &client.is else { continue };
            let Ok(container) = container.as_str().parse() else { continue };
            let generation = client.generation;
            let fresh = LiveConnections { generation, container, connections: 0 };
            live.entry(generation).or_insert(fresh).connections += 1;
        }
        let open = live.values().map(|live| live.connections).sum();
        let live = live.into_values().collect();
        let rules = route.rules.clone();
        RouteStatus { open, live, rules, ..RouteStatus::unused(id.clone(), route.address, state, 512) }
    }

    fn lead(&mut self, id: &RouteId, lead: SimLead) {
        if let Some(route) = self.routes.get_mut(id) {
            route.lead = lead;
        }
    }

    fn reset(&mut self, id: &RouteId, which: impl Fn(&SimClient) -> bool) {
        let of_it = self.clients.iter_mut().filter(|client| client.route == *id && which(&client.is));
        of_it.for_each(|client| client.is = SimClient::Reset);
    }
}
