//! Owns how each tool is called: what it needs before, how it saves, restores and checks. Never measures.
//!
//! Every tool does what it does by default, but for what all have to have: no questions, no encryption where it can be
//! left out. The tree is the same path each time, so that each finds what it saved before.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run;

/// Who saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    /// `HomePort`, objects as they are.
    Raw,
    /// `HomePort`, objects compressed.
    Zstd,
    /// GNU tar, one file.
    Tar,
    Restic,
    Borg,
    /// A directory for each time, hard links to what did not change.
    Rsync,
    /// Looking at every entry.
    Scan,
    /// Reading every file.
    Read,
    /// Reading and hashing every file.
    Hash,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Raw => "homeport",
            Self::Zstd => "homeport zstd",
            Self::Tar => "tar",
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::Rsync => "rsync",
            Self::Scan => "(scan)",
            Self::Read => "(read)",
            Self::Hash => "(read and hash)",
        })
    }
}

/// Where a tool keeps what it saves, and what it saves.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) tool: Tool,
    /// The tree.
    pub(super) data: &'a Path,
    /// The repository, store or directory; not there before `begin`.
    pub(super) store: PathBuf,
    /// The examples of homeport-volumes.
    pub(super) examples: &'a Path,
    /// Where peers may keep caches.
    pub(super) cache: &'a Path,
    /// How often the tree was saved.
    pub(super) saved: usize,
}

impl Kept<'_> {
    fn example(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(self.examples.join(name));
        command.args(words);
        command
    }

    fn peer(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env("RESTIC_REPOSITORY", &self.store).env("RESTIC_PASSWORD", "bench");
        command.env("RESTIC_CACHE_DIR", self.cache.join("restic"));
        command.env("BORG_REPO", &self.store).env("BORG_BASE_DIR", self.cache.join("borg"));
        command.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        command.args(words).current_dir(self.data);
        command
    }

    /// Makes what the tool wants to find: part of no figure.
    fn begin(&self) -> Result<()> {
        match self.tool {
            Tool::Raw => run::take(self.example("snapshot", &["create", "none"]).arg(&self.store))?,
            Tool::Zstd => run::take(self.example("snapshot", &["create", "zstd"]).arg(&self.store))?,
            Tool::Restic => run::take(&mut self.peer("restic", &["init", "--quiet"]))?,
            Tool::Borg => run::take(&mut self.peer("borg", &["init", "--encryption", "none"]))?,
            _ => std::fs::create_dir_all(&self.store)
                .map(|()| String::new())
                .with_context(|| format!("cannot make `{}`", self.store.display()))?,
        };
        Ok(())
    }

    /// Saves the tree once more.
    pub(super) fn save(&mut self) -> Command {
        let n = self.saved;
        self.saved += 1;
        match self.tool {
            Tool::Raw | Tool::Zstd => {
                let mut command = self.example("snapshot", &["take", "running"]);
                command.arg(&self.store).arg(self.data);
                command
            }
            Tool::Tar => {
                let mut command = self.peer("tar", &["--create", "--file"]);
                command.arg(self.store.join(format!("{n}.tar"))).arg(".");
                command
            }
            Tool::Restic => self.peer("restic", &["backup", "--quiet", "."]),
            Tool::Borg => self.peer("borg", &["create", &format!("::{n}"), "."]),
            Tool::Rsync => {
                let mut command = self.peer("rsync", &["--archive"]);
                if n > 0 {
                    command.arg(format!("--link-dest=../{}", n - 1));
                }
                command.arg("./").arg(self.store.join(n.to_string()));
                command
            }
            Tool::Scan => self.yardstick("scan"),
            Tool::Read => self.yardstick("read"),
            Tool::Hash => self.yardstick("hash"),
        }
    }

    fn yardstick(&self, word: &str) -> Command {
        let mut command = self.example("yardstick", &[word]);
        command.arg(self.data);
        command
    }

    /// Saves the tree in the way of a port that stands still: what an upgrade waits for.
    pub(super) fn save_still(&self) -> Command {
        let mut command = self.example("snapshot", &["take", "still"]);
        command.arg(&self.store).arg(self.data);
        command
    }

    /// Restores what was saved last into a directory that is not there yet.
    pub(super) fn restore(&self, target: &Path) -> Result<Command> {
        let n = self.saved.checked_sub(1).context("nothing was saved")?;
        let made = || std::fs::create_dir_all(target).with_context(|| format!("cannot make `{}`", target.display()));
        Ok(match self.tool {
            Tool::Tar => {
                made()?;
                let mut command = self.peer("tar", &["--extract", "--preserve-permissions", "--file"]);
                command.arg(self.store.join(format!("{n}.tar"))).current_dir(target);
                command
            }
            Tool::Restic => {
                let mut command = self.peer("restic", &["restore", "--quiet", "latest", "--target"]);
                command.arg(target);
                command
            }
            Tool::Borg => {
                made()?;
                let mut command = self.peer("borg", &["extract", &format!("::{n}")]);
                command.current_dir(target);
                command
            }
            Tool::Rsync => {
                let mut command = self.peer("rsync", &["--archive"]);
                command.arg(self.store.join(format!("{n}/"))).arg(target);
                command
            }
            _ => {
                let mut command = self.example("snapshot", &["restore"]);
                command.arg(&self.store).arg(target);
                command
            }
        })
    }

    /// A restore of ours that is not compared afterwards.
    pub(super) fn build(&self, target: &Path) -> Command {
        let mut command = self.example("snapshot", &["build"]);
        command.arg(&self.store).arg(target);
        command
    }

    /// Reads everything that is stored and compares it with its checksums.
    pub(super) fn verify(&self) -> Command {
        match self.tool {
            Tool::Restic => self.peer("restic", &["check", "--quiet", "--read-data"]),
            Tool::Borg => self.peer("borg", &["check", "--verify-data"]),
            _ => {
                let mut command = self.example("snapshot", &["verify"]);
                command.arg(&self.store);
                command
            }
        }
    }

    /// The bytes of all files that the tool keeps.
    pub(super) fn stored(&self) -> Result<f64> {
        Self::bytes_below(&self.store)
    }

    /// The bytes of packs alone, without what says where everything is; `HomePort` only.
    pub(super) fn packed(&self) -> Result<f64> {
        Self::bytes_below(&self.store.join("packs"))
    }

    fn bytes_below(top: &Path) -> Result<f64> {
        let mut waiting = vec![top.to_owned()];
        let mut bytes = 0;
        while let Some(dir) = waiting.pop() {
            for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot list `{}`", dir.display()))? {
                let entry = entry?;
                let meta = entry.metadata()?;
                if meta.is_dir() {
                    waiting.push(entry.path());
                } else {
                    bytes += meta.len();
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a few thousand MiB")]
        Ok(bytes as f64)
    }

    /// Removes everything that the tool keeps.
    pub(super) fn end(&mut self) -> Result<()> {
        self.saved = 0;
        if self.store.exists() {
            let removed = std::fs::remove_dir_all(&self.store);
            removed.with_context(|| format!("cannot remove `{}`", self.store.display()))?;
        }
        Ok(())
    }

    /// Removes everything that the tool keeps, and begins anew.
    pub(super) fn again(&mut self) -> Result<()> {
        self.end()?;
        self.begin()
    }
}
