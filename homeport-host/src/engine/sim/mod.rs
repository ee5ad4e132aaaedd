//! The simulated engine: the contract of [`crate::engine::Engine`] in memory, for tests of everything above it.
//!
//! A [`SimEngine`] is a handle; clones are the same engine. Its state outlives the "process" that uses it: let a call fail
//! ([`SimEngine::fail`]) or let the process die in one ([`SimEngine::die`]), then [`SimEngine::restart`] and go on with a
//! fresh host over the same engine, as after a crash.
//!
//! What containers do is scripted by their image ([`SimImage::program`]): the script sees the container's description,
//! may do what a port's init would do from outside (write its status, send its readiness), and says how it goes on.
//! Nothing depends on time or chance: ids, addresses, processes and moments are counted.
//!
//! Never part of what an operator runs.

mod control;
mod engine;
mod fault;
mod image;
mod life;
mod look;
mod program;
mod world;

pub use engine::SimEngine;
pub use fault::{FailOn, Outage, When};
pub use program::{Boot, ExecProgram, ExecReply, Fate, OnStop, Program, SimImage};

#[cfg(test)]
mod tests;
