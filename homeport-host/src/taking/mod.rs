//! Taking a snapshot of an instance's volumes: what is read under which promise, and what is said of the instance.
//!
//! ```text
//! records -> check each -> store's lock -> [warm each -> freeze] -> read each -> [thaw] -> look again -> commit
//! ```
//!
//! What is read ahead of a stop is the first half alone: it leaves objects, and no snapshot.
//!
//! Used by the operation that makes a snapshot and by those that make one before they replace something. Holds the
//! store's lock only; whoever needs the operation lock as well has it before.

mod about;
mod baseline;
mod error;
mod freeze;
mod note;
mod standing;
mod still;
mod take;

pub(crate) use baseline::counted;
pub(crate) use error::TakeError;
pub(crate) use freeze::{Hook, end_freezes, forget_freeze, thaw_forgotten};
pub(crate) use standing::Standing;
pub(crate) use still::what_may_write;
pub(crate) use take::{Ahead, Taking, Took};
