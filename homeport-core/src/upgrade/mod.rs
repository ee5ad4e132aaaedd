//! Upgrades as values: what changed between two manifests, whether an instance may go from one to the other, how its
//! data and its configuration get there, and how they get back.
//!
//! | question | answer |
//! |---|---|
//! | what changed, and which version does that ask for? | [`compare()`] gives a [`Change`] for each difference, by its [`Rule`] |
//! | may this instance go there? | [`verdict()`] on a [`Proposal`] gives a [`Verdict`] with every reason |
//! | how does its data get there, and back? | [`plan()`] gives a [`MigrationPlan`] with its [`WayBack`] |
//! | and its configuration? | [`carry()`] gives what is [`Stored`] from then on, or every fault |
//!
//! Nothing here acts, and nothing is asked of a clock or a disk: what is installed comes in as values.
//!
//! ```
//! use homeport_core::upgrade::{Bump, compare};
//!
//! let version = |version: &str, port: u16| {
//!     let text = format!(
//!         r#"{{
//!             "protocol": "1.0",
//!             "port": {{ "id": "hello", "version": "{version}", "title": "Says hello" }},
//!             "endpoints": {{ "web": {{ "port": {port}, "protocol": "http" }} }}
//!         }}"#
//!     );
//!     homeport_core::manifest::parse(text.as_bytes())
//! };
//! let (old, new) = (version("1.0.0", 80)?, version("1.0.1", 8080)?);
//! let changes = compare(&old, &new);
//! assert_eq!((changes[0].rule.id, changes[0].subject.as_str()), ("endpoint-port-changed", "/endpoints/web/port"));
//! assert!(Bump::between(&old.port.version, &new.port.version) < Some(changes[0].rule.bump));
//! # Ok::<(), homeport_core::manifest::ManifestError>(())
//! ```

mod bump;
mod carry;
mod change;
mod compare;
mod plan;
mod proposal;
mod rule;
mod stored;
mod verdict;
mod way_back;

pub use bump::{Bump, is_same_version, newest};
pub use carry::{Carried, Note, WhyNot, carry};
pub use change::Change;
pub use compare::compare;
pub use plan::{Image, MigrationPlan, Move, Step, plan};
pub use proposal::{Direction, Formats, Past, Proposal, Release};
pub use rule::{Rule, rules};
pub use stored::{Kept, Origin, Parked, Replacement, Stored};
pub use verdict::{Verdict, other_port, verdict};
pub use way_back::{Loss, WayBack};
