//! Reading one volume: what is as it was is taken from the entries before, the rest is read into objects.
//!
//! ```text
//! Walk ─┐
//!       ├─ Pass: batches of look -> syncfs -> read ─> Destination (objects and lines)
//! before┘
//! ```

mod compare;
mod content;
mod destination;
mod links;
mod pass;
mod pieces;
mod run;
mod storing;
mod trouble;
mod trust;

pub use run::{Calm, Ingested};
pub(crate) use run::{Care, ingest};
pub(crate) use storing::Keeper;
