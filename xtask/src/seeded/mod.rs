//! Owns `cargo xtask seeded-faults`: the proof that our tests see what they look for. Each fault of
//! `homeport-volumes/tests/seeded/*.toml` is put into a copy of the workspace, one at a time, and its test must fail.

mod fault;
mod round;
mod scratch;
mod trial;

pub(crate) use round::{SeededFaults, check, run};
