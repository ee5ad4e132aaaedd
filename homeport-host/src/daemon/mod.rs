//! The daemon: one process for each HomePort that holds the public sockets, so that they outlive containers, and that
//! starts instances again which should run and do not.
//!
//! ```text
//! homeport deploy ... ──control socket──> daemon ── router ──> container
//!                                           ^
//! engine: container died ───────────────────┘ starts it again, by exit code [spec: ENT-26]
//! ```
//!
//! The ledger is the truth and the daemon a holder of sockets: it can be stopped and started at any time, and what it
//! needs to know it reads anew. It never changes the ledger but by the operations that the command line uses too.

mod answer;
mod client;
mod control;
mod due;
mod error;
mod keep;
mod mend;
mod ran;
mod retire;
mod serve;
mod spawn;
mod supervise;
mod timer;
mod upkeep;
mod watch;
mod work;

pub use client::DaemonClient;
pub use control::{Answer, DaemonStatus, Refusal, Request};
pub use error::DaemonError;
pub use serve::run;
pub use timer::Timer;

/// Does everything that the daemon does by the clock and that is due, once, with nothing in mind of what was done before.
///
/// # Errors
/// The ledger cannot be read. What else fails is written into the history.
pub fn do_what_is_due(host: &crate::Host) -> Result<(), crate::ledger::LedgerError> {
    Timer::new(host.clone()).round()?;
    upkeep::round(host)
}
