//! Owns the verdict on a proposal: allowed, to be approved or refused, with every reason.
//! Never acts, and never approves for anybody.

use std::collections::BTreeMap;

use semver::{Prerelease, Version};

use super::bump::{Bump, is_same_version};
use super::change::Change;
use super::compare::compare;
use super::plan::{BETWEEN, Move, moves, subject};
use super::proposal::{Direction, Past, Proposal};
use super::rule::TOO_SMALL;
use super::way_back::{Loss, WayBack, is_one_way, needs_snapshot, way_back};
use crate::digest::Digest;
use crate::fault::Fault;
use crate::manifest::Manifest;
use crate::name::VolumeName;

/// Whether an instance may go from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and there is a way back that loses nothing.
    Allowed,
    /// It may if an operator agrees to each of these.
    NeedsApproval(Vec<Fault>),
    /// It may not: every reason. What would have to be approved beside them stands last.
    Refused(Vec<Fault>),
}

/// What is forbidden for the sake of values that an operator set: they go along also where data is set back.
const OF_VALUES: [&str; 2] = ["HP-UPG-013", "HP-UPG-014"];

/// Judges a proposal. Nothing is left out because of something else that was found, but for another port: of that nothing else
/// can be said. [spec: UPG-6, UPG-7, UPG-27]
pub fn verdict(proposal: &Proposal<'_>) -> Verdict {
    if let Some(other) = other_port(proposal.installed.manifest, proposal.candidate.manifest) {
        return Verdict::Refused(vec![other]);
    }
    let mut refused = versions(proposal);
    refused.extend(protocol(proposal));
    if proposal.direction == Direction::Up {
        // It was at the candidate already, maybe over versions in between.
        let is_back = matches!(proposal.past, Past::Left(_));
        refused.extend(range(proposal).filter(|_| !is_back));
        refused.extend(changes(proposal).into_iter().filter(|fault| !is_back || OF_VALUES.contains(&fault.code)));
    }
    let (volumes, faults) = moves(proposal);
    refused.extend(faults);
    let approvals = approvals(proposal, &volumes);
    match (refused.is_empty(), approvals.is_empty()) {
        (true, true) => Verdict::Allowed,
        (true, false) => Verdict::NeedsApproval(approvals),
        (false, _) => {
            refused.extend(approvals);
            Verdict::Refused(refused)
        }
    }
}

/// That the candidate is no version of the installed port. Whatever else differs follows from it. [spec: UPG-6, UPG-7]
pub fn other_port(installed: &Manifest, candidate: &Manifest) -> Option<Fault> {
    let (installed, candidate) = (&installed.port.id, &candidate.port.id);
    let fault = || {
        Fault::new("HP-UPG-001", "/port/id", format!("`{candidate}` is another port"))
            .actual(format!("`{candidate}`"))
            .expected(format!("a version of `{installed}`"))
            .remedy("deploy it as an instance of its own")
            .clause("UPG-6")
    };
    (installed != candidate).then(fault)
}

/// A version of another image, or on the wrong side. [spec: UPG-1, UPG-6]
fn versions(proposal: &Proposal<'_>) -> Vec<Fault> {
    let (installed, candidate) = (&proposal.installed.manifest.port, &proposal.candidate.manifest.port);
    let mut faults = Vec::new();
    let (old, new) = (&installed.version, &candidate.version);
    let fault = |code, message: String| Fault::new(code, "/port/version", message);
    let images = [proposal.installed.image, proposal.candidate.image].map(Digest::short);
    if is_same_version(old, new)
        && (proposal.installed.image != proposal.candidate.image
            || proposal.installed.manifest != proposal.candidate.manifest)
    {
        faults.push(
            fault("HP-UPG-002", format!("version `{new}` is that of another image"))
                .actual(format!("image `{}`", images[1]))
                .expected(format!("image `{}`, which is installed: one image for each version", images[0]))
                .remedy("the port's author has to give the new image a version of its own")
                .clause("UPG-1"),
        );
        return faults;
    }
    let (right, wanted, remedy) = match proposal.direction {
        Direction::Up => (Bump::between(old, new).is_some(), "above", "name a newer version, or go back to this one"),
        Direction::Down => {
            (Bump::between(new, old).is_some(), "below", "name an older version, or upgrade to this one")
        }
    };
    if !right {
        faults.push(
            fault("HP-UPG-003", format!("version `{new}` is not {wanted} the installed one"))
                .actual(format!("`{new}`"))
                .expected(format!("a version {wanted} `{old}`"))
                .remedy(remedy)
                .clause("UPG-6"),
        );
    }
    faults
}

/// A protocol that the host does not speak. [spec: MAN-2]
fn protocol(proposal: &Proposal<'_>) -> Option<Fault> {
    let needs = proposal.candidate.manifest.protocol;
    let fault = || {
        Fault::new("HP-UPG-006", "/protocol", format!("the port needs protocol `{needs}`"))
            .actual(format!("`{needs}`"))
            .expected(format!("one that a reader of `{}` understands", proposal.speaks))
            .remedy(format!("upgrade HomePort to one that speaks protocol {needs} first"))
            .clause("MAN-2")
    };
    (!proposal.speaks.understands(needs)).then(fault)
}

