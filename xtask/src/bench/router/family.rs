//! Owns what the processes of one proxy take: processors, memory, descriptors. Reads `/proc`, touches nothing.

use std::fs;
use std::io;

use anyhow::{Context as _, Result};
use nix::errno::Errno;

use super::net::Running;

/// The processes of one proxy, workers included.
#[derive(Debug, Clone)]
pub(super) struct Family(Vec<u32>);

impl Family {
    /// Those that were started, and all below them.
    pub(super) fn of(started: &[Running]) -> Self {
        let mut all: Vec<u32> = started.iter().map(Running::pid).collect();
        let mut next = 0;
        while let Some(pid) = all.get(next).copied() {
            all.extend(children(pid));
            next += 1;
        }
        Self(all)
    }

    /// Their ids.
    pub(super) fn pids(&self) -> &[u32] {
        &self.0
    }

    /// Seconds of processors that they have used, user's and system's.
    pub(super) fn cpu(&self) -> Result<f64> {
        self.sum(|pid| {
            let tasks = fs::read_dir(format!("/proc/{pid}/task"))?;
            let mut nanoseconds = 0.0;
            for task in tasks {
                match fs::read_to_string(task?.path().join("schedstat")) {
                    Ok(text) => nanoseconds += first_number(&text)?,
                    // A thread that ended since it was listed; one that is gone with its process fails the listing.
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(nanoseconds / 1e9)
        })
    }

    /// Their share of memory, in MiB.
    pub(super) fn memory(&self) -> Result<f64> {
        self.sum(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no share of memory")?;
            Ok(first_number(line)? / 1024.0)
        })
    }

    /// Their open descriptors.
    pub(super) fn descriptors(&self) -> Result<f64> {
        self.sum(|pid| {
            #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
            let count = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as f64;
            Ok(count)
        })
    }

    fn sum(&self, of: impl Fn(u32) -> Result<f64>) -> Result<f64> {
        self.0.iter().map(|pid| of(*pid).with_context(|| format!("cannot look at process {pid}"))).sum()
    }
}

/// Whether what is read about is gone: it may go before its file is opened, or before that is read.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ESRCH))
}

fn first_number(text: &str) -> Result<f64> {
    text.split_ascii_whitespace().next().and_then(|word| word.parse().ok()).context("no number")
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_processors_memory_and_descriptors() {
        let own = Family(vec![std::process::id()]);
        assert!(own.cpu().unwrap() > 0.0 && own.memory().unwrap() > 0.1 && own.descriptors().unwrap() > 2.0);
        assert!(Family(vec![u32::MAX]).cpu().is_err());
    }
}
