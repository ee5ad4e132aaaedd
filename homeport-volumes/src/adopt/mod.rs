//! Adoption and moving: how what is on a disk already becomes a volume of this HomePort. Nothing that a user made is
//! changed: no content, inode, time, owner or attribute of it; names are moved within one directory.
//!
//! ```text
//! plan -> Plan::Directory -> adopt_directory -> settle            a plain directory becomes a volume
//!     |                                     \-> take_back         and is one again no more
//!     \-> Plan::Volume    -> change_marker(found, becomes)        a volume of another, or an older copy
//! plan_move -> Relocation -> relocate                             a known volume at another path
//! ```
//!
//! Nothing here writes the ledger: the host does, after the disk. Every act may be repeated after a crash at any point.

mod blockers;
mod change;
mod directory;
mod moving;
mod plan;
mod record;
mod root;
mod take_back;

pub use change::change_marker;
pub use directory::{adopt_directory, finish_adoption};
pub use moving::{MoveWay, Relocation, plan_move, relocate};
pub use plan::{DirectoryPlan, Plan, Shape, VolumePlan, plan};
pub use take_back::{TakenBack, settle, take_back};
