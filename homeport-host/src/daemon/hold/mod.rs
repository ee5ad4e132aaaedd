//! The holder: a small process beside the daemon that keeps a duplicate of each listening socket, so that an address is not
//! closed while no daemon runs. Clients who come then wait in the kernel's queue, and the next daemon serves them.
//!
//! ```text
//! daemon ── keep, let go ──> holder            each socket as soon as it is bound, and no longer than that
//!   x (killed)                 |── starts ──> daemon
//!                              `── every socket ──> takes up what the ledger still has, lets the rest go
//! ```
//!
//! `absence` decides (pure), `serve` is the process, `link` is the daemon's side, `message` what both say, `channel` how it and a
//! descriptor get from one to the other. Where a service manager keeps descriptors itself, it would be another `link`.

mod absence;
mod channel;
mod link;
mod message;
mod serve;

pub(super) use link::{Link, Missing, end_leftover};
pub use serve::run as hold;
#[cfg(test)]
pub(super) use serve::serve;
