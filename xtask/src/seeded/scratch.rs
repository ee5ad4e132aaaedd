//! Owns a copy of the workspace in which faults are seeded. Never writes to the workspace itself. Files that are the same
//! are left alone, so that a build goes on from the one before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run;
use crate::workspace::Workspace;

/// The copy, and where it is built.
#[derive(Debug)]
pub(super) struct Scratch {
    tree: PathBuf,
    target: PathBuf,
}

impl Scratch {
    /// Makes the copy equal to what git knows or would add.
    pub(super) fn copy(workspace: &Workspace) -> Result<Self> {
        let place = workspace.target().join("seeded");
        let scratch = Self { tree: place.join("tree"), target: place.join("target") };
        let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let listed = run::take(Command::new("git").args(list).current_dir(workspace.root()))?;
        let names: BTreeSet<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
        for name in &names {
            match fs::read(workspace.root().join(name)) {
                Ok(bytes) => scratch.put(name, &bytes)?,
                // Deleted but not yet committed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => scratch.remove(Path::new(name))?,
                Err(error) => return Err(error).with_context(|| format!("cannot read `{name}`")),
            }
        }
        scratch.prune(Path::new(""), &names)?;
        Ok(scratch)
    }

    /// Writes a file unless it has these bytes already.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.tree.join(name);
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        let dir = path.parent().context("a file without a directory")?;
        fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn remove(&self, name: &Path) -> Result<()> {
        let path = self.tree.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Removes what an earlier copy had and the workspace no longer has.
    fn prune(&self, below: &Path, names: &BTreeSet<&str>) -> Result<()> {
        for entry in fs::read_dir(self.tree.join(below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.prune(&name, names)?;
            } else if !name.to_str().is_some_and(|name| names.contains(name)) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Cargo in the copy, with a target directory of its own.
    pub(super) fn cargo(&self) -> Command {
        let mut command = run::cargo();
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).env_remove("CARGO_MANIFEST_DIR");
        command
    }
}
