//! Measures snapshots against those whom people trust with them: GNU tar, restic, borg and rsync as the distribution has
//! them, on the same data, on the same file system, in rounds whose order changes.
//!
//! Two sets of data: 100,000 files of mail, and 20 mailboxes of 102 MiB. `HomePort` is measured by the example
//! `snapshot` of homeport-volumes, which does what the command does without a port around it: it writes, syncs, reads back
//! and compares. Every tool's time ends when the file system is synced. Data is in the page cache for all of them.
//!
//! A ratio is that of two medians; its range is that of the ratios of rounds. Peers that no goal names run once.

mod cost;
mod goals;
mod place;
mod report;
mod rounds;
mod samples;
mod session;
mod tool;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

pub(crate) use cost::{Measure, report as measure};

use crate::workspace::Workspace;
use crate::{run, setup};

/// How much, how long and where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Extent {
    /// The part of the full data that is measured, for a quick look; snapshot only.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// After so many minutes no more rounds are begun, but for three of each; snapshot only.
    #[arg(long, default_value_t = 15)]
    minutes: u64,
    /// Where data and stores are made, 15 GB of them; snapshot only.
    #[arg(long, default_value = "/var/tmp")]
    at: PathBuf,
}

pub(super) fn run(pairs: usize, extent: &Extent) -> Result<()> {
    ensure!(pairs >= rounds::LEAST, "a median of {pairs} says nothing: wanted at least {} pairs", rounds::LEAST);
    let workspace = Workspace::find()?;
    setup::peers()?;
    let mut build = run::cargo();
    build.args(["build", "--release", "--quiet", "--locked", "-p", "homeport-volumes", "--examples"]);
    run::pass(build.current_dir(workspace.root()))?;
    let place = place::Place::make(&extent.at, workspace.target().join("release/examples"), extent.scale)?;
    let rounds = rounds::Rounds { pairs, time: Duration::from_mins(extent.minutes) };
    let mut session =
        session::Session { place: &place, rounds, scale: extent.scale, samples: samples::Samples::default() };
    session.run()?;
    report::say(&session.samples)
}
