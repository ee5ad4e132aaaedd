//! Owns the search for processes with another root directory that have a volume mounted, container or not.
//! Never ends or enters any of them.
//!
//! An engine's own list misses a container that mounts the parent directory, and a disk that was unmounted on the host
//! can live on in a container; both show in `/proc/PID/mountinfo`. Processes that share the host's root directory are
//! left out: a service with a private mount namespace sees every mount of the host and uses none of them.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::examine::Machine;
use crate::facts::User;
use crate::mountinfo::{Location, MountTable};
use crate::path::Relation;

/// How often it is looked again at somebody who seems to use a volume, and after how long.
const MORE_LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The mounts of all processes at one moment: one process of each mount namespace and root directory stands for all of them.
///
/// Going through all processes takes longer than everything else that a check does, so that whoever checks several
/// volumes does it once. It must be done after whatever was to end has ended.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    proc: PathBuf,
    own: Option<u64>,
    seen: Vec<Process>,
}

#[derive(Debug, Clone)]
struct Process {
    pid: u32,
    namespace: u64,
    /// Its table of mounts, as the kernel writes it.
    mounts: Vec<u8>,
}

impl Processes {
    /// Goes through the processes of this machine. Those that end meanwhile are no error.
    pub fn of(machine: &Machine) -> Self {
        let proc = machine.proc.clone();
        let mut found = Self { own: namespace(&proc, "self"), proc, seen: Vec::new() };
        let mut known: HashSet<Seen> = found.own.map(|own| (own, root(&found.proc, "self"))).into_iter().collect();
        let Ok(entries) = fs::read_dir(&found.proc) else { return found };
        for pid in entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()) {
            let Some(namespace) = namespace(&found.proc, &pid.to_string()) else { continue };
            let seen = (namespace, root(&found.proc, &pid.to_string()));
            if known.contains(&seen) {
                continue;
            }
            let mounts = fs::read(found.proc.join(pid.to_string()).join("mountinfo")).unwrap_or_default();
            // One that ended meanwhile stands for nobody: the next of its kind is looked at.
            if !mounts.is_empty() {
                known.insert(seen);
                found.seen.push(Process { pid, namespace, mounts });
            }
        }
        found
    }

    /// Those that have `volume` mounted and can write to it: one for each mount namespace and mount point. `tolerated`
    /// processes and their namespaces are left out.
    pub(crate) fn users_of(&self, own: &MountTable, volume: &Location, tolerated: &[u32]) -> Vec<User> {
        let tolerated: Vec<u64> = tolerated.iter().filter_map(|pid| namespace(&self.proc, &pid.to_string())).collect();
        let mut users = Vec::new();
        for process in self.seen.iter().filter(|process| !tolerated.contains(&process.namespace)) {
            let Ok(table) = MountTable::parse(&of_interest(&process.mounts, volume)) else { continue };
            let points = mounted_in(own, &table, volume);
            if points.is_empty() {
                continue;
            }
            let pid = process.pid;
            let command = fs::read_to_string(self.proc.join(pid.to_string()).join("comm")).unwrap_or_default();
            let command = command.trim_end().to_owned();
            users.extend(points.into_iter().map(|mount_point| User { pid, command: command.clone(), mount_point }));
        }
        users
    }
}

/// Those that have `volume` mounted, at one look after the other: `first`, where somebody has looked already, and then
/// anew. A container that is being started has every mount of the host for an instant, whosever it is; who uses a volume
/// has it for longer than that.
pub(crate) fn lasting_users(
    machine: &Machine,
    first: Option<&Processes>,
    own: &MountTable,
    volume: &Location,
    tolerated: &[u32],
) -> Vec<User> {
    let of_now = |processes: &Processes| processes.users_of(own, volume, tolerated);
    let mut users = first.map_or_else(|| of_now(&Processes::of(machine)), of_now);
    for _ in 0..MORE_LOOKS {
        if users.is_empty() {
            break;
        }
        std::thread::sleep(BETWEEN_LOOKS);
        users = of_now(&Processes::of(machine));
    }
    users
}

