//! Taking out: what no snapshot needs goes to `removed/`, and from there, seven days later, for good.
//!
//! ```text
//! Removal, store -> survey (reads every snapshot that stays, and all its entries) -> Survey, or everything in the way
//! Survey -> plan (pure) -> CollectionPlan -> act: expired batches, snapshots, entries, packs, packs written anew
//! ```
//!
//! Each step leaves a store in which every snapshot that is listed is whole.

mod act;
mod expire;
mod plan;
mod survey;
mod value;

pub(super) use act::{collect, look};
pub use value::{Collected, CollectionPlan, Removal, Rewriting};
