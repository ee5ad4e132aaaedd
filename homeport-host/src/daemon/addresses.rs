//! Owns the public addresses as the daemon has them: its router, what leads clients past it, the holder that keeps duplicates of
//! the sockets, and the drainers that carry on connections from before. What is done to a route is done to all of them here.
//! Never decides where a route leads.

use std::sync::{Arc, Mutex, PoisonError};

use homeport_core::fault::Advice;
use homeport_core::manifest::Transport;
use homeport_core::name::InstanceName;
use homeport_core::unit::PortNumber;
use homeport_router::{
    Change, ListenAddress, ListenHost, NoSuchRoute, ReserveError, Reserved, RouteId, RouteRules, RouteStatus, Router,
    Target,
};

use super::drain::{Ask, Drained, Drainers, Draining, with_drained};
use super::fronts::Fronts;
use super::hold::{Link, Missing};
use super::serve::say;
use super::sever;
use super::way_back::KeptWayBack;
use crate::accelerator::{AcceleratorError, Accelerators};
use crate::engine::{ContainerId, Engine};
use crate::layout::Layout;
use crate::routes::Unbound;

/// The public addresses of one HomePort. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    router: Router,
    fronts: Fronts,
    drainers: Arc<Drainers>,
    holder: Option<Arc<Link>>,
    way_back: Arc<KeptWayBack>,
    /// What should be bound and could not be, when that was last tried.
    unbound: Arc<Mutex<Vec<Unbound>>>,
}

impl Addresses {
    /// Those of this router, of which nobody keeps a duplicate, and past which nobody is led.
    pub(super) fn new(router: Router, layout: &Layout) -> Self {
        let way_back = Arc::new(KeptWayBack::new(layout));
        let (fronts, drainers) = (Fronts::default(), Arc::new(Drainers::new(layout)));
        Self { router, fronts, drainers, holder: None, way_back, unbound: Arc::default() }
    }

    /// The same, with a holder.
    pub(super) fn with_holder(mut self, holder: Link) -> Self {
        self.holder = Some(Arc::new(holder));
        self
    }

    /// The same, with these to lead clients past the router.
    pub(super) fn with_accelerators(mut self, accelerators: Accelerators) -> Self {
        accelerators.iter().for_each(|one| one.stand_before(&self.router));
        self.fronts = Fronts::new(accelerators);
        self
    }

    /// These are all that should be bound and could not be.
    pub(super) fn set_unbound(&self, unbound: Vec<Unbound>) {
        *self.unbound.lock().unwrap_or_else(PoisonError::into_inner) = unbound;
    }

