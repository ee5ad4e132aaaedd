//! Owns running a helper program to its end, within a limit, and catching what it says.
//! Never waits for any process but its own, so that PID 1 loses no other one's end by it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::time::Duration;

use homeport_core::unit::{Gid, Uid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};

use super::child::{self, As};
use super::clock;
use super::kernel::Leads;

/// Of each output at most this much is kept; the rest is read and dropped, so that the program does not block.
const KEPT: usize = 64 << 10;

/// A helper program, for example `ssh-keygen`.
#[derive(Debug, Clone)]
pub struct Tool {
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    uid: Uid,
    gid: Gid,
    directory: String,
    within: Duration,
}

/// What a helper program said. Its end was an exit, whatever the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// The code that it exited with.
    pub code: i32,
    /// What it wrote to standard output, at most 64 KiB.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, at most 64 KiB.
    pub stderr: Vec<u8>,
}

impl ToolOutput {
    /// What it said, on one line, for messages.
    pub fn words(&self) -> String {
        let said = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        homeport_core::text::clip(String::from_utf8_lossy(said).trim(), 300)
    }
}

/// Why a helper program has no output.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It was not started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// It took too long and was killed.
    #[error("`{program}` did not end within {} ms", .within.as_millis())]
    TooSlow {
        /// The program.
        program: String,
        /// How long it was given.
        within: Duration,
    },
    /// A signal ended it.
    #[error("`{program}` was ended by signal {signal}")]
    Signal {
        /// The program.
        program: String,
        /// The signal's number.
        signal: i32,
    },
}

impl Tool {
    /// The program at this absolute path, run as root within 10 seconds.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: child::base_env("UTC"),
            uid: Uid::new(0),
            gid: Gid::new(0),
            directory: "/".to_owned(),
            within: Duration::from_secs(10),
        }
    }

    /// The same with these arguments after those that it has.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same with these variables in its environment.
    #[must_use]
    pub fn envs(mut self, env: &BTreeMap<String, String>) -> Self {
        self.env.extend(env.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// The same, run as this user and group.
    #[must_use]
    pub fn user(mut self, uid: Uid, gid: Gid) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }

    /// The same, given this long. What is not done then is killed, with its children.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Runs it to its end.
    pub fn run(&self) -> Result<ToolOutput, ToolError> {
        let refused = |source| ToolError::Start { program: self.program.clone(), source };
        let as_whom = As { uid: self.uid, gid: self.gid, groups: &[], directory: &self.directory, leads: Leads::Group };
        let mut command = child::command(&self.program, &self.args, &self.env, as_whom).map_err(refused)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut started = command.spawn().map_err(refused)?;
        let pid = Pid::from_child(&started);
        let until = clock::monotonic() + self.within;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let in_time = match (started.stdout.take(), started.stderr.take()) {
            (Some(out), Some(err)) => drain([(out.into(), &mut stdout), (err.into(), &mut stderr)], until),
            _ => true,
        };
        // What is left of its group when it is done or late goes with it.
        let slow = || ToolError::TooSlow { program: self.program.clone(), within: self.within };
        let status = loop {
            if !in_time || clock::monotonic() > until {
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
                return Err(slow());
            }
            match waitpid(Some(pid), WaitOptions::NOHANG) {
                Ok(Some((_, status))) => break status,
                Ok(None) | Err(rustix::io::Errno::INTR) => std::thread::sleep(Duration::from_millis(1)),
                Err(errno) => return Err(refused(errno.into())),
            }
        };
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ok(ToolOutput { code, stdout, stderr }),
            (None, signal) => Err(ToolError::Signal { program: self.program.clone(), signal: signal.unwrap_or(0) }),
        }
    }
}

/// Reads both outputs until they are closed; says whether that was in time.
fn drain(outputs: [(std::os::fd::OwnedFd, &mut Vec<u8>); 2], until: clock::Moment) -> bool {
    let mut open: Vec<_> = outputs.into_iter().map(|(fd, kept)| (std::fs::File::from(fd), kept)).collect();
    while !open.is_empty() {
        let left = until.since(clock::monotonic());
        if left.is_zero() {
            return false;
        }
        let mut fds: Vec<_> =
            open.iter().map(|(file, _)| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)).collect();
        let Ok(timeout) = Timespec::try_from(left) else { return false };
        if poll(&mut fds, Some(&timeout)).is_err() {
            continue;
        }
        let readable: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut n = 0;
        open.retain_mut(|(file, kept)| {
            n += 1;
            !readable[n - 1] || read_some(file, kept)
        });
    }
    true
}

/// Reads what is there; says whether more may come.
fn read_some(file: &mut std::fs::File, kept: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    match file.read(&mut buffer) {
        Ok(0) => false,
        Ok(read) => {
            let room = KEPT.saturating_sub(kept.len()).min(read);
            kept.extend_from_slice(&buffer[..room]);
            true
        }
        Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Tool {
        Tool::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn a_tool_tells_its_code_and_both_outputs() {
        let output = sh("echo out; echo err >&2; exit 3").run().unwrap();
        assert_eq!((output.code, &output.stdout[..], &output.stderr[..]), (3, &b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.words(), "err");
    }

    #[test]
    fn a_tool_that_is_slow_is_ended_with_its_children() {
        let before = clock::monotonic();
        let error = sh("sleep 60 & sleep 60").within(Duration::from_millis(200)).run().unwrap_err();
        assert!(matches!(error, ToolError::TooSlow { .. }), "{error}");
        assert!(clock::monotonic().since(before) < Duration::from_secs(5));
    }

    #[test]
    fn a_tool_that_talks_much_does_not_block_and_is_cut() {
        let output = sh("head -c 1000000 /dev/zero").run().unwrap();
        assert_eq!((output.code, output.stdout.len()), (0, KEPT));
    }

    #[test]
    fn a_tool_that_is_not_there_or_dies_says_so() {
        assert!(matches!(Tool::new("/nowhere/x").run().unwrap_err(), ToolError::Start { .. }));
        assert!(matches!(sh("kill -9 $$").run().unwrap_err(), ToolError::Signal { signal: 9, .. }));
    }

    #[test]
    fn a_tool_has_a_clean_environment_and_an_empty_mask() {
        let output = Tool::new("/usr/bin/env").run().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LANG", "PATH", "TZ"]);
        let status = sh("grep -E '^(SigBlk|SigIgn|NoNewPrivs)' /proc/self/status").run().unwrap();
        let text = String::from_utf8(status.stdout).unwrap();
        assert!(text.contains("SigBlk:\t0000000000000000") && text.contains("SigIgn:\t0000000000000000"), "{text}");
        assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    }
}
