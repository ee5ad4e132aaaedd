//! Owns what a program costs: wall time, processor time and peak memory, of it and all that it started, and of making
//! durable what it wrote. A process of this program's own starts it, so that nobody else's children are counted.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use serde::{Deserialize, Serialize};

use crate::run;

/// Starts a program and reports what it cost.
#[derive(Debug, clap::Args)]
pub(crate) struct Measure {
    /// Where the report goes.
    #[arg(long)]
    report: PathBuf,
    /// The directory whose file system is synced after the program.
    #[arg(long)]
    sync: PathBuf,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What one run cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    /// Seconds until all was durable.
    pub(super) wall: f64,
    /// Seconds of processors, user's and system's.
    pub(super) cpu: f64,
    /// The most memory of any one process, in MiB.
    pub(super) peak: f64,
}

/// The side that starts the program.
pub(crate) fn report(args: &Measure) -> Result<()> {
    let (program, rest) = args.command.split_first().context("no program to measure")?;
    let directory = File::open(&args.sync).with_context(|| format!("cannot open `{}`", args.sync.display()))?;
    let own = cpu(&getrusage(UsageWho::RUSAGE_SELF)?);
    let begun = Instant::now();
    let status = Command::new(program).args(rest).status();
    let status = status.with_context(|| format!("cannot run `{}`", program.display()))?;
    nix::unistd::syncfs(&directory).context("cannot sync")?;
    let wall = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "`{}` failed ({status})", program.display());
    let children = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    // Syncing is part of it.
    let cpu = cpu(&children) + cpu(&getrusage(UsageWho::RUSAGE_SELF)?) - own;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand MiB")]
    let peak = children.max_rss() as f64 / 1024.0;
    let text = serde_json::to_vec(&Cost { wall, cpu, peak })?;
    std::fs::write(&args.report, text).with_context(|| format!("cannot write `{}`", args.report.display()))
}

fn cpu(usage: &Usage) -> f64 {
    let seconds = |time: TimeVal| {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 microseconds")]
        let seconds = time.num_microseconds() as f64 / 1e6;
        seconds
    };
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Runs `command` and says what it cost; everything that was written before is durable when it starts.
pub(super) fn of(command: &Command, place: &Path) -> Result<Cost> {
    nix::unistd::syncfs(&File::open(place)?).context("cannot sync")?;
    let own = std::env::current_exe().context("cannot find this program")?;
    let file = place.join("cost.json");
    let mut measured = Command::new(own);
    measured.arg("measure").arg("--report").arg(&file).arg("--sync").arg(place).arg("--");
    measured.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => measured.env(name, value),
            None => measured.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        measured.current_dir(dir);
    }
    run::take(measured.stdin(Stdio::null()))?;
    let text = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    serde_json::from_slice(&text).context("the report of a measured program is not understood")
}
