//! Owns what was found on the disk, as values that `decide` can judge without looking again. Never judges.

use std::path::PathBuf;

use homeport_core::unit::{Bytes, Format, Inodes, Uid};

use crate::filesystem::FsIdentity;
use crate::fstab::FstabEntry;
use crate::identity::{TxId, VolumeUuid};
pub use crate::marker::file::MarkerFact;
pub use crate::open::PathFact;
use crate::owner::Owner;
use crate::path::{Relation, VolumePath};

/// Everything that the checks of one volume go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What is at the path.
    pub path: PathFact,
    /// Where the path is, or the deepest directory above it that exists; `None` if not even that can be opened.
    pub place: Option<Place>,
    /// A mount point on the way that `fstab` lists and that is not mounted.
    pub unmounted: Option<FstabEntry>,
    /// The remembered mount point, if nothing is mounted there.
    pub lost_mount: Option<VolumePath>,
    /// What the path overlaps with.
    pub overlaps: Vec<Overlap>,
    /// What is mounted below the path.
    pub mounts_inside: Vec<PathBuf>,
    /// Who else sees the directory.
    pub users: Vec<User>,
    /// Whether the data root of a default path exists; `true` for an operator's path.
    pub data_root_exists: bool,
    /// What is in the directory, if it is one.
    pub content: Option<Content>,
}

/// The file system at a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory that was asked.
    pub directory: VolumePath,
    /// Where its file system is mounted.
    pub mount_point: PathBuf,
    /// Which file system it is.
    pub fs: FsIdentity,
    /// Whether it, or the mount, is read-only.
    pub read_only: bool,
    /// Whether no program on it can be run.
    pub no_exec: bool,
    /// What an ordinary user can still write.
    pub free_bytes: Bytes,
    /// What an ordinary user can still make; `None` where the file system does not count inodes.
    pub free_inodes: Option<Inodes>,
}

/// Another directory that overlaps with the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// What it is.
    pub label: String,
    /// Where it is.
    pub path: VolumePath,
    /// How the volume lies to it.
    pub relation: Relation,
}

/// A process in another root directory that has the volume mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The process.
    pub pid: u32,
    /// Its name, as the kernel has it.
    pub command: String,
    /// Where it sees the directory.
    pub mount_point: PathBuf,
}

/// What is in `VOL/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Owner and mode of `VOL/` itself.
    pub owner: Owner,
    /// Some names in it that are no part of a volume, at most [`Content::NAMES`].
    pub strangers: Vec<String>,
    /// HomePort's own directory.
    pub home: HomeFact,
    /// The marker.
    pub marker: MarkerFact,
    /// The data.
    pub data: DataFact,
    /// What SELinux says about the data.
    pub label: LabelFact,
    /// A quick look into the data; `None` where there is no volume yet, or nobody wants to write.
    pub sample: Option<Sample>,
    /// Whether it can be written to.
    pub probe: ProbeFact,
    /// Whether another process operates on it.
    pub lock: LockFact,
    /// Whether an exchange of its data was begun.
    pub journal: JournalFact,
}

impl Content {
    /// How many names are looked at: enough for a message.
    pub const NAMES: usize = 8;
}

/// What is found at `VOL/.homeport`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeFact {
    /// Nothing.
    Absent,
    /// Something else than a directory on the same mount.
    NotADirectory,
    /// A directory.
    Present {
        /// Owner and mode.
        owner: Owner,
        /// Names in it that a volume without a marker cannot have.
        strangers: Vec<String>,
    },
}

/// What is found at `VOL/data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataFact {
    /// Nothing.
    Absent,
    /// Something else than a directory on the same mount.
    NotADirectory,
    /// A directory.
    Present {
        /// Owner and mode.
        owner: Owner,
        /// Whether there is anything in it.
        filling: Filling,
        /// Whose data it says to be.
        stamp: StampFact,
    },
}

/// Whether there is anything in `data/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// Nothing at all.
    Empty,
    /// At least one name.
    Filled,
}

/// The extended attribute of `data/`. [spec: VOL-7]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StampFact {
    /// The file system has no such attributes.
    Unsupported,
    /// There is none.
    Absent,
    /// There is one that HomePort did not write.
    Strange(String),
    /// It names a volume.
    Stamp {
        /// The volume.
        uuid: VolumeUuid,
        /// The format of the data.
        format: Format,
    },
}

/// What SELinux has to do with a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelFact {
    /// Nothing is enforced on this machine.
    NotEnforced,
    /// It is, and the directory has this label.
    Enforced(Option<String>),
}

/// What a quick look into `data/` showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How many entries were looked at.
    pub entries: u64,
    /// The sum of the sizes of the regular files among them.
    pub bytes: Bytes,
    /// Whether that is everything.
    pub reached: Reached,
    /// How many of them belong to whom.
    pub owners: Vec<(Uid, u64)>,
}

/// How far a quick look came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Everything was looked at.
    Everything,
    /// There is more.
    Part,
}

/// What writing a file showed. [spec: VOL-16]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFact {
    /// It was not tried: there is no marker yet, or only reading is wanted.
    NotTried,
    /// A file was made, synced and removed.
    Passed,
    /// The file system is read-only.
    ReadOnly,
    /// The file system is full, or the quota is.
    Full,
    /// Something else went wrong.
    Failed(String),
}

/// Whether another process holds the lock. [spec: VOL-14]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockFact {
    /// No.
    Free,
    /// Yes.
    Held,
}

/// What the journal in `.homeport/` says. [spec: VOL-46]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalFact {
    /// Nothing: there is none.
    Absent,
    /// An exchange is complete, and waits to be settled or taken back.
    Finished {
        /// Its transaction.
        tx: TxId,
    },
    /// An exchange was begun, and neither it nor the way back is complete.
    Unfinished {
        /// Its transaction.
        tx: TxId,
    },
    /// There is a journal that cannot be read.
    Damaged {
        /// Why not.
        reason: String,
    },
}
