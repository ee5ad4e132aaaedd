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

/// How often a hold is renewed: often enough that one renewal may fail, also by the daemon's not answering in time, and the
/// next still comes in time. Routes are renewed one after the other: where the daemon answers for none of several, the router
/// may be faster.
pub(crate) const RENEW: Duration = Duration::from_secs(10);
const _: () = assert!(
    RENEW.as_millis() * 2 + crate::daemon::PATIENCE.as_millis() < Limits::HOLD_LIMIT.as_millis(),
    "the router would be faster"
);

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
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ids: BTreeSet<RouteId>,
    /// The route whose renewal is under way. Nothing is locked meanwhile.
    renewing: Option<RouteId>,
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
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { held: Arc::new(Held { routes, every, state, changed }), renewer: None }
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

    /// Renews it no more. When this returns, no renewal of it is under way: where the route is led next, it stays. Waits for
    /// one that is, at most for as long as the daemon may take for one answer.
    pub(super) fn let_go(&self, id: &RouteId) -> Kept {
        let mut state = self.held.state();
        let kept = if state.ids.remove(id) { Kept::Yes } else { Kept::No };
        let is_renewed = |state: &mut State| state.renewing.as_ref() == Some(id);
        drop(self.held.changed.wait_while(state, is_renewed).unwrap_or_else(PoisonError::into_inner));
        kept
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.state().life = Life::Ended;
        self.held.changed.notify_all();
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
            let waited = self.changed.wait_timeout_while(state, self.every, lasts);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.life == Life::Ended {
                return;
            }
            let ids = state.ids.clone();
            for id in ids {
                if state.life == Life::Ended {
                    return;
                }
                // It may have been let go meanwhile.
                if state.ids.contains(&id) {
                    state.renewing = Some(id.clone());
                    drop(state);
                    // One that fails is tried again, in time: the step that needs the daemon next says what is wrong with it.
                    self.routes.hold(&id).ok();
                    state = self.state();
                    state.renewing = None;
                    self.changed.notify_all();
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "holding_tests.rs"]
mod tests;
