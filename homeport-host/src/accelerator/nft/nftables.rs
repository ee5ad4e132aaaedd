//! Owns what is asked of the kernel's address translation: one thing at a time, and what failed in words for people. Never knows how
//! any of it is done.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use homeport_router::{Backend, ContainerId, RouteId};

use super::lead::{Lead, Owner};
use super::state::State;
use super::table::TableName;
use super::{flows, offer};
use crate::accelerator::{Accelerator, AcceleratorError, Drift, Flows, Front, Offer, Silent};

/// The kernel's address translation, for one HomePort.
#[derive(Debug)]
pub struct Nftables {
    table: TableName,
    state: Mutex<State>,
}

impl Nftables {
    /// For the HomePort whose state is in this directory: its table is its own, by a digest of that.
    pub fn new(state: &Path) -> Self {
        Self { table: TableName::of(state), state: Mutex::default() }
    }

    /// The name of its table, of the family `inet`.
    pub fn table(&self) -> &str {
        self.table.as_str()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accelerator for Nftables {
    fn backend(&self) -> Backend {
        Backend::Nftables
    }

    fn offer(&self) -> Offer {
        offer::offer(&self.table)
    }

    fn begin(&self) -> Result<(), AcceleratorError> {
        self.lock().begin(&self.table).map_err(failed("take up what was left"))
    }

    fn apply(&self, wanted: &[Front]) -> Result<(), AcceleratorError> {
        self.lock().apply(&self.table, wanted).map_err(failed("make its table"))
    }

    fn point(&self, front: &Front) -> Result<(), AcceleratorError> {
        let mut state = self.lock();
        let lead = state.point(&self.table, front).map_err(failed("lead a route"))?;
        end_and_forget(&state, &front.id, Some(lead))
    }

    fn unpoint(&self, id: &RouteId) -> Result<(), AcceleratorError> {
        let mut state = self.lock();
        state.unpoint(&self.table, id).map_err(failed("leave a route to the router"))?;
        end_and_forget(&state, id, None)
    }

    fn observe(&self) -> Result<Drift, AcceleratorError> {
        self.lock().observe(&self.table).map_err(failed("look at its table"))
    }

    fn flows(&self, _silent: Silent) -> Flows {
        flows::count(self.lock().known()).map_err(failed("count connections")).into()
    }

    fn end_flows(&self, id: &RouteId, container: &ContainerId) -> Result<usize, AcceleratorError> {
        let state = self.lock();
        let is_meant = |_: &Lead, owner: &Owner| owner.route == *id && owner.container == *container;
        flows::end(state.known(), is_meant).map_err(failed("end connections"))
    }

    fn give_up(&self) -> Result<(), AcceleratorError> {
        let known = self.lock().give_up(&self.table).map_err(failed("take its table away"))?;
        flows::end(&known, |_, _| true).map(drop).map_err(failed("end connections"))
    }
}

/// Ends what would go on to an earlier target of the route though it need not, and forgets what had come to its end there.
fn end_and_forget(state: &State, id: &RouteId, now: Option<Lead>) -> Result<(), AcceleratorError> {
    let is_meant = |lead: &Lead, owner: &Owner| owner.route == *id && Some(*lead) != now;
    flows::end_and_forget(state.known(), is_meant).map_err(failed("end connections"))
}

fn failed(action: &'static str) -> impl FnOnce(String) -> AcceleratorError {
    move |why| AcceleratorError::Failed { backend: Backend::Nftables, action, why }
}
