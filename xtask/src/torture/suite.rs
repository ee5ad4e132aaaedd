//! Owns running some of the tests with more than they do by themselves. Never judges: they do.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::PORTS;
use crate::leftovers::Snapshot;
use crate::workspace::Workspace;
use crate::{run, say, setup, static_build};

/// How the program is built that is treated badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// As for all the other tests.
    Debug,
    /// As a user has it.
    Release,
}

/// Some of the tests.
#[derive(Debug)]
pub(super) struct Suite {
    /// How their names begin.
    pub(super) tests: Vec<&'static str>,
    pub(super) build: Build,
    /// What they are given, by the last part of a variable's name.
    pub(super) given: Vec<(&'static str, String)>,
    /// Where chance begins; somewhere without it.
    pub(super) seed: Option<u64>,
    /// Whether what was wrong is kept.
    pub(super) keep: bool,
}

impl Suite {
    /// Runs them, and fails if one does or anything is left on the machine.
    pub(super) fn run(&self) -> Result<()> {
        let workspace = Workspace::find()?;
        setup::run()?;
        for port in &PORTS {
            static_build::build(&workspace, port)?;
        }
        let before = Snapshot::take()?;
        let mut command = run::cargo();
        command.args(["test", "--locked", "-p", "homeport-cli", "--test", "docker"]);
        if self.build == Build::Release {
            command.arg("--release");
        }
        command.arg("--").args(&self.tests).arg("--nocapture");
        for (name, value) in &self.given {
            command.env(format!("HOMEPORT_TORTURE_{name}"), value);
        }
        let seed = self.seed.map_or_else(somewhere, Ok)?;
        say::line(format_args!("chance begins at --seed {seed}"));
        command.env("HOMEPORT_TORTURE_SEED", seed.to_string());
        if self.keep {
            command.env("HOMEPORT_KEEP", "1");
        }
        let outcome = run::pass(command.current_dir(workspace.root()));
        if self.keep { outcome } else { outcome.and(before.compare()) }
    }
}

/// A seed that nobody gave.
fn somewhere() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok((now.as_secs() ^ u64::from(now.subsec_nanos())) % 1_000_000)
}
