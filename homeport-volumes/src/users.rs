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

use rustix::io::Errno;

use crate::examine::Machine;
use crate::facts::User;
use crate::mountinfo::{Location, MountTable};
use crate::path::Relation;

/// How often it is looked again at somebody who may be just starting, and after how long.
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
    unread: Unread,
}

/// Whose mounts a look could not read although they had not ended: it says nothing of them.
#[derive(Debug, Clone, Default)]
enum Unread {
    /// Nobody's.
    #[default]
    None,
    /// Those of the processes in these mount namespaces.
    Of(HashSet<u64>),
    /// Those of all: the processes could not be listed.
    All,
}

impl Unread {
    fn add(&mut self, namespace: u64) {
        match self {
            Self::None => *self = Self::Of(HashSet::from([namespace])),
            Self::Of(namespaces) => drop(namespaces.insert(namespace)),
            Self::All => {}
        }
    }

    fn has(&self, namespace: u64) -> bool {
        match self {
            Self::None => false,
            Self::Of(namespaces) => namespaces.contains(&namespace),
            Self::All => true,
        }
    }
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
        let mut found = Self { own: namespace(&proc, "self"), proc, seen: Vec::new(), unread: Unread::None };
        let mut known: HashSet<Seen> = found.own.map(|own| (own, root(&found.proc, "self"))).into_iter().collect();
        let Ok(entries) = fs::read_dir(&found.proc).and_then(Iterator::collect::<Result<Vec<_>, _>>) else {
            found.unread = Unread::All;
            return found;
        };
        for pid in entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            let Some(namespace) = namespace(&found.proc, &pid.to_string()) else { continue };
            let seen = (namespace, root(&found.proc, &pid.to_string()));
            if known.contains(&seen) {
                continue;
            }
            match fs::read(found.proc.join(pid.to_string()).join("mountinfo")) {
                // One that ended meanwhile stands for nobody: the next of its kind is looked at.
                Ok(mounts) if mounts.is_empty() => {}
                Ok(mounts) => {
                    known.insert(seen);
                    found.seen.push(Process { pid, namespace, mounts });
                }
                Err(error) if has_ended(&error) => {}
                Err(_) => found.unread.add(namespace),
            }
        }
        found
    }

    /// Those that have `volume` mounted and can write to it: one for each mount namespace and root directory. `tolerated`
    /// processes and their namespaces are left out.
    fn sightings(&self, own: &MountTable, volume: &Location, tolerated: &[u32]) -> Vec<Sighting> {
        let tolerated: Vec<u64> = tolerated.iter().filter_map(|pid| namespace(&self.proc, &pid.to_string())).collect();
        let host_root = root_location(own);
        let mut sightings = Vec::new();
        for process in self.seen.iter().filter(|process| !tolerated.contains(&process.namespace)) {
            let text = of_interest(&process.mounts, volume, host_root.as_ref());
            let Ok(table) = MountTable::parse(&text) else { continue };
            let points = mounted_in(own, &table, volume);
            if points.is_empty() {
                continue;
            }
            let Process { pid, namespace, .. } = *process;
            let command = fs::read_to_string(self.proc.join(pid.to_string()).join("comm")).unwrap_or_default();
            let command = command.trim_end().to_owned();
            let users =
                points.into_iter().map(|mount_point| User { pid, command: command.clone(), mount_point }).collect();
            let starting = host_root.is_some() && table.iter().any(|mount| Some(mount.location()) == host_root);
            let stage = if starting { Stage::Starting } else { Stage::Running };
            sightings.push(Sighting { namespace, stage, users });
        }
        sightings
    }
}

/// Somebody who has a volume mounted.
#[derive(Debug)]
struct Sighting {
    namespace: u64,
    stage: Stage,
    /// One for each mount point.
    users: Vec<User>,
}

/// How far somebody is who has a volume mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The host's own root is still among the mounts, as it is in a container that is being started: it has every mount of the
    /// host until it lets go of that root. A tool that watches the host has it for good.
    Starting,
    /// What is mounted is there to be used.
    Running,
}

/// Those that have `volume` mounted: whoever is seen with it at one look, in `first`, where somebody has looked already, or
/// anew. Only who seems to be a container that is being started is looked at again, and is a user who still has it at each
/// look, or has it without that sign at one. A look that fails says nothing against anybody.
pub(crate) fn lasting_users(
    machine: &Machine,
    first: Option<&Processes>,
    own: &MountTable,
    volume: &Location,
    tolerated: &[u32],
) -> Vec<User> {
    let seen = first.map_or_else(
        || Processes::of(machine).sightings(own, volume, tolerated),
        |first| first.sightings(own, volume, tolerated),
    );
    let is_running = |sighting: &Sighting| sighting.stage == Stage::Running;
    let (mut running, mut starting): (Vec<_>, Vec<_>) = seen.into_iter().partition(is_running);
    for _ in 0..MORE_LOOKS {
        if starting.is_empty() {
            break;
        }
        std::thread::sleep(BETWEEN_LOOKS);
        let now = Processes::of(machine);
        let seen = now.sightings(own, volume, tolerated);
        starting.retain(|one| now.unread.has(one.namespace) || seen.iter().any(|it| it.namespace == one.namespace));
        for sighting in seen.into_iter().filter(is_running) {
            starting.retain(|one| one.namespace != sighting.namespace);
            if running.iter().all(|one: &Sighting| one.namespace != sighting.namespace) {
                running.push(sighting);
            }
        }
    }
    running.into_iter().chain(starting).flat_map(|sighting| sighting.users).collect()
}

