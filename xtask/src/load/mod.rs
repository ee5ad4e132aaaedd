//! Load on a network path, made and answered by processes of their own: what `cargo xtask bench router` sends through the
//! proxies that it compares. Each client prints what it saw as one line of JSON, and counts what went wrong.

mod bulk;
mod datagrams;
mod exchange;
mod idle;
mod served;
mod token;

use std::net::SocketAddr;

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub(crate) use bulk::Bulk;
pub(crate) use exchange::Exchanges;
pub(crate) use token::Token;

/// Plays one side of a measured path.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// What both sides know, and nobody between them: an answer with another one is an error.
    #[arg(long)]
    token: Token,
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, clap::Subcommand)]
enum Side {
    /// Serves all kinds of clients until it is killed.
    Serve(served::Serve),
    /// Takes as much as comes.
    Bulk(bulk::Take),
    /// Connects, asks, is answered and closes, again and again.
    Exchange(exchange::Ask),
    /// Asks and is answered by datagrams, again and again.
    Datagrams(datagrams::Ask),
    /// Opens connections over which nothing goes any more.
    Idle(idle::Hold),
}

/// Where a client connects.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Place {
    /// The address of the path that is measured.
    #[arg(long)]
    at: SocketAddr,
}

/// Runs one side.
pub(crate) fn run(load: &Load) -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    match &load.side {
        Side::Serve(serve) => served::run(serve, load.token),
        Side::Bulk(take) => bulk::run(take, load.token),
        Side::Exchange(ask) => exchange::run(ask, load.token),
        Side::Datagrams(ask) => datagrams::run(ask, load.token),
        Side::Idle(hold) => idle::run(hold, load.token),
    }
}
