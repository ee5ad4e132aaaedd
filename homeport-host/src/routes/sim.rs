//! Owns a simulation of the daemon that holds the public sockets, for tests: in memory, its state outlives the simulated
//! process. It fails where the daemon does: it may not run, it may have lost a route, a container may not run.
//! Never opens a socket.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeport_core::fault::Advice as _;
use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use homeport_router::{Limits, ListenAddress, ListenHost, NoSuchRoute, RouteId, RouteRules, Target};

pub use table::{SimClient, SimClientId, SimLead};

use self::table::Table;
use super::{Account, Routes, RoutesError};
use crate::daemon::mend::{self, Mend};
use crate::engine::{ContainerId, SimEngine};
use crate::layout::Layout;
use crate::ledger::{Ledger, LedgerError};

/// Whether the simulated daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Daemon {
    Runs,
    Gone,
}

#[derive(Debug)]
struct State {
    daemon: Daemon,
    table: Table,
    taken: BTreeSet<PortNumber>,
    hold_limit: Duration,
}

/// A simulated daemon; clones are the same one. It does not run before it is asked to by
/// [`Routes::ensure`].
#[derive(Debug, Clone)]
pub struct SimRoutes {
    engine: SimEngine,
    layout: Layout,
    state: Arc<Mutex<State>>,
}

impl SimRoutes {
    /// The daemon of the HomePort of this layout, whose containers this engine runs.
    pub fn new(engine: SimEngine, layout: Layout) -> Self {
        let (table, taken) = (Table::default(), BTreeSet::new());
        let state = State { daemon: Daemon::Gone, table, taken, hold_limit: Limits::HOLD_LIMIT };
        Self { engine, layout, state: Arc::new(Mutex::new(state)) }
    }

    /// Lets some other program hold this port.
    pub fn take(&self, port: PortNumber) {
        self.state().taken.insert(port);
    }

    /// That program has ended.
    pub fn give_back(&self, port: PortNumber) {
        self.state().taken.remove(&port);
    }

    /// Lets a route be held for this long from now on; by default it is the router's own limit.
    pub fn set_hold_limit(&self, limit: Duration) {
        self.state().hold_limit = limit;
    }

    /// The daemon is killed: every socket is closed, and every client reset. Nothing but [`Routes::ensure`] starts it again.
    pub fn end_daemon(&self) {
        let mut state = self.state();
        state.daemon = Daemon::Gone;
        state.table.clear();
    }

    /// The daemon has lost this route, as one has that could not bind its address when it was started.
    pub fn lose(&self, id: &RouteId) {
        self.state().table.release(id);
    }

    /// What the daemon does every half minute, where it runs: what differs from the ledger is brought to what the ledger has.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn round(&self) -> Result<(), LedgerError> {
        let status = self.state().table.status();
        let plan = mend::plan(&Ledger::open(&self.layout)?, &status)?;
        let mut state = self.state();
        if state.daemon == Daemon::Runs {
            for mend in plan {
                self.mend(&mut state, mend);
            }
        }
        Ok(())
    }

    /// Every route and where it leads.
    pub fn leads(&self) -> BTreeMap<RouteId, (ListenAddress, SimLead)> {
        self.state().table.leads()
    }

    /// A client that comes to the route's address now.
    pub fn connect(&self, id: &RouteId) -> SimClientId {
        self.state().table.connect(id)
    }

    /// What has become of it by now.
    pub fn client(&self, client: SimClientId) -> SimClient {
        self.state().table.client(client)
    }

    /// The state as it is now: what was held for too long is closed, and nobody is connected with a container that has ended.
    fn state(&self) -> MutexGuard<'_, State> {
        let containers = self.engine.containers();
        let runs = |id: &ContainerId| containers.iter().any(|one| one.id == *id && one.state.is_running());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = state.hold_limit;
        state.table.expire(Instant::now(), limit);
        state.table.end_dead(runs);
        state
    }

    /// The same, where the daemon runs.
    fn running(&self) -> Result<MutexGuard<'_, State>, RoutesError> {
        let state = self.state();
        match state.daemon {
            Daemon::Runs => Ok(state),
            Daemon::Gone => Err(RoutesError::NotRunning { socket: self.layout.control_socket() }),
        }
    }

    /// Where a container is now, or why it cannot be led to.
    fn target(&self, container: &ContainerId, port: PortNumber) -> Result<Target, RoutesError> {
        let refused = |message: String| RoutesError::Refused { code: "HP-DMN-008", message, help: None };
        let found = self.engine.containers().into_iter().find(|one| one.id == *container);
        let found = found.ok_or_else(|| refused(format!("there is no container `{}`", container.as_str())))?;
        let address = found.addresses.values().next().filter(|_| found.state.is_running());
        let address = address.ok_or_else(|| refused(format!("container `{}` does not run", container.as_str())))?;
        let container = container.as_str().parse();
        let container = container.map_err(|error: homeport_router::ContainerIdError| refused(error.to_string()))?;
        Ok(Target::new(container, SocketAddr::new(*address, port.get())))
    }

    fn mend(&self, state: &mut State, mend: Mend) {
        match mend {
            Mend::Reserve(id, address) => {
                if !state.taken.contains(&address.port()) && state.table.is_free(address) {
                    state.table.bind(&id, address, Instant::now());
                }
            }
            Mend::Close(id) => state.table.close(&id, &[]),
            Mend::SetRules(id, rules) => state.table.set_rules(&id, rules),
            Mend::Point(id, container, port) => {
                if let Ok(target) = self.target(&container, port) {
                    state.table.point(&id, &container, port, target);
                }
            }
        }
    }
}

