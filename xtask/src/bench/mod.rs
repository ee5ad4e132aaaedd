//! Benchmarks: figures against a peer measured in the same run, interleaved, with medians. Never a pass or a fail.

mod deploy;
mod figure;
mod snapshot;

use anyhow::Result;

pub(crate) use snapshot::{Extent, Measure, measure};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// From a deploy to an answer over SSH, against `docker run` with the same options.
    Deploy,
    /// Snapshots and restores of mail, against tar, restic, borg and rsync.
    Snapshot,
}

/// Measures and prints; every figure stands on a line of its own at the end.
pub(crate) fn run(name: Name, pairs: usize, extent: &Extent) -> Result<()> {
    match name {
        Name::Deploy => deploy::run(pairs),
        Name::Snapshot => snapshot::run(pairs, extent),
    }
}
