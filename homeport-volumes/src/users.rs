//! Owns the search for processes with another root directory that have a volume mounted, container or not.
//! Never ends or enters any of them.
//!
//! An engine's own list misses a container that mounts the parent directory, and a disk that was unmounted on the host
//! can live on in a container; both show in `/proc/PID/mountinfo`. Processes that share the host's root directory are
//! left out: a service with a private mount namespace sees every mount of the host and uses none of them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::facts::User;
use crate::mountinfo::{Location, MountTable};
use crate::path::Relation;

/// The processes below `proc` that have `volume` mounted and can write to it: one for each mount namespace and mount
/// point. `tolerated` processes and their namespaces are left out. Processes that end meanwhile are no error.
pub(crate) fn find(proc: &Path, own: &MountTable, volume: &Location, tolerated: &[u32]) -> Vec<User> {
    let Ok(proc_fd) = File::open(proc) else { return Vec::new() };
    let mut buffer = Vec::with_capacity(64);
    let mut namespace = |pid: &str| {
        let link = rustix::fs::readlinkat(&proc_fd, format!("{pid}/ns/mnt"), std::mem::take(&mut buffer)).ok()?;
        // `mnt:[4026531841]`: the digits are the namespace.
        let digits = link.to_str().ok()?.strip_prefix("mnt:[")?.strip_suffix(']')?.parse::<u64>().ok();
        buffer = link.into_bytes();
        digits
    };
    let mut seen: HashSet<u64> = tolerated.iter().filter_map(|pid| namespace(&pid.to_string())).collect();
    seen.extend(namespace("self"));
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut users = Vec::new();
    for pid in pids {
        let Some(namespace) = namespace(&pid.to_string()) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        let text = fs::read(proc.join(pid.to_string()).join("mountinfo")).unwrap_or_default();
        let Ok(table) = MountTable::parse(&of_interest(&text, volume)) else { continue };
        let command = fs::read_to_string(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
        let points = mounted_in(own, &table, volume).into_iter();
        users.extend(points.map(|mount_point| User { pid, command: command.trim_end().to_owned(), mount_point }));
    }
    users
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
