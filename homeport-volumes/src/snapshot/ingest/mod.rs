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
mod look;
mod pass;
mod pieces;
mod run;
mod storing;
mod trouble;
mod trust;
mod walking;

pub(crate) use compare::unchanged;
pub(crate) use content::{ContentReader, ReadError};
pub(crate) use destination::Destination;
pub use run::{Calm, Ingested};
pub(crate) use run::{Care, ingest, look_only};
pub(crate) use storing::{Keeper, unnamed_file};
pub(crate) use trust::Trust;
