//! Owns the table of routes and the requests to it. Decides nothing about a route's state: the gate does.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homeport_core::manifest::Transport;
use homeport_core::unit::PortNumber;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::acceptor::{Accepting, Acceptor};
use crate::accepts::{Accepts, is_waited_at};
use crate::address::{ListenAddress, ListenHost};
use crate::error::{NoSuchRoute, ReserveError};
use crate::gate::{Change, GateEvent};
use crate::holder::find_holder;
use crate::limits::Limits;
use crate::listen::{is_in_use, refusal};
use crate::listening::{Bound, Listening, Served, SocketNumber};
use crate::relay::relay;
use crate::report::{Report, Reports};
use crate::route::{Route, Shared};
use crate::route_id::RouteId;
use crate::rules::RouteRules;
use crate::slice::Sliced;
use crate::status::RouteStatus;
use crate::target::{ContainerId, Target};
use crate::udp::Carrier;

/// How many candidates for a random port are tried; that many in a row are only taken if something is wrong.
const RANDOM_ATTEMPTS: usize = 64;

/// The public sockets of this process and where they lead. Clones are handles to the same router.
///
/// All requests but [`Router::release`], [`Router::stop_accepting`] and [`Router::shut_down`] are immediate and may come from any thread, also one
/// without a runtime. Routes that were not released end when the last handle is dropped: their sockets are closed and
/// their connections reset.
#[derive(Clone)]
pub struct Router(Arc<Inner>);

struct Inner {
    limits: Limits,
    runtime: Handle,
    reports: Reports,
    shared: Shared,
    accepting: watch::Sender<Accepting>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    routes: BTreeMap<RouteId, Entry>,
    life: Life,
}

#[derive(Default, PartialEq, Eq)]
enum Life {
    #[default]
    Open,
    /// No route is made any more, and no client is accepted.
    Closing,
}

/// A route and the tasks that serve its socket and its way in for a proxy, which are aborted when this is dropped.
struct Entry {
    route: Arc<Route>,
    number: SocketNumber,
    /// The socket, and what tells that no client is taken from it any more; `None` where it was left to another process.
    listening: Option<(Served, oneshot::Receiver<()>)>,
    /// The way in that a proxy has.
    way_in: Option<StdUnixListener>,
    serving: JoinSet<()>,
}

impl Entry {
    async fn finish(mut self) {
        self.route.let_happen(GateEvent::Release);
        self.listening = None;
        while self.serving.join_next().await.is_some() {}
    }
}

/// What a reservation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The address was bound; its clients wait until the route is pointed.
    Bound(ListenAddress),
    /// The route held the address already; nothing about it was changed.
    Unchanged(ListenAddress),
}

impl Reserved {
    /// The address that the route holds.
    pub fn address(self) -> ListenAddress {
        match self {
            Self::Bound(address) | Self::Unchanged(address) => address,
        }
    }
}

/// Why a reservation failed, before anybody has looked for the process that is in the way.
enum Refusal {
    Request(ReserveError),
    Kernel(ListenAddress, io::Error),
}

impl Refusal {
    fn is_in_use(&self) -> bool {
        match self {
            Self::Request(error) => matches!(error, ReserveError::HeldByRoute { .. }),
            Self::Kernel(_, error) => is_in_use(error),
        }
    }

    /// Looks for the holder, which takes time: never with the table locked.
    fn explain(self) -> ReserveError {
        match self {
            Self::Request(error) => error,
            Self::Kernel(address, error) => refusal(address, error, find_holder),
        }
    }
}

impl Router {
    /// A router without routes, whose tasks run on this runtime (with IO and time enabled); [`runtime`](crate::runtime)
    /// makes one that suits it.
    ///
    /// What it has to say goes to `reports`, from the runtime's threads: it must return soon.
    pub fn new(limits: Limits, runtime: Handle, reports: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        let shared = Shared::of(&limits, runtime.metrics().num_workers());
        let accepting = watch::Sender::new(Accepting::Yes);
        Self(Arc::new(Inner {
            limits,
            runtime,
            reports: Reports::new(reports),
            shared,
            accepting,
            table: Mutex::default(),
        }))
    }

