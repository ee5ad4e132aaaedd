//! Carrying plans out: every step is in the journal before it begins and after it is done.
//!
//! ```text
//!            ┌────────────── step ──────────────┐
//! begin ──> begun ── apply ──> done ──> ... ──> end: done
//!                      │ fails
//!                      ├─ what goes back (`Kind::course`): evidence, then undo from here to the first step ──> undone
//!                      │                                                  │ fails
//!                      │                                                  └──> stuck: the next command tries again
//!                      └─ what goes on: stays open, the next command finishes it
//! ```
//!
//! Where the process dies, at any of these points, the journal says how far it came, and `resume` goes on from there in
//! the same direction. The last step of an operation and its end are one transaction, if the step only writes to the
//! ledger. Never decides what the steps are.

mod adopt;
mod apply;
mod commit;
mod error;
mod evidence;
mod fence;
mod holding;
mod journal;
pub(crate) mod known;
mod lead;
mod memory;
mod present;
mod ready;
pub(crate) mod records;
mod replace;
mod resume;
mod room;
mod session;
mod sight;
mod take_over;
mod task;
mod trash;
mod undo;
mod version;
mod written;

pub use error::{KeptVolume, RunError, StepError};
pub use evidence::{Evidence, exit_meaning};
pub(crate) use holding::RENEW;
pub(crate) use journal::with_causes;
pub(crate) use replace::KEPT;
pub(crate) use resume::resume;
pub(crate) use session::{Adopting, Session};
