//! PID 1 of the shell port: an isolated shell over SSH, with a home directory that stays.
//!
//! Everything that sshd reads is rendered from the configuration into `/run/shell`, a file system in memory, at each
//! start: a key that is removed from the configuration is gone with the next start or reload. The volumes hold the
//! user's files and the host's keys, and no configuration.

use std::process::ExitCode;

mod accounts;
mod host_key;
mod host_keys;
mod migration;
mod place;
mod probe;
mod public_key;
mod settings;
mod shell;
mod sshd_config;
mod zone;

fn main() -> ExitCode {
    homeport_sdk::init::main(shell::Shell)
}
