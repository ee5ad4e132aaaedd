//! Owns that there is a way back for packets of containers while a route dials them from its clients' addresses, and that none
//! is left behind. Never decides which routes do.

use std::sync::{Mutex, OnceLock, PoisonError};

use homeport_router::{RouteRules, RouteStatus, SourceAddress};

use super::serve::say;
use crate::layout::Layout;
use crate::ledger::Ledger;
use crate::way_back::{Mark, WayBack, WayBackError};

/// The way back of this daemon's HomePort.
#[derive(Debug)]
pub(super) struct KeptWayBack {
    layout: Layout,
    found: OnceLock<WayBack>,
    said: Mutex<Option<WayBackError>>,
}

impl KeptWayBack {
    /// That of the HomePort with this layout.
    pub(super) fn new(layout: &Layout) -> Self {
        Self { layout: layout.clone(), found: OnceLock::new(), said: Mutex::default() }
    }

    /// Makes it where these rules need it.
    pub(super) fn make_for(&self, rules: &RouteRules) {
        if rules.source == SourceAddress::Client {
            self.come(self.way_back().map_or(Ok(()), |way_back| way_back.make()));
        }
    }

    /// Makes it again where one of these routes needs it and somebody has taken it away.
    pub(super) fn look(&self, routes: &[RouteStatus]) {
        if let Some(route) = routes.iter().find(|route| needs(route)) {
            self.make_for(&route.rules);
        }
    }

    /// Takes away what an earlier daemon has left, unless one of these routes needs it.
    pub(super) fn begin(&self, routes: &[RouteStatus]) {
        if !routes.iter().any(needs) {
            self.remove();
        }
    }

    /// Takes it away.
    pub(super) fn remove(&self) {
        self.come(self.way_back().map_or(Ok(()), |way_back| way_back.remove()));
    }

    /// `None` where there is no ledger yet: nothing was ever made for it.
    fn way_back(&self) -> Option<WayBack> {
        if let Some(found) = self.found.get() {
            return Some(found.clone());
        }
        let root = Ledger::open(&self.layout).ok()?.root_id().ok()??;
        Some(self.found.get_or_init(|| WayBack::new(Mark::of(&root), self.layout.way_back_file())).clone())
    }

    /// Says what is wrong, unless it was the last that was said.
    fn come(&self, done: Result<(), WayBackError>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let error = done.err();
        if let Some(error) = error.as_ref().filter(|error| said.as_ref() != Some(*error)) {
            say(&error.to_string());
        }
        *said = error;
    }
}

fn needs(route: &RouteStatus) -> bool {
    route.rules.source == SourceAddress::Client
}
