//! Identity, checks and mounts of HomePort's volumes.
//!
//! What can never happen to a volume while only this crate touches it:
//!
//! - It is mounted into another instance, port or place than the one that its marker names.
//! - A disk that is missing, set back or exchanged is taken for a new, empty volume.
//! - A check changes anything, or a failed check leads to making something.
//! - A directory with something in it is removed, but by [`trash::empty`], from the trash.
//!
//! The way of a volume into a container, each step possible only after the one before:
//!
//! ```text
//! Request + Known -> examine -> Facts -> decide -> Verdict          check() does these in one
//!   Create: Creatable::create -> Ready      Attach: Ready
//!   Ready::begin_use -> InUse               the lock, generation + 1
//!   Mounts::mount(InUse::data) -> Mounted   the checked descriptor, below a read-only tmpfs
//!   compare_mount                           what the started container really sees
//! check_readable -> Readable                to read beside the container, as a snapshot does
//! ```
//!
//! A volume goes out of use by way of [`trash`], and what is on a disk already becomes one by way of [`adopt`].
//!
//! The rules are in `spec/volumes.md`; the code cites them as `[spec: VOL-n]`. What is known about a volume beforehand
//! ([`Known`]) comes from the host's ledger; this crate keeps no state of its own beside the volumes. [spec: VOL-1]

pub mod adopt;
mod begin;
mod check;
mod container;
mod create;
mod decide;
mod directory;
mod error;
mod examine;
mod facts;
pub mod failpoint;
mod file;
mod filesystem;
mod fstab;
mod identity;
mod layout;
mod lock;
mod lost;
mod marker;
mod mountinfo;
mod mounts;
mod open;
mod owner;
mod path;
pub mod progress;
mod readable;
mod record;
mod remove;
mod request;
pub mod restore;
pub mod room;
mod sample;
mod sealed;
pub mod snapshot;
mod stamp;
pub mod store;
pub mod trash;
pub mod tree;
mod users;

pub use begin::{Held, InUse};
pub use check::{Checked, CheckedData, Creatable, Ready, check, check_among};
pub use container::{check_declared, compare_mount};
pub use create::{Before, Created};
pub use decide::{Novelty, Start, Verdict, decide, notices};
pub use error::VolumeError;
pub use examine::{Examined, Machine, examine};
pub use facts::{
    Content, DataFact, Facts, Filling, HomeFact, JournalFact, LabelFact, LockFact, MarkerFact, Overlap, PathFact,
    Place, ProbeFact, Reached, Sample, StampFact, User,
};
pub use filesystem::{FsClass, FsIdentity, Sameness};
pub use fstab::FstabEntry;
pub use identity::{Generation, IdentityError, RootId, TxId, UnixSeconds, VolumeUuid};
pub use lost::{Lost, lost};
pub use marker::{Marker, MarkerFault, MarkerVersion};
pub use mountinfo::{DeviceNumber, Location, Mount, MountTable, MountTableError};
pub use mounts::{Change, Mounted, Mounts, Unmounted};
pub use owner::Owner;
pub use path::{Relation, VolumePath, VolumePathError};
pub use readable::{Readable, check_readable};
pub use record::RecordFault;
pub use remove::{Removal, remove_if_blank};
pub use request::{Access, Counted, Known, Neighbour, Origin, Remembered, Request, Reserve};
pub use users::Processes;
