//! What becomes of clients when the daemon dies, is restarted, or loses its holder: the real program, real sockets and processes,
//! and an engine that the test plays. Needs root, and no Docker.

#![expect(clippy::unwrap_used, reason = "what a test itself needs is there, or the test fails")]

mod clients;
mod crash;
mod datagrams;
mod engine;
mod fronted;
mod restart;
mod world;
