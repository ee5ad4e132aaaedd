//! Mounts the control groups where nothing has: the engine cannot limit memory or processes without them.
//! Never touches a hierarchy that is mounted already.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::say;

const ROOT: &str = "/sys/fs/cgroup";

/// Makes sure that a control group hierarchy is mounted.
pub(super) fn mount() -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("cannot read `/proc/self/mounts`")?;
    if let Some(kind) = mounted_kind(&mounts) {
        say::line(format_args!("cgroups: {kind} is mounted"));
        return Ok(());
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").context("cannot read `/proc/filesystems`")?;
    ensure!(
        filesystems.lines().any(|line| line.split_whitespace().last() == Some("cgroup2")),
        "no control groups are mounted and the kernel has no `cgroup2`: mount them below `{ROOT}` as the machine needs it"
    );
    ensure!(Path::new(ROOT).is_dir(), "`{ROOT}` is not there: mount `/sys` first");
    say::line(format_args!("cgroups: mounting cgroup2 on {ROOT}"));
    let status = Command::new("mount")
        .args(["-t", "cgroup2", "-o", "rw,nosuid,nodev,noexec", "cgroup2", ROOT])
        .stdin(Stdio::null())
        .status()
        .context("cannot run `mount`")?;
    ensure!(status.success(), "`mount -t cgroup2 cgroup2 {ROOT}` failed ({status})");
    Ok(())
}

/// Which hierarchy a mount table shows below `/sys/fs/cgroup`, if the engine can use it.
fn mounted_kind(mounts: &str) -> Option<&'static str> {
    let fields = || mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|fields| fields.len() > 3);
    let memory = |fields: &Vec<&str>| fields[2] == "cgroup" && fields[3].split(',').any(|option| option == "memory");
    if fields().any(|fields| memory(&fields)) {
        return Some("version 1");
    }
    fields().any(|fields| fields[2] == "cgroup2" && fields[1] == ROOT).then_some("version 2")
}

#[cfg(test)]
mod tests {
    use super::mounted_kind;

    #[test]
    fn a_hierarchy_counts_where_the_engine_can_limit_memory_with_it() {
        let rows = [
            ("", None),
            ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\n", None),
            ("cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", None),
            ("cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n", None),
            ("cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n", Some("version 1")),
            ("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", Some("version 2")),
        ];
        for (mounts, wanted) in rows {
            assert_eq!(mounted_kind(mounts), wanted, "{mounts:?}");
        }
    }
}
