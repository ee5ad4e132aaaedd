//! The store of snapshots: packs of objects, entries and snapshots on a disk, by the rules of `spec/store.md`.
//!
//! ```text
//! Store::create / open -> Store
//!   writer() -> StoreWriter      put(bytes) -> ObjectId, entries, seal, commit(head) -> SnapshotHead
//!   catalog() -> Catalog         the snapshots that exist, and those that are damaged
//!   objects() -> Objects         read(id): compared with its name, or an error
//!   entries(id) -> lines         compared with their name, or an error
//!   collect                      what no snapshot needs moves to removed/, and is unlinked seven days later
//! ```

mod identity;
mod object;

pub use identity::{EntriesId, Hex, ObjectId, PackId, Sequence, SnapshotUuid, StoreUuid};
pub use object::OBJECT_MAX;
