//! The port protocol of HomePort as values and rules: manifest, configuration, entrypoint, versions and faults.
//!
//! This crate does no IO: it reads no file, no clock and no environment. Bytes, `now`, paths and limits come in as
//! arguments; what comes out are values. Everything else in HomePort, PID 1 of a port included, is built on it.

pub mod digest;
pub mod entrypoint;
pub mod fault;
pub mod name;
pub mod unit;
pub mod version;
