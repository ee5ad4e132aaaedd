//! Owns the identity of a file system: is this the disk that the volume was made on?
//! Never decides what follows from the answer.
//!
//! Measured on loop devices: `FS_IOC_GETFSUUID` (Linux 6.9) gives the UUID of ext4, and `statfs` an `f_fsid` that ext4
//! and btrfs derive from their UUID on every kernel, so that both survive a reboot and another device number. Elsewhere
//! `f_fsid` is made from the device number (XFS) or from chance (tmpfs) and says nothing about the next boot; it is not
//! recorded there. `/dev/disk/by-uuid` is udev's and missing where no udev runs, and the device number names the slot
//! and not the disk.

use std::fmt;
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

/// What is known about a file system that stays the same for its whole life. [spec: VOL-32]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsIdentity {
    /// The type as the mount table names it, for example `ext4`.
    pub kind: String,
    /// The UUID, where the kernel can say it.
    pub uuid: Option<uuid::Uuid>,
    /// The 16 hexadecimal digits of `f_fsid`, on file systems that derive it from what is on the disk.
    pub fsid: Option<String>,
}

/// What stands behind a file system. [spec: VOL-33, VOL-37]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsClass {
    /// The kernel keeps it on a disk, or lets it look so.
    Disk,
    /// It is gone after a reboot, or with the container or system that it was laid over.
    Memory,
    /// Another machine has it.
    Network,
    /// A program of this machine makes it up (FUSE).
    Program,
}

/// What comparing two identities shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// The same file system.
    Same,
    /// Another file system.
    Different,
    /// Of the same type, and nothing that both say can tell them apart.
    Unknown,
}

impl FsIdentity {
    /// Compares by the strongest thing that both sides know, so that a newer kernel does not make a disk look foreign.
    pub fn compare(&self, other: &Self) -> Sameness {
        let verdict = |same: bool| if same { Sameness::Same } else { Sameness::Different };
        match (&self.uuid, &other.uuid, &self.fsid, &other.fsid) {
            (Some(one), Some(two), ..) => verdict(one == two),
            (_, _, Some(one), Some(two)) => verdict(one == two),
            _ if self.kind != other.kind => Sameness::Different,
            _ => Sameness::Unknown,
        }
    }

    /// What stands behind it, by its type. A type that is not known counts as a disk: the probe and the locks show
    /// what it cannot do.
    pub fn class(&self) -> FsClass {
        match self.kind.as_str() {
            "tmpfs" | "ramfs" | "devtmpfs" | "overlay" | "aufs" | "squashfs" => FsClass::Memory,
            "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "ncpfs" | "afs" | "9p" | "ceph" | "coda" | "lustre"
            | "gpfs" | "beegfs" | "gfs2" | "ocfs2" | "orangefs" | "virtiofs" | "vboxsf" | "prl_fs" | "vmhgfs" => {
                FsClass::Network
            }
            "fuse" | "fuseblk" => FsClass::Program,
            kind if kind.starts_with("fuse.") => FsClass::Program,
            _ => FsClass::Disk,
        }
    }

    /// Whether what is written there is gone after a reboot, or with what it was laid over.
    pub fn is_volatile(&self) -> bool {
        self.class() == FsClass::Memory
    }

    /// The identity of the file system of type `kind` that `directory` is on; `directory` is open for reading.
    pub(crate) fn read(kind: &str, directory: impl AsFd) -> Self {
        let volatile = matches!(kind, "tmpfs" | "ramfs" | "devtmpfs");
        let uuid = if volatile { None } else { superblock_uuid(directory.as_fd()) };
        let derived = matches!(kind, "ext2" | "ext3" | "ext4" | "btrfs");
        let fsid = rustix::fs::fstatvfs(directory).ok().map(|stat| stat.f_fsid).filter(|id| derived && *id != 0);
        Self { kind: kind.to_owned(), uuid, fsid: fsid.map(|id| format!("{id:016x}")) }
    }
}

impl fmt::Display for FsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        match (&self.uuid, &self.fsid) {
            (Some(uuid), _) => write!(f, " {uuid}"),
            (None, Some(fsid)) => write!(f, " {fsid}"),
            (None, None) => f.write_str(" without an identity"),
        }
    }
}

/// The answer of `FS_IOC_GETFSUUID`: `struct fsuuid2 { __u8 len; __u8 uuid[16]; }`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FsUuid2 {
    len: u8,
    uuid: [u8; 16],
}

const FS_IOC_GETFSUUID: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<FsUuid2>(0x15, 0);

#[expect(unsafe_code, reason = "rustix has no call for this ioctl, and nothing else tells two XFS disks apart")]
fn superblock_uuid(directory: impl AsFd) -> Option<uuid::Uuid> {
    // SAFETY: the opcode is `_IOR(0x15, 0, struct fsuuid2)`, so the kernel writes at most one `FsUuid2`, any bytes of
    // which are a value of that type; kernels and file systems without it return an error and write nothing.
    let answer =
        unsafe { rustix::ioctl::ioctl(directory, rustix::ioctl::Getter::<FS_IOC_GETFSUUID, FsUuid2>::new()).ok()? };
    let uuid = uuid::Uuid::from_bytes(answer.uuid);
    (answer.len == 16 && !uuid.is_nil()).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(kind: &str, uuid: Option<u128>, fsid: Option<&str>) -> FsIdentity {
        FsIdentity { kind: kind.into(), uuid: uuid.map(uuid::Uuid::from_u128), fsid: fsid.map(Into::into) }
    }

    #[test]
    fn the_strongest_common_evidence_decides() {
        for (one, other, wanted) in [
            (identity("ext4", Some(1), Some("a")), identity("ext4", Some(1), Some("b")), Sameness::Same),
            (identity("ext4", Some(1), Some("a")), identity("ext4", Some(2), Some("a")), Sameness::Different),
            (identity("ext4", None, Some("a")), identity("ext4", Some(2), Some("a")), Sameness::Same),
            (identity("ext3", None, Some("a")), identity("ext4", None, Some("b")), Sameness::Different),
            (identity("xfs", None, None), identity("ext4", None, None), Sameness::Different),
            (identity("xfs", None, None), identity("xfs", Some(1), None), Sameness::Unknown),
        ] {
            assert_eq!(one.compare(&other), wanted, "{one} {other}");
            assert_eq!(other.compare(&one), wanted, "{other} {one}");
        }
    }

    #[test]
    fn what_stands_behind_a_type_is_told_by_its_name() {
        for (kind, class) in [
            ("ext4", FsClass::Disk),
            ("xfs", FsClass::Disk),
            ("zfs", FsClass::Disk),
            ("tmpfs", FsClass::Memory),
            ("overlay", FsClass::Memory),
            ("nfs4", FsClass::Network),
            ("9p", FsClass::Network),
            ("fuse", FsClass::Program),
            ("fuse.sshfs", FsClass::Program),
            ("fusectl", FsClass::Disk),
        ] {
            assert_eq!(identity(kind, None, None).class(), class, "{kind}");
        }
    }

    #[test]
    fn the_opcode_is_the_kernels() {
        assert_eq!(FS_IOC_GETFSUUID, 0x8011_1500);
    }
}
