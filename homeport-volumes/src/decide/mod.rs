//! Owns the decision: may this volume be made, or taken into use? Pure: the same facts give the same verdict.
//! Never looks at a disk.
//!
//! Every fault that stands for itself is returned. A fault that only follows from another one is left out: when the disk
//! is not mounted, nothing is said about what its empty mount point lacks.
//!
//! ```text
//!                      | never known                          | known to the ledger
//! ---------------------+--------------------------------------+---------------------------------------
//! no directory         | default path: Create, else HP-VOL-001 | HP-VOL-001 or HP-VOL-002
//! empty, or half made  | Create                               | HP-VOL-005
//! other things in it   | HP-VOL-003                           | HP-VOL-003
//! marker of this one   | Attach                               | Attach
//! marker of another    | HP-VOL-004                           | HP-VOL-004
//! ```
//!
//! `Create` never follows for a volume that is known, whatever is found. [spec: VOL-18]

mod amount;
mod condition;
mod content;
mod judge;
mod notice;
mod place;
#[cfg(test)]
mod tests;
mod verdict;

use homeport_core::fault::Fault;

use crate::facts::{Content, Facts};
use crate::request::{Known, Request};
use judge::Judge;

pub use notice::notices;
pub use verdict::{Novelty, Start, Verdict};

/// Whether a directory without a marker holds nothing.
pub(crate) fn is_blank(content: &Content) -> bool {
    judge::blank(content).is_some()
}

/// What is wrong with the place of `request` alone, whatever is in it: overlaps, users, path, disk and space.
pub(crate) fn judge_place(request: &Request, facts: &Facts) -> Vec<Fault> {
    Judge { request, known: None, facts, faults: Vec::new() }.place_only()
}

/// Judges the volume of `request` by the facts.
///
/// # Errors
/// All faults, at least one, in the order of their codes. Nothing may be started or made then. [spec: VOL-17]
pub fn decide(request: &Request, known: Option<&Known>, facts: &Facts) -> Result<Verdict, Vec<Fault>> {
    let judge = Judge { request, known, facts, faults: Vec::new() };
    judge.run()
}
