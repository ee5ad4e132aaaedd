//! The store of snapshots: packs of objects, entries and snapshots on a disk, by the rules of `spec/store.md`.
//!
//! ```text
//! Store::create / open -> Store
//!   writer() -> StoreWriter      put(bytes) -> ObjectId, entries, seal, commit(body) -> SnapshotHead
//!   catalog() -> Catalog         the snapshots that exist, and those that are damaged
//!   objects() -> Objects         read(id): compared with its name, or an error
//!   entries(id) -> lines         compared with their name, or an error
//!   collect                      what no snapshot needs moves to removed/, and is unlinked seven days later
//! ```

mod apart;
mod catalog;
mod collect;
mod create;
mod document;
mod draft;
mod entries;
mod error;
mod frame;
mod give_up;
mod handles;
mod head;
mod identity;
mod later;
mod line;
mod load;
mod lock;
mod marks;
mod names;
mod object;
mod objects;
mod pack;
mod place;
mod prove;
mod removed;
mod sink;
#[expect(clippy::module_inception, reason = "the noun of this folder has a file like every other")]
mod store;
mod table;
mod tmp;
mod writer;

pub use apart::check_apart;
pub use catalog::Catalog;
pub use collect::{Collected, CollectionPlan, Removal, Rewriting};
pub use document::{Compression, Document, DocumentFault};
pub(crate) use entries::ReadWhole;
pub use entries::{EntriesLines, EntriesTotals};
pub use error::StoreError;
pub use give_up::DamagedFile;
pub use head::{Alarm, Consistency, HeadFault, Measure, Reason, SnapshotBody, SnapshotHead, VolumePart};
pub use identity::{EntriesId, Hex, ObjectId, PackId, Sequence, SnapshotUuid, StoreUuid};
pub(crate) use marks::Marks;
pub use object::OBJECT_MAX;
pub use objects::Objects;
pub use place::Space;
pub use sink::EntriesSink;
pub use store::Store;
pub use writer::{Sealed, StoreWriter, WrittenEntries};