impl Routes for SimRoutes {
    fn ensure(&self) -> Result<(), RoutesError> {
        let is_there = {
            let mut state = self.state();
            std::mem::replace(&mut state.daemon, Daemon::Runs) == Daemon::Runs
        };
        // One that is started takes every address up before it answers; one that cannot read the ledger does not come up.
        let unread =
            |error: LedgerError| RoutesError::NotStarted { said: error.to_string(), log: self.layout.daemon_log() };
        if is_there { Ok(()) } else { self.round().map_err(unread) }
    }

    fn reserve(
        &self,
        id: &RouteId,
        host: ListenHost,
        transport: Transport,
        ports: &[PortNumber],
    ) -> Result<PortNumber, RoutesError> {
        let mut state = self.running()?;
        let is_wanted =
            |held: &ListenAddress| held.host() == host && held.transport() == transport && ports.contains(&held.port());
        if let Some(held) = state.table.address(id).filter(is_wanted) {
            return Ok(held.port());
        }
        // As the daemon does it: another address is given up first, and had again where none of these can be had.
        let given_up = state.table.release(id);
        for port in ports {
            let Ok(address) = ListenAddress::new(host, *port).map(|address| address.over(transport)) else { continue };
            if !state.taken.contains(port) && state.table.is_free(address) {
                state.table.bind(id, address, Instant::now());
                // As the daemon does it: what cannot be read is seen to by the next round.
                let rules = Ledger::open(&self.layout).and_then(|ledger| ledger.route_rules());
                state.table.set_rules(id, rules.unwrap_or_default().remove(id).unwrap_or_default());
                return Ok(*port);
            }
        }
        if let Some(held) = given_up {
            state.table.bind(id, held, Instant::now());
        }
        let message = format!("`{ports:?}` cannot be listened on: a simulated process holds it");
        Err(RoutesError::Refused { code: "HP-RTR-003", message, help: None })
    }

    fn point(&self, id: &RouteId, container: &ContainerId, port: PortNumber) -> Result<(), RoutesError> {
        let mut state = self.running()?;
        let target = self.target(container, port)?;
        if !state.table.has(id) {
            let error = NoSuchRoute(id.clone());
            return Err(RoutesError::Refused { code: "HP-RTR-010", message: error.to_string(), help: error.help() });
        }
        state.table.point(id, container, port, target);
        Ok(())
    }

    fn hold(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.state().table.hold(id, Instant::now());
        Ok(())
    }

    fn close(&self, id: &RouteId, staying: &[ContainerId]) -> Result<(), RoutesError> {
        self.state().table.close(id, staying);
        Ok(())
    }

    fn set_rules(&self, id: &RouteId, rules: &RouteRules) -> Result<(), RoutesError> {
        let mut state = self.running()?;
        if !state.table.has(id) {
            let error = NoSuchRoute(id.clone());
            return Err(RoutesError::Refused { code: "HP-RTR-010", message: error.to_string(), help: error.help() });
        }
        state.table.set_rules(id, rules.clone());
        Ok(())
    }

    fn release(&self, id: &RouteId) -> Result<(), RoutesError> {
        self.state().table.release(id);
        Ok(())
    }

    fn account(&self) -> Result<Option<Account>, RoutesError> {
        let state = self.state();
        Ok((state.daemon == Daemon::Runs).then(|| Account { routes: state.table.status(), unbound: Vec::new() }))
    }
}
