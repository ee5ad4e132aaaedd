//! Upgrades as values: what changed between two manifests, and which version that asks for.
//!
//! Nothing here acts, and nothing is asked of a clock or a disk.

mod bump;
mod change;
mod compare;
mod rule;

pub use bump::{Bump, is_same_version, newest};
pub use change::Change;
pub use compare::compare;
pub use rule::{Rule, rules};
