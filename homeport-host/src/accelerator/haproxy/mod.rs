//! A haproxy in front of each route that is to have one.
//!
//! ```text
//! client ──> public socket ──┬──> haproxy ──> container
//!                            │       └─ hold.sock ──> router: whoever waits, may not be led anywhere, or was not taken
//!                            └──> router: whom the haproxy leaves waiting
//! ```
//!
//! Each has a duplicate of its route's public socket as its standard input, and a directory of its own in the run directory, by
//! which the next daemon finds it again. It is told on its own socket where new clients are led, and never loads another
//! configuration: for other rules another one is started, and the one from before carries on what it has. So nothing that is done
//! to one route touches a connection of another.
//!
//! `config` is its text, `slot` where containers are in it, `answers` what it says (all pure), `source` from where it connects;
//! `admin` is the way to it, `program` the program, `process` one of them, `place` the directory and `post` all of one route, and
//! `backend` what the daemon has of it.

mod admin;
mod answers;
mod backend;
mod config;
mod place;
mod post;
mod process;
mod program;
mod slot;
mod source;

pub use backend::Haproxy;
