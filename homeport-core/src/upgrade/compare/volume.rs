//! Owns the rules of volumes: which there are, whose they are and what losing one would mean.
//! Never looks at formats and migrations: that is `migration`'s.

use super::super::change::{Found, pairs};
use super::super::rule::declare_rules;
use super::port;
use crate::manifest::{Access, Backup, Class, Manifest, Volume, Writes};

declare_rules! {
    ADDED = "volume-added", Minor,
        "a volume was added",
        "the host makes one more directory";
    REMOVED = "volume-removed", Major,
        "a volume is not used any more; its data stays",
        "what a person put there is not served any more";
    PATH_CHANGED = "volume-path-changed", Major,
        "a volume stands at another place in the container",
        "a link in the volume that names the old path leads nowhere";
    CLASS_LOWERED = "volume-class-lowered", Forbidden as "HP-UPG-015",
        "a volume of data is said to be less",
        "what a person keeps there is left out of snapshots and may be deleted";
    SCRATCH = "volume-scratch", Major,
        "a cache became scratch",
        "what took hours to make is gone with each stop";
    CLASS_RAISED = "volume-class-raised", Minor,
        "losing a volume means more than before",
        "snapshots and purges keep what they did not";
    ACCESS_EXCLUSIVE = "volume-exclusive", Major,
        "two versions can no longer hold a volume at once",
        "an upgrade that nobody noticed has a pause now";
    ACCESS_SHARED = "volume-shared", Minor,
        "two versions can hold a volume at once",
        "upgrades overlap where they did not";
    WRITES_ALWAYS = "volume-writes-always", Minor,
        "a volume is written to also when the port is ready",
        "an upgrade that migrates it makes clients wait, where both versions could run at once";
    WRITES_AT_START = "volume-writes-at-start", Patch,
        "a volume is not written to any more once the port is ready",
        "whoever relied on what was written can do so still";
    OWNER_CHANGED = "volume-owner-changed", Major,
        "a volume belongs to another user or group",
        "files that were written before cannot be read by the port";
    MODE_CHANGED = "volume-mode-changed", Major,
        "a volume's directory has another mode",
        "a program that read the volume on the host is locked out, or one that was locked out reads it";
    SPACE_RAISED = "volume-space-raised", Minor,
        "more free space is needed to start",
        "a disk that was nearly full is not enough any more";
    SPACE_LOWERED = "volume-space-lowered", Patch,
        "less free space is needed to start",
        "whoever had enough before has enough now";
    BACKUP_WEAKENED = "volume-backup-weakened", Major,
        "a volume is part of fewer snapshots",
        "a restore does not bring back what it did before";
    BACKUP_STRENGTHENED = "volume-backup-strengthened", Minor,
        "a volume is part of more snapshots",
        "snapshots take more room";
}

pub(super) fn compare(old: &Manifest, new: &Manifest, found: &mut Found) {
    for (name, was, is) in pairs(&old.volumes, &new.volumes) {
        let at = format!("/volumes/{name}");
        match (was, is) {
            (Some(was), Some(is)) => both(&at, was, is, found),
            (Some(_), None) => found.added(&REMOVED, at),
            (None, Some(_)) => found.added(&ADDED, at),
            (None, None) => {}
        }
    }
}

fn both(at: &str, was: &Volume, is: &Volume, found: &mut Found) {
    found.unequal(&PATH_CHANGED, format!("{at}/path"), &was.path, &is.path);
    class(&format!("{at}/class"), was.class, is.class, found);
    let access = match (was.access, is.access) {
        (Access::Shared, Access::Exclusive) => Some(&ACCESS_EXCLUSIVE),
        (Access::Exclusive, Access::Shared) => Some(&ACCESS_SHARED),
        _ => None,
    };
    if let Some(rule) = access {
        found.add(rule, format!("{at}/access"), Some(was.access.word().into()), Some(is.access.word().into()));
    }
    let writes = match (was.writes, is.writes) {
        (Writes::Start, Writes::Always) => Some(&WRITES_ALWAYS),
        (Writes::Always, Writes::Start) => Some(&WRITES_AT_START),
        _ => None,
    };
    if let Some(rule) = writes {
        found.add(rule, format!("{at}/writes"), Some(was.writes.word().into()), Some(is.writes.word().into()));
    }
    found.unequal(&OWNER_CHANGED, format!("{at}/uid"), &was.uid, &is.uid);
    found.unequal(&OWNER_CHANGED, format!("{at}/gid"), &was.gid, &is.gid);
    found.unequal(&MODE_CHANGED, format!("{at}/mode"), &was.mode, &is.mode);
    let space = (&SPACE_LOWERED, &SPACE_RAISED);
    found.moved(space, format!("{at}/min_free_bytes"), Some(&was.min_free_bytes), Some(&is.min_free_bytes));
    found.moved(space, format!("{at}/min_free_inodes"), Some(&was.min_free_inodes), Some(&is.min_free_inodes));
    backup(&format!("{at}/backup"), was.backup, is.backup, found);
    port::text(format!("{at}/summary"), &was.summary, &is.summary, found);
}

fn class(at: &str, was: Class, is: Class, found: &mut Found) {
    let rule = match (was, is) {
        (Class::Data, Class::Cache | Class::Scratch) => &CLASS_LOWERED,
        (Class::Cache, Class::Scratch) => &SCRATCH,
        (Class::Cache | Class::Scratch, Class::Data) | (Class::Scratch, Class::Cache) => &CLASS_RAISED,
        (Class::Data, Class::Data) | (Class::Cache, Class::Cache) | (Class::Scratch, Class::Scratch) => return,
    };
    found.add(rule, at, Some(was.word().into()), Some(is.word().into()));
}

fn backup(at: &str, was: Backup, is: Backup, found: &mut Found) {
    let rank = |backup: Backup| match backup {
        Backup::Never => 0,
        Backup::Optional => 1,
        Backup::Required => 2,
    };
    let rule = if rank(is) < rank(was) { &BACKUP_WEAKENED } else { &BACKUP_STRENGTHENED };
    if was != is {
        found.add(rule, at, Some(was.word().into()), Some(is.word().into()));
    }
}
