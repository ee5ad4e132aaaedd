//! Restoring: a tree is built beside the live one, compared byte by byte with its snapshot, and exchanged with it in one
//! step. There is no instant without `data/`, and none at which it is neither the old tree nor the new one.
//!
//! ```text
//! survey -> judge                                   nothing is touched
//! Held -> prepare -> exchange -> settle             built, compared, live; the old tree is in the trash
//!             |-> discard  \-> exchange_back        the old tree is live again
//!             \-> lend -> take_back                 a migration changes the staged tree before the exchange
//! stage_trashed -> exchange -> settle               a restore is undone, in constant time
//! hold_for_restore -> recover                       after a crash at any point
//! ```
//!
//! The rules are in `spec/store.md` (section 6) and `spec/volumes.md` (section 8).

mod area;
mod build;
mod compare;
mod discard;
pub(crate) mod erase;
mod error;
mod exchange;
pub(crate) mod journal;
mod late;
mod lend;
mod observe;
mod one;
mod part;
mod plan;
mod recover;
mod settle;
mod source;
mod stage;
mod staged;
mod way;

pub use build::{Built, Devices, build};
pub use compare::{Compared, Top, compare};
pub use discard::{Discarded, discard, leftovers};
pub use error::{Difference, RestoreError};
pub use exchange::{Back, Exchange, Keeping, exchange, exchange_back};
pub use late::{gone_from_top, newest_change};
pub use lend::{Lent, lend, show, take_back};
pub use one::take_out;
pub use plan::{Reading, Room, Survey, survey};
pub use recover::{Recovered, hold_for_restore, recover};
pub use settle::{Settled, settle, stage_trashed};
pub use source::{Source, Stored};
pub use stage::{Wanted, prepare};