/// What the system says of a process that has ended, or is about to.
fn has_ended(error: &std::io::Error) -> bool {
    let ended = [Errno::NOENT, Errno::SRCH, Errno::INVAL].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| ended.contains(&code))
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

/// The lines of a mount table that can say anything about `volume` or the host's root: those of their devices, and those at
/// `/`.
fn of_interest(text: &[u8], volume: &Location, host_root: Option<&Location>) -> Vec<u8> {
    let devices: Vec<_> =
        [Some(volume), host_root].into_iter().flatten().map(|one| one.device.to_string().into_bytes()).collect();
    let mut kept = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let is_ours = fields.nth(2).is_some_and(|device| devices.iter().any(|one| one == device));
        if is_ours || fields.nth(1) == Some(b"/") {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// What is mounted at `/`.
fn root_location(table: &MountTable) -> Option<Location> {
    table.at(Path::new("/")).map(crate::mountinfo::Mount::location)
}

/// The processes below `proc` that work in `directory` or have something in it open, each once. This process is left out. A child
/// of it that is becoming another program has copies of all that this process has open until it is that: it is looked at again,
/// and is a user only if it stays so.
pub(crate) fn open_below(proc: &Path, directory: &Path) -> Vec<User> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut users = Vec::new();
    for pid in pids.filter(|pid| *pid != own) {
        let process = proc.join(pid.to_string());
        let mut found = opened(&process, directory);
        for _ in 0..MORE_LOOKS {
            if found.is_none() || !is_copy_of(own, &process) {
                break;
            }
            std::thread::sleep(BETWEEN_LOOKS);
            found = opened(&process, directory);
        }
        if let Some(mount_point) = found {
            let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
            users.push(User { pid, command: command.trim_end().to_owned(), mount_point });
        }
    }
    users
}

/// What the process has open in the directory, or works in.
fn opened(process: &Path, directory: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
    let mut links =
        ["cwd", "root", "exe"].map(|name| process.join(name)).into_iter().chain(files.map(|file| file.path()));
    links.find_map(|link| fs::read_link(link).ok().filter(|target| target.starts_with(directory)))
}

/// Whether the process is a child of this one, `own`, and the same program.
fn is_copy_of(own: u32, process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok());
    let program = |exe: &Path| fs::read_link(exe).ok();
    parent == Some(own) && program(&process.join("exe")) == program(Path::new("/proc/self/exe"))
}