    /// Binds the address for the route, which holds it until [`Router::release`].
    ///
    /// A fresh route is held: the kernel completes clients' connections, and they wait. One that is never pointed closes
    /// by itself after [`Limits::hold_limit`]: clients are reset from then on, until it is pointed or held again. The
    /// same request again changes nothing, not even the hold.
    ///
    /// # Errors
    /// See [`ReserveError`]; finding the process that holds the address may take some milliseconds.
    pub fn reserve(&self, id: &RouteId, address: ListenAddress) -> Result<Reserved, ReserveError> {
        self.bind(id, address).map_err(Refusal::explain)
    }

    /// Binds the first of the candidates that is free on the host, over this transport; the bound socket is the lock.
    ///
    /// Candidates come from [`random_ports`](crate::random_ports). A route that holds a port of that host over that transport
    /// already keeps it. At most 64 candidates are tried.
    ///
    /// # Errors
    /// [`ReserveError::NoFreePort`] when all are taken; other errors at the first candidate that meets them.
    pub fn reserve_random(
        &self,
        id: &RouteId,
        host: ListenHost,
        transport: Transport,
        candidates: impl IntoIterator<Item = PortNumber>,
    ) -> Result<Reserved, ReserveError> {
        let held = self.lock().routes.get(id).map(|entry| entry.route.address);
        if let Some(held) = held.filter(|held| held.host() == host && held.transport() == transport) {
            return Ok(Reserved::Unchanged(held));
        }
        let mut tried = 0;
        let addresses = candidates.into_iter().filter_map(|port| ListenAddress::new(host, port).ok());
        let addresses = addresses.map(|address| address.over(transport));
        for address in addresses.take(RANDOM_ATTEMPTS) {
            match self.bind(id, address) {
                Err(refusal) if refusal.is_in_use() => tried += 1,
                bound => return bound.map_err(Refusal::explain),
            }
        }
        Err(ReserveError::NoFreePort { id: id.clone(), tried })
    }

    /// Takes up a socket for the route that another process bound and that still listens, with all who wait in its queue; over
    /// UDP with what has come to it.
    ///
    /// What holds for [`Router::reserve`] holds for this: the route is held until it is pointed, and where it has the address
    /// already, nothing is changed and the socket is closed.
    ///
    /// # Errors
    /// [`ReserveError::NotItsSocket`] where the socket is not bound as [`Router::reserve`] would bind the address, by what the
    /// kernel says of it; else those of [`Router::reserve`]. The socket is closed then.
    pub fn adopt(&self, id: &RouteId, address: ListenAddress, socket: OwnedFd) -> Result<Reserved, ReserveError> {
        let taken = self.take(id, address, |backlog| match Bound::adopted(address, socket, backlog) {
            Ok(Ok(bound)) => Ok(bound),
            Ok(Err(found)) => Err(Refusal::Request(ReserveError::NotItsSocket { address, found })),
            Err(error) => Err(Refusal::Kernel(address, error)),
        });
        taken.map_err(Refusal::explain)
    }

    fn bind(&self, id: &RouteId, address: ListenAddress) -> Result<Reserved, Refusal> {
        self.take(id, address, |backlog| Bound::at(address, backlog).map_err(|error| Refusal::Kernel(address, error)))
    }

