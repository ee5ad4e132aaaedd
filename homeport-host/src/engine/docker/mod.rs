//! The Docker engine: the only place that knows bollard and Docker's API.
//!
//! A [`DockerEngine`] is no more than the path of a socket. Each call connects anew (bollard keeps no idle connection) on a
//! single-threaded runtime of its own that ends with the call, so that calls from several threads never meet, an engine
//! that was restarted is simply found again, and nothing goes on in the background after a call has returned.
//!
//! Never decides what to start, never retries, never pulls.

mod body;
mod connect;
mod container;
mod engine;
mod events;
mod exec;
mod failure;
mod image;
mod inspect;
mod logs;
mod network;
mod orphan;
mod peek;
mod system;
mod terminal;

pub use engine::{DEFAULT_SOCKET, DockerEngine, PEEK_LABEL};
