//! Owns a HomePort of the benchmark's own, below a root of its own, with one instance. All of it goes when it is dropped.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::steps::Steps;
use crate::{run, say};

/// The instance's name.
pub(super) const NAME: &str = "bench";

/// The HomePort.
#[derive(Debug)]
pub(super) struct Place {
    homeport: PathBuf,
    root: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = self.homeport(&["remove", NAME]);
        let _gone = self.homeport(&["daemon", "stop"]);
        if let Err(error) = fs::remove_dir_all(&self.root) {
            say::warning(format_args!("`{}` cannot be removed: {error}", self.root.display()));
        }
    }
}

impl Place {
    /// An empty one, which this command serves.
    pub(super) fn new(homeport: PathBuf) -> Result<Self> {
        let root = PathBuf::from(format!("/var/tmp/hpb-{}", std::process::id()));
        fs::create_dir_all(&root).with_context(|| format!("cannot make `{}`", root.display()))?;
        Ok(Self { homeport, root })
    }

    /// Everything of the benchmark is below it, HomePort's own root as well.
    pub(super) fn dir(&self) -> &Path {
        &self.root
    }

    /// The root of HomePort.
    pub(super) fn hp(&self) -> PathBuf {
        self.root.join("hp")
    }

    /// Where the instance has the data of a volume.
    pub(super) fn data(&self, volume: &str) -> PathBuf {
        self.hp().join("data").join(NAME).join(volume).join("data")
    }

    /// Runs a command of this HomePort that has to succeed, and returns what it said.
    pub(super) fn homeport(&self, args: &[&str]) -> Result<String> {
        run::take(Command::new(&self.homeport).arg("--root").arg(self.hp()).args(args))
    }

    /// The same, and how long its steps took. A command tells of none in its first second.
    pub(super) fn steps(&self, args: &[&str]) -> Result<Steps> {
        let mut command = Command::new(&self.homeport);
        command.arg("--root").arg(self.hp()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run `homeport`")?;
        let said = child.stderr.take().context("`homeport` has no standard error")?;
        let steps = Steps::listen(BufReader::new(said))?;
        let status = child.wait()?;
        ensure!(status.success(), "`homeport {}` failed ({status}): {}", args.join(" "), steps.text());
        Ok(steps)
    }

    /// What HomePort says of the instance.
    pub(super) fn status(&self) -> Result<Value> {
        let text = self.homeport(&["--json", "status", NAME])?;
        let mut status: Value = serde_json::from_str(&text).context("`homeport status` gave no JSON")?;
        Ok(status["instance"].take())
    }

    /// The instance's container.
    pub(super) fn container(&self) -> Result<String> {
        self.status()?["container"].as_str().map(str::to_owned).context("the instance has no container")
    }
}
