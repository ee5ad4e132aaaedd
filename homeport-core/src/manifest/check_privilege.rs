//! Owns the rules of what a port may do beyond an ordinary process, and of where its volumes and memory file systems
//! stand. Never grants anything: the host's engine does.

use std::collections::{BTreeMap, BTreeSet};

use super::check::mode;
use super::read::Pointer;
use super::shape::{Findings, HOMEPORTS_PLACES, is_within};
use super::value::{Privileges, RootFs, Tmpfs, Volume};
use super::wire;
use crate::name::VolumeName;
use crate::unit::{Bytes, Mode};

/// Capabilities that every init gets: it has to start services as other users and to stop them. [spec: MAN-22]
const INIT_CAPABILITIES: [&str; 3] = ["SETUID", "SETGID", "KILL"];
/// Capabilities that no port gets: each reaches past the container. [spec: MAN-22]
const REFUSED_CAPABILITIES: [&str; 19] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "BLOCK_SUSPEND",
    "BPF",
    "DAC_READ_SEARCH",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];
/// Capabilities that a port can declare, beside those that every init gets.
const KNOWN_CAPABILITIES: [&str; 19] = [
    "AUDIT_WRITE",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETPCAP",
    "SYS_CHROOT",
    "SYS_NICE",
];
/// Devices that a port can ask for; `*` stands for letters and digits. [spec: MAN-30]
const ALLOWED_DEVICES: [&str; 8] = [
    "/dev/fuse",
    "/dev/kvm",
    "/dev/net/tun",
    "/dev/dri/*",
    "/dev/snd/*",
    "/dev/ttyACM*",
    "/dev/ttyUSB*",
    "/dev/video*",
];
/// Kernel settings that the kernel keeps apart for each container. [spec: MAN-31]
const ALLOWED_SYSCTLS: [&str; 4] = ["net.", "fs.mqueue.", "kernel.msg", "kernel.shm"];

/// Checks what the port asks for. [spec: MAN-22]
pub(super) fn privileges(wire: Option<wire::Privileges>, at: &Pointer, f: &mut Findings) -> Privileges {
    let mut capabilities: BTreeSet<String> = INIT_CAPABILITIES.iter().map(|cap| (*cap).to_owned()).collect();
    let Some(wire) = wire else {
        return Privileges {
            capabilities,
            root: RootFs::ReadOnly,
            tmpfs: vec![],
            devices: vec![],
            sysctls: BTreeMap::new(),
        };
    };
    for (n, capability) in wire.capabilities.into_iter().enumerate() {
        let at = at.child("capabilities").child(&n.to_string());
        if REFUSED_CAPABILITIES.contains(&capability.as_str()) {
            let message = format!("`{capability}` reaches past the container");
            f.add("HP-MAN-041", "MAN-22", &at, message).set_expected("a port that does without it");
        } else if !KNOWN_CAPABILITIES.contains(&capability.as_str()) && !capabilities.contains(&capability) {
            let fault = f.add("HP-MAN-042", "MAN-22", &at, format!("`{}` is not a capability", at.text()));
            fault.set_actual(format!("`{}`", crate::text::clip(&capability, 40)));
            fault.set_expected("a Linux capability in capitals, without `CAP_`");
        } else {
            capabilities.insert(capability);
        }
    }
    let mut tmpfs = Vec::new();
    for (n, wire) in wire.tmpfs.into_iter().enumerate() {
        let at = at.child("tmpfs").child(&n.to_string());
        f.container_path(&wire.path, &at.child("path"));
        let text = wire.mode.unwrap_or_else(|| "0755".to_owned());
        let mode = if text == "1777" { Some(Mode::new(0o1777)) } else { mode(&text, &at.child("mode"), f) };
        if let Some(mode) = mode {
            tmpfs.push(Tmpfs { path: wire.path, size: Bytes::new(wire.size_bytes), mode });
        }
    }
    for (n, device) in wire.devices.iter().enumerate() {
        if !is_allowed_device(device) {
            let at = at.child("devices").child(&n.to_string());
            let fault =
                f.add("HP-MAN-046", "MAN-30", &at, format!("`{}` is not a device that a port can have", at.text()));
            fault.set_actual(format!("`{}`", crate::text::clip(device, 60)));
            fault.set_expected(format!("one of {}", ALLOWED_DEVICES.join(", ")));
        }
    }
    for name in wire.sysctls.keys() {
        if !is_allowed_sysctl(name) {
            let at = at.child("sysctls").child(name);
            f.add("HP-MAN-047", "MAN-31", &at, format!("`{}` is not a setting of the container alone", at.text()))
                .set_expected(format!("a name that starts with {}, or `kernel.sem`", ALLOWED_SYSCTLS.join(", ")));
        }
    }
    let root = if wire.read_only_root == Some(false) { RootFs::Writable } else { RootFs::ReadOnly };
    Privileges { capabilities, root, tmpfs, devices: wire.devices, sysctls: wire.sysctls }
}

/// No two volumes or memory file systems may stand in one another's place. [spec: VOL-4]
pub(super) fn places(volumes: &BTreeMap<VolumeName, Volume>, tmpfs: &[Tmpfs], at: &Pointer, f: &mut Findings) {
    let mut taken: Vec<(Pointer, &str)> = Vec::new();
    for (name, volume) in volumes {
        let at = at.child("volumes").child(name.as_str());
        if let Some(place) =
            HOMEPORTS_PLACES.iter().find(|place| **place != volume.path && is_within(place, &volume.path))
        {
            let message = format!("`{}` is not a place that a volume can have", at.child("path").text());
            let fault = f.add("HP-MAN-013", "MAN-46", &at.child("path"), message);
            fault.set_actual(format!("`{}`", volume.path));
            fault.set_expected(format!("a path that does not hold `{place}`"));
        }
        taken.push((at, &volume.path));
    }
    for (n, (at, path)) in taken.iter().enumerate() {
        for (other_at, other) in &taken[..n] {
            if is_within(path, other) || is_within(other, path) {
                let message = format!("`{}` and `{}` stand in one another's place", at.text(), other_at.text());
                f.add("HP-MAN-043", "VOL-4", at, message).set_actual(format!("`{path}` and `{other}`"));
            }
        }
        for mount in tmpfs {
            if is_within(&mount.path, path) || is_within(path, &mount.path) {
                let message = format!("`{}` and a file system in memory stand in one another's place", at.text());
                let fault = f.add("HP-MAN-044", "VOL-4", at, message);
                fault.set_actual(format!("`{path}` and `{}`", mount.path));
            }
        }
    }
    for (n, mount) in tmpfs.iter().enumerate() {
        if tmpfs[..n].iter().any(|other| other.path == mount.path) {
            let at = at.child("privileges").child("tmpfs").child(&n.to_string());
            let message = format!("`{}` stands in another one's place", at.text());
            f.add("HP-MAN-043", "MAN-23", &at, message).set_actual(format!("`{}`", mount.path));
        }
    }
}

/// A name with something behind the prefix, or the whole of an entry without `*`.
fn is_allowed_device(path: &str) -> bool {
    ALLOWED_DEVICES.iter().any(|allowed| match allowed.strip_suffix('*') {
        Some(prefix) => path
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric())),
        None => path == *allowed,
    })
}

fn is_allowed_sysctl(name: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    name.len() <= 100
        && name.split('.').all(plain)
        && (name == "kernel.sem" || ALLOWED_SYSCTLS.iter().any(|prefix| name.starts_with(prefix)))
}
