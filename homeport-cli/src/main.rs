//! The `homeport` command: arguments become one host call, and what it returns becomes text or JSON.
//!
//! ```text
//! argv ── args ──> command/* ── one host call ──> outcome ── output ──> stdout
//!                     │                └─ progress ──────────────────> stderr
//!                     └─ failure ── exit ────────────────────────────> stderr, exit code
//! ```
//!
//! What a person asked for goes to standard output, all talk to standard error. Nothing is decided here about instances,
//! images or volumes: the host does.

mod args;
mod command;
mod context;
mod exit;
mod failure;
mod interrupt;
mod output;
mod progress;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run(std::env::args_os().collect()).into()
}
