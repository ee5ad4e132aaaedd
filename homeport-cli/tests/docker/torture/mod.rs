//! Changes of version with the real engine that are cut off wherever chance wills: `homeport` is killed, the engine is
//! killed, a disk is full. Afterwards one command, and everything has to be of one version: data, container, ledger, route.
//!
//! A few of each run with all the other tests, the same ones each time; `cargo xtask torture` runs as many as it is told
//! to. What chance draws follows from a number that is printed first and can be given back (`HOMEPORT_TORTURE_SEED`): what
//! is cut off, after how long or in which step, and what comes then. Where in a step a blow falls is up to the machine.

mod chance;
mod client;
mod cut;
mod engine;
mod engine_kill;
mod full;
mod journal;
mod judge;
mod kill;
mod port;
mod router;
mod subject;
mod tally;

/// How many of something there are to be: what the environment says, or a few.
fn count(name: &str, few: usize) -> usize {
    std::env::var(name).map_or(few, |text| text.parse().unwrap_or_else(|_| panic!("`{name}` is `{text}`: no number")))
}

/// Where chance begins: what the environment says, or `fixed`. It is said, so that it can be given back.
fn seed(fixed: u64) -> u64 {
    let seed = std::env::var("HOMEPORT_TORTURE_SEED").ok().map(|text| text.parse().unwrap());
    let seed = seed.unwrap_or(fixed);
    eprintln!("torture: HOMEPORT_TORTURE_SEED={seed}");
    seed
}
