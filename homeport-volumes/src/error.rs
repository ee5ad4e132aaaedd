//! Owns what can go wrong beyond a check's faults: a system call that failed, and a volume that changed under the hand.
//! Never wraps a cause's text into its own.

use std::path::PathBuf;

use homeport_core::fault::{Advice, Fault};

use crate::mountinfo::MountTableError;
use crate::path::VolumePath;
use crate::tree::TreeFault;

/// A failed operation on a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The checks found faults; nothing was changed.
    #[error("the volume is not safe to use: {}", summary(.0))]
    Refused(Vec<Fault>),
    /// The operating system refused a step.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, for example `write the marker of`.
        action: &'static str,
        /// The volume, or what it was tried on.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The kernel's table of mounts is not understood.
    #[error("cannot read the table of mounts")]
    Mounts(#[source] MountTableError),
    /// What was checked is not there any more, or is not what it was.
    #[error("`{path}` changed while it was being checked: {what}")]
    Changed {
        /// The volume, or the place of its mount.
        path: VolumePath,
        /// What is different, in words.
        what: String,
    },
    /// Something in a tree cannot be looked at.
    #[error("the tree cannot be counted")]
    Tree(#[source] TreeFault),
    /// Another process operates on the volume.
    #[error("the volume `{path}` is locked by another process")]
    Locked {
        /// The volume.
        path: VolumePath,
    },
}

impl VolumeError {
    /// Makes the error of a failed step; for `map_err`.
    pub(crate) fn io<E: Into<std::io::Error>>(action: &'static str, path: &VolumePath) -> impl FnOnce(E) -> Self {
        let path = path.as_path().to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl Advice for VolumeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(faults) => faults.first().map_or("HP-VOL-000", |fault| fault.code),
            Self::Io { .. } => "HP-VOL-020",
            Self::Mounts(_) => "HP-VOL-021",
            Self::Changed { .. } => "HP-VOL-022",
            Self::Tree(_) => "HP-VOL-023",
            Self::Locked { .. } => "HP-VOL-011",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Refused(faults) => faults.first().map(|fault| fault.remedy.clone()).filter(|text| !text.is_empty()),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Some("run this as root".into()),
                std::io::ErrorKind::StorageFull => Some("make room on the file system and repeat the command".into()),
                std::io::ErrorKind::ReadOnlyFilesystem => Some(
                    "see the kernel's log (`dmesg`) for why the file system is read-only, and check the disk".into(),
                ),
                _ => Some("see the kernel's log (`dmesg`) for a failing disk, and repeat the command".into()),
            },
            Self::Mounts(_) => Some("report this with the text of `/proc/self/mountinfo`".into()),
            Self::Changed { .. } => {
                Some("find out who mounts, moves or links directories there, and repeat the command".into())
            }
            Self::Tree(_) => Some("see the kernel's log (`dmesg`) for a failing disk".into()),
            Self::Locked { .. } => Some("wait until the other command has ended, and repeat this one".into()),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Refused(faults) => faults,
            _ => &[],
        }
    }
}

fn summary(faults: &[Fault]) -> String {
    match faults {
        [] => "no fault is named".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