    /// Of those that should be bound and could not be, only these should be still.
    pub(super) fn keep_unbound(&self, still: impl Fn(&RouteId) -> bool) {
        self.unbound.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| still(&one.id));
    }

    /// What should be bound and is not, as it was when that was last tried.
    pub(super) fn unbound(&self) -> Vec<Unbound> {
        let bound = self.router.listening();
        let known = self.unbound.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|one| !bound.iter().any(|socket| socket.id == one.id)).cloned().collect()
    }

    /// The router alone, as who carries its connections on needs it.
    pub(super) fn router(&self) -> &Router {
        &self.router
    }

    /// Takes up what a holder has of these, and lets the rest go; where there was none, what leads clients past the router has the
    /// sockets still. What either has for another address is not taken: the kernel says where a socket listens, and the ledger
    /// where it should.
    pub(super) fn take_up(&self, wanted: &[(RouteId, ListenAddress)]) {
        self.fronts.begin();
        let offers = self.holder.as_ref().map(|holder| holder.offers()).unwrap_or_default();
        for offer in offers {
            if !wanted.iter().any(|(id, address)| *id == offer.id && *address == offer.address) {
                say(&format!("route `{}` is no more at `{}`: its socket is closed", offer.id, offer.address));
                continue;
            }
            if let Err(error) = self.router.adopt(&offer.id, offer.address, offer.socket) {
                say(&format!("route `{}` is bound anew: {error}", offer.id));
            }
        }
        let bound = self.router.listening();
        if let Some(holder) = &self.holder {
            holder.taken(&bound);
        }
        for (id, socket) in self.fronts.sockets() {
            let wanted = wanted.iter().find(|(wanted, _)| *wanted == id);
            let Some((_, address)) = wanted.filter(|_| !bound.iter().any(|socket| socket.id == id)) else { continue };
            let socket = match socket {
                Ok(socket) => socket,
                Err(error) => {
                    say(&format!("route `{id}` is bound anew, once what leads its clients has ended: {error}"));
                    continue;
                }
            };
            match self.router.adopt(&id, *address, socket) {
                Ok(_) => say(&format!("route `{id}` has its socket back from what leads clients past the daemon")),
                Err(error) => say(&format!("route `{id}` is bound anew: {error}")),
            }
        }
        self.tell_holder();
    }

    /// Sees to it that a holder is there and has every socket.
    ///
    /// # Errors
    /// Why it may lack one, in words; they were said.
    pub(super) fn secure(&self) -> Result<(), String> {
        let Some(holder) = &self.holder else { return Err("this daemon has no holder".to_owned()) };
        holder.sync(&self.router.listening(), Missing::Start)
    }

    /// Whether the holder has ended, or there never was one.
    pub(super) fn is_unheld(&self) -> bool {
        self.holder.as_ref().is_some_and(|holder| !holder.is_there())
    }

    /// What was bound or released is kept or let go. That it cannot be is said there, and no reason not to go on.
    fn tell_holder(&self) {
        if let Some(holder) = &self.holder {
            holder.sync(&self.router.listening(), Missing::Leave).ok();
        }
    }

    /// Leaves every socket to the holder and the next daemon: nobody is accepted here any more.
    pub(super) async fn leave(&self) {
        self.fronts.leave();
        self.router.stop_accepting().await;
        if let Some(holder) = &self.holder {
            holder.leave();
        }
    }

    /// Closes every address and ends every connection, those of drainers too; the holder and the drainers end.
    pub(super) async fn give_up(&self) {
        self.router.shut_down().await;
        self.fronts.give_up();
        if let Some(holder) = &self.holder {
            holder.end();
        }
        self.drainers.stop();
        self.way_back.remove();
    }

    /// [`Router::reserve`]
    pub(super) fn reserve(&self, id: &RouteId, address: ListenAddress) -> Result<Reserved, ReserveError> {
        self.kept(self.router.reserve(id, address))
    }

    /// [`Router::reserve_random`]
    pub(super) fn reserve_random(
        &self,
        id: &RouteId,
        host: ListenHost,
        transport: Transport,
        ports: impl IntoIterator<Item = PortNumber>,
    ) -> Result<Reserved, ReserveError> {
        self.kept(self.router.reserve_random(id, host, transport, ports))
    }

    fn kept(&self, reserved: Result<Reserved, ReserveError>) -> Result<Reserved, ReserveError> {
        if matches!(reserved, Ok(Reserved::Bound(_))) {
            self.tell_holder();
        }
        reserved
    }

    /// [`Router::release`]; everybody else has let it go too when this completes.
    pub(super) async fn release(&self, id: &RouteId) {
        self.router.release(id).await;
        self.keep_unbound(|one| one != id);
        let (own, id) = (self.clone(), id.clone());
        let told = tokio::task::spawn_blocking(move || {
            own.follow().unwrap_or(());
            own.fronts.end_others(&id, &[]);
            own.tell_holder();
            own.drainers.tell(&Ask::Release { id });
        });
        // It panics never, and is cut off only with the daemon.
        told.await.unwrap_or(());
    }

    /// [`Router::point`]
    pub(super) fn point(&self, id: &RouteId, target: Target) -> Result<Change, NotDone> {
        let change = self.router.point(id, target.clone())?;
        self.drainers.tell(&Ask::Point { id: id.clone(), target });
        self.follow()?;
        Ok(change)
    }

    /// Takes up, or away, what an earlier daemon has left for packets of containers.
    pub(super) fn begin_way_back(&self) {
        self.way_back.begin(&self.router.status());
    }

    /// Looks whether packets of containers to their clients find their way.
    pub(super) fn look_at_way_back(&self) {
        self.way_back.look(&self.router.status());
    }

    /// [`Router::set_rules`], once packets of containers find their way where the rules have clients' addresses used.
    pub(super) fn set_rules(&self, id: &RouteId, rules: RouteRules) -> Result<Change, NotDone> {
        self.way_back.make_for(&rules);
        let change = self.router.set_rules(id, rules)?;
        self.follow()?;
        Ok(change)
    }

    /// [`Router::hold`]; a route that is not there is fine.
    pub(super) fn hold(&self, id: &RouteId) -> Result<(), AcceleratorError> {
        self.router.hold(id).ok();
        self.drainers.tell(&Ask::Hold { id: id.clone() });
        self.follow()
    }

    /// [`Router::close`]; a route that is not there is fine.
    pub(super) fn close(&self, id: &RouteId) -> Result<(), AcceleratorError> {
        self.router.close(id).ok();
        self.drainers.tell(&Ask::Close { id: id.clone() });
        self.follow()
    }

    /// Leads past the router what has to be, as routes are now. That somebody may be led to an earlier target is said here too.
    fn follow(&self) -> Result<(), AcceleratorError> {
        self.fronts.follow(|| self.router.status()).inspect_err(|error| say(&error.to_string()))
    }

    /// Sees to it that what leads clients past the router is as it was made.
    pub(super) fn look_after_fronts(&self) {
        self.fronts.look(|| self.router.status());
    }

    /// Ends what clients of this instance have with a container that has ended.
    pub(super) fn end_with(&self, instance: &InstanceName, container: &ContainerId) {
        sever::end_with(&self.router, instance, container);
        self.fronts.end_with(instance, container);
        self.drainers.tell(&Ask::EndWith { instance: instance.clone(), container: container.clone() });
    }

    /// Ends the connections of a route with other containers than these.
    pub(super) fn end_others(&self, id: &RouteId, staying: &[ContainerId]) {
        sever::end_others(&self.router, id, staying);
        self.fronts.end_others(id, staying);
        self.drainers.tell(&Ask::EndOthers { id: id.clone(), staying: staying.to_vec() });
    }

    /// Ends what is connected with containers of which the engine says that they do not run. Drainers do so by themselves.
    pub(super) fn end_dead(&self, engine: &dyn Engine) {
        sever::end_dead(&self.router, engine);
        self.fronts.end_dead(engine);
    }

    /// Every route that is bound here, without what drainers have of it and what goes past the router.
    pub(super) fn bound(&self) -> Vec<RouteStatus> {
        self.router.status()
    }

    /// Every route as its clients see it, and the drainers.
    pub(super) fn told(&self) -> (Vec<RouteStatus>, Vec<Draining>) {
        let Drained { known, .. } = self.drainers.all();
        (with_drained(self.fronts.told(self.router.status()), &known), known)
    }

    /// Every route that a client is connected by, here, past the router or at a drainer; `None` where that cannot be said.
    pub(super) fn with_clients(&self) -> Option<Vec<RouteStatus>> {
        // First what drainers have: a daemon that gives its place up now is none yet, but then this one is not the daemon.
        let drained = self.drainers.all();
        let own = self.fronts.told_if_counted(self.router.status()).ok()?;
        (!drained.is_silent)
            .then(|| own.into_iter().chain(drained.known.into_iter().flat_map(|one| one.routes)).collect())
    }
}

/// Why what was asked for about a route was not done, or not wholly.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// There is no such route.
    #[error(transparent)]
    NoSuchRoute(#[from] NoSuchRoute),
    /// What leads past the router did not follow.
    #[error(transparent)]
    Accelerator(#[from] AcceleratorError),
}

impl Advice for NotDone {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRoute(error) => error.code(),
            Self::Accelerator(error) => error.code(),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoSuchRoute(error) => error.help(),
            Self::Accelerator(error) => error.help(),
        }
    }
}

#[cfg(test)]
#[path = "addresses_tests.rs"]
mod tests;
