//! The whole, for real: the `homeport` command, the Docker engine, the shell port, the OpenSSH client, loop devices.
//!
//! These tests need root, a running engine, the shell port's image and the static init; `cargo xtask ci` sees to all of
//! them. Without one of them they fail: they are never skipped. Each works in a root of its own, and takes away what it
//! made also when it fails. `HOMEPORT_KEEP=1` keeps it, to be looked at.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "what fails here fails the test, and helpers of tests are not seen as tests"
)]

mod address;
mod bad_versions;
mod by_kernel;
mod data;
mod datagrams;
mod disk;
mod fixture;
mod inspect;
mod old_version;
mod refused_by_engine;
mod refused_by_port;
mod refused_config;
mod refused_image;
mod refused_volume;
mod ssh;
mod ssh_client;
mod supervise;
mod torture;
mod version;
mod world;