    fn take(
        &self,
        id: &RouteId,
        address: ListenAddress,
        socket: impl FnOnce(u16) -> Result<Bound, Refusal>,
    ) -> Result<Reserved, Refusal> {
        let mut table = self.lock();
        if table.life == Life::Closing {
            return Err(Refusal::Request(ReserveError::ShutDown { id: id.clone() }));
        }
        if let Some(entry) = table.routes.get(id) {
            let held = entry.route.address;
            return if held == address {
                Ok(Reserved::Unchanged(held))
            } else {
                Err(Refusal::Request(ReserveError::OtherAddress { id: id.clone(), held, wanted: address }))
            };
        }
        if let Some((holder, entry)) = table.routes.iter().find(|(_, entry)| entry.route.address.overlaps(address)) {
            let (holder, held) = (holder.clone(), entry.route.address);
            return Err(Refusal::Request(ReserveError::HeldByRoute { address, holder, held }));
        }
        let inner = &*self.0;
        let socket = socket(inner.limits.backlog)?;
        let socket = {
            let _context = inner.runtime.enter();
            Served::of(socket).map_err(|error| Refusal::Kernel(address, error))?
        };
        let route =
            Arc::new(Route::new(id.clone(), address, inner.limits, inner.shared.clone(), inner.reports.clone()));
        let (open, closed) = oneshot::channel();
        let accepting = inner.accepting.subscribe();
        let (mut serving, own) = (JoinSet::new(), Arc::clone(&route));
        match &socket {
            Served::Tcp(listener) => {
                let acceptor = Acceptor::new(Arc::clone(&own), Arc::clone(listener), accepting, open);
                serving.spawn_on(Sliced::only(own, acceptor.run()), &inner.runtime)
            }
            Served::Udp(socket) => {
                let carrier = Carrier::new(Arc::clone(&own), Arc::clone(socket), accepting, open);
                serving.spawn_on(Sliced::only(own, carrier.run()), &inner.runtime)
            }
        };
        let number = SocketNumber::next();
        table
            .routes
            .insert(id.clone(), Entry { route, number, listening: Some((socket, closed)), way_in: None, serving });
        Ok(Reserved::Bound(address))
    }

    /// Leads the route to the target, and all who wait for it.
    ///
    /// When this returns, no connection begins with an earlier target any more. Connections that live with one go on;
    /// see [`Router::end_connections`].
    pub fn point(&self, id: &RouteId, target: Target) -> Result<Change, NoSuchRoute> {
        Ok(self.route(id)?.let_happen(GateEvent::Point(target)))
    }

    /// Makes clients wait, because a container is being replaced.
    ///
    /// When this returns, no connection begins with an earlier target any more. New clients wait in the kernel's queue,
    /// at most [`Limits::backlog`] of them, and those that were connecting wait as well. Datagrams of clients without a session
    /// wait here, at most 256 of them with 512 KiB, and 64 of one source; where more come, the earliest are dropped and counted.
    /// After [`Limits::hold_limit`] the route closes by itself; holding it again before that starts the time anew.
    pub fn hold(&self, id: &RouteId) -> Result<Change, NoSuchRoute> {
        Ok(self.route(id)?.let_happen(GateEvent::Hold))
    }

    /// Refuses clients, because the instance was stopped: they are reset, also those that wait. The address stays held.
    pub fn close(&self, id: &RouteId) -> Result<Change, NoSuchRoute> {
        Ok(self.route(id)?.let_happen(GateEvent::Close))
    }

    /// Resets the connections of the route that are live with the container now, both sides of each, and returns their
    /// number. A container that was killed says nothing to its peers by itself, so its connections need this.
    ///
    /// They end right after the return, not before it. Clients that come later are not concerned: point, hold or close
    /// the route first.
    pub fn end_connections(&self, id: &RouteId, container: &ContainerId) -> Result<usize, NoSuchRoute> {
        Ok(self.route(id)?.flows.end(container))
    }

    /// Lets in what these rules say from now on. Clients that are connected stay, also where the rules would not let them in.
    pub fn set_rules(&self, id: &RouteId, rules: RouteRules) -> Result<Change, NoSuchRoute> {
        Ok(self.route(id)?.set_rules(rules))
    }

    /// Whom the route accepts on its public socket from now on; everybody, where nothing else was said. Nobody is lost by a change:
    /// who waits in the socket's queue waits on, for this process or another one that has a duplicate. Whom it was about to accept
    /// when this was said it still accepts.
    pub fn accept(&self, id: &RouteId, accepts: Accepts) -> Result<Change, NoSuchRoute> {
        let is_new = self.route(id)?.accepts.send_if_modified(|now| std::mem::replace(now, accepts) != accepts);
        Ok(if is_new { Change::Changed } else { Change::Unchanged })
    }

