//! The store of snapshots, as `spec/store.md` lays it out.

mod object;

pub use object::{OBJECT_MAX, ObjectId, ObjectIdError};
