//! Hazards by number: what happens at the n-th point that a process comes to. Records every point that it came to.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use homeport_host::engine::SimEngine;
use homeport_host::hazard::{Hazard, Hazards, Moment, Point};

/// The hazards of one process.
#[derive(Debug)]
pub(crate) struct Script {
    engine: SimEngine,
    planned: BTreeMap<usize, Hazard>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Point>,
    dead: bool,
}

impl Script {
    pub(crate) fn new(engine: SimEngine, planned: impl IntoIterator<Item = (usize, Hazard)>) -> Self {
        Self { engine, planned: planned.into_iter().collect(), state: Mutex::default() }
    }

    /// Every point that the process came to, but for those before a step begins.
    pub(crate) fn seen(&self) -> Vec<Point> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }

    /// Whether the process has died, here or in a call of the engine.
    pub(crate) fn is_dead(&self) -> bool {
        self.engine.is_dead() || self.state.lock().unwrap_or_else(PoisonError::into_inner).dead
    }
}

impl Hazards for Script {
    fn at(&self, point: &Point) -> Hazard {
        if point.moment == Moment::BeforeBegin {
            // What a step needs that never began is seen to in `unbegun`.
            return Hazard::None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever died in a call of the engine does not live on where the caller takes the call's error for no loss.
        state.dead |= self.engine.is_dead();
        if state.dead {
            return Hazard::Die;
        }
        let hazard = self.planned.get(&state.seen.len()).copied().unwrap_or(Hazard::None);
        state.seen.push(point.clone());
        state.dead = hazard == Hazard::Die;
        hazard
    }
}