    /// Lets in by this socket, too, whom a proxy hands on that accepts in front of the route. Each connection begins with the
    /// second version of the PROXY protocol's header; whose does not is closed. Only the proxy may be able to connect: it is
    /// believed. A route that has such a way in keeps it, and the other socket is closed.
    ///
    /// It is there until the route is released, also after [`Router::stop_accepting`].
    pub fn relay(&self, id: &RouteId, listener: StdUnixListener) -> io::Result<Result<Change, NoSuchRoute>> {
        let mut table = self.lock();
        let Some(entry) = table.routes.get_mut(id) else { return Ok(Err(NoSuchRoute(id.clone()))) };
        if entry.way_in.is_some() {
            return Ok(Ok(Change::Unchanged));
        }
        listener.set_nonblocking(true)?;
        let way_in = listener.try_clone()?;
        let listener = {
            let _context = self.0.runtime.enter();
            UnixListener::from_std(listener)?
        };
        let relay = relay(Arc::clone(&entry.route), listener);
        entry.serving.spawn_on(Sliced::only(Arc::clone(&entry.route), relay), &self.0.runtime);
        entry.way_in = Some(way_in);
        Ok(Ok(Change::Changed))
    }

    /// Whether a proxy hands somebody on who was not taken in yet, to any route: those wait while it is held, and nobody counts them.
    pub fn is_handed_clients(&self) -> bool {
        self.lock().routes.values().filter_map(|entry| entry.way_in.as_ref()).any(is_waited_at)
    }

    /// Gives the route up: resets its connections and those that wait, and closes its socket. A route that does not
    /// exist is [`Change::Unchanged`].
    ///
    /// When it completes, the address can be reserved again at once; one over UDP as soon as nobody has a duplicate of its
    /// socket any more, since the kernel lets none be unbound otherwise. Cancelled, the route is gone as well, only the address
    /// may still be taken for a moment.
    pub async fn release(&self, id: &RouteId) -> Change {
        let entry = self.lock().routes.remove(id);
        match entry {
            Some(entry) => {
                entry.finish().await;
                Change::Changed
            }
            None => Change::Unchanged,
        }
    }

    /// Every route as it is now, in the order of their names.
    pub fn status(&self) -> Vec<RouteStatus> {
        self.lock().routes.values().filter_map(|entry| entry.route.status()).collect()
    }

    /// The socket of every route, in the order of their names.
    pub fn listening(&self) -> Vec<Listening> {
        let table = self.lock();
        let all = table.routes.iter().filter_map(|(id, entry)| {
            let (socket, _) = entry.listening.as_ref()?;
            let (address, socket) = (entry.route.address, socket.clone());
            Some(Listening { id: id.clone(), address, number: entry.number, socket })
        });
        all.collect()
    }

    /// Leaves the sockets to another process that has duplicates of them, and carries on the connections that there are.
    ///
    /// When this completes, no client is accepted any more and every socket is closed here; who waits in a queue waits on there.
    /// One for datagrams is read no more: it is closed as soon as its sessions are over, which are half a minute after the last
    /// answer, and until then only answers go over it. Datagrams that wait are sent on from here.
    /// No route is made any more. Routes can still be pointed, held, closed and released: those who were accepted and are not
    /// connected yet go by it, and a hold still ends after [`Limits::hold_limit`].
    pub async fn stop_accepting(&self) {
        let closed: Vec<_> = {
            let mut table = self.lock();
            table.life = Life::Closing;
            table.routes.values_mut().filter_map(|entry| entry.listening.take()).map(|(_, closed)| closed).collect()
        };
        self.0.accepting.send_replace(Accepting::NoMore);
        for closed in closed {
            // An error is what is waited for: the other end is gone.
            closed.await.unwrap_or(());
        }
    }

    /// Gives every route up and refuses new ones. Cancelled, all sockets are closed as well, only nobody waits for it.
    pub async fn shut_down(&self) {
        let entries = {
            let mut table = self.lock();
            table.life = Life::Closing;
            std::mem::take(&mut table.routes)
        };
        for entry in entries.values() {
            entry.route.let_happen(GateEvent::Release);
        }
        for entry in entries.into_values() {
            entry.finish().await;
        }
    }

    fn route(&self, id: &RouteId) -> Result<Arc<Route>, NoSuchRoute> {
        self.lock().routes.get(id).map(|entry| Arc::clone(&entry.route)).ok_or_else(|| NoSuchRoute(id.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
