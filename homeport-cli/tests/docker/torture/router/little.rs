//! Owns a daemon that has little: few descriptors, and a bound on its memory that the kernel keeps. Judges nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::accelerator::eventually;
use super::port::Access;
use super::stage::{Stage, instance};

/// What it may open: a router makes do with 384.
pub(super) const FILES: u32 = 512;
/// What it may use of memory.
const MEMORY: u32 = 64 << 20;

/// The bound on memory. It goes when this is dropped, whoever is in it then.
pub(super) struct Bound {
    dir: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        let (inside, outside) = (self.dir.join("cgroup.procs"), self.dir.parent().unwrap().join("cgroup.procs"));
        for process in fs::read_to_string(inside).unwrap_or_default().lines() {
            // It may have ended.
            fs::write(&outside, process).unwrap_or(());
        }
        if let Err(error) = fs::remove_dir(&self.dir) {
            eprintln!("`{}` cannot be removed: {error}", self.dir.display());
        }
    }
}

impl Bound {
    /// Puts a process into a group that may use so much.
    fn on(process: i32) -> Self {
        let all = Path::new("/sys/fs/cgroup");
        let is_one = all.join("cgroup.controllers").exists();
        let (place, file) =
            if is_one { (all.to_owned(), "memory.max") } else { (all.join("memory"), "memory.limit_in_bytes") };
        let bound = Self { dir: place.join(format!("hpt-{}", std::process::id())) };
        fs::create_dir(&bound.dir).unwrap();
        fs::write(bound.dir.join(file), MEMORY.to_string()).unwrap();
        fs::write(bound.dir.join("cgroup.procs"), process.to_string()).unwrap();
        bound
    }

    /// The most that was used so far, in MiB; `None` where the kernel does not say.
    pub(super) fn most(&self) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).ok()?.trim().parse::<u64>().ok();
        read("memory.peak").or_else(|| read("memory.max_usage_in_bytes")).map(|bytes| bytes >> 20)
    }
}

impl Stage {
    /// Puts a daemon that has little in the place of this HomePort's, and waits until everything is served.
    pub(super) fn with_little(&self) -> Result<Bound, String> {
        self.homeport(&["daemon", "stop"])?;
        let log = fs::OpenOptions::new().append(true).open(self.world.root().join("state/daemon.log"));
        let homeport = self.world.command();
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={FILES}:{FILES}")).arg(homeport.get_program()).args(homeport.get_args());
        command.args(["daemon", "run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap());
        let mut child = command.spawn().unwrap();
        std::thread::spawn(move || child.wait());
        eventually("the daemon answers", || self.daemon().is_some())?;
        let bound = Bound::on(self.daemon().ok_or("the daemon says no process")?);
        eventually("everything is served", || {
            [Access::Shared, Access::Exclusive]
                .iter()
                .all(|access| self.world.status(instance(*access))["state"] == "ready")
        })?;
        Ok(bound)
    }
}
