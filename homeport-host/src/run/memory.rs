//! Owns asking the kernel how often it has killed something in a container for want of memory.
//! The engine tells that only of a container that has ended; a port whose init lives on has to be asked about too.

use std::fs;
use std::path::{Path, PathBuf};

/// How many processes of the container, whose first process is `pid` here, the kernel has killed so far. 0 also where it
/// cannot be asked.
pub(super) fn kills(proc: &Path, pid: u32) -> u64 {
    let groups = fs::read_to_string(proc.join(pid.to_string()).join("cgroup")).unwrap_or_default();
    counter_file(&groups).and_then(|file| fs::read_to_string(file).ok()).map_or(0, |text| count(&text))
}

/// The file with the counter, by the lines of `/proc/PID/cgroup`.
fn counter_file(groups: &str) -> Option<PathBuf> {
    let mut found = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        if controllers.split(',').any(|controller| controller == "memory") {
            return Some(Path::new("/sys/fs/cgroup/memory").join(path).join("memory.oom_control"));
        }
        if controllers.is_empty() {
            found = Some(Path::new("/sys/fs/cgroup").join(path).join("memory.events"));
        }
    }
    found
}

fn count(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_in_both_versions_of_control_groups() {
        let first = "11:pids:/docker/abc\n4:cpu,memory:/docker/abc\n0::/x\n";
        assert_eq!(counter_file(first).unwrap(), Path::new("/sys/fs/cgroup/memory/docker/abc/memory.oom_control"));
        let second = "0::/system.slice/docker-abc.scope\n";
        assert_eq!(
            counter_file(second).unwrap(),
            Path::new("/sys/fs/cgroup/system.slice/docker-abc.scope/memory.events")
        );
        assert_eq!(counter_file("nonsense"), None);
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(count("low 0\nhigh 0\noom 4\noom_kill 2\n"), 2);
        assert_eq!(count(""), 0);
    }
}
