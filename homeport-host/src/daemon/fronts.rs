//! Owns which routes are led past the router now, and that this follows every change of a route before the change is done.
//! Decides nothing about a route, which `accelerator::decide` does, and touches nothing, which accelerators do.

mod steps;
mod told;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use homeport_core::name::InstanceName;
use homeport_router::{Backend, ContainerId as RouterContainer, RouteId, RouteStatus};

use self::steps::{Led, Step, steps, wanted};
use super::serve::say;
use crate::accelerator::{Accelerator, AcceleratorError, Accelerators, Drift, Flow, Flows, Front, Offers, Silent};
use crate::engine::{ContainerId, ContainerRef, Engine};

/// How long nothing is tried again after it failed, and how often it is looked whether a machine has what it lacked.
const AGAIN: Duration = Duration::from_secs(10);

/// How long a route whose clients got no answer past the router is left to it.
const SILENT_AGAIN: Duration = Duration::from_mins(5);

/// The routes that are led past the router. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Fronts {
    accelerators: Accelerators,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    offers: Offers,
    /// When the offers were looked at.
    looked: Option<Instant>,
    led: Led,
    failed: BTreeMap<RouteId, Failed>,
    /// What could not be made again as it was.
    troubled: BTreeMap<Backend, AcceleratorError>,
    /// Another daemon has this by now, or everything was given up.
    is_over: bool,
}

/// What could not be led past the router, and why.
#[derive(Debug)]
struct Failed {
    front: Front,
    error: AcceleratorError,
    again: Instant,
}

impl Fronts {
    /// None is led yet.
    pub(super) fn new(accelerators: Accelerators) -> Self {
        Self { accelerators, state: Arc::default() }
    }

    /// Takes up what an earlier daemon left: none of it leads anywhere when this returns.
    pub(super) fn begin(&self) {
        let _state = self.lock();
        for accelerator in self.accelerators.iter() {
            if let Err(error) = accelerator.begin() {
                say(&error.to_string());
            }
        }
    }

    /// The public sockets that what an earlier daemon left listens on still.
    pub(super) fn sockets(&self) -> Vec<(RouteId, Result<OwnedFd, AcceleratorError>)> {
        let _state = self.lock();
        self.accelerators.iter().flat_map(Accelerator::sockets).collect()
    }

    /// Leads past the router what has to be led so, as routes are now, and nothing else. When this returns, no connection begins
    /// but as they say.
    ///
    /// # Errors
    /// `StillLed`: new clients may be led to an earlier target. What cannot be led past the router is no error: the router has it.
    pub(super) fn follow(&self, routes: impl FnOnce() -> Vec<RouteStatus>) -> Result<(), AcceleratorError> {
        let mut state = self.lock();
        if state.is_over || self.accelerators.iter().next().is_none() {
            return Ok(());
        }
        // Read with the lock: whoever has it last has the latest.
        let routes = routes();
        let now = Instant::now();
        self.look_at_offers(&mut state, &routes, now);
        let mut wanted = wanted(&routes, &state.offers);
        state.failed.retain(|id, failed| wanted.get(id).is_some_and(|(_, front)| *front == failed.front));
        wanted.retain(|id, _| state.failed.get(id).is_none_or(|failed| failed.again <= now));
        let mut done = Ok(());
        for step in steps(&state.led, &wanted) {
            let came = match step {
                Step::Away(backend, id) => self.lead_away(&mut state, backend, &id),
                Step::Lead(backend, front) => self.lead(&mut state, backend, front, now),
            };
            done = done.and(came);
        }
        done
    }

    /// Looks whether everything is as it was made, makes it again where it is not, and tries again what failed.
    pub(super) fn look(&self, routes: impl FnOnce() -> Vec<RouteStatus>) {
        {
            let mut state = self.lock();
            if state.is_over {
                return;
            }
            for accelerator in self.accelerators.iter() {
                for id in make_again(&mut state, accelerator) {
                    self.left_silent(&mut state, accelerator.backend(), &id);
                }
            }
        }
        if let Err(error) = self.follow(routes) {
            say(&error.to_string());
        }
    }

    /// Leaves a route to the router whose clients get no answer past it, for a while.
    fn left_silent(&self, state: &mut State, backend: Backend, id: &RouteId) {
        let Some((_, front)) = state.led.get(id).cloned() else { return };
        let error = AcceleratorError::Silent { backend };
        say(&format!("route `{id}` is left to the router: {error}"));
        state.failed.insert(id.clone(), Failed { front, error, again: Instant::now() + SILENT_AGAIN });
        if let Err(error) = self.lead_away(state, backend, id) {
            say(&error.to_string());
        }
    }

