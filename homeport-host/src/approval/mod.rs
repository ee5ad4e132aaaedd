//! Consent: what would delete or overwrite data is carried out only with a token that was given out for exactly that.
//!
//! ```text
//! plan -> Facts -> digest ──> issue: one token, for an hour ──> shown to the operator
//! plan again -> Facts ──> judge: same command, same facts, not used, not expired ──> use_up, with the operation's begin
//! ```
//!
//! A token says what it allows and nothing else: another volume, another generation, a file more, and it counts for
//! nothing; the refusal then names what differs. Never decides what needs consent.

mod error;
mod facts;
mod give;
mod token;

pub use error::{ApprovalError, Difference};
pub use facts::Facts;
pub(crate) use give::issue;
pub use give::{Issued, TokenUse, judge};
pub use token::{Token, TokenError};