/// Where `volume`, a part of it or a directory around it is mounted for writing in `table`, if that is the table of
/// another root directory than `own`. The whole root file system of the host is no sign: tools that watch a host
/// mount it.
fn mounted_in(own: &MountTable, table: &MountTable, volume: &Location) -> Vec<PathBuf> {
    let host_root = root_location(own);
    if root_location(table) == host_root {
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

    const CONTAINER: &str = "30 0 0:50 / / rw - overlay o rw\n";
    const HOSTS_ROOT: &str = "1 0 8:1 / / rw - ext4 a rw\n";
    const DISK: &str = "2 1 8:2 / /srv rw - ext4 b rw\n";

    /// One process, number 7, of a machine.
    struct One {
        dir: tempfile::TempDir,
        machine: Machine,
    }

    impl One {
        fn with(mounts: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let process = dir.path().join("proc/7");
            fs::create_dir_all(process.join("ns")).unwrap();
            std::os::unix::fs::symlink("mnt:[7]", process.join("ns/mnt")).unwrap();
            fs::write(process.join("comm"), "runc:[2:INIT]").unwrap();
            let machine = Machine { proc: dir.path().join("proc"), ..Machine::default() };
            let one = Self { dir, machine };
            one.has(mounts);
            one
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn has(&self, mounts: &[&str]) {
            fs::write(self.at("proc/7/mountinfo"), mounts.concat()).unwrap();
        }

        /// How many users `first` and later looks find.
        fn users(&self, first: Option<&Processes>) -> usize {
            let own = MountTable::parse(HOSTS_ROOT.as_bytes()).unwrap();
            let volume = Location { device: DeviceNumber { major: 8, minor: 2 }, inner: "/mail/data".into() };
            lasting_users(&self.machine, first, &own, &volume, &[]).len()
        }
    }

    #[test]
    fn who_has_a_volume_for_an_instant_only_is_no_user_of_it() {
        let one = One::with(&[HOSTS_ROOT, DISK, CONTAINER]);
        let first = Processes::of(&one.machine);
        assert_eq!(one.users(Some(&first)), 1, "it stays, as a tool that watches the host does");
        one.has(&[CONTAINER]);
        assert_eq!(one.users(Some(&first)), 0, "it has let go of the host");
        assert_eq!(one.users(None), 0);
        one.has(&[CONTAINER, DISK]);
        assert_eq!(one.users(Some(&first)), 1, "it was started with the volume");
        fs::rename(one.at("proc/7"), one.at("gone")).unwrap();
        assert_eq!(one.users(Some(&first)), 0, "it ended before it was started");
    }

    #[test]
    fn the_hosts_root_is_a_sign_wherever_it_is() {
        let aside = HOSTS_ROOT.replace("/ / rw", "/ /.pivot_root1 rw");
        let one = One::with(&[&aside, DISK, CONTAINER]);
        let first = Processes::of(&one.machine);
        one.has(&[CONTAINER]);
        assert_eq!(one.users(Some(&first)), 0);
    }

    /// It may be started again and again, and write to the volume each time.
    #[test]
    fn who_has_a_volume_without_the_hosts_root_is_a_user_at_once() {
        let one = One::with(&[CONTAINER, DISK]);
        let first = Processes::of(&one.machine);
        assert_eq!(one.users(None), 1);
        one.has(&[CONTAINER]);
        assert_eq!(one.users(Some(&first)), 1);
        fs::rename(one.at("proc/7"), one.at("gone")).unwrap();
        assert_eq!(one.users(Some(&first)), 1);
    }

    #[test]
    fn a_look_that_fails_says_nothing_against_anybody() {
        let one = One::with(&[HOSTS_ROOT, DISK, CONTAINER]);
        let first = Processes::of(&one.machine);
        fs::remove_file(one.at("proc/7/mountinfo")).unwrap();
        fs::create_dir(one.at("proc/7/mountinfo")).unwrap();
        assert_eq!(one.users(Some(&first)), 1, "its mounts cannot be read");
        fs::rename(one.at("proc"), one.at("aside")).unwrap();
        assert_eq!(one.users(Some(&first)), 1, "nobody can be listed");
    }

    /// A process that has a file of `mail` open, with this parent and program.
    fn with_a_letter(dir: &Path, pid: u32, parent: u32, program: &Path) -> PathBuf {
        let process = dir.join("proc").join(pid.to_string());
        fs::create_dir_all(process.join("fd")).unwrap();
        std::os::unix::fs::symlink(dir.join("mail/letter"), process.join("fd/3")).unwrap();
        std::os::unix::fs::symlink(program, process.join("exe")).unwrap();
        fs::write(process.join("status"), format!("Name:\tx\nPPid:\t{parent}\n")).unwrap();
        process
    }

    #[test]
    fn a_child_that_is_becoming_another_program_is_no_user_and_one_that_stays_is() {
        let dir = tempfile::tempdir().unwrap();
        let (own, program) = (std::process::id(), std::env::current_exe().unwrap());
        let users = || {
            let pids = open_below(&dir.path().join("proc"), &dir.path().join("mail")).into_iter().map(|user| user.pid);
            pids.collect::<Vec<_>>()
        };
        let becoming = with_a_letter(dir.path(), own + 1, own, &program);
        assert_eq!(users(), [own + 1], "it stays what it is");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(BETWEEN_LOOKS);
                fs::remove_dir_all(becoming.join("fd")).unwrap();
            });
            assert_eq!(users(), [0; 0]);
        });
        for (parent, program) in [(own + 2, program.as_path()), (own, Path::new("/usr/bin/vi"))] {
            let process = with_a_letter(dir.path(), own + 3, parent, program);
            assert_eq!(users(), [own + 3]);
            fs::remove_dir_all(process).unwrap();
        }
    }

    #[test]
    fn only_lines_that_can_matter_are_read() {
        let volume = Location { device: DeviceNumber { major: 8, minor: 1 }, inner: "/srv".into() };
        let text = b"1 0 0:50 / / rw - overlay o rw\n2 1 8:1 /srv /a rw - ext4 a rw\n3 1 8:11 / /b rw - ext4 b rw\n\
            4 1 0:5 / /proc rw - proc p rw\n5 1 18:1 / /c rw - ext4 c rw\n";
        let table = MountTable::parse(&of_interest(text, &volume, None)).unwrap();
        assert_eq!(table.iter().map(|mount| mount.id).collect::<Vec<_>>(), [1, 2]);
        let root = Location { device: DeviceNumber { major: 8, minor: 11 }, inner: "/".into() };
        let table = MountTable::parse(&of_interest(text, &volume, Some(&root))).unwrap();
        assert_eq!(table.iter().map(|mount| mount.id).collect::<Vec<_>>(), [1, 2, 3]);
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
