//! Benchmarks: figures against a peer measured in the same run, interleaved, with medians. Never a pass or a fail.

mod deploy;
mod figure;
mod order;
mod router;
mod snapshot;
mod upgrade;

use anyhow::Result;

pub(crate) use router::Rounds;
pub(crate) use snapshot::{Extent, Measure, measure};
pub(crate) use upgrade::Going;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// From a deploy to an answer over SSH, against `docker run` with the same options.
    Deploy,
    /// The router, against haproxy, nginx, Docker's own proxy and the kernel's address translation.
    Router,
    /// Snapshots and restores of mail, against tar, restic, borg and rsync.
    Snapshot,
    /// What clients notice of an upgrade, against `docker stop`, `rm` and `run`; with `--soak`, under many logins.
    Upgrade,
}

/// Measures and prints; every figure stands on a line of its own at the end.
pub(crate) fn run(name: Name, pairs: usize, extent: &Extent, going: &Going, rounds: &Rounds) -> Result<()> {
    match name {
        Name::Deploy => deploy::run(pairs),
        Name::Router => router::run(rounds),
        Name::Snapshot => snapshot::run(pairs, extent),
        Name::Upgrade => upgrade::run(pairs, going),
    }
}
