//! Runs the images of both versions of the port as a host does, with the engine's command line: what an upgrade and the
//! way back do to the host keys, and what clients see of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod client;
mod first_start;
mod migration;
mod stand;
