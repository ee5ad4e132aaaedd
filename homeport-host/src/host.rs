//! Owns the collaborators of every operation: where things are, the engine, the routes, the clock, who listens.
//! Never does anything by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use homeport_volumes::{Machine, Mounts, VolumePath, VolumePathError};

use crate::accelerator::Accelerators;
use crate::engine::Engine;
use crate::hazard::{Calm, Hazards};
use crate::image::Verified;
use crate::layout::Layout;
use crate::ledger::Time;
use crate::progress::{Progress, Silent};
use crate::routes::Routes;
use crate::taking::Standing;

/// Everything that an operation works with. Clones work with the same things.
#[derive(Clone)]
pub struct Host {
    pub(crate) layout: Layout,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) routes: Arc<dyn Routes>,
    pub(crate) accelerators: Accelerators,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) hazards: Arc<dyn Hazards>,
    pub(crate) machine: Machine,
    pub(crate) probing: Probing,
    pub(crate) patience: Duration,
    pub(crate) renewal: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) standing: Arc<Standing>,
}

/// Says what time it is. Consent, the trash and schedules go by it; waits do not.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Time;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time::now()
    }
}

/// Whether public addresses are tried after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probing {
    /// They are: nothing that does not work is reported as working.
    Real,
    /// They are not: the sockets are simulated.
    Simulated,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Host {
    /// A host that works with these; silent, and without patience for operations of other processes.
    pub fn new(layout: Layout, engine: Arc<dyn Engine>, routes: Arc<dyn Routes>) -> Self {
        Self {
            layout,
            engine,
            routes,
            accelerators: Accelerators::default(),
            progress: Arc::new(Silent),
            hazards: Arc::new(Calm),
            machine: Machine::default(),
            probing: Probing::Real,
            patience: Duration::ZERO,
            renewal: crate::run::RENEW,
            clock: Arc::new(SystemClock),
            standing: Arc::default(),
        }
    }

    /// The same host, with these to lead clients past the router; there is none by default.
    #[must_use]
    pub fn with_accelerators(mut self, accelerators: Accelerators) -> Self {
        self.accelerators = accelerators;
        self
    }

    /// The same host, telling what it does to `progress`.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// The same host, with faults and deaths as a test wants them and without trying public addresses.
    #[must_use]
    pub fn simulated(mut self, hazards: Arc<dyn Hazards>) -> Self {
        self.hazards = hazards;
        self.probing = Probing::Simulated;
        self
    }

    /// The same host, waiting for operations of other processes for this long.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same host, which renews so often that clients wait for an operation; as often as the router needs it by default.
    #[must_use]
    pub fn with_renewal(mut self, renewal: Duration) -> Self {
        self.renewal = renewal;
        self
    }

    /// The same host, by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Where everything is.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The container engine.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(crate) fn verified_images(&self) -> Verified {
        Verified::new(self.layout.state_dir().join("verified-images"))
    }

    pub(crate) fn mounts(&self) -> Result<Mounts, VolumePathError> {
        Ok(Mounts::new(self.machine.clone(), &VolumePath::try_from(self.layout.run_dir())?))
    }
}

/// The present time.
pub(crate) fn now() -> Time {
    Time::now()
}