/// A mount namespace and the root directory in it, by device and inode: a process sees mounts below its root only.
type Seen = (u64, Option<(u64, u64)>);

/// Device and inode of the process's root directory; `None` if that cannot be asked.
fn root(proc: &Path, pid: &str) -> Option<(u64, u64)> {
    let root = fs::metadata(proc.join(pid).join("root")).ok()?;
    Some((root.dev(), root.ino()))
}

/// The number of the process's mount namespace: its link reads `mnt:[4026531841]`.
fn namespace(proc: &Path, pid: &str) -> Option<u64> {
    let link = fs::read_link(proc.join(pid).join("ns/mnt")).ok()?;
    link.to_str()?.strip_prefix("mnt:[")?.strip_suffix(']')?.parse().ok()
}

/// The lines of a mount table that can say anything about `volume`: those of its device, and those at `/`.
fn of_interest(text: &[u8], volume: &Location) -> Vec<u8> {
    let device = volume.device.to_string().into_bytes();
    let mut kept = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let is_ours = fields.nth(2) == Some(&device[..]);
        if is_ours || fields.nth(1) == Some(b"/") {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// The processes below `proc` that work in `directory` or have something in it open, each once. This process is left out.
pub(crate) fn open_below(proc: &Path, directory: &Path) -> Vec<User> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut users = Vec::new();
    for pid in pids.filter(|pid| *pid != own) {
        let process = proc.join(pid.to_string());
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
        let mut links =
            ["cwd", "root", "exe"].map(|name| process.join(name)).into_iter().chain(files.map(|file| file.path()));
        let inside = |link: PathBuf| fs::read_link(link).ok().filter(|target| target.starts_with(directory));
        if let Some(mount_point) = links.find_map(inside) {
            let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
            users.push(User { pid, command: command.trim_end().to_owned(), mount_point });
        }
    }
    users
}

/// Where `volume`, a part of it or a directory around it is mounted for writing in `table`, if that is the table of
/// another root directory than `own`. The whole root file system of the host is no sign: tools that watch a host
/// mount it.
fn mounted_in(own: &MountTable, table: &MountTable, volume: &Location) -> Vec<PathBuf> {
    let root_of = |table: &MountTable| table.at(Path::new("/")).map(crate::mountinfo::Mount::location);
    let host_root = root_of(own);
    if root_of(table) == host_root {
        return Vec::new();
    }
    let hit = |location: &Location| match location.relation(volume) {
        Relation::Separate => false,
        Relation::Same | Relation::Inside => true,
        Relation::Around => Some(location) != host_root.as_ref(),
    };
    table.iter().filter(|m| !m.is_read_only() && hit(&m.location())).map(|m| m.point.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mountinfo::DeviceNumber;

    /// What a process that ends while it is looked at, or one in a directory of its own, must not hide.
    #[test]
    fn one_process_of_each_namespace_and_root_that_has_a_table_stands_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let table = "1 0 0:50 / / rw - overlay o rw\n2 1 8:1 /srv /data rw - ext4 a rw\n";
        for name in ["host", "jail"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let rows = [
            ("self", 1, "host", table),
            ("2", 1, "host", table),
            ("3", 1, "jail", table),
            ("4", 1, "jail", table),
            ("5", 2, "host", ""),
            ("6", 2, "host", table),
            ("7", 2, "host", table),
            ("8", 3, "host", ""),
        ];
        for (pid, namespace, root, mounts) in rows {
            let process = dir.path().join("proc").join(pid);
            fs::create_dir_all(process.join("ns")).unwrap();
            std::os::unix::fs::symlink(format!("mnt:[{namespace}]"), process.join("ns/mnt")).unwrap();
            std::os::unix::fs::symlink(dir.path().join(root), process.join("root")).unwrap();
            fs::write(process.join("mountinfo"), mounts).unwrap();
        }
        let machine = Machine { proc: dir.path().join("proc"), ..Machine::default() };
        let found = Processes::of(&machine);
        let mut seen: Vec<_> = found.seen.iter().map(|process| (process.namespace, process.pid)).collect();
        seen.sort_unstable();
        assert!(matches!(seen[..], [(1, 3 | 4), (2, 6 | 7)]), "{seen:?}");
    }

    #[test]
    fn who_has_a_volume_for_an_instant_only_is_no_user_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let container = "1 0 0:50 / / rw - overlay o rw\n";
        let starting = format!("{container}2 1 8:2 / /srv rw - ext4 b rw\n");
        let process = dir.path().join("proc/7");
        fs::create_dir_all(process.join("ns")).unwrap();
        std::os::unix::fs::symlink("mnt:[7]", process.join("ns/mnt")).unwrap();
        fs::write(process.join("comm"), "runc:[2:INIT]").unwrap();
        let mounts = process.join("mountinfo");
        let machine = Machine { proc: dir.path().join("proc"), ..Machine::default() };
        let own = MountTable::parse(b"1 0 8:1 / / rw - ext4 a rw\n").unwrap();
        let volume = Location { device: DeviceNumber { major: 8, minor: 2 }, inner: "/mail/data".into() };
        let users = |first: Option<&Processes>| lasting_users(&machine, first, &own, &volume, &[]);
        fs::write(&mounts, &starting).unwrap();
        let first = Processes::of(&machine);
        assert_eq!(first.users_of(&own, &volume, &[]).len(), 1);
        assert_eq!(users(Some(&first)).len(), 1, "it stays");
        fs::write(&mounts, container).unwrap();
        assert_eq!(users(Some(&first)), [], "it has let go");
        assert_eq!(users(None), []);
    }

    #[test]
    fn only_lines_that_can_matter_are_read() {
        let volume = Location { device: DeviceNumber { major: 8, minor: 1 }, inner: "/srv".into() };
        let text = b"1 0 0:50 / / rw - overlay o rw\n2 1 8:1 /srv /a rw - ext4 a rw\n3 1 8:11 / /b rw - ext4 b rw\n\
            4 1 0:5 / /proc rw - proc p rw\n5 1 18:1 / /c rw - ext4 c rw\n";
        let table = MountTable::parse(&of_interest(text, &volume)).unwrap();
        assert_eq!(table.iter().map(|mount| mount.id).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn only_writable_mounts_of_another_root_that_overlap_are_users() {
        let table = |text: &str| MountTable::parse(text.as_bytes()).unwrap();
        let own = table("1 0 8:1 / / rw - ext4 a rw\n");
        let volume = Location { device: DeviceNumber { major: 8, minor: 1 }, inner: "/srv/mail/data".into() };
        let container = "1 0 0:50 / / rw - overlay o rw\n";
        for (line, used) in [
            ("2 1 8:1 /srv/mail/data /data rw - ext4 a rw\n", true),
            ("2 1 8:1 /srv/mail/data/cur /data rw - ext4 a rw\n", true),
            ("2 1 8:1 /srv /host rw - ext4 a rw\n", true),
            ("2 1 8:1 / /host rw - ext4 a rw\n", false),
            ("2 1 8:1 /srv/mail/data /data ro - ext4 a rw\n", false),
            ("2 1 8:1 /srv/mail2 /data rw - ext4 a rw\n", false),
            ("2 1 8:2 /srv/mail/data /data rw - ext4 b rw\n", false),
        ] {
            assert_eq!(!mounted_in(&own, &table(&format!("{container}{line}")), &volume).is_empty(), used, "{line}");
        }
        let service = table("1 0 8:1 / / rw - ext4 a rw\n2 1 8:1 /srv/mail/data /run/mnt/x rw - ext4 a rw\n");
        assert!(mounted_in(&own, &service, &volume).is_empty());
    }
}
