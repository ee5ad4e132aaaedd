//! Owns the question whether anything is left of a known volume where it should be. Decides nothing, changes nothing.

use crate::decide::is_blank;
use crate::error::VolumeError;
use crate::examine::{Machine, examine};
use crate::facts::{MarkerFact, PathFact};
use crate::request::{Known, Request};

/// Why there is nothing of a volume at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lost {
    /// There is no directory: it was removed, or its disk is gone.
    Missing,
    /// There is a directory, and neither a marker nor anything else in it: an empty mount point, for example.
    Blank,
}

/// Whether nothing at all is left of the known volume at its path; `None` where anything is there, also something else.
///
/// A disk that is not mounted looks the same as one that is gone: only a person knows. [spec: VOL-18]
///
/// # Errors
/// What the operating system refused.
pub fn lost(machine: &Machine, request: &Request, known: &Known) -> Result<Option<Lost>, VolumeError> {
    let facts = examine(machine, request, Some(known))?.facts;
    if known.path != request.path {
        return Ok(None);
    }
    Ok(match (&facts.path, &facts.content) {
        (PathFact::Missing { .. }, _) => Some(Lost::Missing),
        (PathFact::Directory, Some(content)) if content.marker == MarkerFact::Absent && is_blank(content) => {
            Some(Lost::Blank)
        }
        _ => None,
    })
}
