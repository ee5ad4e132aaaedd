//! Owns the OpenSSH client of a test: a key, strict checking of the host key that HomePort told, and no questions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::world::{World, tool};

/// A client that may log in to one instance.
pub(crate) struct Client {
    key: PathBuf,
    known_hosts: PathBuf,
    port: String,
    user: String,
}

/// Makes a key pair and returns the path of its private half.
pub(crate) fn key(dir: &Path, name: &str) -> PathBuf {
    let key = dir.join(name);
    tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key.to_str().unwrap()]);
    key
}

/// `authorized_keys=PATH` for `--set-file`.
pub(crate) fn key_file(key: &Path) -> String {
    format!("authorized_keys={}", key.with_extension("pub").display())
}

impl Client {
    /// A client that trusts what HomePort says of the instance's host key now, and nothing that it learns later.
    pub(crate) fn of(world: &World, instance: &str, key: &Path) -> Self {
        let status = world.status(instance);
        let facts = &status["status"]["facts"];
        let address = status["routes"]["ssh"].as_str().expect("an address");
        let (host, port) = address.rsplit_once(':').unwrap();
        let known_hosts = world.dir().join(format!("known_hosts-{instance}"));
        let lines = facts["host_key"].as_str().expect("a host key").lines().map(|key| format!("[{host}]:{port} {key}"));
        fs::write(&known_hosts, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
        Self {
            key: key.to_owned(),
            known_hosts,
            port: port.to_owned(),
            user: format!("{}@{host}", facts["ssh_user"].as_str().expect("a user")),
        }
    }

    /// The same client with another key.
    pub(crate) fn with_key(&self, key: &Path) -> Self {
        Self {
            key: key.to_owned(),
            known_hosts: self.known_hosts.clone(),
            port: self.port.clone(),
            user: self.user.clone(),
        }
    }

    /// The options that every program of OpenSSH takes.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut all = vec!["-F".to_owned(), "/dev/null".to_owned(), "-i".to_owned(), self.key.display().to_string()];
        for option in [
            "BatchMode=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            "ConnectTimeout=10".to_owned(),
            format!("UserKnownHostsFile={}", self.known_hosts.display()),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            format!("Port={}", self.port),
        ] {
            all.extend(["-o".to_owned(), option]);
        }
        all
    }

    /// `user@host`.
    pub(crate) fn target(&self) -> &str {
        &self.user
    }

    /// An ssh that runs `script`.
    pub(crate) fn ssh(&self, script: &str) -> Command {
        let mut command = Command::new("ssh");
        command.args(self.options()).arg(&self.user).arg(script).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, script: &str) -> Output {
        self.ssh(script).output().unwrap()
    }

    /// Runs something that has to succeed without a word on standard error, and returns its output.
    pub(crate) fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{script}` failed ({}): {said}", output.status);
        assert_eq!(said, "", "no warning is expected of `{script}`");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
