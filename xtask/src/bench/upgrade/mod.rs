//! Measures what clients notice of an upgrade, in two ways.
//!
//! [`exclusive`](pairs): a port whose volume only one version may hold at once, with 100,000 files in it of which a
//! snapshot exists and none has changed since. Clients connect every 5 ms; the longest time without an answer is compared with that of `docker stop`,
//! `docker rm` and `docker run` with the same options, interleaved. HomePort's side has everything that an upgrade is: the
//! new version is asked, the port is stopped, every file is looked at whether it changed, a snapshot is made and read back. What an
//! upgrade costs whose volume did change is not measured here.
//!
//! [`soak`]: the shell port, whose volumes both versions may hold, goes up and back many times under logins.

mod client;
mod pairs;
mod place;
mod port;
mod recreate;
mod seen;
mod soak;
mod steps;
mod visitors;

use anyhow::Result;

/// What is asked of the benchmark of upgrades.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Going {
    /// Go up and back so many times under logins, with shared volumes, instead of comparing with Docker; upgrade only.
    #[arg(long, value_name = "TIMES")]
    soak: Option<usize>,
    /// Logins a second that are tried; the rate that was reached is told; upgrade with `--soak` only.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    logins: u32,
}

pub(super) fn run(pairs: usize, going: &Going) -> Result<()> {
    match going.soak {
        Some(times) => soak::run(times, going.logins),
        None => pairs::run(pairs),
    }
}
