//! Owns running a command that is killed at a moment of chance. Never judges what that left.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};

use super::chance::Chance;
use super::journal::{Journal, Stand};
use crate::world::{Did, World};

/// When a command is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after the step at this place of its operation has begun.
    InStep(usize, Duration),
}

impl Moment {
    /// Half of them are spread evenly over the time that the command takes, half over its steps: most steps are short.
    pub(super) fn draw(chance: &mut Chance, usual: Duration) -> Self {
        if chance.one_in(2) {
            Self::After(chance.within(usual))
        } else {
            Self::InStep(chance.below(26), chance.within(Duration::from_millis(25)))
        }
    }
}

/// A command that was to be killed.
#[derive(Debug)]
pub(super) struct Cut {
    /// What it did, where it had ended before.
    pub(super) ended: Option<Did>,
    /// Where it stood then.
    pub(super) stand: Stand,
    /// How long it ran.
    pub(super) ran: Duration,
}

/// How long a command may go on after the blow; longer is for ever.
const END: Duration = Duration::from_mins(3);

/// Runs a command, and does `blow` to it at the moment; it ends by itself afterwards, or by the blow.
pub(super) fn cut(world: &World, args: &[&str], moment: Moment, blow: impl FnOnce(&mut Child)) -> Cut {
    let journal = Journal::of(world);
    let begun = Instant::now();
    let mut command = world.command();
    let mut child = command.arg("--quiet").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut since = None;
    let is_over = |child: &mut Child| child.try_wait().unwrap().is_some();
    while !is_over(&mut child) {
        let now = match moment {
            Moment::After(time) => begun.elapsed() >= time,
            Moment::InStep(place, then) => {
                if since.is_none() && journal.has_begun(place) {
                    since = Some(Instant::now());
                }
                since.is_some_and(|since| since.elapsed() >= then)
            }
        };
        if now {
            blow(&mut child);
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let stand = journal.stand();
    let end = Instant::now() + END;
    while !is_over(&mut child) {
        assert!(Instant::now() < end, "`homeport {}` does not end after the blow ({})", args.join(" "), stand.words);
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ended = output.status.code().map(|code| Did { code, out: text(&output.stdout), err: text(&output.stderr) });
    Cut { ended, stand, ran: begun.elapsed() }
}

/// Runs a command and kills it at the moment.
pub(super) fn kill(world: &World, args: &[&str], moment: Moment) -> Cut {
    cut(world, args, moment, |child| {
        child.kill().unwrap();
        child.wait().unwrap();
    })
}

/// Kills the daemon of a world; whether one ran.
pub(super) fn kill_daemon(world: &World) -> bool {
    let Some(pid) = daemon(world) else { return false };
    let killed = kill_process(pid, Signal::KILL).is_ok();
    // As long as one of its threads is there, its files are open, and another one is told that it runs. The holder starts the
    // next one as soon as it may.
    let file = std::fs::File::open(world.root().join("run/daemon.pid")).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let is_taken = || rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err();
    while is_taken() && daemon(world) == Some(pid) {
        assert!(Instant::now() < end, "a daemon that was killed is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed
}

/// The daemon of a world, where it runs: what the file names and is a `homeport` of this root.
fn daemon(world: &World) -> Option<Pid> {
    let text = std::fs::read_to_string(world.root().join("run/daemon.pid")).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let is_ours = line.contains("daemon run") && line.contains(world.root().to_str().unwrap());
    if is_ours { Pid::from_raw(pid) } else { None }
}
