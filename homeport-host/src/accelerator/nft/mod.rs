//! The kernel's address translation as an accelerator: new connections are led to their container by a map in a table of our own,
//! and go there without any process in between; the container sees their real source.
//!
//! ```text
//! client ──> public address ── map has it ──> container
//!                          `── else ────────> the router's listener, on the same port
//! ```
//!
//! What is led is a set of elements, made anew as a whole by each change, in one transaction (`ruleset`). They end by themselves
//! after half a minute without a daemon. Connections that were led go on by the kernel's connection tracking (`conntrack`), also
//! where the table is gone; those of a container that died are deleted there, so that their clients are reset at their next
//! packet. Which container an address belonged to is kept in the table itself, for the daemon that comes next. Where Docker has
//! the kernel forward nothing, passages are made (`forward`); where somebody flushes all rules, connections go on (`guard`).

mod command;
mod conntrack;
mod events;
mod flows;
mod forward;
mod guard;
mod lead;
mod listing;
mod near;
mod nftables;
mod offer;
mod ruleset;
mod span;
mod state;
mod table;

pub use nftables::Nftables;
