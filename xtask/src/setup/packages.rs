//! Owns the list of what demo, tests and benchmarks need from the distribution, and installs what is missing.
//! Never replaces something that is there: a tool counts by its program in `PATH`, wherever it came from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::say;

/// Where the package manager's own output goes.
const LOG: &str = "/var/log/homeport-setup.log";

/// No program, but a file that one loads.
const NGINX_STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A package of the distribution.
pub(super) struct Package {
    name: &'static str,
    /// The program that shows that it, or something that stands in for it, is there.
    program: &'static str,
    reason: &'static str,
}

/// Everything that is needed, with the reason for each.
pub(super) const NEEDED: &[Package] = &[
    Package { name: "docker.io", program: "dockerd", reason: "the engine that runs the ports" },
    Package { name: "iptables", program: "iptables", reason: "dockerd publishes and isolates networks with it" },
    Package { name: "openssh-client", program: "ssh", reason: "demo and tests log into the shell port with it" },
    Package { name: "busybox-static", program: "busybox", reason: "tests make ports without code from it" },
    Package { name: "rsync", program: "rsync", reason: "tests copy trees into the shell port with it" },
    Package { name: "iproute2", program: "ip", reason: "tests make network namespaces of their own with it" },
    Package { name: "nftables", program: "nft", reason: "the router leads packets with it where that is asked for" },
    Package { name: "e2fsprogs", program: "mkfs.ext4", reason: "tests put volumes on loop devices with it" },
    Package { name: "haproxy", program: "haproxy", reason: "a backend of the router, which tests run in front of it" },
    Package { name: "mount", program: "losetup", reason: "tests attach those loop devices with it" },
    Package { name: "xfsprogs", program: "mkfs.xfs", reason: "tests cut the power of an XFS with it" },
    Package { name: "btrfs-progs", program: "mkfs.btrfs", reason: "tests cut the power of a btrfs with it" },
    Package { name: "acl", program: "setfacl", reason: "tests give files lists of access rights with it" },
    Package { name: "attr", program: "setfattr", reason: "tests give files extended attributes with it" },
    Package { name: "strace", program: "strace", reason: "tests strike at single system calls with it" },
    Package { name: "util-linux", program: "setpriv", reason: "tests get mounts of their own with it" },
    Package { name: "zstd", program: "zstd", reason: "tests read snapshots with the standard tool" },
    Package { name: "shellcheck", program: "shellcheck", reason: "tests look over spec/restore.sh with it" },
];

/// What only `cargo xtask bench snapshot` needs: those with whom it compares.
pub(super) const PEERS: &[Package] = &[
    Package { name: "tar", program: "tar", reason: "the measure of a first snapshot" },
    Package { name: "restic", program: "restic", reason: "a store of snapshots, the peer of most goals" },
    Package { name: "borgbackup", program: "borg", reason: "a store of snapshots" },
    Package { name: "rsync", program: "rsync", reason: "copies with hard links to what did not change" },
];

/// What only `cargo xtask bench router` needs: those with whom it compares, and what it measures them with.
pub(super) const PROXIES: &[Package] = &[
    Package { name: "haproxy", program: "haproxy", reason: "a proxy, as it is and tuned" },
    Package { name: "nginx-light", program: "nginx", reason: "a proxy, with its module for streams" },
    Package { name: "libnginx-mod-stream", program: NGINX_STREAM, reason: "nginx's module for streams" },
    Package { name: "docker.io", program: "docker-proxy", reason: "what Docker publishes ports with" },
    Package { name: "nftables", program: "nft", reason: "the kernel's address translation" },
    Package { name: "iproute2", program: "ip", reason: "makes the networks between them" },
    Package { name: "procps", program: "sysctl", reason: "has those networks use ports again" },
    Package { name: "util-linux", program: "setpriv", reason: "ends the proxies with the benchmark" },
    Package { name: "bsdutils", program: "renice", reason: "has the benchmark go before what else runs" },
    Package { name: "strace", program: "strace", reason: "counts system calls" },
];

/// Installs what is missing; asks the archive for fresh lists only when a package is not known or not there any more.
pub(super) fn install(packages: &'static [Package]) -> Result<()> {
    let missing: Vec<&Package> = packages.iter().filter(|package| find_program(package.program).is_none()).collect();
    for package in packages {
        if let Some(path) = find_program(package.program) {
            say::line(format_args!("packages: `{}` is there ({})", package.program, path.display()));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if find_program("apt-get").is_none() {
        let names: Vec<&str> = missing.iter().map(|package| package.program).collect();
        bail!("`apt-get` was not found, so setup cannot install these programs: {}", names.join(", "));
    }
    for package in &missing {
        say::line(format_args!("packages: installing `{}`: {}", package.name, package.reason));
    }
    if !missing.iter().all(|package| is_known(package.name)) {
        refresh_lists()?;
    }
    if apt_install(&missing).is_err() {
        // The lists can name a version that the archive has replaced since: look again, once.
        refresh_lists()?;
        apt_install(&missing)?;
    }
    match missing.iter().find(|package| find_program(package.program).is_none()) {
        Some(package) => bail!("package `{}` was installed but brought no `{}`", package.name, package.program),
        None => Ok(()),
    }
}

/// The program, or a file by its whole path, as a shell would find it; system directories count also where an ordinary user's `PATH` lacks them.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    if name.starts_with('/') {
        return Some(PathBuf::from(name)).filter(|file| file.is_file());
    }
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether the package lists offer a version of this package.
fn is_known(package: &str) -> bool {
    let shown = Command::new("apt-cache").args(["show", "--no-all-versions", package]).stdin(Stdio::null()).output();
    shown.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

fn refresh_lists() -> Result<()> {
    say::line("packages: refreshing the package lists (apt-get update)");
    apt(&["update"])
}

fn apt_install(packages: &[&Package]) -> Result<()> {
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(packages.iter().map(|package| package.name));
    apt(&args)
}

/// Runs `apt-get` with its output in a file: a service that a package starts must not hold our caller's pipes open.
fn apt(args: &[&str]) -> Result<()> {
    let log = File::options().create(true).append(true).open(LOG).with_context(|| format!("cannot open `{LOG}`"))?;
    let status = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log file")?)
        .stderr(log)
        .status()
        .context("cannot run `apt-get`")?;
    if status.success() {
        return Ok(());
    }
    bail!("`apt-get {}` failed ({status}); the end of {LOG}:\n{}", args.join(" "), super::dockerd::tail(Path::new(LOG)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_a_reason_and_a_program_of_its_own() {
        for (at, package) in NEEDED.iter().enumerate() {
            assert!(!package.reason.is_empty(), "{}", package.name);
            assert!(NEEDED[..at].iter().all(|earlier| earlier.program != package.program), "{}", package.name);
        }
    }

    #[test]
    fn only_executable_files_are_programs() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program-here").is_none());
        assert!(find_program("/etc/passwd").is_some() && find_program("/etc/no-such-file").is_none());
        assert!(!is_executable(Path::new("/proc/version")));
        assert!(!is_executable(Path::new("/usr")));
    }
}
