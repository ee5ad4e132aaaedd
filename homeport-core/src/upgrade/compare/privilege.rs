//! Owns the rules of what a port may do beyond an ordinary process.
//! Never grants anything.

use std::collections::BTreeMap;

use super::super::change::{Found, pairs};
use super::super::rule::declare_rules;
use crate::manifest::{Privileges, RootFs, Tmpfs};

declare_rules! {
    CAPABILITY_ADDED = "capability-added", Major,
        "the port asks for one more capability",
        "an operator who looked at what the port may do has not looked at this";
    CAPABILITY_REMOVED = "capability-removed", Patch,
        "the port does without a capability",
        "it can do less than the operator agreed to";
    DEVICE_ADDED = "device-added", Major,
        "the port asks for one more device",
        "a machine without the device cannot start it";
    DEVICE_REMOVED = "device-removed", Patch,
        "the port does without a device",
        "it can do less than the operator agreed to";
    SYSCTL_ADDED = "sysctl-added", Major,
        "the port asks for another kernel setting",
        "a kernel without the setting cannot start it";
    SYSCTL_REMOVED = "sysctl-removed", Patch,
        "the port does without a kernel setting",
        "it asks for less than the operator agreed to";
    ROOT_WRITABLE = "root-writable", Major,
        "the image's files can be written",
        "an intruder can change the port's programs until the next start";
    ROOT_READ_ONLY = "root-read-only", Patch,
        "the image's files are read-only",
        "it can do less than the operator agreed to";
    TMPFS_RAISED = "tmpfs-raised", Minor,
        "a file system in memory was added, or is larger",
        "a machine with just enough memory has not enough any more";
    TMPFS_LOWERED = "tmpfs-lowered", Patch,
        "a file system in memory was removed, is smaller or has another mode",
        "nothing in it outlives the container";
}

pub(super) fn compare(old: &Privileges, new: &Privileges, found: &mut Found) {
    let at = |field: &str| format!("/privileges/{field}");
    for added in new.capabilities.difference(&old.capabilities) {
        found.add(&CAPABILITY_ADDED, at("capabilities"), None, Some(added.clone()));
    }
    for gone in old.capabilities.difference(&new.capabilities) {
        found.add(&CAPABILITY_REMOVED, at("capabilities"), Some(gone.clone()), None);
    }
    for added in new.devices.iter().filter(|device| !old.devices.contains(device)) {
        found.add(&DEVICE_ADDED, at("devices"), None, Some(added.clone()));
    }
    for gone in old.devices.iter().filter(|device| !new.devices.contains(device)) {
        found.add(&DEVICE_REMOVED, at("devices"), Some(gone.clone()), None);
    }
    for (name, was, is) in pairs(&old.sysctls, &new.sysctls) {
        if was != is {
            let rule = if is.is_some() { &SYSCTL_ADDED } else { &SYSCTL_REMOVED };
            found.add(rule, at(&format!("sysctls/{name}")), was.cloned(), is.cloned());
        }
    }
    let is_read_only = |privileges: &Privileges| privileges.root == RootFs::ReadOnly;
    let root = if is_read_only(new) { &ROOT_READ_ONLY } else { &ROOT_WRITABLE };
    found.unequal(root, at("read_only_root"), &is_read_only(old), &is_read_only(new));
    let (was, is) = (by_path(&old.tmpfs), by_path(&new.tmpfs));
    for (_, was, is) in pairs(&was, &is) {
        if was != is {
            let size = |tmpfs: Option<&&Tmpfs>| tmpfs.map(|tmpfs| tmpfs.size);
            let rule = if size(is) > size(was) { &TMPFS_RAISED } else { &TMPFS_LOWERED };
            let shown = |tmpfs: &&Tmpfs| format!("{} of {} bytes, {}", tmpfs.path, tmpfs.size, tmpfs.mode);
            found.add(rule, at("tmpfs"), was.map(shown), is.map(shown));
        }
    }
}

fn by_path(tmpfs: &[Tmpfs]) -> BTreeMap<&str, &Tmpfs> {
    tmpfs.iter().map(|tmpfs| (tmpfs.path.as_str(), tmpfs)).collect()
}