/// A version from which the candidate cannot be reached. [spec: MAN-44, UPG-5]
fn range(proposal: &Proposal<'_>) -> Option<Fault> {
    let candidate = proposal.candidate.manifest;
    let installed = &proposal.installed.manifest.port.version;
    let range = candidate.upgrade_from.as_ref().filter(|range| !range.matches(&released(installed)))?;
    let message = format!("version `{}` cannot be reached from `{installed}`", candidate.port.version);
    Some(
        Fault::new("HP-UPG-005", "/upgrade/from", message)
            .actual(format!("`{installed}`"))
            .expected(format!("a version in `{range}`"))
            .remedy("go up to a version in that range first")
            .clause("MAN-44"),
    )
}

/// The version that a pre-release leads to: ranges are asked about that one.
fn released(version: &Version) -> Version {
    Version { pre: Prerelease::EMPTY, ..version.clone() }
}

/// Every change that the version does not allow. [spec: UPG-11, UPG-12]
fn changes(proposal: &Proposal<'_>) -> Vec<Fault> {
    let (old, new) = (proposal.installed.manifest, proposal.candidate.manifest);
    let made = Bump::between(&old.port.version, &new.port.version);
    // What `versions` says with better words.
    let said = ["HP-UPG-001", "HP-UPG-002", "HP-UPG-003"];
    compare(old, new)
        .iter()
        .filter(|change| match change.rule.bump {
            Bump::Forbidden => !said.contains(&change.rule.code),
            wanted => made.is_some_and(|made| made < wanted),
        })
        .map(|change| refuse(change, made, proposal))
        .collect()
}

/// The code of steps that are missing between two versions.
const GAP: &str = "HP-UPG-017";

/// Steps that are missing are those of a version between the two, or of none.
fn gap(change: &Change, before: &Version) -> Fault {
    let format = |format: &Option<String>| format.clone().unwrap_or_default();
    Fault::new(GAP, change.subject.as_str(), format!("{}, `{before}`", change.rule.message))
        .actual(format!("format {}", format(&change.old)))
        .expected(format!("format {} or higher: the new version takes nothing older", format(&change.new)))
        .remedy(BETWEEN)
        .clause("UPG-12")
}

fn refuse(change: &Change, made: Option<Bump>, proposal: &Proposal<'_>) -> Fault {
    let rule = change.rule;
    let (old, new) = (&proposal.installed.manifest.port.version, &proposal.candidate.manifest.port.version);
    // What has no values names the version that made the change.
    let what = Some(change.what()).filter(|what| what.contains('`'));
    let what = what.unwrap_or_else(|| format!("{} in `{new}`", change.what()));
    let fault = Fault::new(rule.code, change.subject.as_str(), what);
    match made {
        Some(made) if rule.code == TOO_SMALL => fault
            .actual(format!("{made} (`{old}`, then `{new}`)"))
            .expected(format!("{} or more", rule.bump))
            .remedy(format!("the port's author has to give it a greater version: {}", rule.witness))
            .clause("UPG-11"),
        _ if rule.code == GAP => gap(change, old),
        _ => fault.remedy(format!("the port's author has to take the change back: {}", rule.witness)).clause("UPG-12"),
    }
}

/// What cannot be undone without a loss. [spec: UPG-23, UPG-26]
fn approvals(proposal: &Proposal<'_>, volumes: &BTreeMap<VolumeName, Move>) -> Vec<Fault> {
    let mut asked = Vec::new();
    let needing = volumes.iter().filter(|(name, moved)| needs_snapshot(proposal, name, moved));
    for (name, moved) in needing {
        match moved {
            Move::Migrate(steps) => {
                for step in steps.iter().filter(|step| is_one_way(proposal, name, step)) {
                    let message =
                        format!("the step of `{name}` from format {} to {} cannot be taken back", step.from, step.to);
                    asked.push(
                        Fault::new("HP-UPG-101", subject(name), message)
                            .remedy("approve it: going back later loses what was written since the upgrade")
                            .clause("UPG-23"),
                    );
                }
            }
            _ => asked.push(
                Fault::new("HP-UPG-103", subject(name), format!("the data of `{name}` goes back to the snapshot's"))
                    .remedy("approve it: what was written since that snapshot is not there afterwards")
                    .clause("UPG-26"),
            ),
        }
    }
    if let WayBack::BySnapshot { lost } = way_back(proposal, volumes) {
        for (name, _) in lost.iter().filter(|(_, loss)| **loss == Loss::Everything) {
            asked.push(
                Fault::new("HP-UPG-102", subject(name), format!("no snapshot holds `{name}`"))
                    .remedy("approve it: going back later loses all that is in it")
                    .clause("UPG-23"),
            );
        }
    }
    asked
}
