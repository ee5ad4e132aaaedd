//! Owns letting clients wait for as long as an operation needs: a thread that renews what is held. The router gives up on
//! what nobody renews, so that no client waits for ever behind a process that died.
//! Never holds a route for the first time, and never decides what comes after.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use homeport_router::{Limits, RouteId};

use crate::routes::Routes;

/// How often a hold is renewed: often enough that one renewal may fail and the next still comes in time.
pub(crate) const RENEW: Duration = Duration::from_secs(20);
const _: () = assert!(RENEW.as_millis() * 2 < Limits::HOLD_LIMIT.as_millis(), "the router would be faster");

/// The routes that an operation holds. Dropped, it renews none of them any more and changes nothing: they are held until the
/// router's limit is over, unless somebody leads them elsewhere.
#[derive(Debug)]
pub(crate) struct Holding {
    held: Arc<Held>,
    renewer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Held {
    routes: Arc<dyn Routes>,
    every: Duration,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ids: BTreeSet<RouteId>,
    life: Life,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Life {
    #[default]
    Lasts,
    Ended,
}

/// Whether a route was kept held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It was.
    Yes,
    /// It was not.
    No,
}

impl Holding {
    /// Holds nothing yet; what it holds is renewed so often.
    pub(super) fn new(routes: Arc<dyn Routes>, every: Duration) -> Self {
        let (state, ended) = (Mutex::default(), Condvar::new());
        Self { held: Arc::new(Held { routes, every, state, ended }), renewer: None }
    }

    /// Renews the hold of this route from now on, for the first time after one period.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn keep(&mut self, id: RouteId) -> io::Result<()> {
        if self.renewer.is_none() {
            let held = Arc::clone(&self.held);
            self.renewer = Some(Builder::new().name("renew holds".to_owned()).spawn(move || held.renew())?);
        }
        self.held.state().ids.insert(id);
        Ok(())
    }

    /// Renews it no more. When this returns, no renewal is under way: where the route is led next, it stays. Waits for one
    /// that is, at most for as long as the daemon may take for an answer.
    pub(super) fn let_go(&self, id: &RouteId) -> Kept {
        if self.held.state().ids.remove(id) { Kept::Yes } else { Kept::No }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.state().life = Life::Ended;
        self.held.ended.notify_all();
        if let Some(renewer) = self.renewer.take() {
            // It has nothing to say, and nobody would hear that it panicked.
            renewer.join().ok();
        }
    }
}

impl Held {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew(&self) {
        let mut state = self.state();
        loop {
            let lasts = |state: &mut State| state.life == Life::Lasts;
            let waited = self.ended.wait_timeout_while(state, self.every, lasts);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.life == Life::Ended {
                return;
            }
            for id in &state.ids {
                // One that fails is tried again, in time: the step that needs the daemon next says what is wrong with it.
                self.routes.hold(id).ok();
            }
        }
    }
}

#[cfg(test)]
#[path = "holding_tests.rs"]
mod tests;
