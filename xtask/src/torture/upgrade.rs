//! Owns what can be asked of cutting changes of version off. Never cuts anything off itself.

use anyhow::Result;

use super::suite::{Build, Suite};

/// What to cut off, and how often.
#[derive(Debug, clap::Args)]
pub(super) struct Upgrade {
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

pub(super) fn run(args: &Upgrade) -> Result<()> {
    let counts = [
        ("KILLS", args.kills),
        ("ENGINE_KILLS", args.engine_kills),
        ("FULL", args.full),
        ("LANES", usize::from(args.lanes)),
    ];
    let suite = Suite {
        tests: vec!["torture::engine_kill", "torture::full", "torture::kill"],
        build: Build::Debug,
        given: counts.map(|(name, count)| (name, count.to_string())).to_vec(),
        seed: args.seed,
        keep: args.keep,
    };
    suite.run()
}
