//! PID 1 of a port, as a library.
//!
//! A port's own init implements [`Port`] and calls [`main`]; the rest of the entrypoint contract (`spec/entrypoint.md`)
//! is done here: phases, the guard of the volumes, the check of the configuration, starting and reaping, respawn with
//! backoff, readiness, status, stop within the deadline, diagnostics and exit codes. A port that needs no code of its
//! own uses the generic init, which reads its services from a file ([`generic`]).
//!
//! ```text
//! main ─▶ phase ─┬─ describe, check, health, command, migrate ─▶ exit code
//!                └─ run ─▶ volume (guard) ─▶ configuration ─▶ Port::check ─▶ Port::prepare ─▶ supervise
//!                                                      signals, ended children ─▶ machine ─▶ actions
//! ```
//!
//! It is synchronous and has one thread. [`kernel`](self) is the only file with unsafe code: the signal mask, the
//! queue of signals, and what a child does before its program starts.

mod child;
mod clock;
mod configuration;
mod context;
pub mod generic;
mod kernel;
mod machine;
mod migrate;
mod notify;
mod panic;
mod phase;
mod port;
mod record;
mod remains;
mod report;
mod respawn;
mod service;
mod status;
mod supervise;
mod syslog;
mod tool;
mod volume;

use std::process::ExitCode;

pub use context::{Context, Mounted, VolumeState};
pub use kernel::Leads;
pub use port::{CommandEnd, MigrationFailure, OwnCode, Port, Step, endpoints_answer};
pub use report::{Failure, Problem, Report};
pub use service::{Leftovers, OnReload, Service};
pub use tool::{Tool, ToolError, ToolOutput};

/// Carries out the phase that the program's arguments name, and gives the code to exit with. [spec: ENT-1]
#[expect(clippy::needless_pass_by_value, reason = "an init has one port, and `main(MyPort)` is how it is written")]
pub fn main(port: impl Port) -> ExitCode {
    phase::dispatch(&port)
}
