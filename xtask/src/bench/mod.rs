//! Benchmarks: figures against a peer measured in the same run, interleaved, with medians. Never a pass or a fail.

mod deploy;
mod figure;

use anyhow::Result;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// From a deploy to an answer over SSH, against `docker run` with the same options.
    Deploy,
}

/// Measures and prints; every figure stands on a line of its own at the end.
pub(crate) fn run(name: Name, pairs: usize) -> Result<()> {
    match name {
        Name::Deploy => deploy::run(pairs),
    }
}
