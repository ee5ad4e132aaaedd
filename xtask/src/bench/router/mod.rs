//! Measures the router against what else leads clients to containers: haproxy and nginx as they are and tuned, Docker's own
//! proxy, the kernel's address translation, and no proxy at all.
//!
//! Three network namespaces of the benchmark's own stand in a row: clients, proxies, a server. The direct path goes through
//! the middle one as well. Every path is measured in every round, each load in an order of its own, so that a ratio is that
//! of two runs a few seconds apart; a figure is the median of those ratios. All of them congest by the same rule (cubic).
//! Our side is the library's own runtime and limits (`homeport-router/examples/forward.rs`).
//!
//! Loads: bulk data to the client over one and over four connections; connections of 64 bytes there and back, 16 clients as
//! often as they can, and at half the rate that haproxy reached; datagrams of 64 bytes there and back, 16 clients with one and
//! with eight of each under way, against docker-proxy and translation; idle connections. A run with an error counts nowhere, and
//! is told. System calls, descriptors and memory are counted, not timed. Packages that are missing are installed; a machine
//! whose service manager starts what it installs has haproxy and nginx running then.

mod counts;
mod family;
mod goals;
mod net;
mod path;
mod report;
mod samples;
mod session;

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace::Workspace;
use crate::{run, setup};

/// How much is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Rounds {
    /// How many rounds; router only.
    #[arg(long, default_value_t = 12)]
    rounds: usize,
    /// How many seconds each run takes; router only.
    #[arg(long, default_value_t = 1.2)]
    seconds: f64,
}

/// With fewer rounds a median says nothing.
const LEAST: usize = 3;

pub(super) fn run(rounds: &Rounds) -> Result<()> {
    ensure!(rounds.rounds >= LEAST, "a median of {} says nothing: wanted at least {LEAST} rounds", rounds.rounds);
    ensure!(rounds.seconds >= 0.2, "a run of {} s says nothing: wanted at least 0.2 s", rounds.seconds);
    let workspace = Workspace::find()?;
    setup::proxies()?;
    let mut build = run::cargo();
    build.args(["build", "--release", "--quiet", "--locked", "-p", "homeport-router", "--example", "forward"]);
    run::pass(build.current_dir(workspace.root()))?;
    // What else runs on the machine has to wait where it can; children inherit it.
    let own = std::process::id().to_string();
    run::take(Command::new("renice").args(["-n", "-10", "-p", &own])).context("cannot go before others")?;
    let net = net::Net::make()?;
    let mut session = session::Session::begin(&net, &workspace.target().join("release/examples/forward"), rounds)?;
    session.run()?;
    report::say(session.samples());
    Ok(())
}
