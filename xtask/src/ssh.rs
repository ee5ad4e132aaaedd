//! Owns the OpenSSH client of a task: a key, strict checking of the host keys that HomePort told, and no questions.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run;

/// Makes a key without a passphrase, and its public half beside it.
pub(crate) fn make_key(file: &Path) -> Result<()> {
    let mut command = Command::new("ssh-keygen");
    run::take(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "homeport-task", "-f"]).arg(file)).map(drop)
}

/// A way to log in to one instance.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    args: Vec<String>,
}

impl Login {
    /// To the instance of this status, with this key. The host keys that the status tells are written to `known_hosts`, and
    /// no other is ever trusted.
    pub(crate) fn of(status: &Value, key: &Path, known_hosts: &Path) -> Result<Self> {
        let address = status["routes"]["ssh"].as_str().context("the instance has no public address")?;
        let (host, port) = address.rsplit_once(':').context("the public address has no port")?;
        let facts = &status["status"]["facts"];
        let host_keys = facts["host_key"].as_str().context("the instance tells no host key")?;
        let user = facts["ssh_user"].as_str().context("the instance tells no user")?;
        let lines: Vec<String> = host_keys.lines().map(|key| format!("[{host}]:{port} {key}")).collect();
        fs::write(known_hosts, lines.join("\n") + "\n")
            .with_context(|| format!("cannot write `{}`", known_hosts.display()))?;
        Ok(Self {
            args: vec![
                "-i".into(),
                key.display().to_string(),
                "-o".into(),
                "StrictHostKeyChecking=yes".into(),
                "-o".into(),
                format!("UserKnownHostsFile={}", known_hosts.display()),
                "-p".into(),
                port.into(),
                format!("{user}@{host}"),
            ],
        })
    }

    /// The same with another option of OpenSSH, in the words of its configuration.
    #[must_use]
    pub(crate) fn with(&self, option: &str) -> Self {
        let words = ["-o", option].map(str::to_owned);
        Self { args: words.into_iter().chain(self.args.iter().cloned()).collect() }
    }

    /// The command line that a person would type.
    pub(crate) fn words(&self) -> String {
        format!("ssh {}", self.args.join(" "))
    }

    /// An ssh that runs something; no question is ever asked.
    pub(crate) fn ssh(&self, script: &str) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
            .args(&self.args)
            .arg(script);
        command
    }

    /// A session that stays open.
    pub(crate) fn open(&self) -> Result<Session> {
        let mut command = self.ssh("bash");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start `ssh`")?;
        let stdin = child.stdin.take().context("`ssh` has no input")?;
        let stdout = BufReader::new(child.stdout.take().context("`ssh` has no output")?);
        Ok(Session { child, stdin, stdout })
    }
}

/// A session that is open.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    /// What one line of shell answers with one line.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.stdin, "{line}").context("the session that was open is closed")?;
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).context("the session that was open does not answer")?;
        ensure!(!answer.is_empty(), "the session that was open has ended");
        Ok(answer.trim_end().to_owned())
    }

    /// Ends it, if nothing else has.
    pub(crate) fn close(self) -> Result<()> {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        child.wait().context("cannot wait for `ssh`").map(drop)
    }
}
