//! Changes of version with the real engine that are cut off wherever chance wills: `homeport` is killed, the engine is
//! killed, a disk is full. Afterwards one command, and everything has to be of one version: data, container, ledger, route.
//!
//! A few of each run with all the other tests; `cargo xtask torture` runs as many as it is told to. What chance willed
//! is a number that is printed first and can be given back (`HOMEPORT_TORTURE_SEED`).

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
mod subject;
mod tally;

/// How many of something there are to be: what the environment says, or a few.
fn count(name: &str, few: usize) -> usize {
    std::env::var(name).map_or(few, |text| text.parse().unwrap_or_else(|_| panic!("`{name}` is `{text}`: no number")))
}

/// Where chance begins; it is said, so that it can be given back.
fn seed() -> u64 {
    let seed = std::env::var("HOMEPORT_TORTURE_SEED").ok().map(|text| text.parse().unwrap());
    let seed = seed.unwrap_or_else(chance::Chance::somewhere);
    eprintln!("torture: HOMEPORT_TORTURE_SEED={seed}");
    seed
}
