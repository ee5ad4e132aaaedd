//! The contract between the host and a port's PID 1: phases, places, exit codes and what init writes down.
//! Never runs anything: the sdk does, on one side, and the host on the other.

mod diagnostic;
mod exit;
mod expected;
mod phase;
mod place;
mod status;

pub use diagnostic::{Diagnostic, Level, Retry, Termination};
pub use exit::ExitStatus;
pub use expected::{ExpectedVolume, ExpectedVolumes};
pub use phase::{Phase, PhaseError};
pub use place::{
    CONFIG_FILE, DIAGNOSTICS_FILE, ENV_INSTANCE, ENV_PHASE, ENV_PROTOCOL, ENV_SNAPSHOT, INIT_PATH, LABEL_MANIFEST,
    LABEL_PROTOCOL, MANIFEST_FILE, MAX_TERMINATION_BYTES, NOTIFY_SOCKET, RUN_DIR, SECRETS_DIR, SERVICES_FILE,
    STATUS_FILE, TERMINATION_FILE, TLS_DIR, VOLUMES_FILE,
};
pub use status::{Condition, ServiceState, ServiceStatus, Status};
