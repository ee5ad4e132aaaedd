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
//!
//! Its end closes no address unless it is told to: a holder (`hold`) has a duplicate of each socket. Where a new daemon takes
//! the place of one, the connections of that one go on in it (`drain`).

mod addresses;
mod answer;
mod claim;
mod client;
mod control;
mod drain;
mod due;
mod emptying;
mod error;
mod fronts;
#[cfg(test)]
mod fronts_network_tests;
mod hold;
mod keep;
pub(crate) mod mend;
mod ran;
mod retire;
mod serve;
mod sever;
mod spawn;
mod supervise;
mod threads;
mod timer;
mod upkeep;
mod watch;
mod way_back;
mod work;

pub(crate) use client::PATIENCE;
pub use client::{DaemonClient, Restarted};
pub use control::{Answer, DaemonStatus, Refusal, Request};
pub use drain::Draining;
pub use emptying::Emptying;
pub use error::DaemonError;
pub use hold::hold;
pub use serve::{Incumbent, run};
pub use spawn::Launch;
pub use timer::Timer;

use std::time::Instant;

/// Does everything that the daemon does by the clock and that is due, once, with nothing in mind of what was done before.
///
/// # Errors
/// The ledger cannot be read. What else fails is written into the history.
pub fn do_what_is_due(host: &crate::Host) -> Result<(), crate::ledger::LedgerError> {
    do_what_is_due_at(host, &mut Emptying::default(), Instant::now())
}

/// The same as one time among many: at this moment by the clock that nobody sets, after what came of emptying the trash
/// before.
///
/// # Errors
/// Those of [`do_what_is_due`].
pub fn do_what_is_due_at(
    host: &crate::Host,
    emptying: &mut Emptying,
    now: Instant,
) -> Result<(), crate::ledger::LedgerError> {
    let mut timer = Timer::new(host.clone());
    std::mem::swap(timer.emptying(), emptying);
    let done = timer.round_at(now);
    std::mem::swap(timer.emptying(), emptying);
    done?;
    upkeep::round(host)
}
