//! Makes a machine ready for `demo` and `ci`: packages, cgroups and a running engine, in this order.
//!
//! Every step looks first and says whether it did something or found it done, so that a second run changes nothing.

mod cgroup;
mod dockerd;
mod packages;
mod stale;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::say;

/// Makes the machine ready; returns only when the engine answers.
pub(crate) fn run() -> Result<()> {
    ensure!(
        is_root(),
        "`cargo xtask setup` installs packages and starts the engine, so it must be run as root: run it with `sudo`"
    );
    packages::install(packages::NEEDED)?;
    cgroup::mount()?;
    dockerd::start(&dockerd::Paths::default())?;
    say::line("setup: ready");
    Ok(())
}

/// Installs what benchmarks compare with.
pub(crate) fn peers() -> Result<()> {
    ensure!(is_root(), "a benchmark of snapshots keeps owners and attributes, so it must be run as root");
    packages::install(packages::PEERS)
}

/// Installs what the benchmark of the router compares with.
pub(crate) fn proxies() -> Result<()> {
    ensure!(is_root(), "a benchmark of the router makes networks of its own, so it must be run as root");
    packages::install(packages::PROXIES)
}

/// Whether this process is root's, as `/proc` shows it: its own directory there belongs to its effective user.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|meta| meta.uid() == 0)
}