    /// Looks at what is offered where somebody wishes for it, and now and then again where that is not enough.
    fn look_at_offers(&self, state: &mut State, routes: &[RouteStatus], now: Instant) {
        let wished = |backend: Backend| routes.iter().any(|route| route.rules.backend == backend);
        let is_old = state.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= AGAIN);
        for accelerator in self.accelerators.iter().filter(|one| wished(one.backend())) {
            let backend = accelerator.backend();
            if state.offers.get(&backend).is_none_or(|offer| !offer.lacks.is_empty() && is_old) {
                state.offers.insert(backend, accelerator.offer());
                state.looked = Some(now);
            }
        }
    }

    fn lead(&self, state: &mut State, backend: Backend, front: Front, now: Instant) -> Result<(), AcceleratorError> {
        let Some(accelerator) = self.accelerators.by(backend) else { return Ok(()) };
        let id = front.id.clone();
        match accelerator.point(&front) {
            Ok(()) => {
                state.failed.remove(&id);
                state.led.insert(id, (backend, front));
                Ok(())
            }
            Err(error) => {
                say(&format!("route `{id}` is left to the router: {error}"));
                state.failed.insert(id.clone(), Failed { front, error, again: now + AGAIN });
                self.lead_away(state, backend, &id)
            }
        }
    }

    /// Leads the route nowhere, by ever stronger means: a client that is led to a container that is not the route's any more is
    /// worse than one that is cut off.
    fn lead_away(&self, state: &mut State, backend: Backend, id: &RouteId) -> Result<(), AcceleratorError> {
        let Some(accelerator) = self.accelerators.by(backend) else { return Ok(()) };
        state.led.remove(id);
        let Err(first) = accelerator.unpoint(id) else { return Ok(()) };
        let Err(second) = accelerator.apply(&of(&state.led, backend)) else { return Ok(()) };
        say(&format!("everything that `{backend}` leads is left to the router: {first}"));
        state.led.retain(|_, (by, _)| *by != backend);
        accelerator.give_up().map_err(|third| AcceleratorError::StillLed {
            backend,
            why: format!("{first}, then {second}, then {third}"),
        })
    }

    /// These routes, with what goes past the router.
    pub(super) fn told(&self, routes: Vec<RouteStatus>) -> Vec<RouteStatus> {
        self.told_if_counted(routes).unwrap_or_else(|routes| routes)
    }

    /// The same.
    ///
    /// # Errors
    /// Without some of what goes past the router: what has those connections does not tell them.
    pub(super) fn told_if_counted(&self, routes: Vec<RouteStatus>) -> Result<Vec<RouteStatus>, Vec<RouteStatus>> {
        let state = self.lock();
        let flows = self.flows(Silent::Passed);
        let totals: Vec<_> = self.accelerators.iter().flat_map(Accelerator::totals).collect();
        let told = told::with_totals(told::with_carried(routes, &state, &flows.known), &totals);
        if flows.missing.is_empty() { Ok(told) } else { Err(told) }
    }

    /// Ends what clients of this instance have with a container that has ended.
    pub(super) fn end_with(&self, instance: &InstanceName, container: &ContainerId) {
        self.end(|flow| flow.id.instance == *instance && flow.container.as_str() == container.as_str());
    }

    /// Ends the connections of a route with other containers than these.
    pub(super) fn end_others(&self, id: &RouteId, staying: &[ContainerId]) {
        self.end(|flow| flow.id == *id && !staying.iter().any(|one| one.as_str() == flow.container.as_str()));
    }

    /// Ends what is connected with containers of which the engine says that they do not run.
    pub(super) fn end_dead(&self, engine: &dyn Engine) {
        let mut known = BTreeMap::<RouterContainer, bool>::new();
        self.end(|flow| {
            *known.entry(flow.container.clone()).or_insert_with(|| {
                let Ok(container) = flow.container.as_str().parse() else { return false };
                // An engine that does not answer says nothing about any container.
                engine
                    .inspect(&ContainerRef::Id(container))
                    .is_ok_and(|found| found.is_none_or(|facts| !facts.state.is_running()))
            })
        });
    }

    fn end(&self, mut which: impl FnMut(&Flow) -> bool) {
        let state = self.lock();
        if state.is_over {
            return;
        }
        for flow in self.flows(Silent::Asked).known.iter().filter(|flow| which(flow)) {
            let accelerators = self.accelerators.iter();
            for error in accelerators.filter_map(|one| one.end_flows(&flow.id, &flow.container).err()) {
                say(&format!("connections of route `{}` cannot be ended: {error}", flow.id));
            }
        }
    }

    fn flows(&self, silent: Silent) -> Flows {
        let flows = self.accelerators.iter().map(|one| one.flows(silent)).fold(Flows::default(), Flows::and);
        flows.missing.iter().for_each(|error| say(&error.to_string()));
        flows
    }

    /// Leaves everything as it is to another daemon.
    pub(super) fn leave(&self) {
        self.lock().is_over = true;
    }

    /// Leads nothing any more, ends every connection, and leaves nothing behind.
    pub(super) fn give_up(&self) {
        let mut state = self.lock();
        state.is_over = true;
        for accelerator in self.accelerators.iter() {
            if let Err(error) = accelerator.give_up() {
                say(&error.to_string());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes again what is not as it was made. Returns the routes whose clients get no answer.
fn make_again(state: &mut State, accelerator: &dyn Accelerator) -> Vec<RouteId> {
    let mut silent = Vec::new();
    let backend = accelerator.backend();
    let made = match accelerator.observe() {
        Ok(Drift::None) if !state.troubled.contains_key(&backend) => return silent,
        Ok(Drift::Silent(routes)) => {
            silent = routes;
            accelerator.apply(&of(&state.led, backend))
        }
        Ok(Drift::None | Drift::Due) => accelerator.apply(&of(&state.led, backend)),
        Ok(Drift::Found(what)) => {
            let made = accelerator.apply(&of(&state.led, backend));
            if made.is_ok() {
                say(&format!("{what}; it is made again"));
            }
            made
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(()) => drop(state.troubled.remove(&backend)),
        Err(error) => {
            if state.troubled.insert(backend, error.clone()).as_ref() != Some(&error) {
                say(&error.to_string());
            }
        }
    }
    silent
}

/// What this one leads.
fn of(led: &Led, backend: Backend) -> Vec<Front> {
    led.values().filter(|(by, _)| *by == backend).map(|(_, front)| front.clone()).collect()
}

#[cfg(test)]
#[path = "fronts_tests.rs"]
mod tests;
