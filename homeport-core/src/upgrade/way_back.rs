//! Owns how one gets back from where a plan leads, said before the plan is carried out.
//! Never goes back itself: that is a proposal and a plan of its own.

use std::collections::BTreeMap;

use super::plan::{Move, Step};
use super::proposal::{Direction, Proposal};
use crate::manifest::{Backup, Reversible};
use crate::name::VolumeName;

/// How one gets back once the candidate has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// By steps alone, or by nothing: what was written meanwhile is kept.
    Reversible,
    /// By the snapshot that is taken before, of what is there now.
    BySnapshot {
        /// What that would lose of each volume that it is about.
        lost: BTreeMap<VolumeName, Loss>,
    },
}

/// What going back loses of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// What was written since the snapshot that is taken before.
    SinceSnapshot,
    /// All of it: no snapshot holds the volume.
    Everything,
}

/// A snapshot is one state of the whole instance: where one volume needs it, all that it holds go back. What is set back is
/// always in it: what is there now is what the way back leads to. [spec: UPG-23, UPG-27, UPG-44]
pub(super) fn way_back(proposal: &Proposal<'_>, volumes: &BTreeMap<VolumeName, Move>) -> WayBack {
    let needed = volumes.iter().any(|(name, moved)| needs_snapshot(proposal, name, moved));
    if !needed {
        return WayBack::Reversible;
    }
    let installed = &proposal.installed.manifest.volumes;
    let lost = volumes.iter().filter_map(|(name, moved)| {
        let before = installed.get(name)?;
        let held = before.backup != Backup::Never || matches!(moved, Move::Restore { .. });
        let loss = match (held, needs_snapshot(proposal, name, moved)) {
            (true, _) => Loss::SinceSnapshot,
            (false, true) => Loss::Everything,
            (false, false) => return None,
        };
        Some((name.clone(), loss))
    });
    WayBack::BySnapshot { lost: lost.collect() }
}

/// Whether nothing but a snapshot leads back: it alone has a format of this volume that the installed version works with, or
/// it alone has what is there now.
pub(super) fn needs_snapshot(proposal: &Proposal<'_>, name: &VolumeName, moved: &Move) -> bool {
    match moved {
        Move::Restore { .. } => true,
        Move::Migrate(steps) => steps.iter().any(|step| is_one_way(proposal, name, step)),
        Move::Create(_) | Move::Stay(_) | Move::SetAside(_) => false,
    }
}

/// Whether the way back would have to go over this step and cannot: only as far down as the installed version needs it.
pub(super) fn is_one_way(proposal: &Proposal<'_>, name: &VolumeName, step: &Step) -> bool {
    let before = proposal.installed.manifest.volumes.get(name);
    proposal.direction == Direction::Up
        && step.back == Reversible::No
        && before.is_some_and(|before| step.from >= before.format)
}
