//! A drainer: a daemon whose place another one has taken, and that lives on only for the connections that it had. It accepts
//! nobody, decides nothing and keeps up nothing. It is found by its own socket in the run directory, by its process id.
//!
//! ```text
//! daemon ── status, end with a dead container, point, hold, close, release, stop ──> drainer ── bytes ──> container
//! ```
//!
//! The daemon tells its drainers what it does to routes, so that those who were accepted and not connected yet go by it, and
//! counts their clients as its own. A drainer that was killed has closed its socket; whoever finds the name removes it.
//!
//! `carry` is the process, `others` the daemon's side, `ask` what is said, `merge` one status of several (pure).

mod ask;
mod carry;
mod merge;
mod others;

pub(super) use ask::Ask;
pub use ask::Draining;
pub(super) use carry::{Carrier, listen};
pub(super) use merge::with_drained;
pub(super) use others::{Drained, Drainers};
