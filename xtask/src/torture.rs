//! Runs what cuts changes of version off, as often as it is told to: `homeport-cli/tests/docker/torture`. A few of each are
//! among the tests that `cargo xtask ci` runs. Never judges anything itself.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::leftovers::Snapshot;
use crate::workspace::Workspace;
use crate::{run, say, setup, static_build};

/// The init of the ports that are cut off.
pub(crate) const PORT: static_build::Init = static_build::Init::Example("two-formats");

/// What to do, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Torture {
    /// What is cut off
    #[arg(value_enum)]
    what: What,
    /// How often `homeport` is killed
    #[arg(long, default_value_t = 300)]
    kills: usize,
    /// How often the engine is killed: one of the tests' own
    #[arg(long, default_value_t = 50)]
    engine_kills: usize,
    /// How often a disk gets full; 96 is every disk at every moment
    #[arg(long, default_value_t = 96)]
    full: usize,
    /// How many are tried at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    lanes: u16,
    /// Draw the same as a run before with the same counts and lanes: the number that it printed. Where in a step a blow
    /// falls is up to the machine; without it the number is another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Stop at what is wrong and keep that HomePort
    #[arg(long)]
    keep: bool,
}

/// What can be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Upgrades, and both ways back.
    Upgrade,
}

/// Cuts off, and fails if anything was wrong afterwards or anything is left on the machine.
pub(crate) fn run(args: &Torture) -> Result<()> {
    let What::Upgrade = args.what;
    let workspace = Workspace::find()?;
    setup::run()?;
    static_build::build(&workspace, &PORT)?;
    let before = Snapshot::take()?;
    let mut command = run::cargo();
    command.args(["test", "--locked", "-p", "homeport-cli", "--test", "docker", "torture::", "--", "--nocapture"]);
    let counts = [
        ("KILLS", args.kills),
        ("ENGINE_KILLS", args.engine_kills),
        ("FULL", args.full),
        ("LANES", usize::from(args.lanes)),
    ];
    for (name, count) in counts {
        command.env(format!("HOMEPORT_TORTURE_{name}"), count.to_string());
    }
    let seed = args.seed.map_or_else(somewhere, Ok)?;
    say::line(format_args!("chance begins at --seed {seed}"));
    command.env("HOMEPORT_TORTURE_SEED", seed.to_string());
    if args.keep {
        command.env("HOMEPORT_KEEP", "1");
    }
    let outcome = run::pass(command.current_dir(workspace.root()));
    if args.keep { outcome } else { outcome.and(before.compare()) }
}

/// A seed that nobody gave.
fn somewhere() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok((now.as_secs() ^ u64::from(now.subsec_nanos())) % 1_000_000)
}
