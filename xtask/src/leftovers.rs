//! Owns finding what tests left behind: containers, networks, mounts, loop devices, processes. Never removes anything.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::run;

/// What there is on the machine that a test could have made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at the machine.
    pub(crate) fn take() -> Result<Self> {
        let mut found = BTreeSet::new();
        let mut docker = |what: &str, args: &[&str]| -> Result<()> {
            let listed = run::take(Command::new("docker").args(args))?;
            found.extend(listed.lines().map(|line| format!("{what} {line}")));
            Ok(())
        };
        docker("container", &["ps", "--all", "--no-trunc", "--format", "{{.Names}} ({{.ID}})"])?;
        docker("network", &["network", "ls", "--no-trunc", "--format", "{{.Name}} ({{.ID}})"])?;
        docker("volume", &["volume", "ls", "--format", "{{.Name}}"])?;
        docker("image", &["image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} ({{.ID}})"])?;
        found.extend(mounts(&fs::read_to_string("/proc/self/mountinfo")?));
        found.extend(loops()?);
        found.extend(directories("/var/tmp")?);
        found.extend(directories("/tmp")?);
        found.extend(daemons()?);
        Ok(Self(found))
    }

    /// Fails with everything that is there now and was not before.
    pub(crate) fn compare(&self) -> Result<()> {
        let left = self.left_in(&Self::take()?);
        ensure!(left.is_empty(), "tests left something behind:\n  {}", left.join("\n  "));
        Ok(())
    }

    /// What is there now and was not before.
    fn left_in(&self, now: &Self) -> Vec<String> {
        now.0.difference(&self.0).cloned().collect()
    }
}

/// Mount points outside of the engine's own directories.
fn mounts(mountinfo: &str) -> Vec<String> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter(|point| !["/var/lib/docker", "/run/docker", "/var/run/docker"].iter().any(|own| point.starts_with(own)))
        .map(|point| format!("mount {point}"))
        .collect()
}

/// How the names of directories begin that tests make.
const PREFIXES: [&str; 5] = ["hpt-", "hpb-", "hp-ops-", "homeport-", "homeport "];

/// Directories and files of tests, by the names that tests give them.
fn directories(place: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            found.push(format!("directory {place}/{name}"));
        }
    }
    Ok(found)
}

/// Loop devices that have a file.
fn loops() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/block")? {
        let path = entry?.path().join("loop/backing_file");
        if let Ok(file) = fs::read_to_string(path) {
            found.push(format!("loop device on {}", file.trim()));
        }
    }
    Ok(found)
}

/// Processes that tests start in the background.
fn daemons() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Ok(line) = fs::read(path.join("cmdline")) else { continue };
        let words: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        if is_of_tests(&words) {
            found.push(format!("process {} {}", path.display(), words.join(" ").trim()));
        }
    }
    Ok(found)
}

/// Whether a command line is that of a program which tests start: an engine only where it is one of theirs, by its directory.
fn is_of_tests(words: &[String]) -> bool {
    match words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default() {
        "homeport" | "homeport-init" | "shell-init" | "sshd" => true,
        "dockerd" | "containerd" | "containerd-shim-runc-v2" => words.iter().any(|word| word.contains("/var/tmp/hpt-")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_that_is_the_engines_own_is_no_leftover() {
        let text =
            "22 1 8:1 / /tmp/x rw - ext4 /dev/x rw\n23 1 0:50 / /var/lib/docker/overlay2/a/merged rw - overlay o rw\n";
        assert_eq!(mounts(text), ["mount /tmp/x"]);
    }

    #[test]
    fn an_engine_is_a_leftover_where_it_is_one_of_the_tests() {
        let is = |line: &str| is_of_tests(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(is("dockerd --host unix:///var/tmp/hpt-a.engine/docker.sock"));
        assert!(is("/usr/bin/containerd-shim-runc-v2 -address /var/tmp/hpt-a.engine/containerd.sock"));
        assert!(!is("/usr/bin/dockerd -H fd://"), "the machine's own");
        assert!(is("/usr/bin/homeport daemon run") && !is("sleep 5"));
    }

    #[test]
    fn what_is_new_is_told() {
        let before = Snapshot(BTreeSet::from(["container a".to_owned()]));
        let now = Snapshot(BTreeSet::from(["container a".to_owned(), "mount /tmp/x".to_owned()]));
        assert_eq!(before.left_in(&now), ["mount /tmp/x"]);
        assert_eq!(now.left_in(&before), Vec::<String>::new(), "what is gone is not left");
    }
}
