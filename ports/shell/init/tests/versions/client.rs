//! Owns the OpenSSH client of a test: a login key, and what it knows of the server, which it checks strictly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::stand::{Container, Stand, take};

/// The name under which clients know the server, whatever its address is.
const ALIAS: &str = "the-shell";

/// Which host keys a client takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// What its OpenSSH takes.
    All,
    /// Those that a client of before 2014 knows.
    RsaAlone,
}

/// A client.
pub(crate) struct Client {
    key: PathBuf,
    known_hosts: PathBuf,
    takes: Takes,
}

/// Makes a login key, and a configuration that lets it in.
pub(crate) fn login_key(stand: &Stand) -> PathBuf {
    let key = stand.path("id");
    take(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&key));
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    stand.configure(&json!({"authorized_keys": [public.trim()]}));
    key
}

impl Client {
    /// A client that trusts these public keys and no others.
    pub(crate) fn new(stand: &Stand, name: &str, key: &Path, trusted: &[&str], takes: Takes) -> Self {
        let known_hosts = stand.path(&format!("known_hosts-{name}"));
        let lines: Vec<String> = trusted.iter().map(|key| format!("{ALIAS} {key}")).collect();
        fs::write(&known_hosts, lines.join("\n") + "\n").unwrap();
        Self { key: key.to_owned(), known_hosts, takes }
    }

    /// What it knows of the server now.
    pub(crate) fn knows(&self) -> String {
        fs::read_to_string(&self.known_hosts).unwrap()
    }

    /// Runs a command over SSH, once the server is ready.
    pub(crate) fn run(&self, server: &Container, update: &str, script: &str) -> Output {
        server.facts();
        let mut command = Command::new("ssh");
        command.args(["-F", "/dev/null", "-i"]).arg(&self.key);
        let known = format!("UserKnownHostsFile={}", self.known_hosts.display());
        let update = format!("UpdateHostKeys={update}");
        let (port, alias) = (format!("Port={}", server.port()), format!("HostKeyAlias={ALIAS}"));
        let mut options = vec!["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"];
        options.extend(["GlobalKnownHostsFile=/dev/null", "ConnectTimeout=20"]);
        options.extend([known.as_str(), update.as_str(), port.as_str(), alias.as_str()]);
        if matches!(self.takes, Takes::RsaAlone) {
            options.push("HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256");
        }
        for option in options {
            command.args(["-o", option]);
        }
        command.args(["user@127.0.0.1", script]).stdin(Stdio::null()).output().unwrap()
    }

    /// Logs in, and is warned of nothing.
    pub(crate) fn ok(&self, server: &Container) {
        let output = self.run(server, "no", "echo in");
        let warned = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && output.stdout == b"in\n", "{warned}");
        assert_eq!(warned, "", "a client was warned");
    }
}
