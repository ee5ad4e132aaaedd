//! Owns reaching every process that init is responsible for, services or not.
//! Never touches a process that is not init's: where init is not PID 1 only its descendants are meant.

use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};

/// Whether init is PID 1 of its namespace, or merely adopts the orphans among its descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every process of the namespace.
    Namespace,
    /// The descendants.
    Descendants,
}

impl Reach {
    /// How far this process reaches; makes it adopt orphans where it is not PID 1. [spec: ENT-38]
    pub(crate) fn of_this_process() -> Self {
        if getpid() == Pid::INIT {
            return Self::Namespace;
        }
        // A kernel that refuses leaves orphans to somebody else, who reaps them.
        let _ = rustix::process::set_child_subreaper(Some(getpid()));
        Self::Descendants
    }

    /// Sends the signals, one after the other, to every process but this one.
    pub(crate) fn signal(self, signals: &[Signal]) {
        match self {
            // To "the group of process 1" is how this call writes kill(-1): everybody but the caller.
            Self::Namespace => {
                for signal in signals {
                    let _ = kill_process_group(Pid::INIT, *signal);
                }
            }
            Self::Descendants => {
                for pid in descendants(getpid()) {
                    for signal in signals {
                        let _ = kill_process(pid, *signal);
                    }
                }
            }
        }
    }
}

/// Everybody whose chain of parents leads to `root`, as `/proc` has it right now.
fn descendants(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let pid = Pid::from_raw(name.to_str()?.parse().ok()?)?;
            let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parent(&stat)?))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(of) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(pid, parent)| *parent == of && *pid != root).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The fourth field of `/proc/PID/stat`; the second one is a name in parentheses that may hold anything.
fn parent(stat: &[u8]) -> Option<Pid> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let text = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    Pid::from_raw(text.split_ascii_whitespace().nth(1)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent(b"7 (a) b) (c) S 42 7 7"), Pid::from_raw(42));
        assert_eq!(parent(b"7 (a) S 0 7 7"), None);
        assert_eq!(parent(b"rubbish"), None);
    }

    #[test]
    fn a_child_and_its_child_are_descendants_and_nobody_else() {
        let mut child = std::process::Command::new("/bin/sh").args(["-c", "sleep 30 & wait"]).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut found = Vec::new();
        for _ in 0..500 {
            found = descendants(pid);
            if !found.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(found.len(), 1);
        assert!(descendants(getpid()).contains(&pid) && descendants(getpid()).contains(&found[0]));
        kill_process(found[0], Signal::KILL).unwrap();
        child.wait().unwrap();
    }
}
