//! Owns what could not be read in one scan: every entry by name as far as there is room, all of them by number. Never
//! decides to go on: a scan with any trouble fails.

use homeport_core::fault::{Advice as _, Fault};
use homeport_core::name::VolumeName;
use rustix::io::Errno;

use crate::snapshot::error::SnapshotError;
use crate::tree::{TreeFault, TreePath};

/// How many entries are named.
const NAMED: usize = 100;

/// The entries that stood in the way of a snapshot. [spec: STO-23]
#[derive(Debug)]
pub(super) struct Troubles {
    volume: VolumeName,
    faults: Vec<Fault>,
    total: u64,
}

impl Troubles {
    pub(super) fn of(volume: &VolumeName) -> Self {
        Self { volume: volume.clone(), faults: Vec::new(), total: 0 }
    }

    /// The entry, or a part of it, cannot be read.
    pub(super) fn unreadable(&mut self, path: &TreePath, action: &str, errno: Errno) {
        let said = std::io::Error::from(errno);
        let remedy = match errno {
            Errno::IO | Errno::UCLEAN | Errno::BADMSG => {
                "the disk or its file system is damaged: see the kernel's log (`dmesg`), and save what can still be read"
            }
            Errno::ACCESS | Errno::PERM => "run this as root, with all capabilities",
            _ => "see why the entry cannot be read, and repeat the command",
        };
        self.add("HP-SNA-001", path, format!("cannot {action} `{}/{path}`: {said}", self.volume), remedy);
    }

    /// The entry changed although nothing should write.
    pub(super) fn changed(&mut self, path: &TreePath) {
        let message = format!("`{}/{path}` changed while it was read, though the port is stopped", self.volume);
        self.add("HP-SNA-002", path, message, "find out who writes into the volume, and repeat the command");
    }

    /// What the walk met in an entry's place.
    pub(super) fn fault(&mut self, fault: &TreeFault) {
        let mut text = fault.to_string();
        let mut source = std::error::Error::source(fault);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        let remedy = fault.help().unwrap_or_default();
        self.add(fault.code(), fault.path(), format!("in the volume `{}`: {text}", self.volume), &remedy);
    }

    fn add(&mut self, code: &'static str, path: &TreePath, message: String, remedy: &str) {
        self.total += 1;
        if self.faults.len() < NAMED {
            self.faults.push(Fault::new(code, path.to_string(), message).remedy(remedy).clause("STO-23"));
        }
    }

    /// An error if there was any trouble.
    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        if self.total == 0 {
            return Ok(());
        }
        Err(SnapshotError::Entries { volume: self.volume, faults: self.faults, total: self.total })
    }
}
