//! Owns what can be asked of the trials of public addresses. Never tries anything itself.

use anyhow::Result;

use super::suite::{Build, Suite};

/// What to try, and how often.
#[derive(Debug, clap::Args)]
pub(super) struct Router {
    /// What carries the bytes; again for more, and all without it
    #[arg(long = "backend", value_enum)]
    backends: Vec<Backend>,
    /// New connections a second; again for more
    #[arg(long = "rate", default_values_t = [300, 2500], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rates: Vec<u32>,
    /// Only this case, by the name that the table has; again for more
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Let the kernel keep so many clients waiting meanwhile (`net.core.somaxconn`); without it, as many as it does on this machine
    #[arg(long, value_name = "CLIENTS", value_parser = clap::value_parser!(u16).range(1..))]
    queue: Option<u16>,
    /// Do each thing a few times only
    #[arg(long)]
    quick: bool,
    /// Instead, show from where each backend is reached
    #[arg(long, conflicts_with = "hostile")]
    paths: bool,
    /// Instead, send clients that mean harm, and see how the others fare
    #[arg(long)]
    hostile: bool,
    /// Draw the same pauses as a run before: the number that it printed
    #[arg(long)]
    seed: Option<u64>,
}

/// What carries the bytes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    Builtin,
    Nftables,
    Haproxy,
}

impl Backend {
    const ALL: [Self; 3] = [Self::Builtin, Self::Nftables, Self::Haproxy];

    const fn word(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Nftables => "nftables",
            Self::Haproxy => "haproxy",
        }
    }
}

pub(super) fn run(args: &Router) -> Result<()> {
    let backends = if args.backends.is_empty() { &Backend::ALL[..] } else { &args.backends };
    let tests = match (args.paths, args.hostile) {
        (true, _) => vec!["torture::router::every_path"],
        (_, true) => vec!["torture::router::hostile", "torture::router::a_daemon_with"],
        _ => vec!["torture::router::no_client_fails"],
    };
    let joined = |words: Vec<String>| words.join(",");
    let mut given = vec![
        ("BACKENDS", joined(backends.iter().map(|backend| backend.word().to_owned()).collect())),
        ("RATES", joined(args.rates.iter().map(u32::to_string).collect())),
        ("EXTENT", if args.quick { "few" } else { "full" }.to_owned()),
    ];
    if let Some(queue) = args.queue {
        given.push(("QUEUE", queue.to_string()));
    }
    if !args.cases.is_empty() {
        given.push(("CASES", joined(args.cases.clone())));
    }
    let suite = Suite { tests, build: Build::Release, given, seed: args.seed, keep: false };
    suite.run()
}
