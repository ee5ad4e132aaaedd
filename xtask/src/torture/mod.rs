//! Runs what treats HomePort badly, as often as it is told to: `homeport-cli/tests/docker/torture`. A few of each are among the
//! tests that `cargo xtask ci` runs. Never judges anything itself.

mod router;
mod suite;
mod upgrade;

use anyhow::Result;

use crate::static_build::Init;

/// The inits of the ports that are treated so.
pub(crate) const PORTS: [Init; 2] = [Init::Example("two-formats"), Init::Example("echo")];

/// What to do, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Torture {
    #[command(subcommand)]
    what: What,
}

/// What can be treated badly.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Cut off upgrades, and both ways back: kill `homeport` and an engine, fill disks.
    Upgrade(upgrade::Upgrade),
    /// Replace, restart and kill everything behind a public address while clients come at a rate.
    Router(router::Router),
}

/// Does it, and fails if anything was wrong afterwards or anything is left on the machine.
pub(crate) fn run(args: &Torture) -> Result<()> {
    match &args.what {
        What::Upgrade(upgrade) => upgrade::run(upgrade),
        What::Router(router) => router::run(router),
    }
}
